"""Is a store imported exactly once, in order, whatever breaks, and can it be taken back?"""

from __future__ import annotations

import json
import math
import shutil

import pytest

from migrations.scan import scan
from migrations.summary import apply_document, exit_code, scan_document, text
from migrations.undo import undo
from selector.adapters.registry_memory import KilledError, MemoryRegistry
from selector.domain.model import BATCH_TAG, COPY_OF_TAG, FINGERPRINT_TAG, SOURCE_TAG
from selector.errors import UsageError


@pytest.fixture
def registry():
    return MemoryRegistry()


def versions(registry, name="churn"):
    model = registry.registered_model(name)
    return {v.version: registry.run(v.run_id).name for v in model.versions} if model else {}


def active(registry):
    return {run.run_id: run for run in registry.runs(["legacy"])}


def test_one_run_and_one_version_per_importable_model_in_order_of_creation(churn, importer, registry):
    outcomes = importer(registry).import_folder(churn, "churn", "legacy")
    assert versions(registry) == {
        1: "logistic_20250820_104603",
        2: "logistic_20250820_104648",
        3: "logistic_20250822_013133",
    }
    assert {(o.name, o.status) for o in outcomes} == {
        ("logistic_20250820_104603", "imported"),
        ("logistic_20250820_104648", "imported"),
        ("logistic_20250822_013133", "imported"),
        ("forest_20250828_012024", "failed"),
        ("forest_20251010_005702", "failed"),
        ("forest_20251010_141145", "failed"),
    }
    assert exit_code(outcomes) == 1


def test_the_run_is_as_the_legacy_store_recorded_it(churn, importer, registry):
    outcomes = importer(registry).import_folder(churn, "churn", "legacy")
    model = scan([churn]).models[0]
    run = registry.run(outcomes[0].run_id)
    assert (run.status, run.name, run.experiment) == ("FINISHED", model.name, "legacy")
    assert run.started_at == run.ended_at == model.created_at
    assert dict(run.metrics) == {"f1_score": 0.75, "accuracy": 0.8}
    assert dict(run.params) == {"C": "1.0"}
    assert run.tags[FINGERPRINT_TAG] == model.fingerprint
    assert run.tags[SOURCE_TAG] == str(churn / model.name)
    assert run.tags["model_type"] == "logistic"
    assert run.tags["mlflow.note.content"] == f"made by {model.name}"
    version = registry.registered_model("churn").version(1)
    assert version.tags[FINGERPRINT_TAG] == model.fingerprint
    assert version.run_id == run.run_id
    assert "model.pkl" in registry.files[version.source]


def test_copies_name_the_first_run_of_their_bytes(churn, importer, registry):
    first, second, third, *_ = importer(registry).import_folder(churn, "churn", "legacy")
    assert COPY_OF_TAG not in registry.run(first.run_id).tags
    assert registry.run(second.run_id).tags[COPY_OF_TAG] == first.run_id == second.copy_of
    assert COPY_OF_TAG not in registry.run(third.run_id).tags


def test_importing_twice_writes_nothing_the_second_time(churn, importer, registry):
    importer(registry).import_folder(churn, "churn", "legacy")
    before = list(registry.writes)
    outcomes = importer(registry).import_folder(churn, "churn", "legacy")
    assert registry.writes == before
    assert [o.status for o in outcomes if o.status != "failed"] == ["already"] * 3
    assert [o.version for o in outcomes][:3] == [1, 2, 3]


def test_a_dry_run_writes_nothing_and_says_what_would_be_done(churn, importer, registry):
    outcomes = importer(registry).import_paths([churn], "churn", "legacy", dry_run=True)
    assert registry.writes == []
    assert [o.status for o in outcomes] == ["new"] * 3 + ["failed"] * 3


def test_a_kill_after_any_write_is_repaired_by_the_next_import(churn, importer):
    whole = MemoryRegistry()
    importer(whole).import_folder(churn, "churn", "legacy")
    for kill_after in range(1, len(whole.writes) + 1):
        registry = MemoryRegistry()
        registry.fail_after(kill_after)
        with pytest.raises(KilledError):
            importer(registry).import_folder(churn, "churn", "legacy")
        outcomes = importer(registry).import_folder(churn, "churn", "legacy")
        assert sorted(versions(registry).values()) == sorted(versions(whole).values()), kill_after
        runs = active(registry)
        assert len(runs) == 3, kill_after
        assert {run.status for run in runs.values()} == {"FINISHED"}
        copies = [run for run in runs.values() if COPY_OF_TAG in run.tags]
        assert [run.tags[COPY_OF_TAG] in runs for run in copies] == [True], kill_after
        assert {o.version for o in outcomes if o.run_id} == {1, 2, 3}


