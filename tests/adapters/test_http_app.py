"""Does the read-only HTTP address say what is, and does no client keep others from hearing it?"""

from __future__ import annotations

import gc
import http.client
import json
import re
import socket
import threading
import time
from dataclasses import replace
from datetime import UTC, datetime
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from selector.adapters.http_app import Shown, http_listener
from selector.adapters.http_exchange import HTTP_LIMITS, listening
from selector.adapters.listener import Limits, Listener
from selector.domain.service import ModelState, ServiceState
from selector.redaction import printable

START = datetime(2026, 6, 1, tzinfo=UTC)
READY = ServiceState("active", START, doing="nothing new.", turns=3, turned_at=START, good_at=START)
PATIENCE = 20.0


class Site:
    """A listening app on a free port, and what it shows."""

    def __init__(self, limits=HTTP_LIMITS, **more):
        self.state, self.alive, self.broken = READY, True, False
        with socket.socket() as one:
            one.bind(("127.0.0.1", 0))
            self.port = one.getsockname()[1]
        shown = Shown(lambda: self.state, lambda: self.alive, self.metrics, more.pop("safe", str))
        self.listener = http_listener(shown, ("127.0.0.1", self.port), limits=limits, **more)

    def metrics(self):
        if self.broken:
            raise RuntimeError("no page")
        return b"up 1\n"

    def __enter__(self):
        self.listener.start()
        return self

    def __exit__(self, *_):
        self.listener.stop()
        gc.collect()  # a socket that was not closed would be told here, as an error

    def ask(self, path, method="GET", **headers):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        try:
            connection.request(method, path, headers=headers)
            answer = connection.getresponse()
            return answer.status, answer.read().decode(), dict(answer.getheaders())
        finally:
            connection.close()

    def raw(self, data, *, end=True):
        with socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE) as one:
            one.sendall(data)
            if end:
                one.shutdown(socket.SHUT_WR)
            return _all(one)

    def until(self, said):
        ends = time.monotonic() + PATIENCE
        while not said():
            assert time.monotonic() < ends, "it never came to that"
            time.sleep(0.02)


def _all(one):
    parts = []
    try:
        while part := one.recv(1 << 16):
            parts.append(part)
    except ConnectionResetError:
        pass
    return b"".join(parts)


@pytest.fixture(scope="module")
def site():
    with Site() as one:
        yield one


@pytest.fixture(autouse=True)
def _as_before(request):
    if "site" in request.fixturenames:
        one = request.getfixturevalue("site")
        one.state, one.alive, one.broken = READY, True, False


def test_it_lives_while_the_loop_keeps_its_promises(site):
    assert site.ask("/healthz")[:2] == (200, "ok\n")
    site.alive = False
    assert site.ask("/healthz")[:2] == (503, "the loop does not come back from what it is doing\n")


@pytest.mark.parametrize(
    ("state", "status", "words"),
    [
        (READY, 200, "ready"),
        (replace(READY, phase="standby", good_at=None), 200, "ready"),
        (replace(READY, configuration="line 3"), 200, "ready; the configuration on disk is not in force: line 3"),
        (replace(READY, phase="starting", good_at=None, doing=""), 503, "starting: nothing was looked at yet"),
        (
            replace(READY, mlflow="MLflow at x does not answer"),
            503,
            "MLflow cannot be read: MLflow at x does not answer",
        ),
    ],
)
def test_it_is_ready_or_says_why_not(site, state, status, words):
    site.state = state
    assert site.ask("/readyz")[:2] == (status, f"{words}\n")


def test_the_state_is_json_with_times_in_utc(site):
    model = ModelState(START, "kept", 3, "f1", float("nan"))
    site.state = replace(READY, models={"churn": model}, hints={"socket": None}, troubles=(("mlflow", "down"),))
    status, body, headers = site.ask("/api/status")
    told = json.loads(body)
    assert (status, headers["Content-Type"]) == (200, "application/json")
    assert told["ready"] is True
    assert told["turned_at"] == "2026-06-01T00:00:00+00:00"
    assert told["models"][0]["champion"] == 3
    assert told["models"][0]["score"] is None
    assert told["troubles"] == [{"about": "mlflow", "error": "down"}]


