"""Do all stores, in memory and in SQL, answer alike?"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import numpy as np
import pytest

from selector.adapters.clock_memory import MemoryClock
from selector.adapters.store_memory import MemoryStore
from selector.adapters.store_sql import open_store
from selector.domain.model import Predictions, Unscorable
from selector.domain.model_facts import InputColumn, ModelFacts
from selector.domain.promotion import CreateModel, CreateVersion, LogReport, MoveAlias, Plan, TagVersion
from selector.errors import SelectorError
from selector.ports import Entry, Notice

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOSTILE = ["\x00null", "\ud800lone", "a'; DROP TABLE selector_ledger; --", "π ≈ 3\n\u202e", "x" * 5000, "", "%_\\"]

memory_and_files = [
    "memory",
    "sqlite",
    pytest.param("postgres", marks=pytest.mark.postgres),
]


@pytest.fixture(params=memory_and_files)
def store(request, tmp_path):
    if request.param == "memory":
        opened = MemoryStore()
    else:
        url = request.getfixturevalue("postgres_database") if request.param == "postgres" else None
        opened = open_store(tmp_path / "state", url, writable=True, clock=MemoryClock())
    yield opened
    opened.close()


def entry(number=0, model="churn", kind="promoted", **more):
    return Entry(at=NOON + timedelta(minutes=number), model=model, kind=kind, **more)


def plan(plan_id="d1", model="churn"):
    steps = (
        CreateModel(),
        CreateVersion("runs:/r/model", None),
        MoveAlias("champion", 2, None),
        TagVersion(2, "k", "v"),
    )
    return Plan(plan_id, model, "promotion", (*steps, LogReport("r")))


def test_an_entry_comes_back_exactly_as_it_was_written(store):
    written = entry(
        kind="decision",
        version=3,
        previous=2,
        actor="ann",
        decision="d1",
        reason="better by 0.02",
        details={"scores": [0.5, None, True], "nested": {"ü": "\x1b[31m"}, "count": 3},
    )
    store.append([written])
    assert store.entries() == (written,)


def test_an_empty_ledger_has_no_entries_and_no_decisions(store):
    assert store.entries() == ()
    assert dict(store.last_decisions()) == {}
    assert store.verify() == 0


def test_appending_nothing_changes_nothing(store):
    store.append([])
    assert store.verify() == 0


def test_numpy_numbers_and_tuples_become_plain_json_values(store):
    store.append([entry(details={"n": np.int64(3), "x": np.float32(0.5), "t": (1, 2)})])
    assert store.entries()[0].details == {"n": 3, "x": 0.5, "t": [1, 2]}


def test_nan_and_infinity_in_details_are_kept(store):
    store.append([entry(details={"nan": float("nan"), "inf": float("-inf")})])
    details = store.entries()[0].details
    assert details["nan"] != details["nan"]
    assert details["inf"] == float("-inf")


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_is_kept_and_found_again(store, text):
    odd = entry(model=text, kind="decision", decision=text, reason=text, actor=text, details={text: text})
    store.append([odd, entry()])
    assert store.entries(text) == (odd,)
    assert store.entries(decision=text) == (odd,)
    assert store.last_decisions()[text] == odd
    assert store.verify() == 2


def test_an_append_that_fails_in_the_middle_leaves_nothing(store):
    with pytest.raises(TypeError):
        store.append([entry(), entry(details={"x": object()})])
    assert store.entries() == ()


def test_a_time_without_a_zone_is_refused(store):
    with pytest.raises(ValueError, match="no time zone"):
        store.append([Entry(at=datetime(2026, 1, 1), model="m", kind="promoted")])  # noqa: DTZ001 - what is refused
    assert store.verify() == 0


def test_a_time_in_another_zone_is_the_same_moment_and_kept_to_the_microsecond(store):
    local = datetime(2026, 3, 1, 14, 0, 0, 123456, tzinfo=timezone(timedelta(hours=2)))
    store.append([Entry(at=local, model="m", kind="promoted")])
    (kept,) = store.entries()
    assert kept.at == local
    assert kept.at.utcoffset() == timedelta(0)


def test_entries_come_in_the_order_of_writing_not_of_their_times(store):
    late, early = entry(5), entry(1)
    store.append([late])
    store.append([early])
    assert store.entries() == (late, early)


def test_filters_work_alone_and_together(store):
    rows = [
        entry(0, "a", "decision", decision="d1"),
        entry(1, "a", "promoted", decision="d1"),
        entry(2, "b", "decision", decision="d2"),
        entry(3, "a", "rolled_back", decision="d3"),
        entry(4, "a", "decision", decision="d4"),
    ]
    store.append(rows)
    assert store.entries("a") == (rows[0], rows[1], rows[3], rows[4])
    assert store.entries(kinds=["promoted", "rolled_back"]) == (rows[1], rows[3])
    assert store.entries(decision="d1") == (rows[0], rows[1])
    assert store.entries(until=NOON + timedelta(minutes=2)) == tuple(rows[:3])
    assert store.entries(newest=2) == (rows[3], rows[4])
    assert store.entries(newest=0) == ()
    assert store.entries(newest=99) == tuple(rows)
    assert store.entries("a", kinds=["decision"], until=NOON + timedelta(minutes=3), newest=1) == (rows[0],)
    assert store.entries("nobody") == ()


def test_the_last_decision_of_each_model_is_the_one_written_last(store):
    store.append([entry(0, "a", "decision", decision="1"), entry(9, "a", "decision", decision="2")])
    store.append([entry(3, "b", "decision", decision="3"), entry(1, "a", "decision", decision="4"), entry(2, "a")])
    assert {name: last.decision for name, last in store.last_decisions().items()} == {"a": "4", "b": "3"}


def test_a_plan_is_unfinished_from_begin_to_finish(store):
    store.begin(plan(), {"reason": "better"})
    (open_plan,) = store.unfinished()
    assert (open_plan.plan, open_plan.done, open_plan.details) == (plan(), 0, {"reason": "better"})
    store.step_done("d1", 0)
    store.step_done("d1", 2)
    assert store.unfinished()[0].done == 3
    store.finish("d1", [entry()])
    assert store.unfinished() == ()
    assert store.entries() == (entry(),)


def test_a_step_reported_again_takes_nothing_back(store):
    store.begin(plan(), {})
    store.step_done("d1", 3)
    store.step_done("d1", 1)
    assert store.unfinished()[0].done == 4


def test_unfinished_plans_come_oldest_first_and_by_model(store):
    for plan_id, model in [("z", "a"), ("y", "b"), ("x", "a")]:
        store.begin(plan(plan_id, model), {})
    assert [u.plan.id for u in store.unfinished()] == ["z", "y", "x"]
    assert [u.plan.id for u in store.unfinished("a")] == ["z", "x"]
    assert store.unfinished("c") == ()


def test_a_plan_cannot_be_begun_twice_at_a_time(store):
    store.begin(plan(), {"first": 1})
    store.step_done("d1", 0)
    with pytest.raises(SelectorError, match="d1 is being carried out already"):
        store.begin(plan(), {"second": 2})
    assert [(u.done, u.details) for u in store.unfinished()] == [(1, {"first": 1})]


def test_a_closed_plan_may_begin_anew(store):
    store.begin(plan(), {})
    store.step_done("d1", 0)
    store.abandon("d1", [entry(kind="failed")])
    store.begin(plan(), {})
    assert [u.done for u in store.unfinished()] == [0]


@pytest.mark.parametrize("close", ["finish", "abandon"])
def test_a_plan_is_closed_once_and_a_second_end_writes_nothing(store, close):
    store.begin(plan(), {})
    getattr(store, close)("d1", [entry()], [Notice("k", "churn", "promoted", "t", "b")])
    with pytest.raises(SelectorError, match="No plan d1"):
        getattr(store, close)("d1", [entry(1)], [Notice("k2", "churn", "promoted", "t", "b")])
    assert store.entries() == (entry(),)
    assert [n.key for n in store.notices()] == ["k"]


def test_a_step_of_an_unknown_plan_is_an_error(store):
    with pytest.raises(SelectorError, match="No plan d9"):
        store.step_done("d9", 0)


def test_a_finish_that_cannot_write_its_entries_leaves_the_plan_open(store):
    store.begin(plan(), {})
    with pytest.raises(TypeError):
        store.finish("d1", [entry(), entry(details={"x": object()})], [Notice("k", "m", "promoted", "t", "b")])
    assert [u.plan.id for u in store.unfinished()] == ["d1"]
    assert store.entries() == ()
    assert store.notices() == ()


def test_a_notice_with_a_known_key_is_not_put_twice(store):
    for plan_id, title in [("d1", "first"), ("d2", "second")]:
        store.begin(plan(plan_id), {})
        store.finish(
            plan_id, [], [Notice("same", "churn", "promoted", title, "b"), Notice(plan_id, "churn", "x", "t", "b")]
        )
    assert [(n.key, n.title) for n in store.notices()] == [("same", "first"), ("d1", "t"), ("d2", "t")]


def test_digests_are_found_for_any_number_of_uris(store):
    for number in range(0, 1500, 300):
        store.remember_digest(f"models:/m-{number}", f"digest {number}")
    uris = [f"models:/m-{number}" for number in range(1500)]
    assert store.digests(uris) == {f"models:/m-{n}": f"digest {n}" for n in range(0, 1500, 300)}
    assert store.digests([]) == {}


@pytest.mark.parametrize("uri", HOSTILE)
def test_a_digest_is_kept_for_any_uri_and_can_be_replaced(store, uri):
    store.remember_digest(uri, "one")
    store.remember_digest(uri, "two")
    assert store.digests([uri, "other"]) == {uri: "two"}


FACTS = ModelFacts(12_345, ("MLmodel", "extra/größe\udcff.json"), (InputColumn("age", "long", required=False),))


@pytest.mark.parametrize("uri", HOSTILE)
def test_facts_of_a_model_are_kept_for_any_uri_and_can_be_replaced(store, uri):
    store.remember_facts(uri, ModelFacts(1))
    store.remember_facts(uri, FACTS)
    assert store.facts([uri, "other"]) == {uri: FACTS}
    assert store.facts([]) == {}


def test_facts_and_digests_of_a_model_do_not_mix(store):
    store.remember_facts("models:/m-1", FACTS)
    store.remember_digest("models:/m-2", "digest")
    assert store.facts(["models:/m-1", "models:/m-2"]) == {"models:/m-1": FACTS}
    assert store.digests(["models:/m-1", "models:/m-2"]) == {"models:/m-2": "digest"}


PREDICTIONS = {
    "text labels": Predictions(np.array(["Yes", "No", "Größe"]), classes=("No", "Yes")),
    "whole numbers": Predictions(np.array([1, 0, -7]), seconds=1.25),
    "fractions": Predictions(np.array([0.1, np.nan, np.inf])),
    "probabilities only": Predictions(None, np.array([[0.25, 0.75], [1.0, 0.0]]), ("a", "b"), 0.5),
    "timed": Predictions(np.array([1]), seconds=0.5, timings=((1, 0.001), (100, 0.25))),
    "timed in vain": Predictions(np.array([1]), timings=()),
    "no rows": Predictions(np.array([], dtype=np.float64)),
}


@pytest.mark.parametrize("name", PREDICTIONS)
def test_predictions_come_back_bit_by_bit(store, name):
    given = PREDICTIONS[name]
    store.remember_predictions("m", "h", given)
    found = store.predictions("m", "h")
    assert isinstance(found, Predictions)
    for one, other in [(found.labels, given.labels), (found.probabilities, given.probabilities)]:
        assert (one is None) == (other is None)
        if one is not None:
            assert one.dtype == other.dtype
            np.testing.assert_array_equal(one, other)
    assert (found.classes, found.seconds, found.timings) == (given.classes, given.seconds, given.timings)


def test_predictions_belong_to_one_model_and_one_holdout(store):
    store.remember_predictions("m", "h", Predictions(np.array([1])))
    assert store.predictions("m", "other") is None
    assert store.predictions("other", "h") is None
    assert store.predictions("h", "m") is None


def test_a_model_that_cannot_be_scored_is_remembered_unless_it_may_be_later(store):
    store.remember_predictions("bad", "h", Unscorable("its loader crashed\x00\ud800"))
    store.remember_predictions("slow", "h", Unscorable("the disk was full", transient=True))
    assert store.predictions("bad", "h") == Unscorable("its loader crashed\x00\ud800")
    assert store.predictions("slow", "h") is None


def test_a_later_answer_replaces_an_earlier_one(store):
    store.remember_predictions("m", "h", Unscorable("no memory"))
    store.remember_predictions("m", "h", Predictions(np.array([1, 2])))
    assert store.predictions("m", "h").labels.tolist() == [1, 2]
    store.remember_predictions("m", "h", Unscorable("gone"))
    assert store.predictions("m", "h") == Unscorable("gone")


def test_pausing_lasts_until_it_is_undone(store):
    assert store.paused() == {}
    store.pause("churn", "audit")
    store.pause("*", "holidays")
    store.pause("churn", "longer audit")
    assert store.paused() == {"churn": "longer audit", "*": "holidays"}
    assert store.resume("churn") is True
    assert store.resume("churn") is False
    assert store.paused() == {"*": "holidays"}


@pytest.mark.parametrize("model", HOSTILE)
def test_any_model_can_be_paused(store, model):
    store.pause(model, model)
    assert store.paused() == {model: model}
    assert store.resume(model)


def test_the_health_of_a_model_is_replaced_together_with_its_ledger_entries(store):
    assert store.health("churn") is None
    store.keep_health("churn", {"version": 1, "points": [0.5, float("-inf")]}, [entry(kind="degraded")])
    store.keep_health("churn", {"version": 2})
    store.keep_health("other", {"version": 9})
    assert (store.health("churn"), store.health("other")) == ({"version": 2}, {"version": 9})
    assert [e.kind for e in store.entries()] == ["degraded"]


def test_health_that_cannot_be_written_with_its_entries_is_not_written_at_all(store):
    with pytest.raises(TypeError):
        store.keep_health("churn", {"version": 1}, [entry(), entry(details={"x": object()})])
    assert store.health("churn") is None
    assert store.entries() == ()


@pytest.mark.parametrize("model", HOSTILE)
def test_the_health_of_any_model_is_kept(store, model):
    store.keep_health(model, {"text": model})
    assert store.health(model) == {"text": model}


def test_closing_twice_is_harmless_and_the_store_says_where_it_is(store):
    assert store.describe()
    store.close()
    store.close()
