"""Does docs/notifications.md show what is really sent, and how a receiver checks it?"""

from __future__ import annotations

import json
import re
import time
from pathlib import Path

import pytest

from selector.adapters.notify_signature import signature
from selector.bootstrap_notify import notifiers
from selector.config import load

PAGE = (Path(__file__).parents[2] / "docs" / "notifications.md").read_text(encoding="utf-8")
SECRET = "0123456789abcdef"


def block(language):
    return re.search(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)[1]


@pytest.fixture
def is_ours():
    space = {}
    exec(block("python"), space)
    return space["is_ours"]


def test_a_receiver_that_checks_as_the_page_says_takes_ours_and_nothing_else(is_ours):
    now, body = int(time.time()), json.dumps(json.loads(block("json"))).encode()
    headers = {
        "webhook-id": "promoted-D7",
        "webhook-timestamp": str(now),
        "webhook-signature": signature(SECRET, "promoted-D7", now, body),
    }
    assert is_ours(SECRET, headers, body)
    assert not is_ours(SECRET, headers, body + b" ")
    assert not is_ours("another-secret-of-16", headers, body)
    old = now - 600
    assert not is_ours(
        SECRET,
        {
            "webhook-id": "x",
            "webhook-timestamp": str(old),
            "webhook-signature": signature(SECRET, "x", old, body),
        },
        body,
    )


def test_the_configuration_loads_as_it_stands(tmp_path):
    (tmp_path / "credentials").mkdir()
    (tmp_path / "credentials" / "slack-tokens").write_text("T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ/")
    path = tmp_path / "selector.yaml"
    path.write_text("models: {churn: {metric: f1}}\n" + block("yaml"))
    environment = {
        "CREDENTIALS_DIRECTORY": str(tmp_path / "credentials"),
        "MAIL_USER": "u",
        "MAIL_PASSWORD": "p",
        "HOOK_SECRET": SECRET,
    }
    made = notifiers(load(path, environment))
    assert [one.name.partition("-")[0] for one in made] == ["slack", "night", "webhook"]


def test_the_kinds_are_those_that_the_configuration_names():
    rows = re.findall(r"^\| ((?:`\w+`(?:, )?)+) \| ", PAGE, re.MULTILINE)
    named = {kind for row in rows for kind in re.findall(r"`(\w+)`", row)}
    described = (Path(__file__).parents[2] / "docs" / "configuration.md").read_text(encoding="utf-8")
    line = next(text for text in described.splitlines() if "Only these kinds:" in text)
    assert named == set(re.findall(r"[a-z_]{4,}", line.partition("Only these kinds:")[2].partition(".")[0]))
