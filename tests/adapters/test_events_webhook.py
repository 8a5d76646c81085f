"""Which webhooks are taken for MLflow's own, and what do they lead to?"""

from __future__ import annotations

import ast
import base64
import hashlib
import hmac
import inspect
import json
import socket
import time

import pytest

from selector.adapters import events_webhook
from selector.adapters.events_webhook import PATH, Deliveries, WebhookWakeUps
from selector.adapters.http_exchange import Request
from selector.domain.events import WakeUp

SECRET = "a-secret-of-16-or-more"
NOW = 1_780_000_000
BODY = json.dumps(
    {
        "entity": "model_version_alias",
        "action": "created",
        "data": {"name": "churn", "alias": "champion", "version": "3"},
    }
).encode()
MOVED = WakeUp("webhook", models=("churn",), words="model_version_alias created in churn")


def signed(body=BODY, *, delivery="d-1", stamp=NOW, secret=SECRET, version="v1"):
    code = hmac.new(secret.encode(), f"{delivery}.{stamp}.".encode() + body, hashlib.sha256).digest()
    return {
        "x-mlflow-signature": f"{version},{base64.b64encode(code).decode()}",
        "x-mlflow-timestamp": str(stamp),
        "x-mlflow-delivery-id": delivery,
    }


class Hook:
    def __init__(self, now=lambda: NOW, port=1):
        self.heard, self.counts = [], []
        deliveries = Deliveries(SECRET, now)
        self.source = WebhookWakeUps(("127.0.0.1", port), deliveries, lambda n: n == "churn", self.counts.append)
        self.source._wake = self.heard.append

    def post(self, headers, body=BODY, path=PATH):
        return self.source.answer(Request("POST", path, headers, body)).status


def test_a_signed_webhook_wakes_for_the_model_that_it_names():
    hook = Hook()
    assert hook.post(signed()) == 200
    assert (hook.heard, hook.counts) == ([MOVED], ["accepted"])


def test_the_signature_is_the_one_that_mlflow_makes():
    delivery = pytest.importorskip("mlflow.webhooks.delivery")
    made = delivery._generate_hmac_signature(SECRET, "d-1", str(NOW), BODY.decode())
    assert made == signed()["x-mlflow-signature"]


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ({}, BODY),
        (signed(secret="another-secret-of-16"), BODY),
        (signed(), BODY + b" "),
        (signed(version="v2"), BODY),
        (signed() | {"x-mlflow-delivery-id": "d-2"}, BODY),
        (signed() | {"x-mlflow-timestamp": str(NOW + 1)}, BODY),
        (signed() | {"x-mlflow-timestamp": f"{NOW}.0"}, BODY),
        (signed() | {"x-mlflow-timestamp": "١٧٨"}, BODY),
        (signed() | {"x-mlflow-timestamp": "9" * 5000}, BODY),
        (signed() | {"x-mlflow-delivery-id": ""}, BODY),
        (signed(delivery="d" * 300), BODY),
        (signed() | {"x-mlflow-signature": ""}, BODY),
        (signed() | {"x-mlflow-signature": "v1,"}, BODY),
        (signed() | {"x-mlflow-signature": "v1,é"}, BODY),
        (signed() | {"x-mlflow-signature": signed()["x-mlflow-signature"].partition(",")[2]}, BODY),
        (signed() | {"x-mlflow-signature": signed()["x-mlflow-signature"][:-4]}, BODY),
    ],
)
def test_what_is_not_signed_right_is_refused_and_wakes_nobody(headers, body):
    hook = Hook()
    assert hook.post(headers, body) in (400, 401)
    assert hook.heard == []
    assert hook.counts in (["forged"], ["malformed"])


@pytest.mark.parametrize(("stamp", "status"), [(NOW - 299, 200), (NOW + 299, 200), (NOW - 301, 401), (NOW + 301, 401)])
def test_what_is_not_of_now_is_refused(stamp, status):
    hook = Hook()
    assert hook.post(signed(stamp=stamp)) == status
    assert len(hook.heard) == (status == 200)


def test_a_delivery_counts_once_also_when_its_clock_and_ours_part():
    now = [NOW]
    hook = Hook(lambda: now[0])
    assert [hook.post(signed()) for _ in range(3)] == [200, 200, 200]
    now[0] += 300
    assert hook.post(signed()) == 200
    assert hook.heard == [MOVED]
    assert hook.counts == ["accepted", "replayed", "replayed", "replayed"]


