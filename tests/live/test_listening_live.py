"""The service as a process before a real MLflow server: webhooks, "look now", health and metrics, and clients that drip."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
import warnings
from pathlib import Path

import pytest

pytestmark = pytest.mark.live

PATIENCE = 60.0
SECRET = "shared-with-mlflow-only"


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def until(said, what):
    ends = time.monotonic() + PATIENCE
    while not (found := said()):
        assert time.monotonic() < ends, f"it never came to that: {what}"
        time.sleep(0.005)
    return found


class Service:
    """`mlflow-selector run`, which looks by itself once in an hour only: hints have to bring it."""

    def __init__(self, folder: Path, server: str):
        self.folder, self.http, self.hook = folder, free_port(), free_port()
        self.settings = (
            f"mlflow: {{tracking_uri: {server}}}\n"
            "watch: {poll: 1h}\n"
            f"http: 127.0.0.1:{self.http}\n"
            f"webhook: {{bind: '127.0.0.1:{self.hook}', secret: '${{env:HOOK_SECRET}}'}}\n"
            "models:\n  webhooked: {experiments: [nothing-here], metric: f1, schedule: 1h}\n"
        )
        self.environment = {**os.environ, "HOOK_SECRET": SECRET, "PYTHONPATH": str(Path(__file__).parents[2])}

    def command(self, *words):
        return [sys.executable, "-m", "selector", "--config", str(self.folder / "selector.yaml"), *words]

    def __enter__(self):
        (self.folder / "selector.yaml").write_text(self.settings)
        self.log = (self.folder / "log").open("wb")
        self.process = subprocess.Popen(
            self.command("run"), cwd=self.folder, env=self.environment, stdout=self.log, stderr=self.log
        )
        until(lambda: self.ask("/readyz")[0] == 200, "ready")
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(PATIENCE)
        self.log.close()

    def ask(self, path):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.http}{path}", timeout=20) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()
        except OSError:
            return 0, ""

    def metric(self, line):
        found = re.search(rf"^mlflow_selector_{re.escape(line)} (\S+)$", self.ask("/metrics")[1], re.MULTILINE)
        return float(found[1]) if found else 0.0

    def run(self, *words):
        return subprocess.run(
            self.command(*words), cwd=self.folder, env=self.environment, capture_output=True, text=True, check=False,
            timeout=PATIENCE,
        )  # fmt: skip


@pytest.fixture(scope="module")
def service(tmp_path_factory, mlflow_webhook_server):
    with Service(tmp_path_factory.mktemp("service"), mlflow_webhook_server) as one:
        yield one


@pytest.fixture(scope="module")
def client(mlflow_webhook_server):
    from mlflow import MlflowClient  # noqa: PLC0415 - only live tests need MLflow

    return MlflowClient(tracking_uri=mlflow_webhook_server, registry_uri=mlflow_webhook_server)


def test_an_alias_that_was_moved_in_mlflow_is_looked_at_at_once(service, client, record_property):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # MLflow's own notes on its interfaces
        events = ["model_version_alias.created", "model_version.created"]
        made = client.create_webhook(
            "selector", f"http://127.0.0.1:{service.hook}/webhooks/mlflow", events, secret=SECRET
        )
        assert made.name == "selector"
        client.create_registered_model("webhooked")
        run = client.create_run("0").info
        client.create_model_version("webhooked", f"{run.artifact_uri}/model", run.run_id)
    until(lambda: service.metric('wake_ups_total{source="webhook"}') >= 1, "the new version was heard of")
    until(lambda: service.metric('events_total{kind="VersionRegistered"}') >= 1, "the new version was seen")
    times = []
    for n in range(3):
        moved = service.metric('events_total{kind="AliasMoved"}')
        client.set_registered_model_alias("webhooked", f"tried-{n}", "1")
        began = time.monotonic()
        until(lambda m=moved: service.metric('events_total{kind="AliasMoved"}') > m, "the alias was seen")
        times.append(time.monotonic() - began)
    record_property("alias moved to looked, seconds", times)
    print(f"alias moved to looked: {', '.join(f'{1000 * t:.0f} ms' for t in times)}")  # noqa: T201 - shown with -s
    assert service.metric('webhook_deliveries_total{outcome="accepted"}') >= 4
    assert service.metric('failures_total{part="mlflow"}') == 0


def test_a_webhook_with_another_secret_leads_to_nothing(service):
    heard = service.metric('wake_ups_total{source="webhook"}')
    body = b'{"data": {"name": "webhooked"}}'
    headers = {
        "X-MLflow-Signature": "v1,AAAA",
        "X-MLflow-Timestamp": str(int(time.time())),
        "X-MLflow-Delivery-Id": "x",
    }
    request = urllib.request.Request(f"http://127.0.0.1:{service.hook}/webhooks/mlflow", body, headers, method="POST")
    with pytest.raises(urllib.error.HTTPError, match="401") as error:
        urllib.request.urlopen(request, timeout=20)
    error.value.close()
    assert service.metric('webhook_deliveries_total{outcome="forged"}') == 1
    assert service.metric('wake_ups_total{source="webhook"}') == heard


def test_a_program_says_look_now_and_hears_what_came_of_it(service):
    looked = service.metric("turn_duration_seconds_count")
    done = service.run("wake", "webhooked", "--wait", "--json")
    assert done.returncode == 0, done.stderr
    (look,) = json.loads(done.stdout)["looked"]
    assert look["model"] == "webhooked"
    assert look["verdict"]
    assert service.metric("turn_duration_seconds_count") > looked
    assert service.metric('wake_ups_total{source="socket"}') == 1
    assert service.run("wake", "nobody").returncode == 2
    assert service.run("wake", "--dry-run").stdout == "the service would be asked to look at everything.\n"


def test_two_hundred_connections_that_drip_keep_nobody_out_and_none_is_left(service):
    dripping = []
    for port in (service.http, service.hook):
        dripping += [socket.create_connection(("127.0.0.1", port), timeout=20) for _ in range(200)]
    try:
        ends, slowest = time.monotonic() + 5.5, 0.0
        while time.monotonic() < ends:
            for one in dripping:
                with contextlib.suppress(OSError):
                    one.send(b"G")
            began = time.monotonic()
            assert service.ask("/healthz")[0] == 200
            slowest = max(slowest, time.monotonic() - began)
            time.sleep(0.3)
        print(f"slowest /healthz meanwhile: {1000 * slowest:.0f} ms")  # noqa: T201 - shown with -s
        until(lambda: not _open(service), "every one of them was closed")
    finally:
        for one in dripping:
            one.close()


def _open(service):
    """Return the service's established connections but the one that asks."""
    ports = {f"{port:04X}" for port in (service.http, service.hook)}
    found = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return [f for f in found if f[1].rpartition(":")[2] in ports and f[3] == "01"]


