"""What every source of hints promises the daemon, whatever it listens to."""

from __future__ import annotations

import base64
import hashlib
import hmac
import http.client
import json
import socket
import threading
import time

import pytest

from selector.adapters.events_schedule import Schedule, Schedules
from selector.adapters.events_socket import Asking, SocketWakeUps
from selector.adapters.events_webhook import PATH, Deliveries, WebhookWakeUps
from selector.adapters.socket_file import connected
from selector.ports import WakeUps

SECRET = "a-secret-of-16-or-more"


class ScheduleCase:
    def __init__(self, _folder):
        self.source = Schedules({"churn": Schedule(1.0)})

    def cause(self):
        """Time passes by itself."""


class SocketCase:
    def __init__(self, folder):
        self.path = folder / "daemon.sock"
        asking = Asking(lambda wake, on: on(wake), lambda *_: None, lambda name: name == "churn", dict)
        self.source = SocketWakeUps(self.path, asking)

    def cause(self):
        with connected(self.path, 20) as one:
            one.sendall(b'{"look": ["churn"]}\n')
            assert one.recv(100)


class WebhookCase:
    def __init__(self, _folder):
        with socket.socket() as one:
            one.bind(("127.0.0.1", 0))
            self.port = one.getsockname()[1]
        self.source = WebhookWakeUps(("127.0.0.1", self.port), Deliveries(SECRET), lambda n: n == "churn", print)

    def cause(self):
        body, stamp, delivery = json.dumps({"data": {"name": "churn"}}).encode(), int(time.time()), str(time.time_ns())
        code = hmac.new(SECRET.encode(), f"{delivery}.{stamp}.".encode() + body, hashlib.sha256).digest()
        headers = {
            "X-MLflow-Signature": f"v1,{base64.b64encode(code).decode()}",
            "X-MLflow-Timestamp": str(stamp),
            "X-MLflow-Delivery-Id": delivery,
        }
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        connection.request("POST", PATH, body, headers)
        assert connection.getresponse().status == 200
        connection.close()


@pytest.fixture(params=[ScheduleCase, SocketCase, WebhookCase])
def case(request, tmp_path):
    made = request.param(tmp_path)
    yield made
    made.source.stop()


class Ear:
    def __init__(self):
        self.heard, self._event = [], threading.Event()

    def __call__(self, wake):
        self.heard.append(wake)
        self._event.set()

    def wait(self):
        assert self._event.wait(20), "nothing was heard"
        return self.heard[0]


def test_it_wakes_with_its_own_name_and_the_model_and_decides_nothing(case):
    ear, source = Ear(), case.source
    named: WakeUps = source
    source.start(ear)
    case.cause()
    wake = ear.wait()
    assert (wake.source, wake.models, wake.everything) == (named.name, ("churn",), False)
    assert wake.words
    assert source.trouble() is None


def test_it_starts_at_once_and_stops_for_good(case):
    threads = set(threading.enumerate())
    ear = Ear()
    case.source.start(ear)
    case.source.stop()
    left = [t for t in set(threading.enumerate()) - threads if t.is_alive()]
    for thread in left:
        thread.join(20)
    assert not any(t.is_alive() for t in left)


def test_it_may_be_stopped_without_a_start_twice_and_started_again(case):
    case.source.stop()
    for _ in range(2):
        ear = Ear()
        case.source.start(ear)
        case.cause()
        ear.wait()
        case.source.stop()
        case.source.stop()


def test_it_can_be_asked_for_trouble_at_any_time(case):
    assert case.source.trouble() is None
    case.source.start(Ear())
    assert case.source.trouble() is None
    case.source.stop()
    case.source.trouble()
