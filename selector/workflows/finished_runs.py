"""Which runs have finished, changed or gone since we looked last, found in one call where nothing is new?

A watermark ("what ended after the last one seen") misses runs: ends are told by the clients' clocks, several fall into
one millisecond, and imports end years ago. So the place is remembered, not the time: how many finished runs there are,
and which ones are last in the order of their ends. One call asks for what stands from there on. A run that finishes,
whatever its end, makes the list longer; one that is deleted or running again makes it shorter; one that was resumed and
finished again moves to the end. If the last ones are the same and nothing follows, nothing is new. What a look of this
kind cannot see is found by the next complete reading: values logged late into a run that is not among the last; and
between two looks, as many runs deleted as back-dated ones finished, or a run resumed and finished by a clock so slow
that it is not among the last.
"""

from __future__ import annotations

import fnmatch
import heapq
import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from selector.domain.events import Event, RunFinished, RunGone
from selector.domain.finished import Finished
from selector.errors import MlflowRefusedError
from selector.ports import Registry

log = logging.getLogger(__name__)

SHOWN = 20
"""How many of the last runs each look sees with their values, so that values logged late into them are seen too."""

KEPT = 120
"""How many of the last runs are remembered in order."""

ROOM = 100
"""So many new runs are understood from one answer."""


@dataclass(slots=True, eq=False)
class FinishedRuns:
    """Remembers an imprint of every finished run, about 200 bytes each, and the order of the last ones."""

    _experiments: dict[str, str] | None = None
    _imprints: dict[str, dict[str, int]] = field(default_factory=dict)
    _last: list[Finished] = field(default_factory=list)
    _refused: bool = False

    def look(self, registry: Registry, patterns: Sequence[str], *, thorough: bool = False) -> Iterator[Event]:
        """Yield what is new; nothing at the first look, which only remembers.

        What was yielded is remembered as told, also where a later question finds no answer.

        Args:
            registry: MLflow.
            patterns: names or globs of experiments.
            thorough: read everything.

        Raises:
            MlflowUnreachableError: MLflow does not answer; what was remembered stays.

        """
        known = self._experiments
        if known is None or thorough or _must_list(patterns, known):
            present = dict(registry.experiments_like(patterns)) if patterns else {}
        else:
            present = known
        if known is None or thorough or not known.items() <= present.items():
            yield from self._read_all(registry, present, quiet=known is None)
            return
        added = {i: name for i, name in present.items() if i not in known}
        if added:
            yield from self._read_added(registry, added)
        if present:
            yield from self._read_end(registry)

    @property
    def count(self) -> int:
        """Return how many finished runs are remembered."""
        return sum(map(len, self._imprints.values()))

    def _read_all(self, registry: Registry, experiments: dict[str, str], *, quiet: bool) -> list[Event]:
        before = self._imprints
        gathered = _Gathered()
        found: list[Event] = [
            _finished(run)
            for run in gathered.pass_on(registry.finished(experiments))
            if not quiet and before.get(run.experiment, {}).get(run.run_id) != run.imprint
        ]
        for experiment, runs in before.items():
            there = gathered.imprints.get(experiment, {})
            found += [RunGone(experiment, run_id) for run_id in runs if run_id not in there]
        self._experiments, self._imprints, self._last = experiments, gathered.imprints, gathered.last
        return found

    def _read_added(self, registry: Registry, added: Mapping[str, str]) -> list[Event]:
        """Read experiments that are new to us; what is in them was not seen before."""
        gathered = _Gathered()
        found = [_finished(run) for run in gathered.pass_on(registry.finished(added))]
        self._imprints |= gathered.imprints
        self._last = sorted([*self._last, *gathered.last], key=lambda run: run.place)[-KEPT:]
        self._experiments = {**(self._experiments or {}), **added}
        return found

    def _read_end(self, registry: Registry) -> list[Event]:
        """Look at the end of the list; where that does not explain itself, read everything."""
        shown = self._shown()
        rows = self._ask(registry, shown)
        found = self._explained(shown, rows) if rows is not None else None
        if found is not None:
            return found
        found = self._read_all(registry, dict(self._experiments or {}), quiet=False)
        if rows is not None and not found:
            self._adopt(self._ask(registry, self._shown()))
        return found

    def _shown(self) -> list[Finished]:
        """Return the last runs, to be asked for again; runs without an end stand last and must not hide the others."""
        endless = sum(run.ended is None for run in self._last)
        return self._last[-min(SHOWN + endless, KEPT) :]

    def _ask(self, registry: Registry, shown: Sequence[Finished]) -> tuple[Finished, ...] | None:
        try:
            return registry.finished_from(self._experiments or {}, self.count - len(shown), len(shown) + ROOM)
        except MlflowRefusedError as error:
            if not self._refused:
                log.warning("MLflow does not show the end of a list; every look reads it whole: %s", error.message)
            self._refused = True
            return None

    def _explained(self, shown: Sequence[Finished], rows: Sequence[Finished]) -> list[Event] | None:
        """Return what is new by these rows, or None where it must have happened before them.

        While the first row is the same, exactly as many runs stand before it as there did: the rows tell all.
        """
        whole = self.count == len(shown)
        if len(rows) >= len(shown) + ROOM or not (whole or (rows and shown and rows[0].run_id == shown[0].run_id)):
            return None
        expected = {run.run_id: run for run in shown}
        if any(run.run_id not in expected and self._knows(run) for run in rows):
            return None
        found: list[Event] = []
        for run in rows:
            if run.run_id not in expected or expected[run.run_id].imprint != run.imprint:
                found.append(_finished(run))
                self._imprints.setdefault(run.experiment, {})[run.run_id] = run.imprint
        there = {run.run_id for run in rows}
        for run in shown:
            if run.run_id not in there:
                found.append(RunGone(run.experiment, run.run_id))
                del self._imprints[run.experiment][run.run_id]
        self._last = [*self._last[: len(self._last) - len(shown)], *rows][-KEPT:]
        return found

    def _adopt(self, rows: Sequence[Finished] | None) -> None:
        """Take over MLflow's own order where it is another than ours, or every look would read everything."""
        known = (self._imprints.get(r.experiment, {}).get(r.run_id) == r.imprint for r in rows or ())
        if rows is not None and len(rows) == len(self._shown()) and all(known):
            self._last = list(rows)

    def _knows(self, run: Finished) -> bool:
        return run.run_id in self._imprints.get(run.experiment, {})


