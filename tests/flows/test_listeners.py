"""Is everything that listens wired to one daemon, also when its configuration is read again?"""

from __future__ import annotations

import json
import socket
import time
import urllib.request
from types import SimpleNamespace

import pytest

from selector.adapters.clock_memory import MemoryClock
from selector.adapters.socket_file import connected
from selector.bootstrap_listeners import Listeners, knows
from selector.config import load
from selector.daemon_state import Keeper
from selector.domain.events import WakeUp
from selector.domain.family import Family
from selector.errors import StateUnavailableError
from selector.workflows.cycle import Turn
from selector.workflows.house import Setup
from selector.workflows.select_champion import Look


@pytest.fixture
def running(monkeypatch):
    monkeypatch.delenv("RUNTIME_DIRECTORY", raising=False)
    pulse = SimpleNamespace(fresh=True)
    return SimpleNamespace(monotonic=time.monotonic, observers=[], keeper=Keeper(MemoryClock()), pulse=pulse)


@pytest.fixture
def port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def configured(folder, text=""):
    path = folder / "selector.yaml"
    path.write_text(f"models:\n  churn: {{metric: f1}}\n{text}\n")
    found = load(path)
    found.state.folder.mkdir(exist_ok=True)
    return found


def read(port, path):
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=20) as answer:
        return answer.read().decode()


def observed(running, turn):
    state = running.keeper.turned(turn, "said", {}, waiting=0)
    for observe in running.observers:
        observe(state, turn, 0.1)


def test_without_configuration_there_is_a_socket_and_nothing_else(running, world, tmp_path):
    with Listeners(running).open(configured(tmp_path), world.house) as sources:
        assert [s.name for s in sources] == ["socket"]
    assert len(running.observers) == 1


def test_counts_go_on_when_the_configuration_is_read_again(running, world, tmp_path, port):
    listeners, config = Listeners(running), configured(tmp_path, f"http: 127.0.0.1:{port}")
    for count in (1, 2):
        with listeners.open(config, world.house):
            observed(running, Turn(wakes=(WakeUp("socket"),)))
            assert f'mlflow_selector_wake_ups_total{{source="socket"}} {count}.0' in read(port, "/metrics")
    with pytest.raises(OSError, match="refused"):
        read(port, "/metrics")


def test_it_answers_while_it_stands_by_and_takes_hints_only_at_work(running, world, tmp_path, port):
    config = configured(tmp_path, f"http: 127.0.0.1:{port}")
    running.keeper.phase("standby", "standing by")
    with Listeners(running).open(config, world.house) as (source,):
        assert read(port, "/readyz") == "ready\n"
        assert "mlflow_selector_active 0.0" in read(port, "/metrics")
        path = config.state.folder / "daemon.sock"
        assert not path.exists()
        source.start(lambda _wake: None)
        assert path.is_socket()
        source.stop()


def test_under_systemd_the_socket_is_in_the_runtime_folder_and_the_state_folder_leads_there(
    running, world, tmp_path, monkeypatch
):
    (tmp_path / "run").mkdir()
    monkeypatch.setenv("RUNTIME_DIRECTORY", f"{tmp_path / 'run'}:/another")
    config = configured(tmp_path)
    with Listeners(running).open(config, world.house) as (source,):
        source.start(lambda _wake: None)
        assert (tmp_path / "run" / "daemon.sock").is_socket()
        with connected(config.socket.known_at(config.state.folder), 20) as one, one.makefile("rwb") as stream:
            stream.write(b'{"state": true}\n')
            stream.flush()
            assert json.loads(stream.readline())["state"]["phase"] == "starting"
        source.stop()
        assert not (config.state.folder / "daemon.sock").is_symlink()


def test_webhooks_are_counted_where_there_are_metrics(running, world, tmp_path, port):
    hook = "webhook: {bind: '127.0.0.1:9471', secret: a-secret-of-16-or-more}"
    config = configured(tmp_path, f"http: 127.0.0.1:{port}\n{hook}")
    with Listeners(running).open(config, world.house) as sources:
        source = next(s for s in sources if s.name == "webhook")
        source._counted("forged")
        assert 'webhook_deliveries_total{outcome="forged"} 1.0' in read(port, "/metrics")
    with Listeners(running).open(configured(tmp_path, hook), world.house) as sources:
        next(s for s in sources if s.name == "webhook")._counted("forged")


