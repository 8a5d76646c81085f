"""A real Prometheus reads a real service: does every panel of the dashboard have something to show, and do alerts fire?"""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

import pytest
import yaml

pytestmark = pytest.mark.live

CONFIGS = Path(__file__).parents[2] / "configs"
RULES = CONFIGS / "prometheus" / "rules.yml"
DASHBOARD = json.loads((CONFIGS / "grafana" / "dashboard.json").read_text(encoding="utf-8"))
PATIENCE = 60.0
SECRET = "shared-with-mlflow-only"

SETTINGS = """\
mlflow: {{tracking_uri: "{uri}"}}
models:
  shown:
    experiments: [shown]
    metric: accuracy
    trust_logged: true
    monitor: {{sources: {{csv: rolling.csv}}, minimum: 0.7, rule: plain, in_a_row: 2, on_degraded: alert}}
staging: [{{folder: staged, model: shown, experiment: shown, quiet: 1s}}]
notify: [{{webhook: "http://127.0.0.1:{nobody}", secret: {secret}}}]
webhook: {{bind: "127.0.0.1:{hook}", secret: {secret}}}
http: 127.0.0.1:{http}
watch: {{poll: 1s, production: 1s}}
"""

HAPPENED = {
    'mlflow_selector_decisions_total{decision="promoted"}': "a promotion",
    'mlflow_selector_events_total{kind="RunFinished"}': "a run that finished",
    'mlflow_selector_wake_ups_total{source="socket"}': "somebody who asked",
    'mlflow_selector_imports_total{outcome="failed"}': "a staged model that is none",
    'mlflow_selector_notifications_total{outcome="failed"}': "a receiver that is away",
    'mlflow_selector_webhook_deliveries_total{outcome="forged"}': "a forged webhook",
}
"""What this test makes happen once or twice, all of it after the service has started."""


def free_ports(count):
    with contextlib.ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


def until(holds, what):
    ends = time.monotonic() + PATIENCE
    while not (found := holds()):
        assert time.monotonic() < ends, f"it never came to that: {what}"
        time.sleep(0.1)
    return found


class Prometheus:
    def __init__(self, port):
        self.url = f"http://127.0.0.1:{port}"

    def ask(self, path, **query):
        try:
            with urllib.request.urlopen(
                f"{self.url}/api/v1/{path}?{urllib.parse.urlencode(query)}", timeout=20
            ) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            with error:
                if error.code == 503:  # it is still starting
                    return None
                pytest.fail(f"{query}: {error.read().decode()}")
        except OSError:
            return None

    def series(self, query):
        """Return what a panel would draw now; `All` is chosen for the dashboard's variables."""
        answer = self.ask("query", query=query.replace("$instance", ".*").replace("$model", ".*"))
        return [(one["metric"], float(one["value"][1])) for one in answer["result"]] if answer else []


@contextlib.contextmanager
def process(command, folder, name):
    with (folder / f"{name}.log").open("wb") as log:
        made = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log)
    try:
        yield made
    finally:
        made.terminate()
        made.wait(30)


class Trainer:
    def __init__(self, uri):
        from mlflow import MlflowClient  # noqa: PLC0415 - slow

        self.client = MlflowClient(uri, uri)
        self.experiment = self.client.create_experiment("shown")
        self.client.create_registered_model("shown")

    def finish(self, accuracy):
        run = self.client.create_run(self.experiment).info.run_id
        self.client.log_metric(run, "accuracy", accuracy)
        self.client.set_terminated(run)
        self.client.create_model_version("shown", f"runs:/{run}/model", run)


def make_happen(folder, hook):
    """Ask the service to look, send it a webhook that is not MLflow's, and stage what is no model."""
    with socket.socket(socket.AF_UNIX) as one:
        one.connect(str(folder / ".mlflow-selector" / "daemon.sock"))
        one.sendall(b'{"look": "*"}\n')
        assert json.loads(one.makefile().readline())["ok"]
    headers = {"X-MLflow-Signature": "v1,AAAA", "X-MLflow-Timestamp": "1", "X-MLflow-Delivery-Id": "x"}
    request = urllib.request.Request(f"http://127.0.0.1:{hook}/webhooks/mlflow", b"{}", headers, method="POST")
    with pytest.raises(urllib.error.HTTPError, match="401") as refused:
        urllib.request.urlopen(request, timeout=20)
    refused.value.close()
    (folder / "staged" / "broken").mkdir()
    (folder / "staged" / "broken" / "model.pkl").write_bytes(b"no model")


