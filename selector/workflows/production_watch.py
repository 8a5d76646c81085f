"""Which champions is the service watching in production, and when is the next look at each due?"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass, field

from selector.errors import LeaseHeldError, SelectorError
from selector.workflows.alarm import raise_alerts
from selector.workflows.families import known
from selector.workflows.house import House, Setup
from selector.workflows.monitor import Monitored, monitor

log = logging.getLogger(__name__)

ACTOR = "daemon"


@dataclass(slots=True, eq=False)
class ProductionWatch:
    """Remembers when each watched model was measured last; seconds of a monotonic clock.

    Attributes:
        every: seconds between two looks at the production data of a model.

    """

    every: float = 60.0
    _setups: tuple[Setup, ...] | None = None
    _due: dict[str, float] = field(default_factory=dict)

    @property
    def next_at(self) -> float | None:
        """Return when the next look is due; None where nothing is watched."""
        return min(self._due.values(), default=None)

    def forget(self) -> None:
        """Ask again who belongs to watched families."""
        self._setups = None

    def take(self, house: House, now: float) -> Iterator[tuple[str, Monitored | SelectorError]]:
        """Measure what is due; one model that fails does not stop the others, and its turn comes again."""
        if not any(setup.monitor for setup in house.setups.values()):
            return
        try:
            setups = self._watched(house)
        except SelectorError as error:
            yield "production", error
            return
        for setup in setups:
            if self._due.get(setup.model, now) <= now:
                self._due[setup.model] = now + self.every
                yield setup.model, self._measured(house, setup, now)

    def _measured(self, house: House, setup: Setup, now: float) -> Monitored | SelectorError:
        try:
            found = monitor(house, setup, dry_run=False, actor=ACTOR)
            raise_alerts(house, found)
        except LeaseHeldError as error:
            self._due[setup.model] = now + 1.0
            return error
        except SelectorError as error:
            return error
        except Exception as error:
            log.exception("Measuring %s in production failed in a way that was not foreseen.", setup.model)
            return SelectorError(f"unexpected {type(error).__name__}: {error}")
        return found

    def _watched(self, house: House) -> tuple[Setup, ...]:
        if self._setups is None:
            names = [name for name, setup in house.setups.items() if setup.monitor]
            self._setups = known(house, names)
        return self._setups
