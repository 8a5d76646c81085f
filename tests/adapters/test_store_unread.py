"""Do all stores know which answers nobody reads any more, and forget only these?"""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from selector.adapters.clock_memory import MemoryClock
from selector.adapters.store_memory import MemoryStore
from selector.adapters.store_sql import open_store
from selector.domain.model import Predictions, Unscorable
from selector.errors import SelectorError

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
ANSWER = Predictions(np.array([1, 0, 1]))
DAY = 86_400.0


@pytest.fixture
def clock():
    return MemoryClock(NOON)


@pytest.fixture(params=["memory", "sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def store(request, tmp_path, clock):
    if request.param == "memory":
        opened = MemoryStore(clock)
    else:
        url = request.getfixturevalue("postgres_database") if request.param == "postgres" else None
        opened = open_store(tmp_path / "state", url, writable=True, clock=clock)
    yield opened
    opened.close()


def test_an_answer_is_unread_from_when_it_was_last_kept_or_read(store, clock):
    store.remember_predictions("old", "rows", ANSWER)
    store.remember_predictions("read", "rows", ANSWER)
    store.remember_predictions("kept", "rows", ANSWER)
    clock.advance(50 * DAY)
    store.remember_predictions("kept", "rows", ANSWER)
    assert store.predictions("read", "rows") is not None
    assert set(store.unread_predictions(NOON)) == set()
    assert set(store.unread_predictions(NOON + timedelta(days=10))) == {("old", "rows")}
    assert len(store.unread_predictions(NOON + timedelta(days=60))) == 3


def test_only_answers_that_are_still_unread_are_forgotten(store, clock):
    for model in ("a", "b"):
        store.remember_predictions(model, "rows", ANSWER)
    clock.advance(50 * DAY)
    since = NOON + timedelta(days=10)
    unread = store.unread_predictions(since)
    assert store.predictions("b", "rows") is not None  # in the meantime
    assert store.drop_predictions(unread, since) == 1
    assert store.predictions("a", "rows") is None
    assert store.predictions("b", "rows") is not None
    assert store.drop_predictions([("never", "there")], since) == 0


def test_why_a_model_could_not_be_scored_is_kept_for_ever(store, clock):
    store.remember_predictions("broken", "rows", Unscorable("it needs a library"))
    clock.advance(500 * DAY)
    assert store.unread_predictions(clock.now()) == ()
    assert store.predictions("broken", "rows") == Unscorable("it needs a library")


def test_a_forgotten_answer_leaves_neither_file_nor_row(tmp_path, clock):
    with closing(open_store(tmp_path, None, writable=True, clock=clock)) as store:
        store.remember_predictions("a", "rows", ANSWER)
        clock.advance(50 * DAY)
        assert store.drop_predictions([("a", "rows")], clock.now()) == 1
        assert list(tmp_path.rglob("*.npz")) == []
        with store._database.reading() as connection:
            assert connection.exec_driver_sql("SELECT count(*) FROM selector_predictions").scalar() == 0


def test_a_file_of_another_computer_keeps_its_row(tmp_path, clock):
    with closing(open_store(tmp_path, None, writable=True, clock=clock)) as store:
        store.remember_predictions("a", "rows", ANSWER)
        (path,) = tmp_path.rglob("*.npz")
        path.unlink()
        clock.advance(50 * DAY)
        assert store.unread_predictions(clock.now()) == ()
        assert store.drop_predictions([("a", "rows")], clock.now()) == 0


def test_a_file_is_marked_as_read_once_a_day_at_most(tmp_path, clock):
    with closing(open_store(tmp_path, None, writable=True, clock=clock)) as store:
        store.remember_predictions("a", "rows", ANSWER)
        (path,) = tmp_path.rglob("*.npz")
        for seconds, marked in ((0.5 * DAY, 0.0), (1.0 * DAY, 1.5 * DAY), (0.1 * DAY, 1.5 * DAY)):
            clock.advance(seconds)
            store.predictions("a", "rows")
            assert path.stat().st_mtime - NOON.timestamp() == marked


def test_whoever_only_looks_marks_nothing_and_forgets_nothing(tmp_path, clock):
    with closing(open_store(tmp_path, None, writable=True, clock=clock)) as store:
        store.remember_predictions("a", "rows", ANSWER)
    clock.advance(50 * DAY)
    with closing(open_store(tmp_path, None, writable=False, clock=clock)) as store:
        assert store.predictions("a", "rows") is not None
        assert store.unread_predictions(clock.now()) == (("a", "rows"),)
        with pytest.raises(SelectorError, match="read only"):
            store.drop_predictions([("a", "rows")], clock.now())
