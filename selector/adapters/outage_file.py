"""What does a look from outside remember of an outage until the next look?"""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from pathlib import Path

from selector.domain.service import Outage
from selector.errors import StateUnavailableError

NAME = "outage.json"
MOST_BYTES = 1 << 16


def read_outage(folder: Path) -> Outage | None:
    """Return what the last look left in the state folder; None where there is none, or none that can be read."""
    try:
        with (folder / NAME).open("rb") as file:
            found = json.loads(file.read(MOST_BYTES))
        return Outage(_moment(found["since"]), {str(name): _moment(at) for name, at in found["told"].items()})
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _moment(text: str) -> datetime:
    """Return the moment; in UTC where the text does not say, so that it can be compared."""
    found = datetime.fromisoformat(text)
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def write_outage(folder: Path, outage: Outage | None) -> None:
    """Leave it for the next look; None removes it.

    Raises:
        StateUnavailableError: it cannot be written. Whoever cannot remember whom he told should tell nobody.

    """
    path, fresh = folder / NAME, folder / f".{NAME}.{os.getpid()}"
    try:
        if outage is None:
            path.unlink(missing_ok=True)
            return
        told = {name: at.isoformat() for name, at in outage.told.items()}
        fresh.write_text(json.dumps({"since": outage.since.isoformat(), "told": told}))
        fresh.replace(path)
    except OSError as error:
        fresh.unlink(missing_ok=True)
        raise StateUnavailableError(
            f"{path} cannot be written ({error.strerror}), so nobody was told", advice="make room, or check its owner"
        ) from error
