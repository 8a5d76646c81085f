"""How does a file say that the service lives, for those who look from outside and trust no process?"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from selector.domain.service import ServiceState
from selector.ports import Clock

NAME = "heartbeat.json"
MOST_BYTES = 1 << 16
FRESH = timedelta(minutes=2)


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """What the file says.

    Attributes:
        at: when it was written; the loop had kept its promises until then.
        good_at: the end of the last turn in which MLflow could be read.

    """

    at: datetime
    phase: str
    pid: int
    doing: str
    good_at: datetime | None
    mlflow: str


class HeartbeatFile:
    """One small file, replaced as a whole.

    Args:
        folder: the state folder.

    """

    def __init__(self, folder: Path, clock: Clock) -> None:
        self._path, self._clock = folder / NAME, clock

    def write(self, state: ServiceState) -> None:
        """Say that the service lives; a full disk only lets the file grow old, which is noticed.

        One that stands by or only begins on the same state leaves the word to the one that is at work.
        """
        if state.phase in {"starting", "standby"} and self._another_is_at_work():
            return
        document = {
            "at": self._clock.now().isoformat(timespec="seconds"),
            "phase": state.phase,
            "pid": os.getpid(),
            "doing": state.doing,
            "good_at": state.good_at.isoformat(timespec="seconds") if state.good_at else None,
            "mlflow": state.mlflow,
        }
        fresh = self._path.with_name(f".{NAME}.{os.getpid()}")
        try:
            fresh.write_text(json.dumps(document))
            fresh.replace(self._path)
        except OSError:
            fresh.unlink(missing_ok=True)

    def _another_is_at_work(self) -> bool:
        found = read_heartbeat(self._path.parent)
        if found is None or found.phase == "stopping" or found.pid == os.getpid():
            return False
        return abs(self._clock.now() - found.at) < FRESH


def read_heartbeat(folder: Path) -> Heartbeat | None:
    """Return what the file says; None where there is none, or none that can be read."""
    try:
        with (folder / NAME).open("rb") as file:
            told: dict[str, Any] = json.loads(file.read(MOST_BYTES))
        good = told["good_at"]
        return Heartbeat(
            at=datetime.fromisoformat(told["at"]),
            phase=str(told["phase"]),
            pid=int(told["pid"]),
            doing=str(told["doing"]),
            good_at=datetime.fromisoformat(good) if good else None,
            mlflow=str(told["mlflow"]),
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None
