"""Does a model get worse for a slice of the rows or for a class, though it is better on the whole?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from selector.domain.comparison import compare
from selector.domain.gates.case import GateCase, Need, unknown, unopposed
from selector.domain.gates.result import GateResult, judged
from selector.domain.metric import Metric
from selector.domain.model import Truth, Unscorable

FEWEST_ROWS = 30
_SHOWN = 5
_ORDER = {"failed": 0, "inconclusive": 1, "passed": 2}


@dataclass(frozen=True, slots=True)
class PartRegression:
    """How much worse than the champion a model may be on any slice, or for any class.

    Attributes:
        of: the holdout's slices, or its classes, each against the rest.
        names: slices ("region=north"), their columns ("region"), or classes; None: all of them.
        bound: in the metric's unit.
        metric: None for the one that candidates are ranked by.
        minimum_rows: parts with fewer rows say nothing, and stop nothing.
        confident: the whole 95 % interval of each difference has to keep to the bound.

    """

    of: Literal["slices", "classes"]
    bound: float
    names: tuple[str, ...] | None = None
    metric: Metric | None = None
    minimum_rows: int = FEWEST_ROWS
    confident: bool = False
    observe: bool = False
    needs: ClassVar[frozenset[Need]] = frozenset({"champion"})

    @property
    def name(self) -> str:
        """What is asked, in words."""
        return self._named(self.metric)

    def check(self, case: GateCase) -> GateResult:
        """Judge each part; the worst one is the answer, and the others are counted."""
        if case.champion is None:
            return unopposed(self)
        truth = case.truth
        if truth is None:
            return unknown(self, f"no rows are shared, so that there are no {self.of} to look at", self.bound)
        rows = _rows(self.of, truth)
        chosen = _chosen(rows, self.names)
        if not chosen or isinstance(chosen, str):
            return unknown(self, str(chosen or f"the holdout has no {self.of}"), self.bound)
        enough = [name for name in chosen if rows[name] >= self.minimum_rows]
        few = [name for name in chosen if rows[name] < self.minimum_rows]
        results = {name: self._on(name, rows[name], case) for name in enough}
        return self._worst({name: r for name, r in results.items() if isinstance(r, GateResult)}, few, results)

    def _on(self, name: str, rows: int, case: GateCase) -> GateResult | str:
        """Judge one part, or say why it cannot be."""
        metric, kind = self.metric or case.metric, "slice" if self.of == "slices" else "class"
        score = case.scores.on_slice if self.of == "slices" else case.scores.of_class
        mine = score(case.standing.candidate, metric, name)
        theirs = score(case.champion.candidate, metric, name) if case.champion else Unscorable("")
        if isinstance(mine, Unscorable) or isinstance(theirs, Unscorable):
            return next(s.reason for s in (mine, theirs) if isinstance(s, Unscorable))
        versus = compare(mine, theirs, groups=case.scores.groups(kind, name))
        detail = f"{name}: {mine.value:.4f} against the champion's {theirs.value:.4f} on {rows} rows"
        return judged(
            self._named(mine.metric),
            0.0 - versus.lead,
            self.bound,
            "maximum",
            ends=(0.0 - versus.high, 0.0 - versus.low),
            confident=self.confident,
            detail=detail,
            observe=self.observe,
        )

    def _worst(
        self, judged_: Mapping[str, GateResult], few: Sequence[str], results: Mapping[str, GateResult | str]
    ) -> GateResult:
        notes = (
            [f"fewer than {self.minimum_rows} rows, which say nothing and stop nothing: {_listed(few)}"] if few else []
        )
        unscored = [name for name, r in results.items() if isinstance(r, str)]
        if unscored:
            notes.append(f"no score for {_listed(unscored)}: {results[unscored[0]]}")
        if not judged_:
            return GateResult(
                self.name,
                "inconclusive",
                bound=self.bound,
                detail="; ".join(notes),
                observe=self.observe or not unscored,
            )
        worst = min(judged_.values(), key=lambda r: (_ORDER[r.verdict], r.margin or 0.0))
        bad = sum(r.verdict != "passed" for r in judged_.values())
        notes.insert(0, f"the worst of {len(judged_)} {self.of}" + (f", {bad} of which do not pass" if bad > 1 else ""))
        return GateResult(
            worst.gate,
            worst.verdict,
            worst.value,
            worst.bound,
            worst.margin,
            "; ".join((worst.detail, *notes)),
            self.observe,
        )

    def _named(self, metric: Metric | None) -> str:
        which = f"of every {'slice' if self.of == 'slices' else 'class'}" if self.names is None else _listed(self.names)
        label = metric.label() if metric else "the metric"
        return f"{label} {'' if self.names is None else 'of '}{which} at most {self.bound:g} worse than the champion's"


def _rows(of: str, truth: Truth) -> dict[str, int]:
    if of == "slices":
        return {name: int(np.count_nonzero(mask)) for name, mask in truth.slices.items()}
    counts = np.bincount(truth.labels.astype(np.int64), minlength=len(truth.classes)) if truth.classes else ()
    return {name: int(n) for name, n in zip(truth.classes, counts, strict=True)}


def _chosen(rows: Mapping[str, int], names: tuple[str, ...] | None) -> list[str] | str:
    """Return the parts that are meant, or which of them the holdout does not have."""
    if names is None:
        return list(rows)
    found: list[str] = []
    for name in names:
        fitting = [one for one in rows if one == name or one.startswith(f"{name}=")]
        if not fitting:
            return f"the holdout has no {name!r}; it has {_listed(list(rows)) or 'none'}"
        found.extend(fitting)
    return list(dict.fromkeys(found))


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
