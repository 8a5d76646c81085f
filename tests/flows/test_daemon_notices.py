"""Are notices sent beside the turns, promptly, and with one quick try at the end?"""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from datetime import timedelta

import pytest

from selector.daemon_notices import Deliveries, quick
from selector.domain.service import ServiceState
from selector.errors import StateUnavailableError
from selector.exchange import Delivery, Notice

PATIENCE = 10.0


class Channel:
    """A receiver that can be made to hang until it is let go."""

    def __init__(self, name="hook", *, hangs=False):
        self.name, self.got, self.let_go = name, [], threading.Event()
        if not hangs:
            self.let_go.set()

    def takes(self, notice):
        return True

    def send(self, notice):
        self.let_go.wait(PATIENCE * 3)
        self.got.append(notice.key)
        return Delivery("sent")


def put(world, *keys):
    world.store.put([Notice(key=key, model="churn", kind="promoted", title="t", body="") for key in keys])


def soon(condition):
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.01)


@pytest.fixture
def at_work(world):
    """Makes deliveries at work; what hangs is let go at the end."""
    made = []

    def start(*channels, **more):
        deliveries = Deliveries(world.house, channels, **more)
        made.append((deliveries, channels))
        deliveries.start(lambda _wake: None)
        return deliveries

    yield start
    for deliveries, channels in made:
        for one in channels:
            one.let_go.set()
        deliveries.stop()


def state(world, **more):
    return replace(ServiceState("active", world.clock.now()), **more)


def test_what_waits_is_sent_and_counted(world, at_work):
    counts, channel = [], Channel()
    put(world, "1", "2")
    deliveries = at_work(channel, counted=lambda done, waiting: counts.append((done.sent, waiting)))
    soon(lambda: channel.got == ["1", "2"] and (2, 0) in counts)
    put(world, "3")
    deliveries.observe(state(world), None, 0.1)
    soon(lambda: channel.got == ["1", "2", "3"])
    assert deliveries.trouble() is None


def test_a_channel_that_hangs_keeps_no_other_waiting_and_no_turn(world, at_work):
    stuck, good = Channel("stuck", hangs=True), Channel("good")
    put(world, "1", "2")
    deliveries = at_work(stuck, good)
    soon(lambda: good.got == ["1", "2"])
    deliveries.observe(state(world), None, 0.1)  # returns at once
    assert stuck.got == []


def test_without_channels_nothing_piles_up(world, at_work):
    put(world, "1")
    at_work()
    soon(lambda: world.store.notices() == ())


def test_mlflow_that_is_away_is_told_by_the_daemon(world, at_work):
    channel = Channel()
    deliveries = at_work(channel)
    began = world.clock.now()
    world.clock.advance(timedelta(minutes=11).total_seconds())
    deliveries.observe(state(world, good_at=began, mlflow="MLflow does not answer."), None, 0.1)
    soon(lambda: len(channel.got) == 1)
    assert "unreachable" in channel.got[0]


@pytest.mark.parametrize("error", [StateUnavailableError("the disk is full"), ZeroDivisionError("a bug")])
def test_a_state_that_cannot_be_read_is_a_trouble_that_mends_itself(world, at_work, monkeypatch, error):
    put(world, "1")
    channel = Channel()
    with monkeypatch.context() as at:
        at.setattr(world.store, "notices", lambda: (_ for _ in ()).throw(error))
        deliveries = at_work(channel)
        soon(lambda: deliveries.trouble() is not None)
    deliveries.observe(state(world), None, 0.1)
    soon(lambda: channel.got == ["1"] and deliveries.trouble() is None)


def test_the_end_tries_once_more_and_is_safe_to_ask_for_twice(world, at_work):
    channel = Channel()
    deliveries = at_work(channel)
    soon(lambda: not world.store.notices())
    put(world, "last words")
    deliveries.stop()
    assert channel.got == ["last words"]
    deliveries.stop()


def test_the_end_does_not_wait_for_a_receiver_that_hangs(world, monkeypatch):
    stuck = Channel(hangs=True)
    put(world, "1")
    began = time.monotonic()
    quick(world.house, [stuck], complete=True, seconds=0.3)
    assert time.monotonic() - began < PATIENCE
    assert world.store.waiting("hook")[0].attempts == 1
    stuck.let_go.set()


def test_a_quick_try_that_fails_is_silent_and_keeps_everything(world, monkeypatch, caplog):
    put(world, "1")
    failing = Channel()
    monkeypatch.setattr(failing, "send", lambda _notice: Delivery("later", "503"))
    quick(world.house, [failing], complete=True)
    assert [row.error for row in world.store.waiting("hook")] == ["503"]
    monkeypatch.setattr(world.store, "notices", lambda: (_ for _ in ()).throw(StateUnavailableError("busy")))
    quick(world.house, [failing], complete=True)
    assert [record for record in caplog.records if record.levelname in {"WARNING", "ERROR"}] == []


def test_who_knows_only_some_channels_leaves_the_notices_to_the_service(world):
    channel = Channel()
    put(world, "1")
    quick(world.house, [channel], complete=False)
    assert channel.got == ["1"]
    assert [notice.key for notice in world.store.notices()] == ["1"]