def test_secrets_are_taken_out_of_everything_that_is_shown():
    with Site(safe=lambda text: text.replace("hunter2", "***")) as site:
        site.state = replace(READY, mlflow="http://me:hunter2@x", configuration="hunter2", doing="hunter2")
        for path in ("/", "/api/status", "/readyz"):
            assert "hunter2" not in site.ask(path)[1]
            assert "***" in site.ask(path)[1]


def test_a_head_request_gets_the_same_header_and_no_body(site):
    status, body, headers = site.ask("/metrics", "HEAD")
    assert (status, body, headers["Content-Length"]) == (200, "", "5")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT", "FOO"])
@pytest.mark.parametrize("path", ["/", "/api/status", "/metrics"])
def test_nothing_but_reading_is_allowed(site, method, path):
    answer = site.raw(f"{method} {path} HTTP/1.1\r\nHost: localhost:{site.port}\r\n\r\n".encode())
    assert answer.startswith(b"HTTP/1.1 405 ")
    assert b"\r\nAllow: GET, HEAD\r\n" in answer


def test_what_is_not_there_is_404_and_no_path_leads_to_files(site):
    for path in ("/nothing", "/../../etc/passwd", "/%2e%2e/etc/passwd", "//healthz", "/healthz/", "/metrics.json"):
        assert site.ask(path)[0] == 404
    assert site.ask("/healthz?verbose=1")[0] == 200


@pytest.mark.parametrize("path", ["/", "/healthz", "/readyz", "/metrics", "/api/status", "/nothing"])
def test_every_answer_forbids_guessing_framing_keeping_and_reading_across_sites(site, path):
    headers = site.ask(path, Origin="https://evil.example")[2]
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert "unsafe" not in headers["Content-Security-Policy"]
    assert headers["Cache-Control"] == "no-store"
    assert headers["X-Frame-Options"] == "DENY"
    assert not [name for name in headers if name.lower().startswith("access-control")]
    assert "Server" not in headers


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "evil.example:9470",
        "localhost@evil.example",
        "localhost:80:80",
        "127.0.0.1 evil.example",
        "127.0.0.1,evil.example",
        "localhost.",
        "127.1",
        "2130706433",
        "0.0.0.0",
        "192.168.0.1",
        "[::ffff:127.0.0.1]",
        "*",
        "",
    ],
)
def test_a_name_that_is_not_ours_is_refused(site, host):
    for path in ("/", "/api/status", "/healthz"):
        answer = site.raw(f"GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
        assert answer.split(b" ")[1] in (b"421", b"400")


def test_no_host_and_two_hosts_are_refused(site):
    assert site.raw(b"GET /healthz HTTP/1.0\r\n\r\n").startswith(b"HTTP/1.1 421 ")
    assert site.raw(b"GET /healthz HTTP/1.1\r\n\r\n").startswith(b"HTTP/1.1 400 ")
    two = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n"
    assert site.raw(two).startswith(b"HTTP/1.1 400 ")


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:1", "127.0.0.1", "127.0.0.1:9470", "[::1]", "[::1]:80"])
def test_the_names_of_this_computer_are_ours(site, host):
    assert site.ask("/healthz", Host=host)[0] == 200


def test_an_operator_may_name_further_hosts():
    with Site(hosts=("Selector.Example.org",)) as site:
        assert site.ask("/healthz", Host="selector.example.org")[0] == 200
        assert site.ask("/healthz", Host="other.example.org")[0] == 421


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * (1 << 17) + b"\r\n\r\n", b"431"),
        (b"GET /" + b"a" * (1 << 17) + b" HTTP/1.1\r\nHost: localhost\r\n\r\n", b"431"),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\n" + b"X: 1\r\n" * 200 + b"\r\n", b"431"),
        (b"GET / HTTP/one\r\nHost: localhost\r\n\r\n", b"400"),
        (b"GET  / HTTP/1.1\r\nHost: localhost\r\n\r\n", b"400"),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"400"),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\n X: folded\r\n\r\n", b"421"),
        (b"GET / HTTP/1.1\r\nHost localhost\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: gzip\r\n\r\n", b"400"),
        (b"GET /\x00 HTTP/1.1\r\nHost: localhost\r\n\r\n", b"400"),
    ],
)
def test_what_is_no_proper_request_is_refused(site, data, status):
    assert site.raw(data + b"\r\n\r\n", end=False).split(b" ")[1] == status


