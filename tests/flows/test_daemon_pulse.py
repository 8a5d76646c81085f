"""Is a loop that hangs noticed although everything else in the process goes on?"""

from __future__ import annotations

import threading

import pytest

from selector.daemon_pulse import CALLS_PER_PATIENCE, Pulse

PATIENCE = 10.0


class Watch:
    """A supervisor that counts signs of life, and a clock that is moved by hand."""

    def __init__(self):
        self.patience, self.now, self.signs = 0.04, 0.0, 0
        self._changed = threading.Condition()

    def alive(self):
        with self._changed:
            self.signs += 1
            self._changed.notify_all()

    def monotonic(self):
        return self.now

    def wait_for(self, signs):
        with self._changed:
            assert self._changed.wait_for(lambda: self.signs >= signs, PATIENCE), "no sign of life"


@pytest.fixture
def watch():
    return Watch()


@pytest.fixture
def pulse(watch):
    made = Pulse(watch, watch.monotonic)
    yield made
    made.stop()


def rounds(pulse, how_many):
    """Let the passing thread go round so many times, whether it says anything or not."""
    waited, gone = pulse._end.wait, threading.Semaphore(0)

    def wait(seconds):
        gone.release()
        return waited(seconds)

    pulse._end.wait = wait
    for _ in range(how_many):
        assert gone.acquire(timeout=PATIENCE)


def test_a_loop_that_keeps_its_promises_is_alive(pulse, watch):
    pulse.beat(30.0)
    pulse.start()
    watch.wait_for(3)
    watch.now = 30.0
    assert pulse.fresh
    watch.wait_for(watch.signs + 2)


def test_a_loop_that_hangs_is_silent_although_the_thread_goes_on_and_heard_again_when_it_goes_on(pulse, watch):
    pulse.beat(30.0)
    pulse.start()
    watch.wait_for(1)
    watch.now = 30.1
    rounds(pulse, 2)
    silent_since = watch.signs
    rounds(pulse, 10)
    assert watch.signs == silent_since
    assert not pulse.fresh
    pulse.beat(30.0)
    watch.wait_for(silent_since + 1)


def test_without_any_promise_nothing_is_passed_on(pulse, watch):
    watch.now = 0.1
    pulse.start()
    rounds(pulse, 5)
    assert watch.signs == 0


def test_a_shorter_promise_replaces_a_longer_one(pulse, watch):
    pulse.beat(1000.0)
    pulse.beat(1.0)
    watch.now = 2.0
    assert not pulse.fresh


def test_others_are_told_whenever_the_supervisor_is(pulse, watch):
    told = []
    pulse.others.append(lambda: told.append(watch.signs))
    pulse.beat(30.0)
    pulse.start()
    watch.wait_for(3)
    pulse.stop()
    assert told[:2] == [1, 2]


def test_the_first_sign_comes_at_once(watch):
    watch.patience = 1e6
    pulse = Pulse(watch, watch.monotonic)
    pulse.beat(30.0)
    pulse.start()
    watch.wait_for(1)
    pulse.stop()


def test_signs_come_often_enough_that_one_late_sign_kills_nobody():
    # sd_watchdog_enabled(3) asks for half of the patience at most.
    assert CALLS_PER_PATIENCE >= 2
