"""Is every difference between an import and what it was to be found and named?"""

from __future__ import annotations

import json
from dataclasses import replace
from types import MappingProxyType

import numpy as np
import pytest

from migrations.report import planned_document, write_report
from migrations.scan import scan
from migrations.verify import Wanted, answer_differences, verify
from selector.adapters.registry_memory import MemoryRegistry
from selector.domain.model import SOURCE_TAG, Predictions, Unscorable
from selector.exchange import Scored

FIRST = "logistic_20250820_104603"


@pytest.fixture
def imported(churn, importer):
    """An import into memory, and what verification is given of it."""
    registry = MemoryRegistry()
    importer(registry).import_paths([churn], "churn", "legacy", batch="b1")
    return registry, lambda: wanted(registry, churn)


def wanted(registry, store):
    runs = {run.tags[SOURCE_TAG]: run for run in registry.runs(["legacy"])}
    return [
        Wanted(m.name, m.source, runs[m.source].run_id, planned_document(m), runs[m.source], m)
        for m in scan([store]).models
    ]


def check(registry, entries, **options):
    return verify(entries, registry.registered_model("churn"), registry, **options)


def test_an_import_that_is_what_it_was_to_be_is_equal(imported):
    registry, entries = imported
    assert [(v.status, v.version, v.differences, v.notes) for v in check(registry, entries())] == [
        ("equal", n, (), ()) for n in (1, 2, 3)
    ]


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"metrics": {"f1_score": 0.76, "accuracy": 0.8}}, "the metric f1_score is 0.76, and was to be 0.75"),
        ({"metrics": {"accuracy": 0.8}}, "the metric f1_score is missing"),
        ({"metrics": {"f1_score": 0.75, "accuracy": 0.8, "x": 1.0}}, "there are metrics that nobody planned: x"),
        ({"params": {"C": "2.0"}}, "the param C is '2.0', and was to be '1.0'"),
        ({"params": {}}, "the param C is missing"),
        ({"name": "another"}, f"the run is called another, and was to be {FIRST}"),
        ({"status": "RUNNING"}, "the run is RUNNING, not FINISHED"),
        ({"started_at": None}, "its start is missing"),
        ({"tags": {}}, "the tag selector.fingerprint is missing"),
    ],
    ids=str,
)
def test_each_value_that_is_not_as_planned_is_named(imported, changes, sentence):
    registry, entries = imported
    run_id = entries()[0].run_id
    tags = {**registry.run(run_id).tags}
    registry._runs[run_id] = replace(registry._runs[run_id], **{k: MappingProxyType(v) if isinstance(v, dict) else v for k, v in changes.items()})  # fmt: skip
    registry._runs[run_id] = registry._runs[run_id] if "tags" not in changes else replace(
        registry._runs[run_id], tags=MappingProxyType({SOURCE_TAG: tags[SOURCE_TAG]}))  # fmt: skip
    first, *others = check(registry, entries())
    assert first.status == "different"
    assert sentence in "; ".join(first.differences)
    assert {v.status for v in others} == {"equal"}


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda files: files.update({"model.pkl": b"other"}), "the file model.pkl has other bytes"),
        (lambda files: files.pop("requirements.txt"), "the file requirements.txt is missing"),
        (lambda files: files.update({"more": b"x"}), "the file more is there, and was not before"),
        (lambda files: files.update({"MLmodel": b"flavors: {}\n"}), "MLmodel names other flavors"),
        (lambda files: files.clear(), "the model cannot be fetched"),
    ],
)
def test_each_file_that_is_not_as_before_is_named(imported, change, sentence):
    registry, entries = imported
    change(registry.files[registry.registered_model("churn").version(1).source])
    assert sentence in "; ".join(check(registry, entries())[0].differences)


def test_a_run_or_version_that_is_gone_is_a_difference(imported):
    registry, entries = imported
    before = entries()
    registry.delete_version("churn", 1)
    gone = [replace(before[0], run=None), *before[1:]]
    assert check(registry, gone)[0].differences == (
        f"the run {before[0].run_id} is not in MLflow any more",
        "no version of the registered model belongs to its run",
    )


