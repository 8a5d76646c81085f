"""Which runs would MLflow's search syntax choose? The part of it that policies use, for the registry in memory."""

from __future__ import annotations

import fnmatch
import math
import operator
import re
from collections.abc import Callable, Mapping
from typing import Any

from selector.domain.model import Run
from selector.errors import MlflowRefusedError

_CLAUSE = re.compile(
    r"""\s*(?P<kind>metrics?|params?|parameters?|tags?|attributes?|attr|run)\.
    (?P<key>`[^`]+`|"[^"]+"|[\w.\-/]+)\s*
    (?P<how><=|>=|!=|=|<|>|I?LIKE|IS\s+NOT\s+NULL|IS\s+NULL)\s*
    (?P<value>'[^']*'|"[^"]*"|[-+.\w]+)?\s*$""",
    re.VERBOSE | re.IGNORECASE,
)
_COMPARE: Mapping[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}

_KINDS = {
    "metric": "metric",
    "param": "param",
    "parameter": "param",
    "tag": "tag",
    "attribute": "attribute",
    "attr": "attribute",
    "run": "attribute",
}
_NUMERIC = frozenset({"start_time", "end_time"})
_ATTRIBUTES = _NUMERIC | {"status", "run_id", "run_name"}
_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?")


def matches(run: Run, filter_string: str) -> bool:
    """Tell whether the run meets all clauses joined by AND; an empty filter chooses everything.

    Raises:
        MlflowRefusedError: a clause that this part of the syntax does not know.

    """
    return all(_meets(run, *clause) for clause in parsed(filter_string))


def parsed(filter_string: str) -> list[tuple[str, str, str, str]]:
    """Return the clauses as (metric, param, tag or attribute; key; comparison; value).

    Raises:
        MlflowRefusedError: a clause that this part of the syntax does not know.

    """
    text = filter_string.strip()
    return [_parsed(clause) for clause in re.split(r"\s+AND\s+", text, flags=re.IGNORECASE)] if text else []


def _parsed(clause: str) -> tuple[str, str, str, str]:
    match = _CLAUSE.match(clause)
    if match is None:
        raise MlflowRefusedError(f"Invalid clause in filter string: {clause!r}.")
    kind = _KINDS[match["kind"].lower().rstrip("s")]
    key, value = match["key"].strip('`"'), match["value"] or ""
    how = re.sub(r"\s+", " ", match["how"].upper())
    if kind == "attribute" and key not in _ATTRIBUTES:
        raise MlflowRefusedError(f"Invalid attribute key {key!r}.")
    numeric = kind == "metric" or key in _NUMERIC
    if numeric and (how not in _COMPARE or not _NUMBER.fullmatch(value)):
        raise MlflowRefusedError(f"Expected a number and one of {', '.join(_COMPARE)} in {clause!r}.")
    if not numeric and value and value[0] not in "'\"":
        raise MlflowRefusedError(f"Expected a quoted text in {clause!r}.")
    return kind, key, how, value.strip("'\"")


def _meets(run: Run, kind: str, key: str, how: str, text: str) -> bool:
    found = _value(run, kind, key)
    if how in {"IS NULL", "IS NOT NULL"}:
        return (found is None) == (how == "IS NULL")
    if found is None:
        return False
    if how in {"LIKE", "ILIKE"}:
        pattern, shown = text.replace("%", "*").replace("_", "?"), str(found)
        if how == "ILIKE":
            pattern, shown = pattern.lower(), shown.lower()
        return fnmatch.fnmatchcase(shown, pattern)
    if isinstance(found, int | float):
        return not math.isnan(found) and _COMPARE[how](float(found), float(text))
    return _COMPARE[how](found, text)


def _value(run: Run, kind: str, key: str) -> Any:
    if kind == "metric":
        return run.metrics.get(key)
    if kind == "param":
        return run.params.get(key)
    if kind == "tag":
        return run.tags.get(key)
    known: dict[str, Any] = {"status": run.status, "run_id": run.run_id, "run_name": run.name}
    for name, time in (("start_time", run.started_at), ("end_time", run.ended_at)):
        known[name] = round(time.timestamp() * 1000) if time else None
    return known[key]