@pytest.fixture(scope="module")
def watched(tmp_path_factory, mlflow_template):
    """A Prometheus that has seen a promotion, a degraded champion, and some trouble."""
    program = shutil.which("prometheus")
    if program is None:
        pytest.skip("Prometheus is not installed (Debian: apt-get install prometheus)")
    folder = tmp_path_factory.mktemp("dashboard")
    shutil.copyfile(mlflow_template, folder / "mlflow.db")
    uri, (http, hook, nobody, port) = f"sqlite:///{folder / 'mlflow.db'}", free_ports(4)
    (folder / "selector.yaml").write_text(SETTINGS.format(uri=uri, nobody=nobody, hook=hook, http=http, secret=SECRET))
    (folder / "rolling.csv").write_text("date,accuracy,rows\n")
    (folder / "staged").mkdir()
    target = {"job_name": "mlflow-selector", "static_configs": [{"targets": [f"127.0.0.1:{http}"]}]}
    often = {"scrape_interval": "200ms", "scrape_timeout": "200ms", "evaluation_interval": "200ms"}
    settings = {"global": often, "rule_files": [str(RULES)], "scrape_configs": [target]}
    (folder / "prometheus.yml").write_text(yaml.safe_dump(settings))
    trainer, prometheus = Trainer(uri), Prometheus(port)
    trainer.finish(0.8)
    run = [sys.executable, "-m", "selector", "--config", "selector.yaml", "run"]
    read = [
        program,
        "--config.file=prometheus.yml",
        "--storage.tsdb.path=data",
        f"--web.listen-address=127.0.0.1:{port}",
    ]
    with process(read, folder, "prometheus"), process(run, folder, "service") as service:
        until(lambda: prometheus.series("mlflow_selector_champion_version == 1"), "a first champion")
        trainer.finish(0.9)
        make_happen(folder, hook)
        until(lambda: prometheus.series("mlflow_selector_champion_version == 2"), "a promotion")
        now = time.time()
        rows = [f"{time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime(now + n))},0.5,500\n" for n in (1, 2, 3)]
        (folder / "rolling.csv").write_text("date,accuracy,rows\n" + "".join(rows))
        until(lambda: "degraded" in (folder / "service.log").read_text(), "a degraded champion")
        service.send_signal(signal.SIGHUP)  # health is read every 30 s, and after a reload
        until(lambda: prometheus.series("mlflow_selector_health == 3"), "its health in Prometheus")
        for query, what in HAPPENED.items():
            until(lambda query=query: prometheus.series(f"{query} > 0"), what)
        yield prometheus


@pytest.mark.parametrize(
    ("title", "query"),
    [(panel["title"], target["expr"]) for panel in DASHBOARD["panels"] for target in panel["targets"]],
)
def test_every_panel_has_something_to_show(watched, title, query):
    assert watched.series(query), title


@pytest.mark.parametrize("series", HAPPENED)
def test_what_happened_once_is_seen_as_an_increase(watched, series):
    assert watched.series(f"increase({series}[1h]) > 0.5")


def test_a_new_champion_is_marked_and_variables_have_values(watched):
    (mark,) = DASHBOARD["annotations"]["list"]
    for query in (mark["expr"], mark["target"]["expr"]):
        ((labels, times),) = watched.series(query)
        assert labels == {"model": "shown"}
        assert times >= 1
    for variable in DASHBOARD["templating"]["list"]:
        if variable["type"] == "query":
            name, label = re.fullmatch(r"label_values\((\w+), (\w+)\)", variable["definition"]).groups()
            assert watched.ask(f"label/{label}/values", **{"match[]": name})


def test_every_rule_is_evaluated_on_series_that_there_are_and_the_degraded_champion_fires(watched):
    rules = [rule for group in watched.ask("rules")["groups"] for rule in group["rules"]]
    assert {rule["health"] for rule in rules} == {"ok"}
    for rule in rules:
        for series in re.findall(r"\b(?:mlflow_selector_\w+|up)\b(?:\{[^}]*\})?", rule["query"]):
            assert watched.series(series), f"{rule['name']} waits for {series}, which nobody exports"
    assert [rule["name"] for rule in rules if rule["state"] == "firing"] == ["MlflowSelectorChampionDegraded"]