@hypothesis_settings(max_examples=60)
@given(st.binary(max_size=300))
def test_any_bytes_get_an_answer_that_is_no_failure_or_nothing(site, data):
    answer = site.raw(data)
    assert answer == b"" or answer.split(b" ")[1] in (b"200", b"400", b"404", b"405", b"421", b"431")


def test_one_connection_gets_one_answer(site):
    twice = f"GET /healthz HTTP/1.1\r\nHost: localhost:{site.port}\r\n\r\n".encode() * 2
    assert site.raw(twice).count(b"HTTP/1.1 200") == 1


def test_a_failure_of_our_own_closes_the_connection_and_tells_the_log_only(site, caplog):
    site.broken = True
    assert site.raw(f"GET /metrics HTTP/1.1\r\nHost: localhost:{site.port}\r\n\r\n".encode()) == b""
    assert "not foreseen" in caplog.text
    assert site.ask("/healthz")[0] == 200


def test_two_hundred_half_open_connections_keep_nobody_out_and_none_stays():
    # The same limits, only shorter, so that the test does not have to wait for them.
    with Site(limits=Limits(connections=32, seconds=1.0)) as site:
        open_ones = [socket.create_connection(("127.0.0.1", site.port), timeout=PATIENCE) for _ in range(200)]
        try:
            for one in open_ones:
                _try_to_send(one, b"GET / HTTP/1.1\r\nHost: ")
            for _ in range(5):
                assert site.ask("/healthz")[:2] == (200, "ok\n")
                assert site.listener.clients <= 32
                for one in open_ones:
                    _try_to_send(one, b"a")
            site.until(lambda: site.listener.clients == 0)
            for one in open_ones:
                assert _all(one) == b""
        finally:
            for one in open_ones:
                one.close()


def _try_to_send(one, data):
    try:
        one.send(data)
    except OSError:
        return


def test_a_header_that_drips_in_is_cut_off_though_each_byte_comes_in_time(monkeypatch):
    monkeypatch.setattr("selector.adapters.http_exchange.serving.__kwdefaults__", {"head": 0.3, "methods": ("GET",)})
    limits = Limits(seconds=120.0)
    with Site(limits) as site, socket.create_connection(("127.0.0.1", site.port), timeout=PATIENCE) as one:
        site.until(lambda: site.listener.clients == 1)
        dripping = threading.Event()

        def drip():
            while not dripping.wait(0.02):
                _try_to_send(one, b"a")

        thread = threading.Thread(target=drip, daemon=True)
        thread.start()
        site.until(lambda: site.listener.clients == 0)
        dripping.set()
        thread.join()
        assert _all(one) == b""


def test_a_client_that_does_not_read_its_answer_is_cut_off(monkeypatch):
    with Site(limits=Limits(connections=4, seconds=1.0)) as site:
        monkeypatch.setattr(site, "metrics", lambda: b"x" * (32 << 20))
        site.listener.serve = http_listener(
            Shown(lambda: READY, lambda: True, site.metrics), ("127.0.0.1", site.port)
        ).serve
        with socket.create_connection(("127.0.0.1", site.port), timeout=PATIENCE) as one:
            one.sendall(f"GET /metrics HTTP/1.1\r\nHost: localhost:{site.port}\r\n\r\n".encode())
            site.until(lambda: site.listener.clients == 1)
            assert site.ask("/healthz")[0] == 200
            site.until(lambda: site.listener.clients == 0)


def test_a_large_answer_arrives_whole(monkeypatch):
    monkeypatch.setattr("selector.adapters.listener.LINGER_SECONDS", 0.0)
    with Site() as big:
        shown = Shown(lambda: READY, lambda: True, lambda: b"x" * (8 << 20))
        big.listener.serve = http_listener(shown, ("127.0.0.1", big.port)).serve
        assert len(big.ask("/metrics")[1]) == 8 << 20


