"""The service as a process before a real MLflow server that goes wrong in every way: it stays, and loses nothing."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
import uuid
from pathlib import Path
from typing import Self

import pytest

pytestmark = pytest.mark.live

PATIENCE = 60.0


class FaultyWire:
    """A TCP proxy before a server that can go wrong on demand.

    Attributes:
        mode: pass, silent, drip, reset, garbage, slow, or the status of an HTTP error ("500", "429").

    """

    def __init__(self, server_url: str) -> None:
        self._host, _, port = server_url.removeprefix("http://").partition(":")
        self._port, self.mode, self.refused = int(port), "pass", 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(near, self.mode), daemon=True).start()

    def _serve(self, near: socket.socket, mode: str) -> None:
        with near, contextlib.suppress(OSError):
            if mode in {"pass", "slow"}:
                if mode == "slow":
                    time.sleep(0.5)
                self._join(near, mode)
                return
            self.refused += 1
            near.settimeout(30)
            if mode == "reset":
                near.recv(10)
                near.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            elif mode == "silent":
                near.recv(65536)
                time.sleep(20)
            elif mode == "garbage":
                near.recv(65536)
                near.sendall(b"\x00\xff\x00 this is no HTTP\r\n\r\n")
            elif mode == "drip":
                near.recv(65536)
                near.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100000\r\n\r\n{")
                for _ in range(40):
                    time.sleep(0.5)
                    near.sendall(b" ")
            else:
                near.recv(65536)
                near.sendall(f"HTTP/1.1 {mode} No\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno".encode())

    def _join(self, near: socket.socket, mode: str) -> None:
        with socket.create_connection((self._host, self._port)) as far:
            back = threading.Thread(target=self._pump, args=(far, near, mode), daemon=True)
            back.start()
            self._pump(near, far, mode)
            back.join(30)

    def _pump(self, source: socket.socket, sink: socket.socket, mode: str) -> None:
        with contextlib.suppress(OSError):
            while (self.mode == mode) and (data := source.recv(65536)):
                sink.sendall(data)
        for end in (source, sink):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)


class Service:
    """`mlflow-selector run` as a process, with one model that is chosen by what its runs logged."""

    def __init__(self, folder: Path, uri: str, name: str, extra: str = "") -> None:
        self.name, self.file, self.log = name, folder / "selector.yaml", folder / "service.log"
        self.file.write_text(
            f'mlflow: {{tracking_uri: "{uri}", timeout: 1s}}\n'
            f"models:\n  {name}:\n    experiments: [{name}]\n    metric: accuracy\n    trust_logged: true\n"
            f"watch: {{poll: 1s}}\n{extra}"
        )
        self.process: subprocess.Popen | None = None

    def start(self, *words: str) -> Service:
        command = [sys.executable, "-m", "selector", "--config", str(self.file), "run", *words]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, cwd=self.file.parent)
        return self

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_exc: object) -> None:
        self.end()

    def end(self, how: int = signal.SIGTERM) -> int:
        if self.process is None:
            return 0
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(how)
        try:
            return self.process.wait(30)
        finally:
            self.process.kill()

    def said(self, words: str, since: int = 0) -> int:
        """Wait until the log says it; return where to go on reading."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            text = self.log.read_text(errors="replace")
            at = text.find(words, since)
            if at >= 0:
                return at + len(words)
            assert self.process is None or self.process.poll() is None, f"the service ended:\n{text[-3000:]}"
            time.sleep(0.1)
        pytest.fail(f"the log never said {words!r}:\n{self.log.read_text(errors='replace')[-3000:]}")

    def command(self, *words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "selector", "--config", str(self.file), *words]
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)


