"""Is every notice delivered at least once and in order, whatever the receivers and the processes go through?"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selector.adapters.clock_memory import MemoryClock
from selector.adapters.store_memory import MemoryStore
from selector.adapters.store_sql import open_store
from selector.exchange import Delivery, Entry, Notice
from selector.workflows.deliver import deliver, failing_for, share_out, wait_after

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
SENT, LATER, REFUSED = Delivery("sent"), Delivery("later", "503"), Delivery("refused", "404")


class Channel:
    """A receiver whose mood the test sets; `answer` may be a function of the notice."""

    def __init__(self, name="hook", answer=SENT, kinds=None):
        self.name, self.answer, self.kinds = name, answer, kinds
        self.got: list[str] = []
        self.tries: list[str] = []

    def takes(self, notice):
        return self.kinds is None or notice.kind in self.kinds

    def send(self, notice):
        self.tries.append(notice.key)
        answer = self.answer(notice) if callable(self.answer) else self.answer
        if isinstance(answer, BaseException):
            raise answer
        if answer.outcome == "sent":
            self.got.append(notice.key)
        return answer


@pytest.fixture
def clock():
    return MemoryClock(NOON)


@pytest.fixture(params=["memory", "sqlite"])
def store(request, tmp_path, clock):
    opened = MemoryStore(clock) if request.param == "memory" else open_store(tmp_path, None, writable=True, clock=clock)
    yield opened
    opened.close()


def put(store, *keys, model="churn", kind="promoted"):
    store.put([Notice(key=key, model=model, kind=kind, title=f"title of {key}", body="") for key in keys])


def go(store, clock, *channels, **more):
    share_out(store, channels, clock, complete=True)
    return deliver(store, channels, clock, **more)


def until_quiet(store, clock, *channels, hours=30):
    end = clock.now() + timedelta(hours=hours)
    while clock.now() < end:
        done = go(store, clock, *channels)
        if done.next_at is None:
            return
        clock.advance(max(1.0, (done.next_at - clock.now()).total_seconds()))


def test_everything_goes_to_every_channel_that_takes_it_in_order(store, clock):
    every, some = Channel("every"), Channel("some", kinds={"degraded"})
    put(store, "1", "2")
    put(store, "3", kind="degraded")
    done = go(store, clock, every, some)
    assert (done.sent, done.failed, done.waiting, done.dead, done.next_at) == (4, 0, 0, 0, None)
    assert (every.got, some.got) == (["1", "2", "3"], ["3"])
    assert go(store, clock, every, some).sent == 0


def test_a_channel_that_fails_is_tried_again_later_and_keeps_no_other_waiting(store, clock):
    bad, good = Channel("bad", LATER), Channel("good")
    put(store, "1", "2")
    done = go(store, clock, bad, good)
    assert (good.got, bad.tries) == (["1", "2"], ["1"])
    assert (done.sent, done.failed, done.waiting) == (2, 1, 2)
    assert go(store, clock, bad).failed == 0  # not before its time
    clock.advance((done.next_at - NOON).total_seconds())
    bad.answer = SENT
    assert go(store, clock, bad).sent == 2
    assert bad.got == ["1", "2"]


def test_one_channel_that_raises_costs_only_its_own_attempt(store, clock, caplog):
    broken, good = Channel("broken", RuntimeError("a secret")), Channel("good")
    put(store, "1")
    done = go(store, clock, broken, good)
    assert (done.failed, good.got) == (1, ["1"])
    assert "broken" in caplog.text
    assert "secret" not in store.unsent()[0].error


@given(attempts=st.integers(1, 10_000), key=st.text(max_size=20))
def test_waits_grow_from_a_second_to_a_quarter_of_an_hour_and_follow_from_the_key(attempts, key):
    wait = wait_after(attempts, key, "hook")
    assert 1.0 <= wait <= 900.0
    assert wait == wait_after(attempts, key, "hook")
    assert wait <= 1.25 * 2.0 ** min(attempts - 1, 10)
    assert attempts < 12 or wait >= 750.0


def test_many_notices_that_failed_together_do_not_come_back_together():
    assert len({wait_after(5, str(number), "hook") for number in range(100)}) == 100


@pytest.mark.parametrize(
    ("asked", "least", "most"), [(None, 1, 2), (30.0, 30, 30), (3600.0, 3600, 3600), (1e9, 3600, 3600), (-5.0, 1, 2)]
)
def test_what_a_receiver_asks_for_is_honoured_up_to_an_hour(store, clock, asked, least, most):
    put(store, "1")
    done = go(store, clock, Channel(answer=Delivery("later", "429", asked)))
    assert least <= (done.next_at - NOON).total_seconds() <= most


def test_what_no_try_will_ever_deliver_is_given_up_at_once_and_said(store, clock, caplog):
    channel = Channel(answer=lambda notice: REFUSED if notice.key == "1" else SENT)
    put(store, "1", "2")
    done = go(store, clock, channel)
    assert (done.dead, channel.got) == (1, ["2"])
    assert "title of 1 was given up for hook: 404" in caplog.text
    assert dict(store.counts()) == {"dead": 1, "sent": 1}


def test_what_fails_for_a_day_is_given_up_and_not_before(store, clock, caplog):
    channel = Channel(answer=LATER)
    put(store, "1")
    until_quiet(store, clock, channel)
    assert timedelta(hours=24) <= clock.now() - NOON <= timedelta(hours=24, minutes=20)
    assert dict(store.counts()) == {"dead": 1}
    assert "was given up" in caplog.text
    assert 90 <= len(channel.tries) <= 140


def test_a_receiver_that_was_away_for_hours_gets_everything_afterwards(store, clock):
    channel = Channel(answer=LATER)
    for hour in range(5):
        put(store, f"promoted-{hour}", f"alert:churn:degraded:{hour}:{'repeat' if hour else 'fired'}")
        put(store, f"other-{hour}", model="fraud")
        until_quiet(store, clock, channel, hours=1)
    channel.answer, away = SENT, len(channel.tries)
    until_quiet(store, clock, channel)
    assert [key for key in channel.got if not key.startswith("other")] == [
        "promoted-0",
        "alert:churn:degraded:0:fired",
        *(f"promoted-{hour}" for hour in range(1, 5)),
    ]
    assert [key for key in channel.got if key.startswith("other")] == [f"other-{hour}" for hour in range(5)]
    assert len(channel.tries) - away == len(channel.got)  # the first attempt after the outage succeeds
    assert clock.now() - NOON <= timedelta(hours=5, minutes=31)  # the last wait of the outage, and one more


def test_what_a_receiver_never_takes_stops_only_its_own_model(store, clock):
    channel = Channel(answer=lambda notice: LATER if notice.model == "fraud" else SENT)
    put(store, "stuck", model="fraud")
    for number in range(20):
        put(store, str(number))
        go(store, clock, channel)
        clock.advance(20.0)
    assert len(channel.got) >= 19


def refusing(*keys):
    return lambda notice: LATER if notice.key in keys else SENT


@pytest.mark.parametrize("refused", [("1",), ("1", "2")])
def test_what_is_refused_for_an_hour_is_overtaken_and_those_behind_it_keep_their_order(store, clock, refused):
    channel = Channel(answer=refusing(*refused))
    put(store, *"1234")
    until_quiet(store, clock, channel, hours=0.9)
    assert channel.got == []
    until_quiet(store, clock, channel, hours=0.9 * len(refused))
    assert channel.got == [key for key in "1234" if key not in refused]
    assert [row.notice.key for row in store.waiting("hook")] == list(refused)


def test_what_was_overtaken_once_holds_up_nothing_that_comes_later_and_is_still_tried(store, clock):
    channel = Channel(answer=refusing("1"))
    put(store, "1", "2")
    until_quiet(store, clock, channel, hours=2)
    go(store, clock, channel)  # it fails now, and is not due for minutes
    put(store, "3")
    assert go(store, clock, channel).failed == 0
    assert channel.got == ["2", "3"]
    tried = channel.tries.count("1")
    until_quiet(store, clock, channel, hours=1)
    assert channel.tries.count("1") > tried
    channel.answer = SENT
    until_quiet(store, clock, channel)
    assert channel.got == ["2", "3", "1"]


def test_nothing_is_overtaken_while_the_channel_is_away_however_long(store, clock):
    channel = Channel(answer=LATER)
    put(store, *"123")
    put(store, "other", model="fraud")
    until_quiet(store, clock, channel, hours=10)
    channel.answer = SENT
    put(store, "4")
    until_quiet(store, clock, channel)
    assert [key for key in channel.got if key != "other"] == list("1234")


def test_a_way_that_is_open_again_for_another_model_does_not_change_the_order(store, clock):
    channel = Channel(answer=LATER)
    put(store, *"12")
    until_quiet(store, clock, channel, hours=3)
    channel.answer = SENT
    put(store, "other", model="fraud")
    go(store, clock, channel)
    assert channel.got[0] == "other"
    until_quiet(store, clock, channel)
    assert channel.got == ["other", "1", "2"]


def test_an_old_notice_that_never_failed_itself_is_not_overtaken_for_one_failure(store, clock):
    answers = {"1": SENT, "2": LATER}
    channel = Channel(answer=LATER)
    put(store, *"123")
    until_quiet(store, clock, channel, hours=0.9)
    clock.advance(3 * 3600.0)
    channel.answer = lambda notice: answers.pop(notice.key, SENT)
    until_quiet(store, clock, channel)
    assert channel.got == list("123")


def test_the_time_of_failing_follows_from_the_attempts():
    assert failing_for(0, "k", "hook") == failing_for(1, "k", "hook") == timedelta(0)
    assert failing_for(11, "k", "hook") < timedelta(hours=1) < failing_for(15, "k", "hook")


def not_delivered(store):
    return store.entries(kinds=("not_delivered",))


def test_what_is_given_up_is_in_the_ledger_with_channel_reason_and_decision(store, clock):
    store.append([Entry(at=NOON, model="churn", kind="decision", decision="D7")])
    put(store, "promoted-D7", "promoted-0123", "alert:churn:degraded:1:fired")
    why = Delivery("refused", "404 at https://hooks.example.org/x?token=abc123")
    go(store, clock, Channel(answer=why))
    entries = not_delivered(store)
    assert [(e.at, e.model, e.decision) for e in entries] == [(NOON, "churn", "D7"), *[(NOON, "churn", None)] * 2]
    assert entries[0].reason.startswith("title of promoted-D7 was never delivered to hook: 404 at ")
    assert "abc123" not in entries[0].reason
    assert dict(entries[0].details) == {"notice": "promoted-D7", "about": "promoted", "channel": "hook", "attempts": 1}


def test_two_who_give_a_notice_up_at_once_write_it_down_once(store, clock):
    put(store, "1")
    other = Channel(answer=REFUSED)

    def meanwhile(notice):
        clock.advance(61.0)
        deliver(store, [other], clock)
        return REFUSED

    go(store, clock, Channel(answer=meanwhile))
    assert (other.tries, len(not_delivered(store))) == (["1"], 1)


def test_what_others_say_as_well_is_no_loss_and_not_in_the_ledger(store, clock):
    put(store, "alert:churn:degraded:1:fired", "alert:churn:degraded:2:repeat")
    go(store, clock, Channel())
    assert dict(store.counts()) == {"merged": 1, "sent": 1}
    assert store.entries() == ()


class Killed(BaseException):
    """The process ends here, whatever it was doing."""


@pytest.mark.parametrize("moment", ["before the claim", "before sending", "after sending", "after the mark"])
def test_a_kill_at_any_moment_loses_nothing_and_repeats_at_most_one_under_the_same_key(
    store, clock, moment, monkeypatch
):
    channel = Channel()
    put(store, "1", "2", "3")
    share_out(store, [channel], clock, complete=True)

    def killed(*_):
        raise Killed

    with monkeypatch.context() as at:
        if moment == "before the claim":
            at.setattr(type(store), "claim", killed)
        elif moment == "before sending":
            at.setattr(channel, "send", killed)
        elif moment == "after sending":
            at.setattr(type(store), "sent", killed)
        else:
            real = type(store).sent
            at.setattr(type(store), "sent", lambda self, row: (real(self, row), killed()))
        with pytest.raises(Killed):
            deliver(store, [channel], clock)
    until_quiet(store, clock, channel, hours=1)
    assert list(dict.fromkeys(channel.got)) == ["1", "2", "3"]
    assert len(channel.got) == (4 if moment == "after sending" else 3)
    assert clock.now() - NOON <= timedelta(seconds=61)


def test_what_another_process_is_sending_is_left_to_it(store, clock):
    channel = Channel()
    put(store, "1", "2")
    share_out(store, [channel], clock, complete=True)
    store.claim(store.waiting("hook")[0], NOON + timedelta(seconds=60))
    assert deliver(store, [channel], clock).sent == 0
    clock.advance(60.0)
    assert deliver(store, [channel], clock).sent == 2


def test_two_senders_at_once_send_each_notice_once(store, clock):
    channel, other = Channel(), Channel()
    put(store, "1", "2", "3")
    share_out(store, [channel], clock, complete=True)

    def meanwhile(notice):
        deliver(store, [other], clock)
        return SENT

    channel.answer = meanwhile
    put(store, "4", model="fraud")
    share_out(store, [channel], clock, complete=True)
    deliver(store, [channel], clock)
    assert sorted(channel.got + other.got) == ["1", "2", "3", "4"]


def test_a_clock_that_was_wrong_by_years_stops_nothing(store, clock):
    channel = Channel(answer=LATER)
    put(store, "1")
    go(store, clock, channel)
    clock.advance(-5 * 365 * 86_400.0)
    channel.answer = SENT
    assert go(store, clock, channel).sent == 1


def test_the_end_of_a_process_is_not_held_up_by_what_is_left_to_send(store, clock):
    channel = Channel()
    put(store, *map(str, range(10)))
    assert go(store, clock, channel, stop=lambda: len(channel.got) >= 3).sent == 3
    assert go(store, clock, channel, limit=4).sent == 4
    assert go(store, clock, channel).sent == 3
    assert channel.got == list(map(str, range(10)))


def test_a_notice_older_than_a_day_tells_nobody_when_a_channel_is_configured(store, clock):
    put(store, "old")
    clock.advance(25 * 3600.0)
    put(store, "new")
    channel = Channel()
    go(store, clock, channel)
    assert channel.got == ["new"]


def test_who_has_not_the_credentials_of_all_channels_leaves_the_others_to_the_service(store, clock):
    hook, mail = Channel("hook"), Channel("mail")
    put(store, "1")
    share_out(store, [hook], clock, complete=False)
    deliver(store, [hook], clock)
    go(store, clock, hook, mail)
    assert (hook.got, mail.got) == (["1"], ["1"])