def test_an_address_that_is_taken_is_tried_again_and_stops_nothing(monkeypatch, caplog):
    monkeypatch.setattr("selector.adapters.listener.RETRY_SECONDS", 0.05)
    taken = listening("127.0.0.1", 0)[0]
    port = taken.getsockname()[1]
    shown = Shown(lambda: READY, lambda: True, lambda: b"")
    listener = http_listener(shown, ("127.0.0.1", port))
    listener.start()
    try:
        assert "cannot listen" in listener.trouble()
        assert f"127.0.0.1:{port}" in caplog.text
        taken.close()
        ends = time.monotonic() + PATIENCE
        while listener.trouble() is not None and time.monotonic() < ends:
            time.sleep(0.02)
        assert listener.trouble() is None
        assert len([r for r in caplog.records if r.levelname == "WARNING"]) == 1
    finally:
        listener.stop()
        taken.close()


def test_a_listener_that_breaks_down_is_a_trouble_and_stops_nothing(caplog):
    def broken():
        raise ValueError("embedded null byte")

    listener = Listener("The address", broken, None)
    listener.start()
    assert listener.trouble() == "The address ended in a way that was not foreseen"
    assert "embedded null byte" in caplog.text
    listener.stop()


def test_a_listener_can_be_stopped_twice_without_a_start_and_started_again():
    site = Site()
    site.listener.stop()
    for _ in range(2):
        site.listener.start()
        site.listener.start()
        assert site.ask("/healthz")[0] == 200
        site.listener.stop()
        site.listener.stop()
    with pytest.raises(OSError, match="refused"):
        site.ask("/healthz")


def test_a_thread_that_listens_ends_with_clients_still_there_and_without_a_word(caplog):
    site = Site()
    site.listener.start()
    thread = site.listener._thread
    with socket.create_connection(("127.0.0.1", site.port), timeout=PATIENCE) as one:
        site.until(lambda: site.listener.clients == 1)
        site.listener.stop()
        assert not thread.is_alive()
        assert _all(one) == b""
    assert caplog.records == []


class Page(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.tags, self.attributes, self.text = set(), set(), []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_data(self, data):
        self.text.append(data)


HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "</style><script>alert(1)</script>",
    "{{ 7*7 }}",
    "javascript:alert(1)",
    "<svg/onload=alert(1)>",
    "&lt;b&gt;",
    "<!--",
    "]]>",
]


@pytest.mark.parametrize("words", HOSTILE)
def test_the_page_shows_hostile_names_as_text(site, words):
    model = ModelState(START, "kept", 3, words, 0.5, words)
    site.state = replace(
        READY, doing=words, models={words: model}, mlflow=words, configuration=words, hints={words: words},
        troubles=((words, words),),
    )  # fmt: skip
    status, body, _ = site.ask("/")
    shown = Page(body)
    assert status == 200
    assert not shown.tags & {"script", "img", "svg", "iframe", "a", "form", "link", "b"}
    assert not {a for a in shown.attributes if a.startswith("on")} | shown.attributes & {"src", "href", "style"}
    assert "".join(shown.text).count(words) >= 7


def test_a_text_that_no_encoding_can_say_is_shown_all_the_same():
    bad = "a\ud800\x1b[2J"
    with Site(safe=printable) as site:
        site.state = replace(
            READY, doing=bad, models={bad: ModelState(START, "kept", 3, bad, 0.5, bad)}, hints={bad: bad}, mlflow=bad
        )
        for path in ("/", "/api/status", "/readyz"):
            status, body, _ = site.ask(path)
            assert status in (200, 503)
            assert "\x1b" not in body
            assert "[2J" in body


def test_the_page_renews_itself_needs_no_script_and_its_policy_allows_its_style_only(site):
    body, headers = site.ask("/")[1:]
    assert '<meta http-equiv="refresh" content="30">' in body
    assert re.search(r"style-src 'sha256-[A-Za-z0-9+/=]{44}'$", headers["Content-Security-Policy"])
    assert "ready" in body


def test_the_page_tells_a_problem(site):
    site.state = replace(READY, mlflow="no answer", configuration="line 3 is wrong", hints={"socket": "no room"})
    site.alive = False
    body = site.ask("/")[1]
    for words in ("hangs", "no answer", "line 3 is wrong", "no room", "last read 2026-06-01 00:00:00 UTC"):
        assert words in body


def test_the_limits_are_those_that_are_promised():
    assert (HTTP_LIMITS.connections, HTTP_LIMITS.seconds, HTTP_LIMITS.size) == (32, 10.0, 65_536)
    assert Listener("x", list, None).limits.connections == 32