def test_secrets_of_the_configuration_and_of_the_environment_are_taken_out(running, world, tmp_path, port, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "hunter2-of-mlflow")
    hook = "webhook: {bind: '127.0.0.1:9471', secret: hunter2-of-webhooks}"
    running.keeper.configured("hunter2-of-mlflow hunter2-of-webhooks http://me:hunter2-in-uri@x")
    with Listeners(running).open(configured(tmp_path, f"http: 127.0.0.1:{port}\n{hook}"), world.house):
        for path in ("/", "/api/status"):
            assert "hunter2" not in read(port, path)
            assert "***" in read(port, path)


def test_a_family_and_its_members_are_known(world):
    rule = Setup("M-{x}", world.policy, family=Family("M-{x}", "x"))
    house = SimpleNamespace(setups={"churn": world.house.setups["churn"], "M-{x}": rule})
    assert all(knows(house, name) for name in ("churn", "M-{x}", "M-1"))
    assert not any(knows(house, name) for name in ("nobody", "M-", "N-1", "M-a/b"))


def test_what_is_configured_by_its_name_is_counted_from_zero_before_the_first_look(running, world, tmp_path, port):
    rule = Setup("M-{x}", world.policy, family=Family("M-{x}", "x"))
    house = SimpleNamespace(setups={"churn": world.house.setups["churn"], "M-{x}": rule})
    with Listeners(running).open(configured(tmp_path, f"http: 127.0.0.1:{port}"), house):
        page = read(port, "/metrics")
    assert 'mlflow_selector_decisions_total{decision="promoted",model="churn"} 0.0' in page
    assert "M-" not in page


def test_the_health_of_champions_that_are_watched_is_measured(running, world, tmp_path, port, monkeypatch):
    told = ["degraded"]
    monkeypatch.setattr("selector.bootstrap_listeners.HEALTH_SECONDS", 0.0)
    monkeypatch.setattr(
        "selector.workflows.monitor_document.production",
        lambda house, setup, champion: {"health": told[-1] if (setup.model, champion) == ("churn", 3) else "unknown"},
    )
    house = SimpleNamespace(setups={"churn": SimpleNamespace(model="churn", monitor=object(), family=None)})
    looked = Look("churn", SimpleNamespace(verdict="kept"), {"champion": {"version": 3}}, "")
    with Listeners(running).open(configured(tmp_path, f"http: 127.0.0.1:{port}"), house):
        for word, number in (("degraded", 3), ("healthy", 1)):
            told.append(word)
            observed(running, Turn(looks=(looked,)))
            assert f'mlflow_selector_health{{model="churn"}} {number}.0' in read(port, "/metrics")
    assert len(running.observers) == 2


def test_a_state_that_cannot_be_read_spoils_no_metrics(running, tmp_path, port, monkeypatch):
    def away(*_):
        raise StateUnavailableError("no space left")

    monkeypatch.setattr("selector.workflows.monitor_document.production", away)
    house = SimpleNamespace(setups={"churn": SimpleNamespace(model="churn", monitor=object(), family=None)})
    looked = Look("churn", SimpleNamespace(verdict="kept"), {"champion": {"version": 3}}, "")
    with Listeners(running).open(configured(tmp_path, f"http: 127.0.0.1:{port}"), house):
        observed(running, Turn(looks=(looked,)))
        assert 'mlflow_selector_champion_version{model="churn"} 3.0' in read(port, "/metrics")


def test_an_observer_that_fails_stops_neither_the_others_nor_the_service(
    running, world, tmp_path, *, port, monkeypatch, caplog
):
    monkeypatch.setattr("selector.daemon_metrics.DaemonMetrics._measure", lambda *_: 1 / 0)
    listeners = Listeners(running)
    with listeners.open(configured(tmp_path, f"http: 127.0.0.1:{port}"), world.house):
        future = listeners._answers.ask(
            WakeUp("socket", everything=True), lambda wake: observed(running, Turn((wake,)))
        )
        assert future.result(0) == ()
    assert "not foreseen" in caplog.text
