"""Is every scanned model planned once: new, a copy, or imported before?"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from migrations.model import ModelFile, Scan, StagedModel
from migrations.plan import plan
from selector.domain.model import COPY_OF_TAG, FINGERPRINT_TAG, SOURCE_TAG, LoggedModel, Run

T0 = datetime(2025, 1, 1, tzinfo=UTC)


def staged(name, fingerprint="aa", day=0):
    at = T0 + timedelta(days=day)
    path = Path("/store") / name
    return StagedModel(name, path, path / "model.pkl", ModelFile("pickle", "model"), "xgboost", at, at, fingerprint, 10)


def run(run_id, source, fingerprint="aa", status="FINISHED", **tags):
    held = {FINGERPRINT_TAG: fingerprint, SOURCE_TAG: f"/store/{source}"} | tags
    return Run(run_id, source, "exp", status, tags=held, models=(LoggedModel(f"models:/m-{run_id}"),))


def planned(models, *runs):
    by_fingerprint = {}
    for one in runs:
        by_fingerprint.setdefault(one.tags[FINGERPRINT_TAG], []).append(one)
    return plan(Scan(tuple(models)), by_fingerprint, "churn", "exp", "batch").entries


def test_entries_are_ordered_by_creation_then_name():
    entries = planned([staged("a", "1", 2), staged("c", "2", 1), staged("b", "3", 1)])
    assert [entry.staged.name for entry in entries] == ["b", "c", "a"]
    assert {entry.status for entry in entries} == {"new"}


def test_the_same_entry_with_the_same_bytes_was_imported_before():
    (entry,) = planned([staged("a")], run("r1", "a"))
    assert (entry.status, entry.run_id, entry.model_uri) == ("already", "r1", "models:/m-r1")


def test_other_bytes_at_the_same_place_are_new():
    (entry,) = planned([staged("a", "bb")], run("r1", "a", "aa"))
    assert (entry.status, entry.copy_of) == ("new", None)


def test_the_same_bytes_at_another_place_are_a_copy_of_the_first_run():
    (entry,) = planned([staged("b")], run("r1", "a"), run("r2", "c", **{COPY_OF_TAG: "r1"}))
    assert (entry.status, entry.copy_of) == ("new", "r1")


def test_the_later_of_two_equal_entries_is_a_copy_of_the_earlier_one():
    first, second = planned([staged("late", day=5), staged("early", day=1)])
    assert (first.staged.name, first.copy_of_entry) == ("early", None)
    assert (second.staged.name, second.copy_of_entry) == ("late", 0)


def test_a_run_that_was_left_unfinished_is_replaced():
    (entry,) = planned([staged("a")], run("r1", "a", status="RUNNING"), run("r2", "b", status="RUNNING"))
    assert (entry.status, entry.leftovers) == ("new", ("r1",))


def test_a_deleted_run_counts_as_never_imported():
    (entry,) = planned([staged("a")], run("r1", "a", status="DELETED"))
    assert (entry.status, entry.copy_of, entry.leftovers) == ("new", None, ())


@given(st.lists(st.tuples(st.integers(0, 9), st.sampled_from("xyz"), st.integers(0, 3)), unique_by=lambda t: t[0]))
def test_planning_again_after_an_import_plans_nothing_new(specs):
    models = [staged(f"m{n}", fingerprint, day) for n, fingerprint, day in specs]
    entries = planned(models)
    runs = [run(f"r{i}", e.staged.name, e.staged.fingerprint) for i, e in enumerate(entries)]
    assert {entry.status for entry in planned(models, *runs)} <= {"already"}
    firsts = [e for e in entries if e.copy_of_entry is None]
    assert len(firsts) == len({m.fingerprint for m in models})