def test_a_legacy_store_that_is_gone_or_changed_is_said(imported):
    registry, entries = imported
    first, second, third = entries()
    done = check(registry, [replace(first, staged=None), replace(second, staged=third.staged), third])
    assert [v.status for v in done] == ["equal"] * 3
    assert "does not hold it any more" in done[0].notes[0]
    assert "holds other bytes now" in done[1].notes[0]


class _Scorer:
    """Answers with what it is given, and counts."""

    def __init__(self, before, after):
        self.answers, self.scored = {"before": before, "after": after}, 0

    def score(self, jobs, features):
        del features
        for job in reversed(list(jobs)):
            assert (job.folder / "MLmodel").is_file()
            self.scored += 1
            yield Scored(job.key, self.answers[job.key])


def told(*labels, probabilities=None):
    return Predictions(np.array(labels), None if probabilities is None else np.array(probabilities))


def test_predictions_before_and_after_are_compared_once_for_equal_bytes(imported):
    registry, entries = imported
    scorer = _Scorer(told(1, 0, 1), told(1, 1, 0))
    done = check(registry, entries(), scorer=scorer, features=object())
    assert {v.differences for v in done} == {("2 of 3 label values differ",)}
    assert scorer.scored == 4, "three entries of two bytes"


@pytest.mark.parametrize(
    ("before", "after", "sentences"),
    [
        (told(1, 0), told(1, 0), []),
        (told(1.0, np.nan), told(1.0, np.nan), []),
        (told("a", "b"), told("a", "c"), ["1 of 2 label values differ"]),
        (told(1, 0), told(1), ["the label has shape (1,), and had (2,)"]),
        (told(1, probabilities=[[0.5]]), told(1, probabilities=[[0.5 + 1e-12]]), ["1 of 1 probability values differ"]),
        (told(1, probabilities=[[0.5]]), told(1), ["only one of the two gives a probability"]),
        (told(1), Unscorable("it crashed"), ["the model in MLflow cannot predict: it crashed"]),
        (Unscorable("no"), told(1), ["the model in MLflow predicts, and the one in the legacy store does not"]),
        (Unscorable("no"), Unscorable("no"), []),
        (Predictions(None, None, ("a",)), Predictions(None, None, ("b",)), ["the classes are b, and were a"]),
    ],
)
def test_nothing_short_of_equal_predictions_is_equal(before, after, sentences):
    assert list(answer_differences(before, after)) == sentences


def test_models_that_cannot_be_scored_are_said_and_no_difference(imported):
    registry, entries = imported
    done = check(
        registry, entries(), scorer=_Scorer(Unscorable("46 columns"), Unscorable("46 columns")), features=object()
    )
    assert {v.notes for v in done} == {("predictions are not compared: 46 columns",)}


def test_a_report_has_everything_and_runs_nothing(stage, estimators, importer, tmp_path):
    evil = "<script>alert(1)<!--\n\x1b[31m_20250820_104603"
    stage(evil.replace("/", ""), estimators[0], performance_metrics={"f1_score": float("nan"), "<b>": 1.0})
    stage("gone_20250820_104604")
    outcomes = importer(MemoryRegistry()).import_paths([stage.store], "churn", "legacy", batch="b1")
    page = write_report(tmp_path, outcomes, "b1", asked={"paths": ["<i>"], "plan": None}, took=1.5)
    document = json.loads((page.parent / "report.json").read_text())
    assert (document["found"], document["imported"], document["failed"], document["seconds"]) == (2, 1, 1, 1.5)
    assert document["models"][0]["planned"]["metrics"] == {"f1_score": "nan", "<b>": 1.0}
    text = page.read_text()
    for raw in ("<script", "<b>", "<i>", "\x1b"):
        assert raw not in text
    assert "no model file" in text
    assert "gone_20250820_104604" in (page.parent / "report.txt").read_text()
    assert sorted(p.name for p in page.parent.iterdir()) == ["report.html", "report.json", "report.txt"]