@dataclass(slots=True)
class _Gathered:
    """What one reading came to, page by page, so that 50,000 runs are never held at once."""

    imprints: dict[str, dict[str, int]] = field(default_factory=dict)
    last: list[Finished] = field(default_factory=list)

    def pass_on(self, runs: Iterable[Finished]) -> Iterator[Finished]:
        """Yield the runs again, and keep what is remembered of them."""
        heap: list[tuple[tuple[bool, int, int, str], Finished]] = []
        for run in runs:
            self.imprints.setdefault(run.experiment, {})[run.run_id] = run.imprint
            push = heapq.heappush if len(heap) < KEPT else heapq.heappushpop
            push(heap, (run.place, run))
            yield run
        self.last = [run for _, run in sorted(heap, key=lambda entry: entry[0])]


def _must_list(patterns: Sequence[str], known: Mapping[str, str]) -> bool:
    """Tell whether experiments may appear that match: by a glob, or by a name that is missing so far."""
    return any(any(sign in p for sign in "*?[") for p in patterns) or bool(set(patterns) - set(known.values()))


def _finished(run: Finished) -> Event:
    return RunFinished(run.experiment, run.run_id, run.name)


def matches(experiment: str, patterns: Iterable[str]) -> bool:
    """Tell whether an experiment is one of these names, or matches one of these globs."""
    return any(experiment == p or fnmatch.fnmatchcase(experiment, p) for p in patterns)
