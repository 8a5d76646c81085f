"""What do `alerts list`, `ack` and `silence` say, and what do they keep?"""

import json
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest

from selector.adapters.clock_system import SystemClock
from selector.adapters.store_sql import open_store
from selector.domain.alerts import AlertRules, Board, Trouble, alert_id, fire, tell
from selector.exchange import Delivery, Notice
from selector.workflows.deliver import deliver, share_out

ID = alert_id("churn", "degraded")


@contextmanager
def state(folder):
    store = open_store(folder / ".mlflow-selector", None, writable=True)
    try:
        yield store
    finally:
        store.close()


@pytest.fixture
def now():
    """The time of the test itself: the program asks the computer's clock, and a long test run may last for hours."""
    return datetime.now(UTC)


@pytest.fixture
def firing(folder, now):
    board = Board("churn")
    for kind in ("degraded", "missing_data"):
        trouble = Trouble("f1", f"{kind} now", "0.61, wanted 0.75", now, now - timedelta(hours=3))
        board = fire(board, kind, trouble)
    board, _ = tell(board, now, AlertRules())
    with state(folder) as store:
        store.keep_board("churn", board.to_json(), None)
    return folder


def alerts_of(run):
    return json.loads(run("alerts", "list", "--json").stdout)["alerts"]


def test_without_a_state_there_are_no_alerts_and_none_is_made(run, folder):
    result = run("alerts", "list")
    assert (result.exit_code, result.stdout) == (0, "no alerts\n")
    assert not (folder / ".mlflow-selector").exists()


def test_open_alerts_are_listed_with_their_id_state_and_age(run, firing):
    text = run("alerts", "list").stdout
    assert f"{ID}  churn: degraded, firing, for 3 h" in text
    assert "degraded now. 0.61, wanted 0.75" in text
    (first, second) = alerts_of(run)
    assert (first["id"], first["kind"], first["state"], second["kind"]) == (ID, "degraded", "firing", "missing_data")


def test_one_alert_is_acknowledged_by_its_id_and_all_by_the_model(run, firing):
    assert run("alerts", "ack", ID).exit_code == 0
    assert [one["state"] for one in alerts_of(run)] == ["acknowledged", "firing"]
    assert "missing_data acknowledged" in run("alerts", "ack", "churn").stdout
    assert [one["state"] for one in alerts_of(run)] == ["acknowledged", "acknowledged"]
    assert "nothing to acknowledge" in run("alerts", "ack", "churn").stdout
    kinds = [entry["kind"] for entry in json.loads(run("history", "--json").stdout)["entries"]]
    assert kinds == ["acknowledged", "acknowledged"]


def test_a_silence_is_listed_until_it_ends_and_is_in_the_history(run, firing):
    result = run("alerts", "silence", "churn", "--for", "2h", "--reason", "labels are late")
    assert (result.exit_code, "silenced until" in result.stdout) == (0, True)
    document = json.loads(run("alerts", "list", "--json").stdout)
    assert document["silences"][0]["reason"] == "labels are late"
    assert {one["state"] for one in document["alerts"]} == {"silenced"}
    assert "labels are late" in run("history", "churn").stdout


@pytest.mark.parametrize("words", [("ack", ID), ("ack", "churn"), ("silence", "churn")])
def test_a_dry_run_changes_nothing(run, firing, words):
    before = alerts_of(run)
    document = json.loads(run("alerts", *words, "--dry-run", "--json").stdout)
    assert (document["changed"], document["dry_run"]) == (True, True)
    assert "would be" in document["reason"]
    assert alerts_of(run) == before


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("ack", "chrun"), "'chrun' is neither a model nor the id of an alert"),
        (("silence", "chrun"), "model 'chrun' is not in the configuration"),
        (("silence", "churn", "--for", "400d"), "a year at most"),
        (("silence", "churn", "--for", "99999999999999d"), ""),
        (("silence", "churn", "--for", "soon"), "not a duration"),
    ],
)
def test_what_makes_no_sense_is_refused(run, firing, words, said):
    result = run("alerts", *words)
    assert result.exit_code == 2
    assert said in result.stderr


def test_a_model_without_alerts_may_be_acknowledged_to_no_effect(run, folder):
    result = run("alerts", "ack", "fraud")
    assert (result.exit_code, "nothing to acknowledge" in result.stdout) == (0, True)


def test_what_was_not_delivered_is_listed_with_its_reason(run, folder, now):
    notices = [Notice(key=key, model="churn", kind="promoted", title=f"title {key}", body="") for key in "12"]
    with state(folder) as store:
        store.put(notices)
        store.share_out({"1": ["hook"], "2": ["mail"]}, complete=True, oldest=now - timedelta(days=1))
        store.failed(store.waiting("hook")[0], now, "it answered 503")
        store.given_up(store.waiting("mail"), "dead", "no such user")
    text = run("alerts", "list").stdout
    assert "title 1: waits for hook (it answered 503)" in text
    assert "title 2: was never delivered to mail (no such user)" in text
    given_up = [one["given_up"] for one in json.loads(run("alerts", "list", "--json").stdout)["undelivered"]]
    assert given_up == [False, True]


class Refusing:
    """A channel that never takes anything."""

    name = "hook"

    def takes(self, notice):
        return True

    def send(self, notice):
        return Delivery("refused", "it answered 404")


def test_what_is_given_up_is_in_the_history_once(run, folder):
    with state(folder) as store:
        store.put([Notice(key="1", model="churn", kind="promoted", title="v9 is champion", body="")])
        for _ in range(2):
            share_out(store, [Refusing()], SystemClock(), complete=True)
            deliver(store, [Refusing()], SystemClock())
    text = run("history", "churn").stdout
    assert text.count("not delivered") == 1
    assert "v9 is champion was never delivered to hook: it answered 404" in " ".join(text.split())
    (entry,) = json.loads(run("history", "--json").stdout)["entries"]
    assert (entry["kind"], entry["model"]) == ("not_delivered", "churn")