def test_a_broken_folder_stops_nothing(churn, importer, registry, monkeypatch):
    gone = churn / "logistic_20250820_104603"
    work = importer(registry)
    real = registry.imported

    def vanish(experiment):
        shutil.rmtree(gone, ignore_errors=True)
        return real(experiment)

    monkeypatch.setattr(registry, "imported", vanish)
    outcomes = {o.name: o for o in work.import_folder(churn, "churn", "legacy")}
    assert outcomes["logistic_20250820_104603"].status == "failed"
    assert "cannot be copied: No such file" in outcomes["logistic_20250820_104603"].reason
    second = outcomes["logistic_20250820_104648"]
    assert second.status == "imported"
    assert second.copy_of is None, "the original was never imported, so there is nothing to be a copy of"


def test_a_file_that_changes_between_scan_and_copy_is_refused(churn, importer, registry, monkeypatch):
    real = registry.imported

    def change(experiment):
        (churn / "logistic_20250820_104603" / "model.pkl").write_bytes(b"\x80\x04N.")
        return real(experiment)

    monkeypatch.setattr(registry, "imported", change)
    outcomes = importer(registry).import_folder(churn, "churn", "legacy")
    assert outcomes[0].reason == "model.pkl changed while it was imported."
    assert len(active(registry)) == 2


def test_new_bytes_under_an_old_name_become_a_new_version(churn, importer, registry):
    importer(registry).import_folder(churn, "churn", "legacy")
    third = (churn / "logistic_20250822_013133" / "model.pkl").read_bytes()
    (churn / "logistic_20250820_104603" / "model.pkl").write_bytes(third)
    outcomes = importer(registry).import_folder(churn, "churn", "legacy")
    again = next(o for o in outcomes if o.status == "imported")
    assert (again.name, again.version) == ("logistic_20250820_104603", 4)
    assert registry.run(again.copy_of).name == "logistic_20250822_013133"


def test_when_mlflow_goes_away_the_rest_is_left_for_the_next_time(churn, importer, registry, monkeypatch):
    real = registry.write

    def once(run):
        written = real(run)
        registry.reachable = False
        return written

    monkeypatch.setattr(registry, "write", once)
    outcomes = importer(registry).import_folder(churn, "churn", "legacy")
    assert [o.status for o in outcomes] == ["failed"] * 6
    assert outcomes[1].reason.startswith("not tried: ")
    registry.reachable = True
    monkeypatch.undo()
    assert [o.status for o in importer(registry).import_folder(churn, "churn", "legacy")][:3] == [
        "already",
        "imported",
        "imported",
    ]
    assert len(versions(registry)) == 3


def test_names_with_control_characters_are_escaped_wherever_they_are_shown(stage, estimators, importer, registry):
    name = "evil\n\x1b[31m\u202e_20250820_104603"
    stage(name, estimators[0])
    outcomes = importer(registry).import_folder(stage.store, "churn", "legacy")
    assert registry.run(outcomes[0].run_id).name == "evil\\n\\x1b[31m\\u202e_20250820_104603"
    shown = text(outcomes)
    assert "\x1b" not in shown
    assert len(shown.splitlines()) == 4


def test_undoing_a_batch_takes_back_versions_and_runs(churn, importer, registry):
    importer(registry).import_paths([churn], "churn", "legacy", batch="b1")
    undone = undo("b1", registry, registry)
    assert {(o.status, o.versions) for o in undone} == {("undone", (1,)), ("undone", (2,)), ("undone", (3,))}
    assert versions(registry) == {}
    assert active(registry) == {}
    assert undo("b1", registry, registry) == ()


def test_an_undone_batch_can_be_imported_again(churn, importer, registry):
    importer(registry).import_paths([churn], "churn", "legacy", batch="b1")
    undo("b1", registry, registry)
    outcomes = importer(registry).import_paths([churn], "churn", "legacy", batch="b2")
    assert [o.status for o in outcomes][:3] == ["imported"] * 3
    assert outcomes[0].copy_of is None
    assert {run.tags[BATCH_TAG] for run in active(registry).values()} == {"b2"}


