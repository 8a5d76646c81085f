"""Which models is it time to look at, by the clock on the wall?"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from selector.domain.events import WakeUp
from selector.domain.schedule import WEEKDAYS, Cron

SOURCE = "schedule"

CLOCK_SET = 30.0
"""Seconds by which the wall clock has to move apart from the monotonic one to count as set by somebody."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """When one model is looked at.

    Attributes:
        times: a crontab line, or the seconds from one look to the next.
        timezone: IANA name; for crontab lines.

    """

    times: Cron | float
    timezone: str = "UTC"


class Schedules:
    """Wakes the daemon at the times that its operator wrote down; APScheduler keeps the time.

    APScheduler 3.11 drops what is a second late, runs a job several times after a long sleep and takes 0 for Monday,
    unless it is told otherwise; here it is. Schedules live in memory only: they come from the configuration.

    Args:
        schedules: by model.
        wall: seconds of the wall clock, which may be set.
        monotonic: seconds that no setting of the clock moves.

    """

    name = SOURCE

    def __init__(
        self,
        schedules: Mapping[str, Schedule],
        wall: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._schedules, self._wall, self._monotonic = dict(schedules), wall, monotonic
        self._lock = threading.Lock()
        self._scheduler: Any = None
        self._offset = 0.0

    def start(self, wake: Callable[[WakeUp], None]) -> None:
        """Begin to keep the time."""
        from apscheduler.executors.pool import ThreadPoolExecutor  # noqa: PLC0415 - costs 140 ms
        from apscheduler.schedulers.background import BackgroundScheduler  # noqa: PLC0415 - the same

        scheduler = BackgroundScheduler(
            timezone=ZoneInfo("UTC"),
            executors={"default": ThreadPoolExecutor(1)},
            job_defaults={"misfire_grace_time": None, "coalesce": True, "max_instances": 1},
        )
        for model, schedule in self._schedules.items():
            scheduler.add_job(wake, _trigger(schedule), args=[_due(model)], id=model)
        with self._lock:
            if self._scheduler is not None:
                return
            scheduler.start()
            self._scheduler, self._offset = scheduler, self._apart()

    def stop(self) -> None:
        """End; a job takes no time, so that nothing has to be waited for."""
        with self._lock:
            scheduler, self._scheduler = self._scheduler, None
        if scheduler is not None:
            scheduler.shutdown(wait=False)

    def trouble(self) -> str | None:
        """Return None; where the wall clock was set, the times are worked out again."""
        with self._lock:
            moved = self._apart() - self._offset
            if self._scheduler is not None and abs(moved) > CLOCK_SET:
                self._offset += moved
                self._set_again(forward=moved > 0)
        return None

    def next_times(self) -> Mapping[str, datetime]:
        """Return when each model is looked at next; empty while it does not run."""
        with self._lock:
            jobs = self._scheduler.get_jobs() if self._scheduler is not None else ()
            return {job.id: job.next_run_time for job in jobs}

    def _apart(self) -> float:
        return self._wall() - self._monotonic()

    def _set_again(self, *, forward: bool) -> None:
        """Follow a clock that was set: what was skipped comes at once, what moved away is worked out anew."""
        if forward:
            self._scheduler.wakeup()
            return
        for model, schedule in self._schedules.items():
            self._scheduler.reschedule_job(model, trigger=_trigger(schedule))


def _due(model: str) -> WakeUp:
    return WakeUp(SOURCE, models=(model,), words=f"{model} is due by its schedule")


def _trigger(schedule: Schedule) -> Any:
    """Return APScheduler's trigger for a schedule.

    Weekdays go over as names: APScheduler counts from Monday, crontab from Sunday. Where days and weekdays are both
    given, crontab takes either, APScheduler only days that are both.
    """
    from apscheduler.triggers.combining import OrTrigger  # noqa: PLC0415 - costs 140 ms
    from apscheduler.triggers.cron import CronTrigger  # noqa: PLC0415 - the same
    from apscheduler.triggers.interval import IntervalTrigger  # noqa: PLC0415 - the same

    times, zone = schedule.times, ZoneInfo(schedule.timezone)
    if isinstance(times, float):
        return IntervalTrigger(seconds=times, timezone=zone)
    common = {"minute": _list(times.minutes), "hour": _list(times.hours), "month": _list(times.months), "second": "0"}
    days, weekdays = _list(times.days), ",".join(WEEKDAYS[n] for n in times.weekdays)
    if times.either:
        on_days = CronTrigger(day=days, timezone=zone, **common)
        return OrTrigger([on_days, CronTrigger(day_of_week=weekdays, timezone=zone, **common)])
    return CronTrigger(day=days, day_of_week=weekdays, timezone=zone, **common)


def _list(numbers: tuple[int, ...]) -> str:
    return ",".join(map(str, numbers))
