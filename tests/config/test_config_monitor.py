"""Is a watch of production read as it is written, and is a wrong one told in the file's own terms?"""

from __future__ import annotations

import pytest

from selector.config import load
from selector.domain.health_watch import Patience
from selector.errors import ConfigurationError

HEAD = """\
models:
  churn:
    metric: f1
    holdout: {data: rows.csv, target: Churn, positive: "Yes", ignore: [customer_id]}
    monitor:"""


def loaded(folder, written, head=HEAD):
    path = folder / "selector.yaml"
    path.write_text(f"{head}{written}\n")
    return load(path).models["churn"]


def policy(folder, written):
    settings = loaded(folder, written)
    return settings.monitor.policy(settings.metric.metric())


def test_a_folder_alone_is_enough(tmp_path):
    settings = loaded(tmp_path, " batches")
    (source,) = settings.monitor.sources
    spec = source.spec("Churn", (), ("customer_id",))
    assert (spec.kind, spec.where, spec.label) == ("folder", str(tmp_path / "batches"), "Churn")
    assert spec.ignore == ("customer_id",)
    found = settings.monitor.policy(settings.metric.metric())
    assert (found.drop, found.on_degraded, found.patience) == (0.05, "alert", Patience())


@pytest.mark.parametrize(
    ("written", "drop", "relative"),
    [("maximum_drop: 3%", 0.03, None), ("relative_drop: 10%", None, 0.1), ("minimum: 0.7", None, None)],
)
def test_a_floor_of_ones_own_takes_the_place_of_the_default(tmp_path, written, drop, relative):
    found = policy(tmp_path, f"\n      sources: batches\n      {written}")
    assert (found.drop, found.relative_drop) == (pytest.approx(drop) if drop else None, relative)


@pytest.mark.parametrize(
    ("written", "action", "command", "timeout"),
    [
        ("rollback", "rollback", (), 3600.0),
        ("reselect", "reselect", (), 3600.0),
        ("{run: [retrain.sh, --full], timeout: 30m}", "run", ("retrain.sh", "--full"), 1800.0),
    ],
)
def test_what_is_done_is_a_word_or_a_command(tmp_path, written, action, command, timeout):
    found = policy(tmp_path, f"\n      sources: batches\n      on_degraded: {written}")
    assert (found.on_degraded, found.command, found.command_timeout) == (action, command, timeout)


@pytest.mark.parametrize(
    ("source", "kind"),
    [
        ("{folder: answers, prediction: said, labels: labels, id: customer_id}", "folder"),
        ('{sql: "sqlite:///d.db", query: "SELECT 1", timeout: 5s}', "sql"),
        ("{experiment: churn_production, key: f1, window: 7}", "mlflow"),
        ('{prometheus: "http://localhost:9090", query: model_f1, step: 1h}', "prometheus"),
        ("{csv: rolling_metrics.csv, window: 7, rows: n}", "csv"),
    ],
)
def test_each_kind_of_source_is_told_by_its_key(tmp_path, source, kind):
    (found,) = loaded(tmp_path, f"\n      sources: [{source}]").monitor.sources
    assert found.spec("Churn", (), ()).kind == kind


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ("{folder: a, csv: b}", "a source is one of"),
        ("{label: Churn}", "a source is one of"),
        ("{csv: a.csv, prediction: p}", "prediction does not go with csv"),
        ('{prometheus: "http://localhost:9090"}', "prometheus needs a query"),
        ("{folder: a, labels: b}", "need id and prediction"),
        ('{sql: "sqlite:///d.db", query: "SELECT 1", prediction: p}', "need batch"),
    ],
)
def test_a_source_that_makes_no_sense_is_refused_with_the_reason(tmp_path, written, told):
    with pytest.raises(ConfigurationError, match=told):
        loaded(tmp_path, f"\n      sources: [{written}]")


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ("sources: []", "sources is empty"),
        ("sources: a\n      on_degraded: run", "needs its command"),
        ("sources: a\n      on_better: promote", "needs challengers, the number of those that are judged"),
        ("sources: {csv: a.csv}\n      challengers: 2", "challengers answer the rows of a folder"),
        ("sources: a\n      challengers: 21", "must be at most 20"),
        ("sources: a\n      floors: {recall: high}", "must be a number"),
        ("sources: a\n      in_a_row: 3", "in_a_row goes with rule: plain"),
        ("sources: a\n      metric: wurst", "does not tell whether"),
        ("sources: a\n      false_alarm_evry: 3", "false_alarm_every"),
        ("minimum: 0.5", "sources"),
    ],
)
def test_a_watch_that_makes_no_sense_is_refused_with_the_reason(tmp_path, written, told):
    with pytest.raises(ConfigurationError, match=told):
        loaded(tmp_path, f"\n      {written}")


def test_a_metric_that_is_better_within_a_band_cannot_have_a_floor(tmp_path):
    head = "models:\n  churn:\n    metric: {name: bias, target: [0.4, 0.6]}\n    monitor:"
    with pytest.raises(ConfigurationError, match="better the higher"):
        loaded(tmp_path, " batches", head)


def test_a_folder_without_a_holdout_needs_the_column_with_the_label(tmp_path):
    head = "models:\n  churn:\n    metric: f1\n    monitor:"
    with pytest.raises(ConfigurationError, match="needs label"):
        loaded(tmp_path, " batches", head)


def test_a_token_is_never_shown(tmp_path, monkeypatch):
    monkeypatch.setenv("PROM_TOKEN", "s3cret")
    source = '{prometheus: "http://localhost:9090", query: q, token: "${env:PROM_TOKEN}"}'
    settings = loaded(tmp_path, f"\n      sources: [{source}]")
    assert "s3cret" not in repr(settings)
    assert settings.monitor.sources[0].spec("", (), ()).token == "s3cret"
    assert "s3cret" not in repr(settings.monitor.sources[0].spec("", (), ()))
