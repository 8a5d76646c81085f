"""How is one turn of the daemon told in one sentence?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from selector.errors import LeaseHeldError
from selector.workflows.cycle import Trouble, Turn
from selector.workflows.monitor import Monitored
from selector.workflows.select_champion import Look

MOST_NAMED = 3


def sentence(turn: Turn) -> str:
    """Return what happened, the most important first, as one sentence."""
    parts = [
        *(r.text for r in turn.recovered),
        *_imports(turn),
        *_looks(turn.looks),
        *(_of_production(m) for m in turn.monitored if m.news),
        *(_of_trouble(t) for t in _not_of_looks(turn)),
    ]
    if not parts:
        parts = _quiet_looks(turn.looks) or [_several([e.words for e in turn.events]) or "nothing new"]
    text = "; ".join(p.rstrip(".") for p in parts)
    return f"{text}."


def _of_production(found: Monitored) -> str:
    """Return the first line of what is told at length elsewhere, and what was done."""
    return "; ".join([found.text.splitlines()[0].rstrip("."), *found.actions])


def _imports(turn: Turn) -> list[str]:
    counts = Counter(i.status for i in turn.imported)
    said = []
    if counts["imported"]:
        said.append(f"imported {_several([i.name for i in turn.imported if i.status == 'imported'])}")
    said += [f"did not import {i.name}: {i.reason}" for i in turn.imported if i.status == "failed"][:MOST_NAMED]
    return said


def _looks(looks: Sequence[Look]) -> list[str]:
    said = [f"{k.model}: {k.text.partition(': ')[2] or k.text}" for k in looks if k.news or k.error is not None]
    if len(said) > MOST_NAMED:
        counts = Counter((k.decision.verdict if k.decision else "failed") for k in looks)
        return [f"looked at {len(looks)} models: " + ", ".join(f"{n} {v.replace('_', ' ')}" for v, n in counts.items())]
    return said


def _quiet_looks(looks: Sequence[Look]) -> list[str]:
    return [f"{_several([look.model for look in looks])}: no reason for a new decision"] if looks else []


def _of_trouble(trouble: Trouble) -> str:
    if isinstance(trouble.error, LeaseHeldError):
        return "somebody else is writing just now; waiting for a moment"
    return f"{trouble.about} failed: {trouble.error.message.rstrip('.')}"


def _not_of_looks(turn: Turn) -> list[Trouble]:
    told = {k.model for k in turn.looks}
    return [t for t in turn.troubles if t.about not in told]


def _several(names: Iterable[str]) -> str:
    every = list(names)
    if len(every) <= MOST_NAMED:
        return ", ".join(every)
    return f"{', '.join(every[:MOST_NAMED])} and {len(every) - MOST_NAMED} more"
