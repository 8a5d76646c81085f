"""Does an import do exactly what a reviewed plan says, and is every mistake in the plan named?"""

from __future__ import annotations

import json
import math
import shutil
from datetime import UTC, datetime

import pytest
import yaml

from migrations.plan_file import read_plan, write_plan
from migrations.scan import scan
from selector.adapters.registry_memory import KilledError, MemoryRegistry
from selector.errors import UsageError

FIRST = "logistic_20250820_104603"


@pytest.fixture
def plan(churn, tmp_path):
    """Write a plan of the churn store, let `change` edit it, and give its path back."""
    path = tmp_path / "plan.yaml"

    def write(change=lambda document: None):
        write_plan(scan([churn]), path, paths=[churn], layout=None, timezone=UTC, model="churn", experiment="legacy")
        document = yaml.safe_load(path.read_text())
        change(document)
        path.write_text(yaml.safe_dump(document))
        return path

    return write


@pytest.fixture
def carry(importer):
    def run(path, registry=None, **options):
        reviewed = read_plan(path)
        where = registry or MemoryRegistry()
        done = importer(where).import_paths(reviewed.paths, "churn", "legacy", reviewed=reviewed, **options)
        return where, {o.name: o for o in done}

    return run


def edit(**changes):
    return lambda document: document["entries"][0].update(changes)


def test_an_unchanged_plan_imports_what_an_import_without_one_would(plan, carry, churn, importer):
    plain = MemoryRegistry()
    importer(plain).import_paths([churn], "churn", "legacy", batch="b")
    registry, _ = carry(plan(), batch="b")
    runs = [
        {r.name: (r.metrics, r.params, r.tags, r.started_at) for r in x.runs(["legacy"])} for x in (plain, registry)
    ]
    assert runs[0] == runs[1]


def test_everything_that_a_person_changed_is_as_they_want_it(plan, carry):
    path = plan(edit(
        name="the_first", model_type="ridge", created="2024-01-02T03:04:05+01:00", started="2024-01-01T00:00:00Z",
        metrics={"f1_score": 65.0, "nan": math.nan}, scale={"f1_score": "fraction"}, params={"C": 7}, alias="champion",
        stage="Production",
    ))  # fmt: skip
    registry, done = carry(path)
    run = registry.run(done["the_first"].run_id)
    assert (run.name, run.tags["model_type"], dict(run.params)) == ("the_first", "ridge", {"C": "7"})
    assert run.metrics["f1_score"] == 0.65
    assert math.isnan(run.metrics["nan"])
    assert run.started_at == datetime(2024, 1, 1, tzinfo=UTC)
    assert run.ended_at == datetime(2024, 1, 2, 2, 4, 5, tzinfo=UTC)
    model = registry.registered_model("churn")
    assert dict(model.aliases) == {"champion": 1}
    assert model.version(1).stage == "Production"
    assert (
        "changed in the plan: name, model_type, created_at, started_at, metrics, params" in run.tags["selector.notes"]
    )


def test_a_corrected_averaging_goes_into_the_key(plan, carry):
    registry, done = carry(plan(edit(average="macro")))
    assert dict(registry.run(done[FIRST].run_id).metrics) == {"f1_score_macro": 0.75, "accuracy": 0.8}


def test_skipped_entries_are_left_out_and_failures_that_were_reviewed_fail_nothing(plan, carry):
    _, done = carry(plan(edit(action="skip")))
    assert (done[FIRST].status, done[FIRST].reason) == ("ignored", "the plan says skip")
    assert {o.status for o in done.values()} == {"imported", "ignored"}


def test_what_came_or_changed_or_went_since_the_plan_is_not_imported(plan, carry, stage, churn, estimators):
    path = plan()
    stage("logistic_20260101_000000", estimators[3])
    (churn / FIRST / "model.pkl").write_bytes((churn / "logistic_20250822_013133" / "model.pkl").read_bytes())
    shutil.rmtree(churn / "logistic_20250820_104648")
    _, done = carry(path)
    assert (done["logistic_20260101_000000"].status, done["logistic_20260101_000000"].reason) == (
        "ignored",
        "is not in the plan",
    )
    assert done[FIRST].reason == "its bytes have changed since the plan was made"
    assert done[FIRST].status == done["logistic_20250820_104648"].status == "failed"
    assert done["logistic_20250822_013133"].status == "imported"


def test_an_alias_that_somebody_uses_is_not_moved(plan, carry, churn, importer):
    registry = MemoryRegistry()
    importer(registry).import_paths([churn / "logistic_20250822_013133"], "churn", "legacy")
    registry.set_alias("churn", "champion", 1)
    _, done = carry(plan(edit(alias="champion")), registry)
    assert done[FIRST].reason == "the alias champion points at version 1 and was not moved"
    assert dict(registry.registered_model("churn").aliases) == {"champion": 1}


