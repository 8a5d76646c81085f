"""Does the page of the daemon's state stay inert and readable in a real browser, under the policy that it is sent with?"""

from __future__ import annotations

import socket
from datetime import UTC, datetime

import pytest

from selector.adapters.http_app import Shown, http_listener
from selector.domain.service import ModelState, ServiceState
from selector.redaction import printable

pytestmark = pytest.mark.browser

START = datetime(2026, 6, 1, 9, 30, tzinfo=UTC)


@pytest.fixture
def served():
    """Serves the page of a state; returns its address."""
    listeners = []

    def serve(state):
        with socket.socket() as one:
            one.bind(("127.0.0.1", 0))
            port = one.getsockname()[1]
        listeners.append(http_listener(Shown(lambda: state, lambda: True, bytes, printable), ("127.0.0.1", port)))
        listeners[-1].start()
        return f"http://127.0.0.1:{port}/"

    yield serve
    for listener in listeners:
        listener.stop()


def state(texts):
    models = {t: ModelState(START, "kept", n, "f1", 0.5, "" if n % 2 else t) for n, t in enumerate(texts)}
    return ServiceState(
        "active", START, doing=texts[0], turns=3, turned_at=START, good_at=START, mlflow=texts[1], configuration=texts[2],
        troubles=tuple((t, t) for t in texts), hints={t: t for t in texts}, models=models,
    )  # fmt: skip


def test_hostile_names_open_no_dialog_ask_for_nothing_and_break_no_rule_of_the_policy(browser, served, hostile):
    address = served(state(hostile.TEXTS))
    page = browser.page(address, width=1024)
    assert page.heard("Page.javascriptDialogOpening") == []
    assert page.requests == [address]
    assert page.heard("Runtime.exceptionThrown") == []
    assert page.heard("Log.entryAdded") == []
    assert page.evaluate("document.scripts.length + document.images.length + document.links.length") == 0
    assert page.evaluate("document.querySelectorAll('tbody tr').length") >= len(set(hostile.TEXTS)) * 0.9


def test_its_own_style_is_the_only_one_that_is_allowed(browser, served):
    page = browser.page(served(state(("churn", "", ""))), width=1024)
    assert page.evaluate("getComputedStyle(document.querySelector('table')).borderCollapse") == "collapse"
    page.evaluate("document.body.setAttribute('style', 'color: rgb(1, 2, 3)')")
    assert page.evaluate("getComputedStyle(document.body).color") != "rgb(1, 2, 3)"
    page.evaluate("document.head.append(Object.assign(document.createElement('script'), {text: 'window.ran = 1'}))")
    assert page.evaluate("window.ran") is None


@pytest.mark.parametrize("width", [380, 1280])
def test_nothing_sticks_out_sideways(browser, served, width):
    page = browser.page(served(state(("x" * 300, "W" * 300, "very-long-name_" * 20))), width=width)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
