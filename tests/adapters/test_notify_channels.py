"""People are told through real sockets, by receivers that behave and by those that do not."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import json
import os
import socket
import struct
import subprocess
import threading
import time
from pathlib import Path

import pytest

from selector.adapters import notify_apprise
from selector.adapters.clock_memory import MemoryClock
from selector.adapters.notify_apprise import AppriseNotifier, stay
from selector.adapters.notify_chosen import Chosen
from selector.adapters.notify_signature import signature
from selector.adapters.notify_webhook import WebhookNotifier
from selector.exchange import Notice

SECRET = "0123456789abcdef-canary"
NOTICE = Notice("promoted-D7", "churn", "promoted", "churn: v9 is champion", "v9 replaced v7.\nUndo: rollback churn")


class Receiver:
    """A small server that answers in one way and remembers what came."""

    def __init__(self, mode="200", location=""):
        self.mode, self.location, self.requests = mode, location, []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                near, _ = self.listener.accept()
                threading.Thread(target=self._serve, args=(near,), daemon=True).start()

    def _serve(self, near):
        with near, contextlib.suppress(OSError):
            near.settimeout(20)
            head, _, body = near.recv(1 << 16).partition(b"\r\n\r\n")
            length = next(
                (int(x.split(b":")[1]) for x in head.split(b"\r\n") if x.lower().startswith(b"content-length")), 0
            )
            while len(body) < length:
                body += near.recv(1 << 16)
            self.requests.append((head.decode("latin-1"), body))
            if self.mode == "silent":
                time.sleep(15)
            elif self.mode == "reset":
                near.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            elif self.mode == "drip":
                near.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
                for _ in range(100):
                    near.sendall(b"x")
                    time.sleep(0.2)
            elif self.mode == "drip the head":
                near.sendall(b"HTTP/1.1 200 OK\r\nX: ")
                for _ in range(40):
                    near.sendall(b"x")
                    time.sleep(0.2)
            elif self.mode == "huge":
                near.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
                while True:
                    near.sendall(b"x" * (1 << 20))
            else:
                extra = f"Location: {self.location}\r\n" if self.location else ""
                extra += "Retry-After: 7\r\n" if self.mode == "429" else ""
                near.sendall(
                    f"HTTP/1.1 {self.mode} X\r\n{extra}Content-Length: 0\r\nConnection: close\r\n\r\n".encode()
                )

    def close(self):
        self.listener.close()


@pytest.fixture
def receiver():
    made = []

    def make(*words, **more):
        made.append(Receiver(*words, **more))
        return made[-1]

    yield make
    for one in made:
        one.close()


def webhook(port, deadline=1.5):
    return WebhookNotifier(f"http://127.0.0.1:{port}/hook", SECRET, "hook", Chosen(), MemoryClock(), deadline=deadline)


def apprise(port, deadline=10.0):
    return AppriseNotifier(f"json://127.0.0.1:{port}/alerts", "json", Chosen(), deadline=deadline)


def test_a_webhook_carries_a_document_a_key_and_a_signature_that_its_receiver_can_check(receiver):
    here = receiver()
    assert webhook(here.port).send(NOTICE).outcome == "sent"
    head, body = here.requests[0]
    headers = dict(line.split(": ", 1) for line in head.split("\r\n")[1:])
    found = {name.lower(): value for name, value in headers.items()}
    assert json.loads(body)["title"] == NOTICE.title
    assert found["idempotency-key"] == found["webhook-id"] == NOTICE.key
    # As a receiver would, without any of our code.
    signed = f"{found['webhook-id']}.{found['webhook-timestamp']}.".encode() + body
    expected = base64.b64encode(hmac.new(SECRET.encode(), signed, hashlib.sha256).digest()).decode()
    assert found["webhook-signature"] == f"v1,{expected}"


def test_a_secret_in_the_notation_of_standard_webhooks_is_decoded():
    whole = "whsec_" + base64.b64encode(b"k" * 24).decode()
    expected = hmac.new(b"k" * 24, b"id.1.body", hashlib.sha256).digest()
    assert signature(whole, "id", 1, b"body") == "v1," + base64.b64encode(expected).decode()


@pytest.mark.parametrize(
    ("mode", "outcome", "words"),
    [
        ("500", "later", "answered 500"),
        ("503", "later", "answered 503"),
        ("429", "later", "answered 429"),
        ("404", "refused", "answered 404"),
        ("410", "refused", "answered 410"),
        ("silent", "later", ""),
        ("drip", "sent", ""),
        ("drip the head", "later", "no answer within"),
        ("reset", "later", ""),
        ("huge", "sent", ""),
    ],
)
def test_what_a_webhooks_receiver_does_decides_whether_it_is_tried_again(receiver, mode, outcome, words):
    here = receiver(mode)
    began = time.monotonic()
    found = webhook(here.port).send(NOTICE)
    assert (found.outcome, words in found.why) == (outcome, True), found
    assert time.monotonic() - began < 6
    assert found.retry_after == (7.0 if mode == "429" else None)
    assert SECRET not in found.why


@pytest.mark.parametrize("made", [webhook, apprise], ids=["webhook", "apprise"])
@pytest.mark.parametrize("status", ["302", "307"])
def test_nobody_is_told_elsewhere_because_a_receiver_says_so(receiver, made, status):
    elsewhere = receiver()
    here = receiver(status, f"http://127.0.0.1:{elsewhere.port}/stolen")
    assert made(here.port).send(NOTICE).outcome != "sent"
    assert here.requests
    assert elsewhere.requests == []


@pytest.mark.parametrize("made", [webhook, apprise], ids=["webhook", "apprise"])
def test_a_receiver_that_is_away_is_tried_again(made):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    assert made(port).send(NOTICE).outcome == "later"


def test_apprise_delivers_title_and_text_to_a_plain_receiver(receiver):
    here = receiver()
    assert apprise(here.port).send(NOTICE).outcome == "sent"
    document = json.loads(here.requests[0][1])
    assert (document["title"], document["message"], document["type"]) == (NOTICE.title, NOTICE.body, "success")


@pytest.mark.parametrize(("mode", "outcome"), [("500", "later"), ("silent", "later"), ("drip", "later")])
def test_apprise_is_killed_at_the_deadline_and_tried_again(receiver, mode, outcome):
    here = receiver(mode)
    began = time.monotonic()
    assert apprise(here.port, deadline=4.0).send(NOTICE).outcome == outcome
    assert time.monotonic() - began < 8


@pytest.mark.parametrize(
    ("script", "outcome"),
    [
        ("import sys; sys.exit(3)", "later"),
        ("print('no json')", "later"),
        ("print('[]')", "later"),
        ('print(\'{"outcome": "perhaps", "why": ""}\')', "later"),
        ("import os; os.abort()", "later"),
        ('print(\'{"outcome": "refused", "why": "no"}\')', "refused"),
    ],
)
def test_a_child_that_dies_or_prints_garbage_is_one_failed_try(monkeypatch, script, outcome):
    real = subprocess.run
    monkeypatch.setattr(
        notify_apprise.subprocess, "run", lambda command, **more: real([command[0], "-c", script], **more)
    )
    assert apprise(1).send(NOTICE).outcome == outcome


def test_no_secret_stands_among_the_arguments_or_in_the_environment_of_the_child(receiver, monkeypatch):
    monkeypatch.setenv("HOOK_SECRET", SECRET)
    monkeypatch.setenv("HTTPS_PROXY", f"http://u:{SECRET}@proxy")
    here = receiver("silent")
    sender = AppriseNotifier(f"json://user:{SECRET}@127.0.0.1:{here.port}/x", "json", Chosen(), deadline=6.0)
    thread = threading.Thread(target=sender.send, args=(NOTICE,))
    thread.start()
    deadline = time.monotonic() + 6
    while not here.requests and time.monotonic() < deadline:
        time.sleep(0.05)
    children = Path(f"/proc/{os.getpid()}/task").glob("*/children")
    seen = {int(pid) for path in children for pid in path.read_text().split()}
    told = b"".join(Path(f"/proc/{p}/{what}").read_bytes() for p in seen for what in ("cmdline", "environ"))
    thread.join()
    assert seen
    assert b"apprise_child" in told
    assert SECRET.encode() not in told


def test_what_apprise_says_of_a_failure_holds_no_token(receiver):
    here = receiver("500")
    sender = AppriseNotifier(f"json://user:{SECRET}@127.0.0.1:{here.port}/{SECRET}", "json", Chosen())
    found = sender.send(NOTICE)
    assert found.outcome == "later"
    assert SECRET not in found.why


def test_a_url_that_apprise_does_not_know_is_refused_for_good():
    found = AppriseNotifier("slakc://token", "x", Chosen()).send(NOTICE)
    assert found.outcome == "refused"
    assert "does not understand" in found.why


@pytest.mark.parametrize(
    "text", ["a\r\nBcc: all@example.org", "\x1b[31mred", "*bold* [x](http://e)", "\u202eevil", "x" * 9000]
)
def test_hostile_names_are_only_text(receiver, text):
    here = receiver()
    notice = Notice("k", text, "promoted", text, text)
    assert webhook(here.port).send(notice).outcome == "sent"
    assert apprise(here.port).send(notice).outcome == "sent"
    for head, body in here.requests:
        assert "Bcc" not in head
        json.loads(body)


@pytest.mark.parametrize(
    ("on", "models", "taken"),
    [
        ((), (), True),
        (("promoted",), (), True),
        (("degraded",), (), False),
        ((), ("ch*",), True),
        ((), ("fraud",), False),
    ],
)
def test_a_channel_takes_what_it_was_configured_for(on, models, taken):
    assert Chosen(frozenset(on), models).takes(NOTICE) is taken
    assert Chosen(frozenset(on), models).takes(Notice("t", "*", "test", "", ""))


def test_what_concerns_the_service_concerns_everybody_who_is_told_of_any_model():
    away = Notice("u", "*", "unreachable", "MLflow is away", "")
    assert Chosen(models=("churn",)).takes(away)
    assert not Chosen(frozenset({"promoted"}), ("churn",)).takes(away)


@pytest.mark.parametrize(
    ("url", "kept"),
    [
        ("json://h/x", "json://h/x?redirect=no"),
        ("json://h/x?a=b", "json://h/x?a=b&redirect=no"),
        ("json://h?redirect=yes", "json://h?redirect=yes"),
    ],
)
def test_redirects_are_off_unless_somebody_switched_them_on(url, kept):
    assert stay(url) == kept