def test_undo_refuses_what_an_alias_or_a_stage_needs(churn, importer, registry):
    importer(registry).import_paths([churn], "churn", "legacy", batch="b1")
    registry.set_alias("churn", "champion", 2)
    registry.set_stage("churn", 3, "Production")
    refused = {o.versions: o.reason for o in undo("b1", registry, registry) if o.status == "refused"}
    assert refused == {
        (2,): "version 2 of churn is champion; move the alias first",
        (3,): "version 3 of churn is in stage Production; move it out first",
    }
    assert set(versions(registry)) == {2, 3}
    assert len(active(registry)) == 2


def test_undo_leaves_other_batches_alone_and_a_dry_run_leaves_everything(churn, importer, registry, stage, estimators):
    importer(registry).import_paths([churn], "churn", "legacy", batch="b1")
    stage("logistic_20260101_000000", estimators[3])
    importer(registry).import_paths([churn], "churn", "legacy", batch="b2")
    before = list(registry.writes)
    assert len(undo("b1", registry, registry, dry_run=True)) == 3
    assert registry.writes == before
    undo("b1", registry, registry)
    assert versions(registry) == {4: "logistic_20260101_000000"}


@pytest.mark.parametrize("kill_after", [1, 2, 3, 4, 5])
def test_an_undo_that_was_killed_is_finished_by_the_next_one(churn, importer, registry, kill_after):
    importer(registry).import_paths([churn], "churn", "legacy", batch="b1")
    registry.fail_after(kill_after)
    with pytest.raises(KilledError):
        undo("b1", registry, registry)
    undo("b1", registry, registry)
    assert (versions(registry), active(registry)) == ({}, {})


@pytest.mark.parametrize("batch", ["", "b' OR 1=1", "a" * 200, "b\n"])
def test_what_is_no_batch_is_refused(batch, registry):
    with pytest.raises(UsageError):
        undo(batch, registry, registry)


def test_the_documents_hold_what_the_contract_promises(churn, importer, registry):
    keys = {
        "name",
        "path",
        "format",
        "model_type",
        "metrics",
        "created_at",
        "fingerprint",
        "status",
        "reason",
        "run_id",
        "version",
    }
    scanned = scan_document(scan([churn]))
    assert (
        scanned["schema_version"],
        scanned["found"],
        scanned["imported"],
        scanned["skipped"],
        scanned["failed"],
    ) == (1, 6, 0, 0, 3)
    assert scanned["batch"] is None
    outcomes = importer(registry).import_paths([churn], "churn", "legacy", batch="b1")
    applied = apply_document(outcomes, "b1")
    assert (applied["batch"], applied["found"], applied["imported"], applied["skipped"], applied["failed"]) == (
        "b1",
        6,
        3,
        0,
        3,
    )
    for entry in (*scanned["models"], *applied["models"]):
        assert keys <= set(entry)
        assert entry["status"] in {"new", "imported", "already", "failed", "ignored"}
        assert bool(entry["fingerprint"]) == (entry["status"] in {"new", "imported"})
    assert applied["models"][0]["created_at"] == "2025-08-20T10:46:03.452494Z"
    again = apply_document(importer(registry).import_folder(churn, "churn", "legacy"), "b2")
    assert (again["imported"], again["skipped"], again["failed"]) == (0, 3, 3)


def test_documents_are_strict_json_also_with_nan(stage, estimators, importer, registry):
    stage("logistic_20250820_104603", estimators[0], performance_metrics={"f1_score": math.nan, "loss": math.inf})
    document = apply_document(importer(registry).import_folder(stage.store, "churn", "legacy"), "b")
    written = json.loads(json.dumps(document, allow_nan=False))
    assert written["models"][0]["metrics"] == {"f1_score": None, "loss": None}
    run = registry.run(written["models"][0]["run_id"])
    assert math.isnan(run.metrics["f1_score"])


def test_the_table_is_aligned_and_ends_with_counts(churn, importer, registry):
    lines = text(importer(registry).import_folder(churn, "churn", "legacy")).splitlines()
    column = lines[0].index("type")
    assert {line[column - 1] for line in lines[1:7]} == {" "}
    assert lines[-1] == "6 found: 3 imported, 3 failed"
    assert text(()).splitlines()[-1] == "nothing found"
