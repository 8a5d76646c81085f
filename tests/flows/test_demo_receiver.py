"""Does the demo's receiver take what the service's own webhook sends, once, and nothing else?"""

from __future__ import annotations

import time
from types import SimpleNamespace

import pytest
import requests

from selector.adapters.clock_system import SystemClock
from selector.adapters.notify_chosen import Chosen
from selector.adapters.notify_signature import signature
from selector.adapters.notify_webhook import WebhookNotifier
from selector.demo.receiver import new_secret, receiving
from selector.demo.service import ACTOR, Service
from selector.ports import Notice

SECRET = "0123456789abcdef"
BODY = b'{"kind": "degraded", "title": "churn: degraded", "body": "Look."}'


@pytest.fixture
def receiver():
    with receiving(SECRET) as one:
        yield one


def posted(receiver, secret=SECRET, identity="D1", at=None, body=BODY, **changed):
    stamp = int(time.time()) if at is None else at
    headers = {
        "webhook-id": identity,
        "webhook-timestamp": str(stamp),
        "webhook-signature": signature(secret, identity, stamp, body),
    }
    with requests.Session() as session:
        session.trust_env = False
        return session.post(receiver.url, data=body, headers={**headers, **changed}, timeout=20).status_code


def test_what_the_service_sends_arrives_as_it_was_written(receiver):
    notifier = WebhookNotifier(receiver.url, SECRET, "demo", Chosen(), SystemClock())
    notice = Notice(key="D1", model="churn", kind="degraded", title="churn: degraded", body="é\nLook.")
    assert notifier.send(notice).outcome == "sent"
    message = receiver.told("degraded", 0)
    assert (message.identity, message.title, message.body) == ("D1", "churn: degraded", "é\nLook.")
    assert receiver.refused == 0


def test_a_message_that_comes_twice_is_one_and_the_first_of_a_kind_stays_the_first(receiver):
    for identity in ("D1", "D1", "D2"):
        assert posted(receiver, identity=identity) == 204
    assert receiver.told("degraded", 0).identity == "D1"
    assert len(receiver._came) == 2


@pytest.mark.parametrize(
    "changed",
    [
        {"secret": "another-secret-of-16"},
        {"at": int(time.time()) - 3600},
        {"webhook-signature": ""},
        {"webhook-signature": "v1,é"},
        {"webhook-id": "another"},
        {"webhook-timestamp": "now"},
        {"webhook-timestamp": "9" * 500},
    ],
)
def test_what_is_forged_or_old_is_refused_and_kept_from_everybody(receiver, changed):
    if "é" in (given := changed.get("webhook-signature", "")):
        changed = {"webhook-signature": given.encode()}
    assert posted(receiver, **changed) == 401
    assert receiver.refused == 1
    assert receiver.told("degraded", 0) is None


def test_the_secret_is_new_each_time_and_nobody_else_may_read_it(tmp_path):
    secrets = {new_secret(tmp_path / name) for name in "ab"}
    assert len(secrets) == 2
    assert all(len(secret) >= 16 for secret in secrets)
    assert (tmp_path / "a").stat().st_mode & 0o077 == 0


def test_a_look_at_a_run_that_is_still_being_written_is_not_taken_for_a_decision_on_it(tmp_path):
    def entry(score):
        return SimpleNamespace(actor=ACTOR, details={"ranking": [{"run_id": "r", "score": score}]})

    answers = [[entry(None)], [entry(None), entry(0.7)]]
    service = Service(tmp_path, SimpleNamespace(entries=lambda *_, **__: answers.pop(0)), allow_unconfined=False)
    service._process = SimpleNamespace(poll=lambda: None)
    assert service.decision_on("churn", "r")[1]["ranking"][0]["score"] == 0.7
