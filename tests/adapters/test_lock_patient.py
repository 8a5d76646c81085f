"""A writer that is usually done in a moment is waited for, and no longer than that."""

from __future__ import annotations

import threading
import time

import pytest

from selector.adapters.lock_memory import MemoryLease
from selector.adapters.lock_patient import PatientLease
from selector.errors import LeaseHeldError


def test_another_writer_that_ends_in_time_is_waited_for():
    other, freed = MemoryLease("patient"), threading.Event()

    def write_for_a_moment():
        with other.hold():
            freed.wait(10)

    thread = threading.Thread(target=write_for_a_moment)
    thread.start()
    threading.Timer(0.3, freed.set).start()
    mine = PatientLease(MemoryLease("patient"), 10.0)
    while not other.still_held() and not freed.is_set():
        time.sleep(0.01)
    with mine.hold():
        assert mine.still_held()
        assert freed.is_set()
    thread.join()


@pytest.mark.parametrize("seconds", [0.0, 0.3])
def test_one_that_keeps_it_is_not_waited_for_for_ever(seconds):
    with (
        MemoryLease("kept").hold(),
        pytest.raises(LeaseHeldError, match="Another instance"),
        PatientLease(MemoryLease("kept"), seconds).hold(),
    ):
        pytest.fail("two held it")


def test_an_error_inside_is_not_taken_for_a_held_lease():
    lease = PatientLease(MemoryLease("inside"), 10.0)
    with pytest.raises(LeaseHeldError, match="of another"), lease.hold():
        raise LeaseHeldError("of another")