@pytest.mark.parametrize("jobs", [1, 3])
def test_a_kill_after_any_write_is_repaired_by_the_same_plan(plan, carry, jobs):
    path = plan(edit(alias="champion", stage="Production"))
    whole, _ = carry(path)
    for kill_after in range(1, len(whole.writes) + 1):
        registry = MemoryRegistry()
        registry.fail_after(kill_after)
        with pytest.raises(KilledError):
            carry(path, registry, jobs=jobs)
        carry(path, registry, jobs=jobs)
        model = registry.registered_model("churn")
        crowned = registry.run(model.version(model.aliases["champion"]).run_id)
        assert crowned.name == FIRST, kill_after
        assert len(model.versions) == len({v.run_id for v in model.versions}) == 3, kill_after
        finished = [r for r in registry.runs(["legacy"]) if r.status == "FINISHED"]
        assert sorted(r.name for r in finished) == sorted(r.name for r in whole.runs(["legacy"])), kill_after
        before = list(registry.writes)
        carry(path, registry, jobs=jobs)
        assert [w for w in registry.writes[len(before) :] if not w.startswith("set_stage")] == [], kill_after


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (edit(metrics={"f1": "good"}), "the metric f1 is 'good', not a number"),
        (edit(metircs={}), "there is no key 'metircs'"),
        (edit(action="drop"), "action is 'drop'"),
        (edit(scale={"f1_score": "half"}), "scale.f1_score is 'half'"),
        (edit(average="mean"), "average is 'mean'"),
        (edit(stage="Live"), "stage is 'Live'"),
        (edit(created="soon"), "created is 'soon'"),
        (edit(name=["a"]), "name is ['a'], not a text"),
        (edit(params=["a"]), "is no group"),
        (edit(path=None), "entry 1 of the plan has no path"),
        (lambda d: d["entries"].append(d["entries"][0]), "is in the plan twice"),
        (lambda d: d.update(schema_version=9), "is a plan of version 9"),
        (lambda d: d.update(paths=[]), "names no paths"),
        (lambda d: d.update(entires=[]), "there is no key 'entires'"),
        (lambda d: d.update(entries={}), "is no plan"),
    ],
)
def test_what_a_plan_cannot_say_is_refused_before_anything_is_written(plan, change, sentence):
    with pytest.raises(UsageError) as refused:
        read_plan(plan(change))
    assert sentence in refused.value.message


@pytest.mark.parametrize("text", ["[", "- a", "", "a: &a [*a]"])
def test_what_is_no_plan_is_refused(tmp_path, text):
    (tmp_path / "plan.yaml").write_text(text)
    with pytest.raises(UsageError):
        read_plan(tmp_path / "plan.yaml")


def test_a_plan_into_a_folder_that_is_not_there_is_a_usage_error(churn, tmp_path):
    with pytest.raises(UsageError, match="cannot be written"):
        write_plan(scan([churn]), tmp_path / "no" / "plan.yaml", paths=[churn], layout=None, timezone=UTC, model="m", experiment="e")  # fmt: skip


def test_names_that_are_no_text_come_through_a_plan(stage, estimators, tmp_path, carry):
    stage("evil\n\x1b[31m_20250820_104603", estimators[0])
    write_plan(scan([stage.store]), tmp_path / "p.yaml", paths=[stage.store], layout=None, timezone=UTC, model=None, experiment=None)  # fmt: skip
    _, done = carry(tmp_path / "p.yaml")
    assert [o.status for o in done.values()] == ["imported"]


@pytest.mark.parametrize("jobs", [2, 5])
def test_several_jobs_make_the_same_versions_in_the_same_order(churn, importer, jobs):
    one, several = MemoryRegistry(), MemoryRegistry()
    importer(one).import_paths([churn], "churn", "legacy", batch="b")
    done = importer(several).import_paths([churn], "churn", "legacy", batch="b", jobs=jobs)
    order = [[x.run(v.run_id).name for v in sorted(x.registered_model("churn").versions, key=lambda v: v.version)] for x in (one, several)]  # fmt: skip
    assert order[0] == order[1]
    assert done[1].copy_of == done[0].run_id


def test_fail_fast_leaves_the_rest_and_keep_going_does_not(churn, importer, monkeypatch):
    for fail_fast, statuses in ((True, ["failed"] * 3), (False, ["failed", "imported", "imported"])):
        registry = MemoryRegistry()
        real = registry.imported

        def change(experiment, real=real):
            (churn / FIRST / "model.pkl").write_bytes(b"\x80\x04N.")
            return real(experiment)

        original = (churn / FIRST / "model.pkl").read_bytes()
        monkeypatch.setattr(registry, "imported", change)
        done = importer(registry).import_paths([churn], "churn", "legacy", fail_fast=fail_fast)
        assert [o.status for o in done][:3] == statuses
        if fail_fast:
            assert done[1].reason == f"not tried: {FIRST} failed, and the import stops at the first failure"
        (churn / FIRST / "model.pkl").write_bytes(original)


def test_the_plan_shows_what_was_found_of_the_scale_and_the_averaging(stage, estimators, tmp_path):
    stage(FIRST, estimators[0], performance_metrics={"f1_score": 65.87, "recall": 0.8, "accuracy": 0.8})
    write_plan(scan([stage.store]), tmp_path / "p.yaml", paths=[stage.store], layout=None, timezone=UTC, model=None, experiment=None)  # fmt: skip
    (entry,) = yaml.safe_load((tmp_path / "p.yaml").read_text())["entries"]
    assert (entry["scale"], entry["average"]) == ({"f1_score": "recorded"}, "weighted")
    assert json.dumps(entry["notes"]).count("percent") == 1
