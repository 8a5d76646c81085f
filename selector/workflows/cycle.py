"""One turn of the daemon: what is new, which models to look at, what came of it, and what to try again when?"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from selector.domain.events import Event, WakeUp
from selector.errors import LeaseHeldError, MlflowUnreachableError, SelectorError, UsageError
from selector.workflows.carry_out import Recovered, recover
from selector.workflows.changes import Changes
from selector.workflows.exports import out_of_step
from selector.workflows.house import House
from selector.workflows.import_staged import Imported, StagedFolders
from selector.workflows.monitor import Monitored
from selector.workflows.own_writes import OwnWrites
from selector.workflows.production_watch import ProductionWatch
from selector.workflows.select_champion import Look, failed, select

log = logging.getLogger(__name__)

FIRST_RETRY = 5.0
LONGEST_RETRY = 600.0
RETENTION_EVERY = 86_400.0
"""Archived versions grow old without any hint; so often the models that `keep` something are looked at anyway."""

ACTOR = "daemon"


@dataclass(frozen=True, slots=True)
class Trouble:
    """Something that failed in this turn and is tried again.

    Attributes:
        about: a model's name, or what could not be done: mlflow, staging, lease, recovery.

    """

    about: str
    error: SelectorError


@dataclass(frozen=True, slots=True)
class Turn:
    """What one turn came to.

    Attributes:
        wakes: the hints that led to it.
        events: what was new in MLflow.
        imported: what staged models became.
        looks: one per model that was looked at, failed ones included.
        recovered: plans of an earlier process.
        troubles: what failed.
        monitored: what production said of the models that were measured.

    """

    wakes: tuple[WakeUp, ...] = ()
    events: tuple[Event, ...] = ()
    imported: tuple[Imported, ...] = ()
    looks: tuple[Look, ...] = ()
    recovered: tuple[Recovered, ...] = ()
    troubles: tuple[Trouble, ...] = ()
    monitored: tuple[Monitored, ...] = ()

    @property
    def quiet(self) -> bool:
        """Whether nothing happened that is worth a line in the log."""
        said = any(look.news for look in self.looks) or any(found.news for found in self.monitored)
        return not (said or self.events or self.imported or self.recovered or self.troubles)


@dataclass(slots=True, eq=False)
class Agenda:
    """Which models are still to be looked at, and when: failures come again, later each time.

    Times are seconds of a monotonic clock: a jump of the wall clock moves nothing.
    """

    due: dict[str, float] = field(default_factory=dict)
    failures: dict[str, int] = field(default_factory=dict)

    def add(self, models: Iterable[str], now: float) -> None:
        """Put models on the agenda; one that is there already comes at the earlier of both times."""
        for model in models:
            self.due[model] = min(now, self.due.get(model, now))

    def ripe(self, now: float) -> tuple[str, ...]:
        """Return what is due by now."""
        return tuple(model for model, at in self.due.items() if at <= now)

    def done(self, about: str, *, well: bool) -> None:
        """Take something off; where it went well, its failures are forgotten."""
        self.due.pop(about, None)
        if well:
            self.failures.pop(about, None)

    def failed(self, about: str, now: float) -> None:
        """Try it again, after 5 s, 10 s, 20 s … at most 10 minutes."""
        count = self.failures.get(about, 0)
        self.failures[about] = count + 1
        self.due[about] = now + min(FIRST_RETRY * 2.0 ** min(count, 10), LONGEST_RETRY)

    @property
    def next(self) -> float | None:
        """Return when the next one is due; None where nothing is."""
        return min(self.due.values(), default=None)


@dataclass(slots=True, eq=False)
class Cycle:
    """What the daemon remembers between turns. Losing it costs a full look, nothing else."""

    house: House
    staged: StagedFolders
    changes: Changes = field(default_factory=Changes)
    agenda: Agenda = field(default_factory=Agenda)
    production: ProductionWatch = field(default_factory=ProductionWatch)
    recovered: bool = False
    retention_at: float | None = None

    def __post_init__(self) -> None:
        """Take note of what we change ourselves: it is no news."""
        self.house = replace(self.house, registry=OwnWrites.around(self.house.registry))

    @property
    def next_at(self) -> float | None:
        """Return when there is something to do although no hint comes; None where there is nothing."""
        due = (self.agenda.next, self.staged.next_at, self.production.next_at, self.retention_at)
        return min((at for at in due if at is not None), default=None)

    def start_over(self) -> None:
        """Forget what was seen, so that the next turn looks at everything."""
        self.changes = Changes()
        self.recovered = False

    def turn(self, wakes: Sequence[WakeUp], now: float, *, thorough: bool = False) -> Turn:
        """Take one turn.

        Args:
            wakes: the hints since the last turn; may be empty.
            now: seconds of a monotonic clock.
            thorough: read everything, also what the cheap reading would not see.

        """
        troubles: list[Trouble] = []
        known = self.house.setups
        if any(w.everything for w in wakes):
            self.agenda.add(known, now)
        self.agenda.add((m for w in wakes for m in w.models), now)
        self._retain(now)
        if any(w.everything or w.source == "staging" for w in wakes):
            self.staged.look_again()
        imported = self._stage(now, troubles)
        events = self._read(now, troubles, thorough=thorough)
        recovered = self._recover(troubles)
        looks = self._look(now, troubles)
        monitored = self._measure(now, troubles, thorough=thorough)
        looks += tuple(look for found in monitored for look in found.looks)
        return Turn(tuple(wakes), events, imported, looks, recovered, tuple(troubles), monitored)

    def _retain(self, now: float) -> None:
        """Look once a day at the models whose archived versions do not stay for ever."""
        models = [name for name, setup in self.house.setups.items() if setup.keep is not None]
        if models and (self.retention_at is None or self.retention_at <= now):
            self.agenda.add(models, now)
            self.retention_at = now + RETENTION_EVERY

    def _measure(self, now: float, troubles: list[Trouble], *, thorough: bool) -> tuple[Monitored, ...]:
        if thorough:
            self.production.forget()
        found: list[Monitored] = []
        for about, result in self.production.take(self.house, now) if self.recovered else ():
            if isinstance(result, Monitored):
                found.append(result)
            else:
                troubles.append(Trouble(about, result))
        return tuple(found)

    def _stage(self, now: float, troubles: list[Trouble]) -> tuple[Imported, ...]:
        """Import what is complete, one folder after the other; one that fails does not stop the others."""
        found: list[Imported] = []
        for about, result in self.staged.take(self.house, now):
            if isinstance(result, SelectorError):
                troubles.append(Trouble(about, result))
            else:
                found.append(result)
        return tuple(found)

    def _read(self, now: float, troubles: list[Trouble], *, thorough: bool) -> tuple[Event, ...]:
        try:
            news = self.changes.look(self.house, thorough=thorough)
        except SelectorError as error:
            troubles.append(Trouble("mlflow", error))
            return ()
        self.agenda.add(news.models, now)
        late = out_of_step(self.house, self.changes.aliases, thorough=thorough)
        self.agenda.add((model for model in late if model not in self.agenda.due), now)
        return news.events

    def _recover(self, troubles: list[Trouble]) -> tuple[Recovered, ...]:
        """Finish what an earlier process began, also of models that are no longer configured."""
        if self.recovered:
            return ()
        try:
            with self.house.lease.hold():
                found = recover(self.house)
        except SelectorError as error:
            troubles.append(Trouble("recovery", error))
            return ()
        self.recovered = True
        return found

    def _look(self, now: float, troubles: list[Trouble]) -> tuple[Look, ...]:
        ripe = self.agenda.ripe(now)
        if not ripe or not self.recovered:
            return ()
        try:
            looks = self._selected(ripe)
        except LeaseHeldError as error:
            troubles.append(Trouble("lease", error))
            return ()
        errors = {look.model: look.error for look in looks if look.error is not None}
        for model in ripe:
            self.agenda.done(model, well=model not in errors)
        for model, failure in errors.items():
            if not isinstance(failure, UsageError):  # asking for what is not configured never succeeds
                self.agenda.failed(model, now)
            troubles.append(Trouble(model, failure))
        return looks

    def _selected(self, models: Sequence[str]) -> tuple[Look, ...]:
        """Look at all of them together, for that takes fewer calls; one that stops the others is left to itself."""
        try:
            return select(self.house, models, dry_run=False, actor=ACTOR)
        except LeaseHeldError:
            raise
        except MlflowUnreachableError as error:
            return tuple(failed(model, error) for model in models)
        except SelectorError as error:
            if len(models) == 1:
                return (failed(models[0], error),)
        except Exception as error:
            if len(models) == 1:
                log.exception("Looking at %s failed in a way that was not foreseen.", models[0])
                return (failed(models[0], SelectorError(f"unexpected {type(error).__name__}: {error}")),)
        return tuple(look for model in models for look in self._selected([model]))
