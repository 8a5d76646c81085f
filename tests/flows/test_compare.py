"""Versions stand side by side on the same rows, or marked as unproven."""

import click
import pytest

from selector.adapters.store_read_only import ReadOnlyStore
from selector.cli import compare as page
from selector.errors import UsageError
from selector.workflows.compare import compare

pytestmark = pytest.mark.usefixtures("_in_a_pipe")


@pytest.fixture
def _in_a_pipe(monkeypatch):
    monkeypatch.setattr(page, "width", lambda: None)
    with click.Context(click.Command("compare")):
        yield


def three(world):
    world.train("first", 400)
    world.look()
    world.train("better", 250)
    world.look()
    world.train("lucky", 245, seed=3)
    world.look()
    return world


def test_by_default_champion_challenger_and_previous_are_compared_with_the_champion_first(world):
    found = compare(three(world).house, "churn", ())
    lines = found["versions"]
    assert lines[0]["role"] == "champion"
    assert {one["role"] for one in lines} <= {"champion", "challenger", "previous"}
    assert lines[0]["lead"] is None
    previous = next(one for one in lines if one["role"] == "previous")
    assert (found["rows"], found["proof"], found["classes"]) == (2000, "measured", ["No", "Yes"])
    assert previous["lead"] == pytest.approx(previous["score"] - lines[0]["score"])
    assert previous["lead_low"] < previous["lead"] < previous["lead_high"] < 0
    assert previous["p"] > 0.99
    assert previous["rows_broken"] - previous["rows_fixed"] == 150
    assert sum(map(sum, previous["confusion"])) == 2000
    assert previous["metrics"]["accuracy"]["value"] == pytest.approx(1600 / 2000)
    assert "log_loss" not in previous["metrics"]


def test_named_versions_are_compared_with_the_first_one_named(world):
    three(world)
    found = compare(world.house, "churn", (1, 2, 1))
    assert [one["version"] for one in found["versions"]] == [1, 2]
    second = found["versions"][1]
    assert second["lead"] > 0
    assert (second["rows_fixed"], second["rows_broken"], second["disagreements"]) == (150, 0, 150)
    assert second["p"] < 0.001
    with pytest.raises(UsageError, match="no version 9"):
        compare(world.house, "churn", (1, 9))


def test_where_no_two_aliases_are_set_the_five_best_are_compared(world):
    for i in range(7):
        world.train(f"m{i}", 400 - 10 * i, seed=i)
    found = compare(world.house, "churn", ())
    assert len(found["versions"]) == 5
    scores = [one["score"] for one in found["versions"]]
    assert scores == sorted(scores, reverse=True)
    assert found["versions"][0]["version"] is None
    assert "m6" in page.comparison(found)


def test_a_version_that_cannot_be_scored_keeps_its_line_with_the_reason(world):
    three(world)
    uri = world.model.version(1).source
    world.registry.files[uri] = {"MLmodel": b"flavors: {}\n", "extra.bin": b"?"}
    world.store._digests.pop(uri, None)
    found = compare(world.house, "churn", (2, 1))
    broken = found["versions"][1]
    assert broken["score"] is None
    assert "no answers" in broken["reason"]
    assert broken["reason"] in page.comparison(found)


def test_without_a_holdout_logged_values_stand_side_by_side_marked_unproven(world):
    world.shared_rows = False
    world.train("first", 400, metrics={"f1": 0.6, "accuracy": 0.8})
    world.look()
    world.train("nan", 400, metrics={"f1": float("nan")})
    version = world.registry.create_version("churn", "models:/m-0001", "run0001", {})
    found = compare(world.house, "churn", (1, version))
    assert (found["proof"], found["rows"]) == ("unproven", None)
    assert [one["score"] for one in found["versions"]] == [0.6, None]
    assert found["versions"][0]["metrics"]["accuracy"]["value"] == 0.8
    text = page.comparison(found)
    assert "by what their runs logged" in text
    assert "note: Unproven" in text


def test_comparing_scores_what_is_missing_and_writes_nothing(world):
    three(world)
    writes, entries = list(world.registry.writes), world.store.entries()
    world.store = ReadOnlyStore(world.store)
    before = len(world.scorer.scored)
    world.scorer.revision = "other libraries"
    found = compare(world.house, "churn", (1, 2))
    assert [one["score"] is not None for one in found["versions"]] == [True, True]
    assert len(world.scorer.scored) == before + 2
    assert (world.registry.writes, world.store.entries()) == (writes, entries)


def test_people_see_leads_metrics_and_mistakes(world):
    three(world)
    text = page.comparison(compare(world.house, "churn", (1, 2)))
    assert text.startswith("churn: 2 compared on the same 2,000 labelled rows\n")
    flat = " ".join(text.split())
    assert "against v1 lead 95 % interval chance of luck differ on fixed broken v2 +0." in flat
    assert "<0.0001 150 150 0" in flat
    assert "also v1 v2 accuracy 0.8000 0.8750" in flat
    assert "version of the rows that are answered No answered Yes v1 No" in flat
    assert "select also counts how many were tried" in flat
    assert page.comparison({"model": "churn", "versions": []}) == "churn: there is nothing to compare"
