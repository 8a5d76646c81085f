"""PURE but for hashing: how does what MLflow gives back differ from what was planned, value by value?"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from migrations.byte_source import open_regular
from migrations.mlflow_folder import files_below, read_mlmodel
from migrations.model import LEGACY_PREFIX
from migrations.wording import printable
from selector.domain.model import FINGERPRINT_TAG, SOURCE_TAG, Run

RENAMED_TAG: Final = "selector.renamed"
CUT_TAG: Final = "selector.cut"
MLFLOW_INFINITY: Final = 1.797e308
MOST: Final = 6
_CHUNK: Final = 1 << 20
_REWRITTEN: Final = frozenset({"MLmodel", "registered_model_meta"})
"""Files that MLflow itself completes when it takes a model in."""


def record_differences(planned: Mapping[str, Any], run: Run) -> Iterator[str]:
    """Yield one sentence for each value of a run that is not as planned."""
    if run.status != "FINISHED":
        yield f"the run is {run.status}, not FINISHED"
    if run.name != planned["name"]:
        yield f"the run is called {printable(run.name)}, and was to be {planned['name']}"
    for key, want, have in (
        ("start", planned["started_at"], run.started_at),
        ("end", planned["ended_at"], run.ended_at),
    ):
        if not _same_time(want, have):
            yield f"its {key} is {have.isoformat() if have else 'missing'}, and was to be {want}"
    renamed, cut = _renamed(run), run.tags.get(CUT_TAG, "")
    metrics = {str(key): value for key, value in planned["metrics"].items()}
    yield from _values("metric", metrics, run.metrics, renamed)
    yield from _texts("param", planned["params"], run.params, renamed, cut)
    tags = {f"{LEGACY_PREFIX}{key}": value for key, value in planned["tags"].items()}
    tags |= {FINGERPRINT_TAG: planned["fingerprint"], SOURCE_TAG: planned["source"]}
    yield from _texts("tag", tags, run.tags, renamed, cut)


def _renamed(run: Run) -> Mapping[str, str]:
    """Return which keys MLflow does not accept, and what they became."""
    try:
        read = json.loads(run.tags.get(RENAMED_TAG, "{}"))
    except ValueError:
        return {}
    return {str(v): str(k) for k, v in read.items()} if isinstance(read, dict) else {}


def _values(
    what: str, wanted: Mapping[str, Any], held: Mapping[str, float], renamed: Mapping[str, str]
) -> Iterator[str]:
    for key, value in wanted.items():
        name = renamed.get(key, key)
        if name not in held:
            yield f"the {what} {printable(key)} is missing"
        elif not _same_number(float(value), held[name]):
            yield f"the {what} {printable(key)} is {held[name]!r}, and was to be {value!r}"
    extra = held.keys() - {renamed.get(key, key) for key in wanted}
    if extra:
        yield f"there are {what}s that nobody planned: {_some(extra)}"


def _texts(
    what: str, wanted: Mapping[str, str], held: Mapping[str, str], renamed: Mapping[str, str], cut: str
) -> Iterator[str]:
    for key, value in wanted.items():
        name = renamed.get(key, key)
        have = held.get(name)
        if have is None:
            yield f"the {what} {printable(key)} is missing"
        elif have != value and not (key in cut and value.startswith(have.removesuffix("…"))):
            yield f"the {what} {printable(key)} is {_short(have)}, and was to be {_short(value)}"
    extra = held.keys() - {renamed.get(key, key) for key in wanted} if what == "param" else set()
    if extra:
        yield f"there are {what}s that nobody planned: {_some(extra)}"


def _short(text: str) -> str:
    shown = printable(text)
    return repr(shown if len(shown) <= 80 else f"{shown[:79]}…")  # noqa: PLR2004  one line on a terminal


def _some(keys: Any) -> str:
    shown = sorted(map(printable, keys))
    return f"{', '.join(shown[:MOST])}{' and more' if len(shown) > MOST else ''}"


def _same_number(wanted: float, held: float) -> bool:
    """MLflow keeps an infinity as the largest number there is."""
    if math.isinf(wanted):
        return math.copysign(1, wanted) == math.copysign(1, held) and abs(held) >= MLFLOW_INFINITY
    return wanted == held or (math.isnan(wanted) and math.isnan(held))


def _same_time(wanted: str, held: datetime | None) -> bool:
    """MLflow keeps milliseconds."""
    if held is None:
        return False
    return abs((datetime.fromisoformat(wanted).astimezone(UTC) - held).total_seconds()) < 0.001  # noqa: PLR2004  1 ms


def file_differences(before: Path, after: Path) -> Iterator[str]:
    """Yield one sentence for each file of a model that is missing, new or has other bytes; MLmodel by its flavors."""
    try:
        one, other = _digests(before), _digests(after)
        flavors = read_mlmodel(before)["flavors"], read_mlmodel(after)["flavors"]
    except (OSError, ValueError) as error:
        yield f"the files of the model cannot be compared: {error}"
        return
    for name in sorted(one.keys() | other.keys()):
        if name not in other:
            yield f"the file {printable(name)} is missing"
        elif name not in one:
            yield f"the file {printable(name)} is there, and was not before"
        elif one[name] != other[name]:
            yield f"the file {printable(name)} has other bytes"
    if flavors[0] != flavors[1]:
        yield "MLmodel names other flavors"


def _digests(folder: Path) -> dict[str, str]:
    found = {}
    for name, path in files_below(folder):
        if name in _REWRITTEN:
            continue
        digest = hashlib.sha256()
        with open_regular(path) as stream:
            while piece := stream.read(_CHUNK):
                digest.update(piece)
        found[name] = digest.hexdigest()
    return found
