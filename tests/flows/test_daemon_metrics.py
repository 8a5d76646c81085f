"""Does Prometheus read what happened, in its own words and units?"""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import pytest
from prometheus_client.parser import text_string_to_metric_families

from selector.adapters import events_schedule, events_socket, events_webhook
from selector.adapters.events_database import DatabaseEvents
from selector.adapters.events_folder import FolderEvents
from selector.daemon_metrics import KNOWN_LABELS, LONGEST_NAME, MOST_NAMES, OTHERS, DaemonMetrics
from selector.domain.events import RunFinished, WakeUp
from selector.domain.service import ModelState, ServiceState
from selector.errors import MlflowUnreachableError, StagingError
from selector.workflows.cycle import Trouble, Turn
from selector.workflows.import_staged import Imported
from selector.workflows.select_champion import Look, failed

START = datetime(2026, 6, 1, tzinfo=UTC)


class Measured:
    def __init__(self):
        self.state, self.alive = ServiceState("active", START, good_at=START, turned_at=START), True
        self.metrics = DaemonMetrics(lambda: self.state, lambda: self.alive)

    def turn(self, seconds=0.2, **parts):
        self.metrics.observe(self.state, Turn(**parts), seconds)

    def value(self, name, **labels):
        for family in text_string_to_metric_families(self.metrics.page().decode()):
            for sample in family.samples:
                if sample.name == f"mlflow_selector_{name}" and sample.labels == labels:
                    return sample.value
        return None


@pytest.fixture
def measured():
    return Measured()


def decided(model, verdict, *, news=True):
    return Look(model, SimpleNamespace(verdict=verdict), {}, "", news=news)


def test_looks_and_new_decisions_are_counted_by_model_and_verdict(measured):
    measured.turn(looks=(decided("churn", "promoted"), decided("fraud", "kept", news=False)))
    measured.turn(looks=(decided("churn", "kept"), failed("fraud", MlflowUnreachableError("away"))))
    assert measured.value("decisions_total", model="churn", decision="promoted") == 1
    assert measured.value("decisions_total", model="churn", decision="kept") == 1
    assert measured.value("decisions_total", model="fraud", decision="kept") == 0
    assert measured.value("looks_total", model="fraud", decision="kept") == 1
    assert measured.value("looks_total", model="fraud", decision="failed") == 1


def test_hints_events_imports_failures_and_time_are_counted(measured):
    away = Trouble("mlflow", MlflowUnreachableError("away"))
    measured.turn(
        2.0,
        wakes=(WakeUp("socket"), WakeUp("socket"), WakeUp("schedule")),
        events=(RunFinished("e", "r"),),
        imported=(Imported("churn", "a", "imported"), Imported("churn", "b", "failed")),
        troubles=(away, Trouble("/srv/staging", StagingError("gone")), Trouble("fraud", away.error)),
        looks=(failed("fraud", away.error),),
    )
    assert measured.value("wake_ups_total", source="socket") == 2
    assert measured.value("events_total", kind="RunFinished") == 1
    assert measured.value("imports_total", outcome="failed") == 1
    for part in ("mlflow", "staging", "look"):
        assert measured.value("failures_total", part=part) == 1
    assert measured.value("failures_total", part="lease") == 0
    assert measured.value("turn_duration_seconds_sum") == 2.0
    assert measured.value("turn_duration_seconds_bucket", le="2.5") == 1
    assert measured.value("turn_duration_seconds_bucket", le="1.0") == 0


def test_champions_are_measured_and_a_failed_look_leaves_the_last_success(measured):
    models = {
        "churn": ModelState(START, "kept", 3, "f1", 0.75),
        "bad": ModelState(START, None, error="no"),
        "nan": ModelState(START, "kept", None, "f1", float("nan")),
    }
    measured.state = replace(measured.state, models=models)
    measured.turn()
    measured.state = replace(measured.state, models={"churn": ModelState(datetime.now(UTC), None, error="away")})
    measured.turn()
    assert measured.value("champion_version", model="churn") == 3
    assert measured.value("champion_score", model="churn", metric="f1") == 0.75
    assert measured.value("last_success_timestamp_seconds", model="churn") == START.timestamp()
    assert measured.value("last_success_timestamp_seconds", model="bad") is None
    assert measured.value("champion_version", model="nan") == 0
    assert measured.value("champion_score", model="nan", metric="f1") is None