class Trainer:
    """Training code that knows nothing of us, and talks to the server past the faulty wire."""

    def __init__(self, uri: str, name: str) -> None:
        from mlflow import MlflowClient  # noqa: PLC0415 - slow

        self.client, self.name = MlflowClient(uri, uri), name
        self.experiment = self.client.create_experiment(name)
        self.client.create_registered_model(name)

    def finish(self, accuracy: float) -> str:
        """Finish a run with a registered version; return the run's id."""
        run = self.client.create_run(self.experiment, run_name=f"run {accuracy}").info.run_id
        self.client.log_metric(run, "accuracy", accuracy)
        self.client.set_terminated(run)
        self.client.create_model_version(self.name, f"runs:/{run}/model", run)
        return run

    def champion(self) -> str | None:
        aliases = self.client.get_registered_model(self.name).aliases
        return self.client.get_model_version(self.name, aliases["champion"]).run_id if "champion" in aliases else None

    def until_champion(self, run: str, service: Service) -> None:
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            if self.champion() == run:
                return
            assert service.process.poll() is None, service.log.read_text(errors="replace")[-3000:]
            time.sleep(0.2)
        pytest.fail(f"never promoted:\n{service.log.read_text(errors='replace')[-3000:]}")


@pytest.fixture
def name():
    return f"faults-{uuid.uuid4().hex[:8]}"


@pytest.fixture
def wire(mlflow_server):
    made = FaultyWire(mlflow_server)
    yield made
    made.close()


def test_whatever_the_server_does_the_service_stays_and_promotes_once_it_is_back(wire, mlflow_server, tmp_path, name):
    trainer = Trainer(mlflow_server, name)
    accuracy = 0.5
    first = trainer.finish(accuracy)
    with Service(tmp_path, wire.url, name) as service:
        trainer.until_champion(first, service)
        for mode in ("500", "429", "reset", "garbage", "silent", "drip", "slow"):
            wire.mode, before = mode, wire.refused
            accuracy += 0.05
            run = trainer.finish(accuracy)
            if mode != "slow":
                _until(lambda before=before: wire.refused > before + 1, f"no call in mode {mode}")
                assert trainer.champion() != run
            wire.mode = "pass"
            trainer.until_champion(run, service)
        assert service.end() == 0
    promoted = service.command("history", name, "--json").stdout.count('"kind": "promoted"')
    assert promoted == 8


def test_the_service_starts_while_mlflow_is_away_and_works_once_it_is_there(wire, mlflow_server, tmp_path, name):
    trainer = Trainer(mlflow_server, name)
    run = trainer.finish(0.6)
    wire.mode = "503"
    with Service(tmp_path, wire.url, name) as service:
        service.said("mlflow failed")
        wire.mode = "pass"
        trainer.until_champion(run, service)


def test_killed_at_once_and_started_again_the_service_promotes_exactly_once(wire, mlflow_server, tmp_path, name):
    trainer = Trainer(mlflow_server, name)
    for round_ in range(3):
        run = trainer.finish(0.5 + round_ / 20)
        service = Service(tmp_path, wire.url, name).start()
        # Later each round: before the first write, in the middle of a promotion, after it.
        time.sleep(2.2 + 0.25 * round_)
        service.end(signal.SIGKILL)
        with Service(tmp_path, wire.url, name) as again:
            trainer.until_champion(run, again)
    history = service.command("history", name, "--json").stdout
    assert history.count('"kind": "promoted"') == 3
    versions = trainer.client.search_model_versions(f"name = '{name}'")
    assert len(versions) == 3, "a kill doubled a version"


def test_a_second_service_on_the_same_state_exits_75_and_a_standby_takes_over_a_killed_one(
    mlflow_server, tmp_path, name
):
    trainer = Trainer(mlflow_server, name)
    trainer.finish(0.5)
    first = Service(tmp_path, mlflow_server, name).start()
    try:
        first.said("At work")
        assert Service(tmp_path, mlflow_server, name).command("run").returncode == 75
        standby = Service(tmp_path, mlflow_server, name)
        standby.log = tmp_path / "standby.log"
        standby.start("--standby")
        try:
            standby.said("Standing by")
            first.end(signal.SIGKILL)
            standby.said("At work")
            trainer.until_champion(trainer.finish(0.7), standby)
        finally:
            standby.end()
    finally:
        first.end(signal.SIGKILL)


