"""How does a value of our own state become text that is hashed, stored and read back unchanged?"""

from __future__ import annotations

import hashlib
import json
import numbers
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from selector.domain.promotion import Plan
from selector.errors import DamagedStateError, SelectorError
from selector.ports import Entry, Notice

GENESIS = "0" * 64
"""Stands for the hash before the first entry."""

_LONGEST_KEY = 400


def canonical(value: Any) -> str:
    """Return one JSON text per value: sorted keys, no blanks, ASCII only.

    ASCII because neither PostgreSQL nor SQLite can hold every text that MLflow lets through (NUL, lone surrogates).
    NaN and infinities are written as Python's json writes them, so that a recorded metric comes back as it was.

    Raises:
        TypeError: the value is not made of plain JSON values (mappings and NumPy numbers are taken as such).

    """
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, default=_plain)


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, numbers.Integral):
        return int(value)
    if isinstance(value, numbers.Real):
        return float(value)
    raise TypeError(f"{type(value).__name__} is not a plain JSON value")


def utc_text(moment: datetime) -> str:
    """Return UTC in ISO 8601 with microseconds, always 32 characters long, so that text order is time order.

    Raises:
        ValueError: the time has no time zone; guessing one would falsify the history.

    """
    if moment.tzinfo is None:
        raise ValueError(f"{moment!r} has no time zone")
    return moment.astimezone(UTC).isoformat(timespec="microseconds")


def index_key(text: str) -> str:
    r"""Return what a database can index for any text: itself, or where it is odd or long an unambiguous stand-in.

    PostgreSQL refuses NUL and index rows over 2.7 kB, and neither database takes lone surrogates.
    """
    raw = text.encode("utf-8", "surrogatepass")
    if "\x00" not in text and len(text) <= _LONGEST_KEY and raw.decode("utf-8", "replace") == text:
        return text
    return "sha256:" + hashlib.sha256(raw).hexdigest()


def entry_record(entry: Entry) -> str:
    """Return the entry as canonical JSON; `entry_of` reads it back."""
    return canonical(
        {
            "at": utc_text(entry.at),
            "model": entry.model,
            "kind": entry.kind,
            "version": entry.version,
            "previous": entry.previous,
            "actor": entry.actor,
            "decision": entry.decision,
            "reason": entry.reason,
            "details": entry.details,
        }
    )


def entry_of(record: str) -> Entry:
    """Rebuild the entry; fields that a newer program added are left aside."""
    value = json.loads(record)
    known = {name: value[name] for name in Entry.__dataclass_fields__ if name in value}
    return Entry(**{**known, "at": datetime.fromisoformat(known["at"])})


def chained(previous: str, number: int, record: str) -> str:
    """Return the hash (hex) of entry `number`, which binds it to everything before it."""
    return hashlib.sha256(f"{previous}\n{number}\n{record}".encode("ascii")).hexdigest()


def notice_record(notice: Notice) -> str:
    """Return the notice as canonical JSON; `notice_of` reads it back."""
    return canonical({name: getattr(notice, name) for name in Notice.__dataclass_fields__})


def notice_of(record: str) -> Notice:
    """Rebuild the notice."""
    return Notice(**json.loads(record))


def plan_record(plan: Plan) -> str:
    """Return the plan as canonical JSON; `plan_of` reads it back."""
    return canonical(plan.to_json())


def plan_of(record: str) -> Plan:
    """Rebuild the plan.

    Raises:
        DamagedStateError: a newer program wrote it, with steps that this one does not know.

    """
    value = json.loads(record)
    try:
        return Plan.from_json(value)
    except (KeyError, TypeError) as error:
        raise DamagedStateError(
            f"The unfinished plan {value.get('id')} has a step that this version does not know: {error}.",
            advice="A newer mlflow-selector began it: install that version again and let it finish.",
        ) from error


def digest_of(*texts: str) -> str:
    """Return the sha256 (hex) over the texts, each ended by a newline (canonical JSON and our ids hold none)."""
    return hashlib.sha256("".join(text + "\n" for text in texts).encode("utf-8", "surrogatepass")).hexdigest()


def already_begun(plan_id: str) -> SelectorError:
    """Return the error for a plan that is begun twice."""
    return SelectorError(
        f"The plan {plan_id} is being carried out already.",
        advice="Start the daemon or run `mlflow-selector select`: both first finish what was begun.",
    )


def not_begun(plan_id: str) -> SelectorError:
    """Return the error for a step or an end of a plan that is not open."""
    return SelectorError(f"No plan {plan_id} is being carried out.", advice="It was finished or abandoned before.")