def test_what_is_now_is_read_when_the_page_is_read(measured):
    for name in ("ready", "active", "alive", "mlflow_up", "configuration_ok"):
        assert measured.value(name) == 1
    measured.state = replace(measured.state, phase="starting", mlflow="away", configuration="line 3", waiting=7)
    measured.alive = False
    for name in ("ready", "active", "alive", "mlflow_up", "configuration_ok"):
        assert measured.value(name) == 0
    assert measured.value("models_waiting") == 7
    assert measured.value("last_turn_timestamp_seconds") == START.timestamp()
    assert measured.value("start_timestamp_seconds") == START.timestamp()


def test_what_happens_for_the_first_time_was_counted_as_zero_before(measured):
    measured.metrics.model("churn")
    before = measured.metrics.page().decode()
    measured.turn(
        looks=(decided("churn", "promoted"), failed("churn", MlflowUnreachableError("away"))),
        wakes=(WakeUp("start"), WakeUp("socket")),
        events=(RunFinished("e", "r"),),
    )
    counted = {
        line.rpartition(" ")[0] for line in measured.metrics.page().decode().splitlines() if line.endswith(" 1.0")
    }
    counted = {series for series in counted if "_total{" in series and 'looks_total{decision="promoted"' not in series}
    assert len(counted) == 5
    assert all(f"{series} 0.0" in before for series in counted)


def test_every_source_of_hints_and_outcome_of_a_webhook_is_known_from_the_start():
    assert set(KNOWN_LABELS["wakes"]) >= {
        DatabaseEvents.name, FolderEvents.name, events_schedule.SOURCE, events_socket.SOURCE, events_webhook.SOURCE
    }  # fmt: skip
    raised = re.findall(r'RefusedDelivery\(\s*"(\w+)"', Path(events_webhook.__file__).read_text(encoding="utf-8"))
    assert set(KNOWN_LABELS["deliveries"]) == {"accepted", *raised}


def test_health_in_production_is_a_number(measured):
    measured.metrics.healths({"a": "unknown", "b": "healthy", "c": "warning", "d": "degraded"})
    assert [measured.value("health", model=m) for m in "abcd"] == [0, 1, 2, 3]


def test_a_source_of_hints_that_does_not_work_is_seen(measured):
    measured.state = replace(measured.state, hints={"socket": None, "webhook": "taken"})
    measured.turn()
    assert measured.value("hints_ok", source="socket") == 1
    assert measured.value("hints_ok", source="webhook") == 0


@pytest.mark.parametrize("name", ['a"b', "a\\b", "a\nb", "a\u202eb", "é", "a" * 500, "\ud800", '"} 1\nevil 1'])
def test_a_name_from_outside_stays_one_label(measured, name):
    measured.turn(looks=(decided(name, "kept"),))
    families = {f.name for f in text_string_to_metric_families(measured.metrics.page().decode())}
    assert all(f.startswith("mlflow_selector_") for f in families)
    (label,) = {s.labels["model"] for f in text_string_to_metric_families(measured.metrics.page().decode())
                if f.name == "mlflow_selector_looks" for s in f.samples}  # fmt: skip
    assert len(label) <= LONGEST_NAME
    assert "\n" not in label


def test_a_thousand_models_have_labels_of_their_own_and_the_rest_share_one(measured):
    measured.turn(looks=tuple(decided(f"m{n}", "kept") for n in range(MOST_NAMES + 500)))
    measured.turn(looks=(decided("m0", "kept"),))
    assert measured.value("looks_total", model=OTHERS, decision="kept") == 500
    assert measured.value("looks_total", model="m0", decision="kept") == 2


def test_names_units_and_help_are_as_promtool_wants_them(measured):
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed (Debian: apt-get install prometheus)")
    measured.turn(looks=(decided("churn", "kept"),), wakes=(WakeUp("socket"),))
    measured.metrics.healths({"churn": "healthy"})
    page = measured.metrics.page()
    done = subprocess.run([promtool, "check", "metrics"], input=page, capture_output=True, check=False, timeout=60)
    assert (done.returncode, done.stdout + done.stderr) == (0, b"")


def test_counters_have_no_twin_that_tells_when_they_were_made_and_no_label_names_a_run(measured):
    measured.turn(looks=(decided("churn", "kept"),), events=(RunFinished("e", "run-4711"),))
    page = measured.metrics.page().decode()
    assert "_created" not in page
    assert "run-4711" not in page
    assert not re.search(r"run_id|decision_id", page)
