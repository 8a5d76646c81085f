"""Do the service and commands send through the channels that are configured?"""

from __future__ import annotations

import threading
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest
from click.testing import CliRunner

from selector import bootstrap_daemon, bootstrap_notices
from selector.adapters.clock_memory import MemoryClock
from selector.adapters.store_sql import open_store
from selector.bootstrap_daemon import daemon
from selector.cli.app import app
from selector.config import load
from selector.daemon_prune import Pruning
from selector.exchange import Delivery, Notice

TEXT = (
    "mlflow: {tracking_uri: 'sqlite:///mlflow.db'}\nmodels: {churn: {metric: f1}}\nnotify: ['json://localhost:1/x']\n"
)


class Channel:
    name = "hook"

    def __init__(self):
        self.got, self.arrived = [], threading.Event()

    def takes(self, notice):
        return True

    def send(self, notice):
        self.got.append(notice.key)
        self.arrived.set()
        return Delivery("sent")


@pytest.fixture
def channel(monkeypatch):
    made = Channel()
    monkeypatch.setattr(bootstrap_notices, "notifiers", lambda _config: (made,))
    return made


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_SELECTOR_CONFIG", raising=False)
    (tmp_path / "selector.yaml").write_text(TEXT)
    return tmp_path


@contextmanager
def state(folder):
    store = open_store(folder / ".mlflow-selector", None, writable=True)
    yield store
    store.close()


def waits(folder, *keys):
    with state(folder) as store:
        store.put([Notice(key=key, model="churn", kind="promoted", title="t", body="") for key in keys])


def test_a_command_that_writes_delivers_what_waits_and_one_that_looks_does_not(folder, channel):
    waits(folder, "1")
    run = CliRunner()
    for words in (["alerts", "list"], ["pause", "churn", "--dry-run"]):
        assert run.invoke(app, words).exit_code == 0
        assert channel.got == []
    assert run.invoke(app, ["pause", "churn"]).exit_code == 0
    assert channel.got == ["1"]


def test_the_service_delivers_what_waits(folder, channel, mlflow_sqlite):
    (folder / "selector.yaml").write_text(TEXT.replace("sqlite:///mlflow.db", mlflow_sqlite))
    waits(folder, "1", "2")
    made = daemon(load(folder / "selector.yaml", service=True), once=True)
    made.run()
    assert channel.got == ["1", "2"]
    with state(folder) as store:
        assert dict(store.counts()) == {"sent": 2}
        assert store.notices() == ()


def test_the_service_removes_what_is_old(folder, channel, mlflow_sqlite, monkeypatch):
    (folder / "selector.yaml").write_text(TEXT.replace("sqlite:///mlflow.db", mlflow_sqlite))
    long_ago = MemoryClock(datetime.now(UTC) - timedelta(days=31))
    with closing(open_store(folder / ".mlflow-selector", None, writable=True, clock=long_ago)) as store:
        store.put([Notice(key="old", model="churn", kind="promoted", title="t", body="")])
        store.share_out({"old": ["hook"]}, complete=True, oldest=long_ago.now())
        store.sent(store.waiting("hook")[0])
    monkeypatch.setattr(bootstrap_daemon, "Pruning", partial(Pruning, first=0.0))
    waits(folder, "1")
    daemon(load(folder / "selector.yaml", service=True), once=True).run()
    with state(folder) as store:
        assert dict(store.counts()) == {"sent": 1}


def test_how_often_is_configured(folder):
    (folder / "selector.yaml").write_text(TEXT + "alerts: {repeat_every: 1h, settle: 1m}\n")
    rules = load(folder / "selector.yaml").alerts.rules()
    assert (rules.repeat_every.total_seconds(), rules.settle.total_seconds()) == (3600.0, 60.0)
