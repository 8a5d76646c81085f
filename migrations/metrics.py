"""Which numbers in a legacy document are metrics? Keys and values stay exactly as they were recorded."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from migrations.metric_groups import TRAINING, Group, group_of, others_than
from migrations.numbers import number, stands_for_itself, text_number
from selector.domain.model import NOTHING

MAX_METRICS: Final = 1000
MOST_NAMED: Final = 10
_SHARE: Final = re.compile(r"f1|accuracy|precision|recall|auc|roc|sensitivity|specificity", re.IGNORECASE)
_NO_SHARE: Final = re.compile(r"drop|lift|delta|gain|diff|std|(^|_)ci(_|$)|count|support|_pp(_|$)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Metrics:
    """Metrics as recorded, where they stood, and what was left out.

    Attributes:
        container: dotted place in the document; empty where there are no metrics.
        percent: keys whose values can only be percentages; the values are as recorded.

    """

    values: Mapping[str, float]
    container: str
    notes: tuple[str, ...] = ()
    percent: tuple[str, ...] = field(default=())


NO_METRICS: Final = Metrics(NOTHING, "")


def read_metrics(document: Mapping[str, Any]) -> Metrics:
    """Find a document's metrics.

    Args:
        document: parsed JSON, or one row of a table.

    Returns:
        The numbers of the first known container that has any, else the numbers at the top level whose keys are
        names of metrics, else those of the only group further down that has any. NaN and infinities are kept. Arrays,
        texts and groups among them are left out with a note. Scores on training data get `train_` before their keys.

    """
    group = group_of(document)
    if group is None:
        unclear = others_than(document, None)
        if len(unclear) > 1:
            shown = ", ".join(unclear[:MOST_NAMED])
            return Metrics(NOTHING, "", (f"metrics stand in {shown}, and nothing says which are this model's",))
        return NO_METRICS
    return _read(group, others_than(document, group))


def _read(group: Group, others: tuple[str, ...]) -> Metrics:
    """Keep the numbers; say what was left out and what looks like percent."""
    values: dict[str, float] = {}
    left_out: dict[str, str] = {}
    notes = [f"metrics are from {group.place}"]
    prefix = "train_" if TRAINING.search(group.place) else ""
    for key, value in group.held.items():
        read = number(value)
        if read is None and isinstance(value, str) and stands_for_itself(str(key), 0.0):
            read = text_number(value)
            if read is not None:
                notes.append(f"{key} is the text {value[:20]!r}, read as {read:g}")
        if read is None:
            left_out[str(key)] = _kind(value)
        elif len(values) < MAX_METRICS:
            values[_key(str(key), prefix)] = read
        else:
            left_out[str(key)] = f"more than {MAX_METRICS}"
    if left_out:
        shown = ", ".join(f"{key} ({kind})" for key, kind in list(left_out.items())[:MOST_NAMED])
        notes.append(f"left out of the metrics: {shown}{' and more' if len(left_out) > MOST_NAMED else ''}")
    percent = tuple(key for key, value in values.items() if is_percent(key, value))
    if percent:
        notes.append(f"looks like percent, kept as recorded: {', '.join(percent)}")
    if prefix:
        notes.append("they were measured on training data, so their keys begin with train_")
    if others:
        notes.append(f"not taken: the metrics in {', '.join(others[:MOST_NAMED])}")
    return Metrics(values, group.place, tuple(notes), percent)


def is_percent(key: str, value: float) -> bool:
    """Return whether a share of one was written as a percentage: judged value by value, never for a whole document."""
    return 1 < value <= 100 and bool(_SHARE.search(key)) and not _NO_SHARE.search(key)  # noqa: PLR2004  percent


def _key(key: str, prefix: str) -> str:
    return key if not prefix or key.lower().startswith("train") else prefix + key


def _kind(value: Any) -> str:
    if isinstance(value, list):
        return f"array of {len(value)}"
    if isinstance(value, str):
        return "text"
    return {bool: "yes/no", dict: "group", type(None): "empty"}.get(type(value), "number too large")
