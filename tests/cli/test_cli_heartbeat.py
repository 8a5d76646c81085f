"""The service is watched from outside by one small file."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner

from selector.adapters.clock_memory import MemoryClock
from selector.adapters.heartbeat_file import HeartbeatFile, read_heartbeat
from selector.cli.app import app
from selector.domain.service import ServiceState
from selector.exchange import Delivery


def now():
    """The command looks at the clock on the wall, and so does the file."""
    return datetime.now(UTC)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    (tmp_path / "selector.yaml").write_text("models: {churn: {metric: f1}}\nstate: state\n")
    (tmp_path / "state").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path / "state"


def state(phase="active", **more):
    return ServiceState(phase, now(), **({"doing": "nothing new.", "good_at": now()} | more))


def said(*words):
    done = CliRunner().invoke(app, ["heartbeat", *words])
    return done.exit_code, done.stdout


def beat(folder, state, ago=0.0):
    HeartbeatFile(folder, MemoryClock(now() - timedelta(seconds=ago))).write(state)


def test_a_service_at_work_is_alive(folder):
    beat(folder, state())
    assert said() == (0, "The service is active; nothing new.\n")
    document = json.loads(said("--json")[1])
    assert document["alive"]
    assert document["pid"] == os.getpid()


@pytest.mark.parametrize(
    ("phase", "ago", "more", "words"),
    [
        ("active", 400, {}, "6 min ago"),
        ("active", 0, {"mlflow": "MLflow at x cannot be reached", "good_at": now() - timedelta(hours=3)}, "3 h ago"),
        ("active", 0, {"mlflow": "MLflow at x cannot be reached", "good_at": None}, "since its start"),
        ("active", -3 * 3600 - 600, {}, "3 h ahead"),
        ("stopping", 10, {}, "was stopped 1"),
    ],
)
def test_one_that_is_dead_hung_blind_or_stopped_is_not(folder, phase, ago, more, words):
    beat(folder, state(phase, **more), ago)
    code, text = said()
    assert code == 1
    assert words in text
    assert json.loads(said("--json")[1])["trouble"] == text.strip()


def test_one_that_could_read_mlflow_a_moment_ago_is_alive(folder):
    beat(folder, state(mlflow="MLflow at x cannot be reached", good_at=now() - timedelta(minutes=1)))
    assert said()[0] == 0


@pytest.mark.parametrize("content", [None, b"", b"{", b"[]", b'{"at": 7}', b"\xff" * 100])
def test_no_file_or_a_damaged_one_is_no_sign_of_life(folder, content):
    if content is not None:
        (folder / "heartbeat.json").write_bytes(content)
    code, text = said()
    assert code == 1
    assert "no sign of life" in text


def test_a_timer_that_watches_needs_no_credential_of_the_service(folder):
    (folder.parent / "selector.yaml").write_text(
        'mlflow: {tracking_uri: "http://u:${credential:token}@h"}\nmodels: {churn: {metric: f1}}\nstate: state\n'
    )
    beat(folder, state())
    assert said()[0] == 0


class Channel:
    name = "mail"

    def __init__(self):
        self.titles = []

    def takes(self, _notice):
        return True

    def send(self, notice):
        self.titles.append(notice.title.split(":")[0])
        return Delivery("sent")


@pytest.fixture
def channel(monkeypatch):
    made = Channel()
    monkeypatch.setattr("selector.bootstrap_notify.notifiers", lambda _configuration: (made,))
    return made


def test_channels_are_told_once_that_the_service_is_dead_and_once_that_it_is_back(folder, channel):
    beat(folder, state())
    assert said("--tell")[0] == 0
    beat(folder, state(), ago=400)
    assert said()[0] == 1
    assert channel.titles == [], "nobody asked to tell"
    for _ in range(3):
        assert said("--tell")[0] == 1
    assert channel.titles == ["mlflow-selector does not work"]
    beat(folder, state())
    for _ in range(2):
        assert said("--tell")[0] == 0
    assert channel.titles == ["mlflow-selector does not work", "mlflow-selector works again"]
    assert [path.name for path in folder.iterdir()] == ["heartbeat.json"]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b'{"since": 7, "told": {}}',
        b'{"since": "2026-01-01", "told": []}',
        b'{"since": "2026-01-01", "told": {}}',
    ],
)
def test_a_damaged_memory_of_an_outage_is_none(folder, channel, content):
    (folder / "outage.json").write_bytes(content)
    assert said("--tell")[0] == 1
    assert channel.titles == ["mlflow-selector does not work"]


def test_who_cannot_remember_tells_nobody(folder, channel, monkeypatch):
    monkeypatch.setattr(Path, "replace", refused)
    code, _text = said("--tell")
    assert code == 1
    assert channel.titles == []


def refused(*_arguments):
    raise OSError(28, "No space left on device")


def test_how_old_is_too_old_can_be_said(folder):
    beat(folder, state(), ago=400)
    assert said("--max-age", "10m")[0] == 0
    assert said("--max-age", "soon")[0] == 2


def test_a_standby_leaves_the_word_to_the_one_at_work_until_that_one_is_silent(folder):
    (folder / "heartbeat.json").write_text(
        json.dumps({"at": now().isoformat(), "phase": "active", "pid": 1, "doing": "x", "good_at": None, "mlflow": ""})
    )
    HeartbeatFile(folder, MemoryClock(now() + timedelta(seconds=30))).write(state("standby"))
    assert read_heartbeat(folder).phase == "active"
    HeartbeatFile(folder, MemoryClock(now() + timedelta(seconds=300))).write(state("standby"))
    assert read_heartbeat(folder).phase == "standby"


@pytest.mark.parametrize("phase", ["starting", "standby"])
@pytest.mark.parametrize(("before", "ago", "after"), [("active", 30, "active"), ("stopping", 30, None),
                                                      ("active", 300, None), ("active", -300, None)])  # fmt: skip
def test_one_that_begins_speaks_where_nobody_is_at_work(folder, phase, before, ago, after):
    at = (now() - timedelta(seconds=ago)).isoformat()
    told = {"at": at, "phase": before, "pid": 1, "doing": "x", "good_at": None, "mlflow": ""}
    (folder / "heartbeat.json").write_text(json.dumps(told))
    beat(folder, state(phase))
    assert read_heartbeat(folder).phase == (after or phase)


def test_a_folder_that_cannot_be_written_stops_nobody(tmp_path):
    HeartbeatFile(tmp_path / "missing", MemoryClock()).write(state())