def test_a_forged_delivery_does_not_use_up_the_id_of_a_genuine_one():
    hook = Hook()
    hook.post(signed(secret="another-secret-of-16"))
    assert hook.post(signed()) == 200
    assert hook.heard == [MOVED]


def test_what_is_remembered_has_an_end():
    now = [NOW]
    deliveries = Deliveries(SECRET, lambda: now[0])
    for n in range(20):
        deliveries.check(signed(delivery=str(n)), BODY)
    assert len(deliveries._seen) == 20
    now[0] += 601
    deliveries.check(signed(stamp=now[0]), BODY)
    assert len(deliveries._seen) == 1


def test_one_of_several_signatures_may_be_right_while_secrets_change():
    old = signed(secret="another-secret-of-16")["x-mlflow-signature"]
    hook = Hook()
    assert hook.post(signed() | {"x-mlflow-signature": f"{old} {signed()['x-mlflow-signature']}"}) == 200


@pytest.mark.parametrize(
    "body",
    [
        b'{"data": {"name": "nobody"}}',
        b'{"data": {"name": ["churn"]}}',
        b'{"data": "churn"}',
        b'{"name": "churn"}',
        b"[]",
        b"1",
    ],
)
def test_a_webhook_that_names_no_model_of_ours_is_a_bare_hint(body):
    hook = Hook()
    assert hook.post(signed(body), body) == 200
    assert hook.heard[0].models == ()
    assert not hook.heard[0].everything


@pytest.mark.parametrize("body", [b"", b"{", b"[" * 60_000, b"\xff"])
def test_a_body_that_is_no_json_is_refused(body):
    hook = Hook()
    assert hook.post(signed(body), body) == 400
    assert hook.heard == []


def test_codes_are_compared_in_constant_time_and_never_with_equality():
    tree = ast.parse(inspect.getsource(events_webhook.Deliveries._signed).lstrip())
    calls = {n.func.attr for n in ast.walk(tree) if isinstance(n, ast.Call) and isinstance(n.func, ast.Attribute)}
    assert "compare_digest" in calls
    compared = {
        n.id for c in ast.walk(tree) if isinstance(c, ast.Compare) for n in ast.walk(c) if isinstance(n, ast.Name)
    }
    assert not compared & {"given", "right", "told", "coded"}


@pytest.fixture
def site():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port = one.getsockname()[1]
    hook = Hook(time.time, port)
    hook.source.start(hook.heard.append)

    def send(data):
        with socket.create_connection(("127.0.0.1", port), timeout=20) as one:
            one.sendall(data)
            return b"".join(iter(lambda: one.recv(65536), b""))

    hook.send = send
    yield hook
    hook.source.stop()


def request(body, headers, *more, length=None):
    lines = [f"POST {PATH} HTTP/1.1", "Host: selector.example.org", *(f"{k}: {v}" for k, v in headers.items()), *more]
    length = len(body) if length is None else length
    return "\r\n".join([*lines, f"Content-Length: {length}", "", ""]).encode() + body


def test_over_the_wire_it_is_heard_once(site):
    headers = signed(stamp=int(time.time()))
    for _ in range(2):
        assert site.send(request(BODY, headers)).startswith(b"HTTP/1.1 200 ")
    assert site.heard == [MOVED]
    assert site.source.trouble() is None


def test_a_body_that_waits_to_be_asked_for_is_asked_for(site):
    answer = site.send(request(BODY, signed(stamp=int(time.time())), "Expect: 100-continue"))
    assert b"HTTP/1.1 200 " in answer
    assert site.heard == [MOVED]


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (request(b"", {}, length=1 << 17), b"413"),
        (request(b"a" * (1 << 17), {}), b"413"),
        (request(b"", {}, length=10**30), b"400"),
        (request(b"", {}, length=-1), b"400"),
        (f"POST {PATH} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n".encode() + b"8000\r\n" + b"a" * 0x8000
         + b"\r\n8001\r\n" + b"a" * 0x8001 + b"\r\n0\r\n\r\n", b"413"),
        (f"GET {PATH} HTTP/1.1\r\nHost: x\r\n\r\n".encode(), b"405"),
        (f"PUT {PATH} HTTP/1.1\r\nHost: x\r\n\r\n".encode(), b"405"),
        (b"POST / HTTP/1.1\r\nHost: x\r\n\r\n", b"404"),
        (request(BODY, {}), b"400"),
    ],
)  # fmt: skip
def test_over_the_wire_all_else_is_refused(site, data, status):
    assert site.send(data).split(b" ")[1] == status
    assert site.heard == []
