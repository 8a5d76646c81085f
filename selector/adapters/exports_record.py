"""How does selector.json look, by which consumers, and we ourselves, know what an export holds?"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from selector.errors import ExportError
from selector.ports_exports import MAKER, RECORD, Exported

SCHEMA_VERSION = 1
LONGEST = 10_000_000
_FOLDER = re.compile(r"(v\d+-[0-9a-f]{8})?")


@dataclass(frozen=True, slots=True)
class Record:
    """All that selector.json says.

    Attributes:
        exported: None where a place is ours and nothing was completed there yet.
        files: sizes in bytes, by path below the model's folder.
        folder: the model's folder below the record; "" where they lie together.
        previous: the folder before that.

    """

    exported: Exported | None
    files: Mapping[str, int] = field(default_factory=dict)
    folder: str = ""
    previous: str = ""

    def to_json(self) -> str:
        """Return the text of selector.json."""
        document: dict[str, Any] = {"made_by": MAKER, "schema_version": SCHEMA_VERSION}
        if self.exported is not None:
            e = self.exported
            document |= {"model": e.model, "version": e.version, "run_id": e.run_id, "decision": e.decision}
            document |= {"digest": e.digest, "source": e.source, "exported_at": e.at.isoformat()}
        if self.folder or self.previous:
            document |= {"folder": self.folder, "previous": self.previous}
        return json.dumps(document | {"files": dict(self.files)}, indent=2, ensure_ascii=False) + "\n"


def parse(text: bytes, where: str) -> Record:
    """Return what selector.json says; raise ExportError where it is none of ours."""
    try:
        found = json.loads(text[:LONGEST])
        if found["made_by"] != MAKER:
            raise foreign(where)
        exported = None
        if "version" in found:
            exported = Exported(
                model=str(found["model"]),
                version=int(found["version"]),
                run_id=found["run_id"],
                source=str(found["source"]),
                decision=found["decision"],
                digest=str(found["digest"]),
                at=datetime.fromisoformat(found["exported_at"]),
            )
        files = {str(name): int(size) for name, size in found["files"].items()}
        folder, previous = found.get("folder", ""), found.get("previous", "")
        if not (_FOLDER.fullmatch(folder) and _FOLDER.fullmatch(previous)):  # the previous one will be deleted
            raise foreign(where)
        return Record(exported, files, folder, previous)
    except (ValueError, KeyError, TypeError, AttributeError):
        raise foreign(where) from None


def foreign(where: str, why: str = "holds something that mlflow-selector did not put there") -> ExportError:
    """Return the refusal to touch what is not ours."""
    return ExportError(f"{where} {why}", advice="move that away, or export to another place")


def sizes(folder: Path, where: str) -> dict[str, int]:
    """Return the sizes of a model's files by their path below the folder.

    Raises:
        ExportError: one of them has the name of our own record.

    """
    paths = sorted(Path(root, name) for root, _, names in os.walk(folder) for name in names)
    found = {path.relative_to(folder).as_posix(): path.stat().st_size for path in paths}
    if RECORD in found:
        raise ExportError(
            f"the model has a file of its own named {RECORD}, which cannot be exported to {where}",
            advice=f"log the model without {RECORD}",
        )
    return found
