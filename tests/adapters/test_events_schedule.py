"""Does the time come when the operator's line says so?"""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from selector.adapters.events_schedule import Schedule, Schedules, _trigger
from selector.domain.events import WakeUp
from selector.domain.schedule import WEEKDAYS, cron

MONDAY = datetime(2026, 6, 1, tzinfo=UTC)


def times(schedule, start, count):
    trigger, found, previous = _trigger(schedule), [], None
    for _ in range(count):
        later = previous.astimezone(UTC) + timedelta(seconds=1) if previous else start
        previous = trigger.get_next_fire_time(previous, later)
        found.append(previous)
    return found


@pytest.mark.parametrize("day", [*range(8), *WEEKDAYS])
def test_each_weekday_comes_on_its_own_day(day):
    (found,) = times(Schedule(cron(f"0 6 * * {day}")), MONDAY, 1)
    wanted = WEEKDAYS[int(day) % 7] if str(day).isdigit() else day
    assert found.strftime("%a").lower() == wanted
    assert (found.hour, found.minute, found.second) == (6, 0, 0)


def test_a_line_with_days_and_weekdays_comes_on_either():
    found = times(Schedule(cron("0 0 13 6 5")), MONDAY, 5)
    assert [(t.day, t.strftime("%a")) for t in found] == [
        (5, "Fri"), (12, "Fri"), (13, "Sat"), (19, "Fri"), (26, "Fri"),
    ]  # fmt: skip


def test_a_zone_moves_the_hour_with_its_summer_time():
    found = times(Schedule(cron("0 6 28-31 3 *"), "Europe/Berlin"), datetime(2026, 3, 28, tzinfo=UTC), 2)
    assert [t.astimezone(UTC).hour for t in found] == [5, 4]


@pytest.mark.parametrize("start", [datetime(2026, 3, 28, 12, tzinfo=UTC), datetime(2026, 10, 24, 12, tzinfo=UTC)])
def test_no_day_is_left_out_where_summer_time_skips_or_repeats_the_hour(start):
    found = times(Schedule(cron("30 2 * * *"), "Europe/Berlin"), start, 4)
    days = dict.fromkeys(t.astimezone(ZoneInfo("Europe/Berlin")).date() for t in found)
    assert list(days)[:3] == [(start + timedelta(days=n)).date() for n in (1, 2, 3)]


def test_an_interval_wakes_for_its_model_only():
    heard, told = threading.Event(), []
    schedules = Schedules({"churn": Schedule(1.0), "fraud": Schedule(3600.0)})
    schedules.start(lambda wake: (told.append(wake), heard.set()))
    try:
        assert heard.wait(10)
        assert set(schedules.next_times()) == {"churn", "fraud"}
    finally:
        schedules.stop()
    assert told[0] == WakeUp("schedule", models=("churn",), words="churn is due by its schedule")
    assert {w.models for w in told} == {("churn",)}


def test_it_can_be_stopped_twice_without_a_start_and_started_again():
    schedules = Schedules({"churn": Schedule(3600.0)})
    schedules.stop()
    schedules.start(lambda _wake: None)
    schedules.stop()
    schedules.stop()
    assert schedules.next_times() == {}
    schedules.start(lambda _wake: None)
    assert list(schedules.next_times()) == ["churn"]
    schedules.stop()


def test_a_late_time_is_not_dropped_and_many_missed_ones_come_as_one():
    schedules = Schedules({"churn": Schedule(cron("0 6 * * *"))})
    schedules.start(lambda _wake: None)
    try:
        (job,) = schedules._scheduler.get_jobs()
        assert (job.misfire_grace_time, job.coalesce, job.max_instances) == (None, True, 1)
    finally:
        schedules.stop()


@pytest.mark.parametrize("seconds", [-10 * 365 * 86_400, -60])
def test_a_clock_that_was_set_back_does_not_put_off_the_next_look(seconds):
    now = [datetime.now(UTC).timestamp()]
    schedules = Schedules({"churn": Schedule(3600.0)}, wall=lambda: now[0], monotonic=lambda: 0.0)
    schedules.start(lambda _wake: None)
    try:
        far = datetime.now(UTC) + timedelta(days=4000)
        schedules._scheduler.modify_job("churn", next_run_time=far)  # what a clock far ahead would have made
        now[0] += seconds
        assert schedules.trouble() is None
        assert schedules.next_times()["churn"] < datetime.now(UTC) + timedelta(hours=2)
        assert schedules.trouble() is None
    finally:
        schedules.stop()


def test_a_clock_that_was_set_forward_brings_what_was_skipped_at_once():
    now, heard = [0.0], threading.Event()
    schedules = Schedules({"churn": Schedule(3600.0)}, wall=lambda: now[0], monotonic=lambda: 0.0)
    schedules.start(lambda _wake: heard.set())
    try:
        store = schedules._scheduler._jobstores["default"]
        job = store.lookup_job("churn")
        job._modify(next_run_time=datetime.now(UTC) - timedelta(minutes=5))  # passed, while the scheduler sleeps
        store.update_job(job)
        assert not heard.is_set()
        now[0] += 3600.0
        assert schedules.trouble() is None
        assert heard.wait(10)
    finally:
        schedules.stop()
