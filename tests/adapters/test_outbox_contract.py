"""Do all stores keep notices and alerts alike, and lose none?"""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from selector.adapters.clock_memory import MemoryClock
from selector.adapters.store_memory import MemoryStore
from selector.adapters.store_sql import open_store
from selector.errors import SelectorError
from selector.ports import Entry, Notice

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
LONG_AGO = NOON - timedelta(days=1)
ODD = ["\x00null", "\ud800lone", "x" * 5000, "", "%_'\"\n"]


@pytest.fixture(params=["memory", "sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def store(request, tmp_path):
    clock = MemoryClock(NOON)
    if request.param == "memory":
        opened = MemoryStore(clock)
    else:
        url = request.getfixturevalue("postgres_database") if request.param == "postgres" else None
        opened = open_store(tmp_path / "state", url, writable=True, clock=clock)
    yield opened
    opened.close()


def notice(key="k1", model="churn", **more):
    return Notice(key=key, model=model, kind="promoted", title="t", body="b", **more)


def shared(store, *keys, channels=("a",), complete=True):
    store.put([notice(key) for key in keys])
    store.share_out(dict.fromkeys(keys, channels), complete=complete, oldest=LONG_AGO)


def test_a_notice_waits_to_be_shared_out_and_then_waits_for_each_channel(store):
    store.put([notice("k1"), notice("k2")])
    assert store.notices() == (notice("k1"), notice("k2"))
    assert store.waiting("a") == ()
    store.share_out({"k1": ["a", "b"], "k2": ["b"]}, complete=True, oldest=LONG_AGO)
    assert store.notices() == ()
    assert [row.notice for row in store.waiting("a")] == [notice("k1")]
    assert [row.notice for row in store.waiting("b")] == [notice("k1"), notice("k2")]
    (row,) = store.waiting("a")
    assert (row.channel, row.attempts, row.made_at, row.next_at, row.error, row.dead) == ("a", 0, NOON, NOON, "", False)


def test_a_key_that_is_known_stays_as_it_is_also_after_it_was_sent(store):
    shared(store, "k1")
    store.sent(store.waiting("a")[0])
    store.put([replace(notice("k1"), title="another")])
    store.share_out({"k1": ["a"]}, complete=True, oldest=LONG_AGO)
    assert store.notices() == ()
    assert store.waiting("a") == ()


def test_who_knows_only_some_channels_leaves_the_notice_to_whoever_knows_all(store):
    shared(store, "k1", channels=["a"], complete=False)
    assert store.notices() == (notice("k1"),)
    store.sent(store.waiting("a")[0])
    store.share_out({"k1": ["a", "b"]}, complete=True, oldest=LONG_AGO)
    assert store.waiting("a") == ()
    assert [row.channel for row in store.waiting("b")] == ["b"]
    assert store.notices() == ()


def test_a_notice_that_no_channel_takes_is_done_with(store):
    store.put([notice()])
    store.share_out({"k1": []}, complete=True, oldest=LONG_AGO)
    assert store.notices() == ()
    assert dict(store.counts()) == {}


def test_what_is_too_old_when_it_is_shared_out_tells_nobody_any_more(store):
    store.put([notice()])
    store.share_out({"k1": ["a"]}, complete=True, oldest=NOON + timedelta(seconds=1))
    assert (store.notices(), store.waiting("a")) == ((), ())


def test_a_row_is_claimed_once(store):
    shared(store, "k1")
    (seen,) = store.waiting("a")
    assert store.claim(seen, NOON + timedelta(minutes=1))
    assert not store.claim(seen, NOON + timedelta(minutes=1))
    (row,) = store.waiting("a")
    assert (row.attempts, row.next_at) == (1, NOON + timedelta(minutes=1))
    assert store.claim(row, NOON + timedelta(minutes=2))


def test_a_failure_keeps_its_reason_and_the_time_of_the_next_attempt(store):
    shared(store, "k1")
    (row,) = store.waiting("a")
    store.failed(row, NOON + timedelta(seconds=7), "it said \x00 503 \ud800")
    (row,) = store.waiting("a")
    assert row.next_at == NOON + timedelta(seconds=7)
    assert "503" in row.error


@pytest.mark.parametrize("state", ["dead", "merged"])
def test_what_was_given_up_is_not_sent_any_more_and_the_dead_are_shown(store, state):
    shared(store, "k1", "k2")
    store.given_up(store.waiting("a")[:1], state, "gone")
    assert [row.notice.key for row in store.waiting("a")] == ["k2"]
    assert dict(store.counts()) == {state: 1, "waiting": 1}
    shown = [(row.notice.key, row.dead) for row in store.unsent()]
    assert shown == ([("k1", True), ("k2", False)] if state == "dead" else [("k2", False)])


def test_what_was_sent_stays_sent_whatever_comes_later(store):
    shared(store, "k1")
    (row,) = store.waiting("a")
    store.sent(row)
    store.failed(row, NOON, "late")
    store.given_up([row], "dead", "late")
    assert not store.claim(row, NOON)
    assert dict(store.counts()) == {"sent": 1}


def lost(reason="refused"):
    return Entry(at=NOON, model="churn", kind="not_delivered", reason=reason)


def test_what_is_given_up_is_in_the_ledger_once_whoever_gives_it_up(store):
    shared(store, "k1", "k2")
    rows = store.waiting("a")
    store.given_up(rows[:1], "dead", "404", [lost("first")])
    store.given_up(rows, "dead", "404", [lost("again"), lost("second")])
    store.given_up(rows, "dead", "404", [lost("again"), lost("again")])
    assert [entry.reason for entry in store.entries(kinds=("not_delivered",))] == ["first", "second"]
    assert store.verify() == 2


def test_a_row_whose_entry_cannot_be_written_is_not_given_up(store):
    shared(store, "k1")
    with pytest.raises(TypeError):
        store.given_up(store.waiting("a"), "dead", "404", [replace(lost(), details={"x": object()})])
    assert (len(store.waiting("a")), store.entries()) == (1, ())


def test_a_row_was_overtaken_where_a_later_notice_of_its_model_was_sent_through_its_channel(store):
    store.put([notice("k1"), notice("k2"), notice("k3", model="fraud"), notice("k4")])
    store.share_out({key: ["a", "b"] for key in ("k1", "k2", "k3", "k4")}, complete=True, oldest=LONG_AGO)
    first, second, other, last = store.waiting("a")
    store.sent(other)
    store.sent(store.waiting("b")[3])
    assert not store.overtook(first)
    store.sent(second)
    assert (store.overtook(first), store.overtook(last)) == (True, False)


def pruned(store, most=100, *, sent=NOON + timedelta(seconds=1), dead=NOON + timedelta(seconds=1)):
    return store.prune(sent, dead, most)


def test_what_ended_is_removed_when_it_is_old_enough_and_what_waits_never(store):
    shared(store, "sent", "dead", "merged", "waiting")
    sent, dead, merged, _ = store.waiting("a")
    store.sent(sent)
    store.given_up([dead], "dead", "404")
    store.given_up([merged], "merged", "the same")
    assert pruned(store, sent=NOON, dead=NOON) == 0
    assert pruned(store, dead=NOON) == 4  # two rows, and the texts of both
    assert dict(store.counts()) == {"dead": 1, "waiting": 1}
    assert [row.notice.key for row in store.unsent()] == ["dead", "waiting"]
    assert pruned(store) == 2
    assert dict(store.counts()) == {"waiting": 1}
    assert [row.notice for row in store.waiting("a")] == [notice("waiting")]
    assert pruned(store) == 0


def test_a_key_whose_row_was_removed_is_not_sent_again(store):
    shared(store, "k1")
    store.sent(store.waiting("a")[0])
    assert pruned(store) == 2
    shared(store, "k1")
    assert (store.notices(), store.waiting("a"), dict(store.counts())) == ((), (), {})
    shared(store, "k2")
    assert [row.notice.key for row in store.waiting("a")] == ["k2"]


def test_rows_are_removed_in_bounded_steps(store):
    keys = [f"k{number}" for number in range(7)]
    shared(store, *keys)
    for row in store.waiting("a"):
        store.sent(row)
    assert [pruned(store, 4) for _ in range(5)] == [4, 4, 4, 2, 0]
    assert dict(store.counts()) == {}


def test_what_one_channel_has_and_another_is_still_to_get_is_not_removed(store):
    shared(store, "k1", channels=["a"], complete=False)
    store.sent(store.waiting("a")[0])
    assert pruned(store, sent=NOON) == 0
    store.share_out({"k1": ["a", "b"]}, complete=True, oldest=LONG_AGO)
    assert (store.waiting("a"), len(store.waiting("b"))) == ((), 1)
    assert pruned(store) == 1  # the row of the one that has it; the text is needed
    assert [row.notice for row in store.waiting("b")] == [notice("k1")]


def test_a_notice_that_nobody_shared_out_is_removed_too(store):
    store.put([notice()])
    assert pruned(store) == 1
    assert (store.notices(), pruned(store)) == ((), 0)


def test_a_notice_that_was_never_shared_out_among_all_is_not_sent_again_to_the_one_who_has_it(store):
    shared(store, "k1", channels=["a"], complete=False)
    store.sent(store.waiting("a")[0])
    assert pruned(store) == 2
    store.share_out({"k1": ["a", "b"]}, complete=True, oldest=LONG_AGO)
    assert (store.waiting("a"), store.waiting("b")) == ((), ())


def test_notices_and_the_entries_they_tell_of_are_kept_together_or_not_at_all(store):
    good = Entry(at=NOON, model="churn", kind="foreign_change")
    store.put([notice()], [good])
    assert (store.entries(), store.notices()) == ((good,), (notice(),))
    with pytest.raises(TypeError):
        store.put([notice("k2")], [replace(good, details={"x": object()})])
    assert (store.entries(), store.notices()) == ((good,), (notice(),))


@pytest.mark.parametrize("text", ODD)
def test_odd_keys_models_and_texts_are_delivered_as_they_are(store, text):
    odd = Notice(key=text, model=text, kind=text, title=text, body=text)
    store.put([odd])
    store.share_out({text: ["a"]}, complete=True, oldest=LONG_AGO)
    (row,) = store.waiting("a")
    assert row.notice == odd
    assert store.claim(row, NOON + timedelta(minutes=1))
    store.sent(row)
    assert store.waiting("a") == ()


def test_a_board_replaces_only_the_one_that_was_read(store):
    assert store.boards() == {}
    assert store.keep_board("churn", {"n": 1}, None)
    assert not store.keep_board("churn", {"n": 9}, None)
    assert not store.keep_board("churn", {"n": 9}, {"n": 0})
    assert store.keep_board("churn", {"n": 2}, {"n": 1})
    assert store.keep_board("fraud", {"n": 3}, None)
    assert store.boards() == {"churn": {"n": 2}, "fraud": {"n": 3}}
    assert store.boards("churn") == {"churn": {"n": 2}}
    assert store.boards("nobody") == {}


def test_a_board_that_is_not_kept_leaves_neither_notice_nor_entry(store):
    entry = Entry(at=NOON, model="churn", kind="acknowledged")
    store.keep_board("churn", {"n": 1}, None)
    assert not store.keep_board("churn", {"n": 2}, None, [notice()], [entry])
    assert (store.notices(), store.entries()) == ((), ())
    assert store.keep_board("churn", {"n": 2}, {"n": 1}, [notice()], [entry])
    assert (store.notices(), store.entries()) == ((notice(),), (entry,))


@pytest.mark.parametrize("model", ODD)
def test_a_board_of_any_name_is_kept(store, model):
    assert store.keep_board(model, {"name": model}, None)
    assert store.boards(model) == {model: {"name": model}}
    assert store.boards() == {model: {"name": model}}


def test_damaged_alerts_start_anew(tmp_path, caplog):
    with closing(open_store(tmp_path, None, writable=True)) as store:
        store.keep_board("churn", {"n": 1}, None)
        with store._database.writing() as connection:
            connection.exec_driver_sql("UPDATE selector_alerts SET record = '{'")
        assert store.boards() == {}
        assert "damaged" in caplog.text
        assert store.keep_board("churn", {"n": 2}, None)
        assert store.boards() == {"churn": {"n": 2}}


def test_what_is_opened_for_reading_shows_alerts_and_notices_and_changes_none(tmp_path):
    with closing(open_store(tmp_path, None, writable=True)) as store:
        store.keep_board("churn", {"n": 1}, None)
        shared(store, "k1")
    with closing(open_store(tmp_path, None, writable=False)) as store:
        assert store.boards() == {"churn": {"n": 1}}
        (row,) = store.unsent()
        assert (store.waiting("a"), dict(store.counts()), store.notices()) == ((row,), {"waiting": 1}, ())
        for write in (
            lambda: store.put([notice()]),
            lambda: store.share_out({}, complete=True, oldest=NOON),
            lambda: store.claim(row, NOON),
            lambda: store.sent(row),
            lambda: store.failed(row, NOON, ""),
            lambda: store.given_up([row], "dead", ""),
            lambda: store.prune(NOON, NOON, 1),
            lambda: store.keep_board("churn", {}, None),
        ):
            with pytest.raises(SelectorError, match="read only"):
                write()
