"""Do the alerts and the dashboard in configs/ speak of metrics that there are, and do the alerts fire when they should?"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml

from selector.daemon_metrics import HEALTH, DaemonMetrics
from selector.domain import health
from selector.domain.service import ServiceState

CONFIGS = Path(__file__).parents[2] / "configs"
RULES = CONFIGS / "prometheus" / "rules.yml"
DASHBOARD = json.loads((CONFIGS / "grafana" / "dashboard.json").read_text(encoding="utf-8"))
PAGE = (Path(__file__).parents[2] / "docs" / "monitoring-the-daemon.md").read_text(encoding="utf-8")
PROMETHEUS_OWN = {"up"}


def metrics():
    """Return every name that a query may use, with the labels that it has."""
    state = ServiceState("active", datetime(2026, 6, 1, tzinfo=UTC))
    made = DaemonMetrics(lambda: state, lambda: True)
    found = {}
    for metric in made.registry._collector_to_names:
        labels = set(metric._labelnames)
        for name in made.registry._collector_to_names[metric]:
            found[name] = labels | ({"le"} if name.endswith("_bucket") else set())
    return found


METRICS = metrics()
RULE_LIST = [rule for group in yaml.safe_load(RULES.read_text(encoding="utf-8"))["groups"] for rule in group["rules"]]


def dashboard_queries():
    for panel in DASHBOARD["panels"]:
        for target in panel["targets"]:
            yield target["expr"]
    for annotation in DASHBOARD["annotations"]["list"]:
        yield annotation["expr"]


QUERIES = [*dashboard_queries(), *(rule["expr"] for rule in RULE_LIST)]


@pytest.fixture
def promtool():
    found = shutil.which("promtool")
    if found is None:
        pytest.skip("promtool is not installed (Debian: apt-get install prometheus)")
    return lambda *words: subprocess.run(
        [found, *map(str, words)], cwd=RULES.parent, capture_output=True, text=True, check=False, timeout=120
    )


@pytest.mark.parametrize("query", QUERIES)
def test_every_query_uses_metrics_and_labels_that_there_are(query):
    names = set(re.findall(r"\bmlflow_selector_\w+", query))
    assert names or "up{" in query
    assert names <= METRICS.keys()
    for name, matchers in re.findall(r"\b(mlflow_selector_\w+)\{([^}]*)\}", query):
        used = set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", matchers)) - {"instance", "job"}
        assert used <= METRICS[name]
    for group in re.findall(r"by \(([^)]*)\)", query):
        wanted = {label.strip() for label in group.split(",")} - {"instance", "job"}
        assert any(wanted <= METRICS[name] for name in names)


def test_the_check_of_queries_would_see_a_wrong_one():
    assert "mlflow_selector_champion_age" not in METRICS
    assert "mlflow_selector_decisions_total" in METRICS


def test_variables_of_the_dashboard_ask_for_labels_that_there_are():
    for variable in DASHBOARD["templating"]["list"]:
        if variable["type"] == "query":
            name, label = re.fullmatch(r"label_values\((\w+), (\w+)\)", variable["definition"]).groups()
            assert name in METRICS
            assert label in METRICS[name] | {"instance"}


def test_panels_of_the_dashboard_have_ids_of_their_own_and_do_not_overlap():
    taken = set()
    for panel in DASHBOARD["panels"]:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert at["x"] + at["w"] <= 24
        assert not cells & taken
        taken |= cells
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(set(ids)) == len(ids)


def test_every_query_of_the_dashboard_is_promql(promtool, tmp_path):
    plain = [q.replace('=~"$instance"', '=~".*"').replace('=~"$model"', '=~".*"') for q in dashboard_queries()]
    rules = [{"record": f"q{n}", "expr": q} for n, q in enumerate(plain)]
    path = tmp_path / "queries.yml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "q", "rules": rules}]}))
    done = promtool("check", "rules", path)
    assert done.returncode == 0, done.stderr


def test_the_rules_are_rules_and_fire_when_they_should(promtool):
    for words in (("check", "rules", RULES), ("test", "rules", RULES.with_name("rules_test.yml"))):
        done = promtool(*words)
        assert done.returncode == 0, done.stdout + done.stderr


def test_a_rule_that_never_fires_would_be_seen(promtool, tmp_path):
    for name in ("rules.yml", "rules_test.yml"):
        text = (RULES.parent / name).read_text(encoding="utf-8")
        (tmp_path / name).write_text(text.replace("mlflow_selector_health == 3", "mlflow_selector_health == 4"))
    assert promtool("test", "rules", tmp_path / "rules_test.yml").returncode != 0


def test_every_alert_is_tested_with_a_series_that_makes_it_fire():
    tests = yaml.safe_load(RULES.with_name("rules_test.yml").read_text(encoding="utf-8"))["tests"]
    fired = {t["alertname"] for one in tests for t in one["alert_rule_test"] if t.get("exp_alerts")}
    silent = {t["alertname"] for one in tests for t in one["alert_rule_test"] if not t.get("exp_alerts")}
    alerts = {rule["alert"] for rule in RULE_LIST}
    assert fired == alerts
    assert silent == alerts


def test_health_is_told_by_the_same_words_as_in_the_domain():
    assert set(HEALTH) == set(health.WORST_FIRST)


def test_the_page_lists_every_metric_and_no_other():
    listed = set(re.findall(r"^\| `mlflow_selector_(\w+)", PAGE, re.MULTILINE))
    families = {re.sub(r"_(bucket|sum|count|total|created)$", "", n.removeprefix("mlflow_selector_")) for n in METRICS}
    assert {re.sub(r"_total$", "", name) for name in listed} == families


def test_the_page_lists_every_alert_and_no_other():
    assert set(re.findall(r"^\| (MlflowSelector\w+) \|", PAGE, re.MULTILINE)) == {rule["alert"] for rule in RULE_LIST}
