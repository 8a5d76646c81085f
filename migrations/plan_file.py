"""How does a person review an import before it happens, and change what is to be done with each entry?"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import tzinfo
from pathlib import Path
from typing import Any, Final

import yaml

from migrations.headline import headline
from migrations.model import Scan, StagedModel, Unreadable
from migrations.reviewed import Reviewed, read_entries
from migrations.unknown_keys import refuse_unknown
from migrations.wording import printable
from migrations.yaml_files import load_yaml
from selector.errors import UsageError

VERSION: Final = 1
MAX_PLAN: Final = 256 << 20
KEYS: Final = ("schema_version", "paths", "layout", "timezone", "model", "experiment", "entries")
_HEAD: Final = """\
# What an import would do. Change what is not right, then: mlflow-selector migrate apply --plan THIS_FILE
#
# action: import or skip.  name, model_type, created, started, metrics, params: as they are to be in MLflow.
# scale: recorded keeps a percentage as it was written; fraction divides it by 100.
# average: how f1 was averaged (binary, macro, weighted, micro); changing it puts the word into the metric's key.
# alias, stage: set for the new version where nothing has them yet.  notes, reason: for you to read, ignored.
"""


@dataclass(frozen=True, slots=True)
class PlanFile:
    """A reviewed plan.

    Attributes:
        paths: what was scanned, absolute.
        entries: what is to be done with each entry, by source.

    """

    paths: tuple[Path, ...]
    layout: str | None
    timezone: str
    model: str | None
    experiment: str | None
    entries: Mapping[str, Reviewed]

    def choose(self, scan: Scan) -> Scan:
        """Return the scan as the plan wants it: exactly its entries, with its names and numbers.

        What has changed since the plan was made is refused, what came later is left out, what was skipped is ignored.
        """
        models: list[StagedModel] = []
        skipped = frozenset(source for source, told in self.entries.items() if told.action == "skip")
        others = [
            replace(entry, ignored=True, reason=f"the plan says skip: {entry.reason}")
            if not entry.ignored and _source(entry.path) in skipped
            else entry
            for entry in scan.unreadable
        ]
        seen = set()
        for staged in scan.models:
            told = self.entries.get(staged.source)
            seen.add(staged.source)
            if told is None:
                others.append(_left(staged, "is not in the plan"))
            elif told.action == "skip":
                others.append(_left(staged, "the plan says skip"))
            elif told.fingerprint != staged.fingerprint:
                others.append(_left(staged, "its bytes have changed since the plan was made", ignored=False))
            else:
                models.append(told.apply(staged))
        for source, told in self.entries.items():
            if source not in seen and told.action == "import":
                reason = "it was there when the plan was made, and cannot be imported any more"
                others.append(Unreadable(told.name or Path(source).name, Path(source), reason))
        return Scan(tuple(models), tuple(others), scan.notes)


def _source(path: Path) -> str:
    return str(path).encode("utf-8", "backslashreplace").decode("utf-8")


def _left(staged: StagedModel, reason: str, *, ignored: bool = True) -> Unreadable:
    return Unreadable(
        staged.name, staged.path, reason, staged.format, staged.model_type, staged.metrics, staged.created_at, ignored
    )


def write_plan(
    scan: Scan,
    into: Path,
    *,
    paths: Sequence[Path],
    layout: str | None,
    timezone: tzinfo,
    model: str | None,
    experiment: str | None,
) -> None:
    """Write what an import of this scan would do, for a person to edit; the file appears whole or not at all.

    Raises:
        UsageError: it cannot be written.

    """
    document = {
        "schema_version": VERSION,
        "paths": [_source(Path(os.path.abspath(path))) for path in paths],  # noqa: PTH100  resolve() would follow links
        "layout": layout,
        "timezone": str(timezone),
        "model": model,
        "experiment": experiment,
        "entries": [*map(_entry, scan.models), *map(_skipped, scan.unreadable)],
    }
    dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
    text = yaml.dump(document, Dumper=dumper, sort_keys=False, allow_unicode=False, width=120)
    try:
        with tempfile.NamedTemporaryFile("w", dir=into.parent, delete=False, encoding="utf-8") as stream:
            stream.write(_HEAD + text)
        Path(stream.name).replace(into)
    except OSError as error:
        raise UsageError(f"The plan {into} cannot be written: {error.strerror}.") from error


def _entry(staged: StagedModel) -> dict[str, Any]:
    found = headline(staged.metrics)
    return {
        "action": "import",
        "path": staged.source,
        "fingerprint": staged.fingerprint,
        "name": printable(staged.name),
        "model_type": staged.model_type,
        "created": staged.created_at.isoformat(),
        "started": staged.started_at.isoformat(),
        "metrics": dict(staged.metrics),
        "scale": dict.fromkeys(staged.percent, "recorded"),
        "average": found.average if found else None,
        "params": dict(staged.params),
        "alias": None,
        "stage": None,
        "notes": [printable(note) for note in staged.notes],
    }


def _skipped(entry: Unreadable) -> dict[str, Any]:
    return {
        "action": "skip",
        "path": _source(entry.path),
        "name": printable(entry.name),
        "reason": printable(entry.reason),
    }


def read_plan(path: Path) -> PlanFile:
    """Read a reviewed plan.

    Raises:
        UsageError: it cannot be read, or something in it is not what a plan says, with the entry and the key.

    """
    try:
        if path.stat().st_size > MAX_PLAN:
            raise UsageError(f"The plan {path} is larger than {MAX_PLAN >> 20} MB.")
        read = load_yaml(path.read_bytes())
    except OSError as error:
        raise UsageError(f"The plan {path} cannot be read: {error.strerror}.") from error
    except (yaml.YAMLError, ValueError) as error:
        raise UsageError(f"The plan {path} is no YAML: {str(error).splitlines()[0]}.") from error
    if not isinstance(read, dict) or not isinstance(read.get("entries"), list):
        raise UsageError(f"{path} is no plan.", advice="Make one: mlflow-selector migrate scan PATH --plan FILE")
    refuse_unknown(read, KEYS, str(path))
    if read.get("schema_version") != VERSION:
        raise UsageError(f"{path} is a plan of version {read.get('schema_version')}, and this program reads {VERSION}.")
    paths = read.get("paths")
    if not isinstance(paths, list) or not paths or not all(isinstance(p, str) for p in paths):
        raise UsageError(f"{path} names no paths.", advice="Keep `paths` as `migrate scan --plan` wrote it.")
    return PlanFile(
        paths=tuple(Path(p) for p in paths),
        layout=read.get("layout"),
        timezone=str(read.get("timezone") or "UTC"),
        model=read.get("model"),
        experiment=read.get("experiment"),
        entries=read_entries(read["entries"]),
    )