def test_a_person_works_at_the_command_line_while_the_service_runs(mlflow_server, tmp_path, name):
    trainer = Trainer(mlflow_server, name)
    first = trainer.finish(0.5)
    with Service(tmp_path, mlflow_server, name) as service:
        trainer.until_champion(first, service)
        second = trainer.finish(0.8)
        trainer.until_champion(second, service)
        done = service.command("rollback", name)
        assert done.returncode == 0, done.stderr
        assert trainer.champion() == first
        assert service.command("select", name).returncode == 0
        time.sleep(3)
        assert trainer.champion() == first, "what a person rolled back from came in again"


def test_a_full_disk_stops_nothing_for_good(mlflow_server, tmp_path, name):
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small file system to fill")
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(disk)], check=False).returncode:
        pytest.skip("a small file system cannot be mounted here")
    try:
        trainer = Trainer(mlflow_server, name)
        first = trainer.finish(0.5)
        with Service(tmp_path, mlflow_server, name, extra=f"state: {disk}/state\n") as service:
            trainer.until_champion(first, service)
            with contextlib.suppress(OSError), (disk / "filler").open("wb") as filler:
                while True:
                    filler.write(b"\0" * 4096)
                    filler.flush()
            mark = len(service.log.read_bytes())
            second = trainer.finish(0.8)
            service.said("failed", mark)
            assert trainer.champion() == first, "an effect came before its intent was kept"
            (disk / "filler").unlink()
            trainer.until_champion(second, service)
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)


def test_a_damaged_state_ends_the_service_with_65_and_nothing_is_overwritten(mlflow_server, tmp_path, name):
    Trainer(mlflow_server, name)
    state = tmp_path / ".mlflow-selector" / "state.db"
    state.parent.mkdir()
    state.write_bytes(b"this was a database once" * 500)
    done = Service(tmp_path, mlflow_server, name).command("run")
    assert done.returncode == 65
    assert state.read_bytes() == b"this was a database once" * 500


def test_a_broken_file_at_a_reload_keeps_the_old_configuration_and_a_wrong_one_at_the_start_exits_78(
    mlflow_server, tmp_path, name
):
    trainer = Trainer(mlflow_server, name)
    service = Service(tmp_path, mlflow_server, name)
    good = service.file.read_text()
    with service:
        mark = service.said("At work")
        service.file.write_text(good.replace("models:", "modles:"))
        service.process.send_signal(signal.SIGHUP)
        mark = service.said("was not reloaded", mark)
        trainer.until_champion(trainer.finish(0.6), service)
        assert service.command("run").returncode == 78
        service.file.write_text(good.replace("accuracy", "{name: accuracy, direction: maximize}"))
        service.process.send_signal(signal.SIGHUP)
        service.said("was read again", mark)
        trainer.until_champion(trainer.finish(0.7), service)


def _until(holds, otherwise):
    deadline = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < deadline, otherwise
        time.sleep(0.05)


@pytest.mark.postgres
def test_two_machines_share_one_state_and_the_standby_takes_over_when_the_other_one_dies(
    mlflow_server, postgres_database, tmp_path, name
):
    trainer = Trainer(mlflow_server, name)
    first = trainer.finish(0.5)
    machines = []
    for machine in ("one", "two"):
        folder = tmp_path / machine
        folder.mkdir()
        state = f'state: {{folder: here, database: "{postgres_database}"}}\n'
        machines.append(Service(folder, mlflow_server, name, extra=state))
    one, two = machines
    one.start()
    try:
        trainer.until_champion(first, one)
        two.start()  # with the state on PostgreSQL standing by is the default
        two.said("Standing by")
        one.end(signal.SIGKILL)
        second = trainer.finish(0.8)
        two.said("At work")
        trainer.until_champion(second, two)
        history = two.command("history", name, "--json").stdout
        assert history.count('"kind": "promoted"') == 2
        one.start()
        one.said("Standing by", len(one.log.read_text()))
    finally:
        for machine in machines:
            machine.end(signal.SIGKILL)