def test_the_page_of_metrics_passes_promtool(service):
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed (Debian: apt-get install prometheus)")
    page = service.ask("/metrics")[1]
    done = subprocess.run([promtool, "check", "metrics"], input=page, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_no_secret_is_shown_anywhere(service):
    pages = [service.ask(path)[1] for path in ("/", "/api/status", "/metrics", "/readyz")]
    pages += [service.run("config", "show").stdout, (service.folder / "log").read_text()]
    assert all(pages)
    assert not [page for page in pages if SECRET in page]


def test_a_broken_configuration_is_told_and_the_addresses_stay(service):
    (service.folder / "selector.yaml").write_text(service.settings + "nonsense: 1\n")
    service.process.send_signal(signal.SIGHUP)
    until(lambda: service.metric("configuration_ok") == 0 and service.ask("/readyz")[0] == 200, "told")
    assert "unknown key" in json.loads(service.ask("/api/status")[1])["configuration"]["error"]
    (service.folder / "selector.yaml").write_text(service.settings)
    service.process.send_signal(signal.SIGHUP)
    until(lambda: service.metric("configuration_ok") == 1 and service.ask("/readyz")[0] == 200, "mended")
    assert service.metric('wake_ups_total{source="socket"}') >= 1  # it goes on counting
    assert service.run("wake", "--wait").returncode == 0


def test_at_the_end_nothing_listens_any_more(service):
    path = service.folder / ".mlflow-selector" / "daemon.sock"
    assert path.is_socket()
    service.process.terminate()
    assert service.process.wait(PATIENCE) == 0
    assert service.ask("/healthz")[0] == 0
    assert not path.exists()
    assert "no service is at work here" in service.run("wake").stderr
