"""Rolling back, and staying rolled back."""

from dataclasses import replace

import pytest

from selector.adapters.scorer_memory import MemoryHoldouts
from selector.domain.model import STATUS_TAG
from selector.errors import ForeignChangeError, UsageError
from selector.workflows import by_hand


@pytest.fixture
def replaced(world):
    """A champion that was replaced by a better one."""
    world.old = world.train("old", 300)
    world.look()
    world.new = world.train("new", 200)
    world.look()
    return world


def test_a_rollback_brings_the_previous_champion_back_and_quarantines_the_one_left(replaced):
    done = replaced.roll_back()

    assert replaced.champion() == replaced.old.run_id
    assert (done.document["version"], done.document["previous"]) == (1, 2)
    assert replaced.model.version(2).tags[STATUS_TAG] == "quarantined"
    assert "previous" not in replaced.model.aliases


def test_a_version_rolled_back_from_is_not_promoted_again(replaced):
    replaced.roll_back()

    for _ in range(3):
        look = replaced.look()
        assert look.decision.verdict == "kept"
    assert replaced.champion() == replaced.old.run_id
    (line,) = [line for line in look.document["ranking"] if line["name"] == "new"]
    assert line["codes"][0] == "quarantined"


def test_a_copy_of_a_quarantined_model_does_not_come_back_under_another_name(replaced):
    replaced.roll_back()
    replaced.train("new again", 200)
    replaced.train("new with other bytes", answers=[bool(a) for a in replaced.answers(200)])

    look = replaced.look()

    assert replaced.champion() == replaced.old.run_id
    codes = {line["name"]: line["codes"][0] for line in look.document["ranking"] if not line["eligible"]}
    assert codes == {"new": "quarantined", "new again": "quarantined", "new with other bytes": "quarantined"}


def test_a_cleared_version_may_win_again(replaced):
    replaced.roll_back()
    by_hand.mark(replaced.house, "churn", 2, "clear", dry_run=False, actor="test")

    assert replaced.look().decision.verdict == "promoted"
    assert replaced.champion() == replaced.new.run_id


def test_rolling_back_twice_goes_further_back_and_never_to_a_quarantined_version(replaced):
    newest = replaced.train("newest", 100)
    replaced.look()
    assert replaced.champion() == newest.run_id

    replaced.roll_back()
    assert replaced.champion() == replaced.new.run_id
    assert replaced.model.aliases["previous"] == 1
    replaced.roll_back()
    assert replaced.champion() == replaced.old.run_id
    with pytest.raises(UsageError, match="no earlier good champion"):
        replaced.roll_back()
    assert replaced.champion() == replaced.old.run_id


def test_a_rollback_to_a_named_version_refuses_quarantined_missing_and_present_ones(replaced):
    by_hand.mark(replaced.house, "churn", 1, "quarantine", dry_run=False, actor="test")
    with pytest.raises(UsageError, match="version 1 of 'churn' is quarantined"):
        replaced.roll_back(to=1)
    with pytest.raises(UsageError, match="has no version 9"):
        replaced.roll_back(to=9)
    with pytest.raises(UsageError, match="is the champion already"):
        replaced.roll_back(to=2)


def test_a_dry_rollback_writes_nothing(replaced):
    writes = list(replaced.registry.writes)

    done = by_hand.rollback(replaced.house, "churn", to=None, dry_run=True, actor="test")

    assert replaced.registry.writes == writes
    assert "alias champion: v2 -> v1" in done.document["steps"]


def test_a_promotion_by_hand_passes_the_same_gates(replaced):
    lucky = replaced.train("lucky", 196, seed=3)
    version = replaced.registry.create_version("churn", lucky.models[0].uri, lucky.run_id, {})

    with pytest.raises(Exception, match="is not promoted: lead over the champion"):
        by_hand.promote(replaced.house, "churn", version, force=None, dry_run=False, actor="anna")
    done = by_hand.promote(replaced.house, "churn", version, force="asked by sales", dry_run=False, actor="anna")

    assert replaced.champion() == lucky.run_id
    assert "forced: asked by sales" in done.text
    newest = replaced.store.entries(kinds=("promoted",))[-1]
    assert (newest.actor, newest.version, newest.previous) == ("anna", version, 2)


def test_a_plan_stops_where_somebody_else_moved_the_alias_in_between(replaced):
    replaced.train("best", 100)
    third = replaced.registry.create_version("churn", replaced.old.models[0].uri, replaced.old.run_id, {})
    really_set = replaced.registry.set_version_tag

    def interfering(name, version, key, value):
        really_set(name, version, key, value)
        if value == "champion":
            replaced.registry.set_alias("churn", "champion", third)

    replaced.registry.set_version_tag = interfering
    look = replaced.look()

    assert isinstance(look.error, ForeignChangeError)
    assert replaced.model.aliases["champion"] == third
    assert replaced.store.unfinished() == ()
    assert "somebody else moved it" in replaced.store.entries(kinds=("failed",))[-1].reason


def test_a_rollback_writes_a_report_that_says_so_and_keeps_it_with_the_run(replaced):
    done = replaced.roll_back()

    report = replaced.reports.reports["churn", done.document["decision"]]
    assert report.headline.startswith("Rolled back: version 1 (old) is the champion of churn in place of version 2")
    assert report.undo == ""
    assert f"log_report {replaced.old.run_id} selector/{done.document['decision']}" in replaced.registry.writes


def test_a_rollback_succeeds_although_the_holdout_is_gone(replaced):
    blind = replace(replaced.house, holdouts=MemoryHoldouts({}))

    done = by_hand.rollback(blind, "churn", to=None, dry_run=False, actor="test")

    assert replaced.champion() == replaced.old.run_id
    assert done.document["report"] is None


def test_a_quarantined_version_that_somebody_puts_back_is_replaced_and_that_is_no_news_the_next_time(world):
    world.train("first", 300)
    world.look()
    world.train("new", 100)
    world.look()
    world.roll_back()
    by_hand.mark(world.house, "churn", 2, "clear", dry_run=False, actor="test")
    world.roll_back()
    world.registry.set_alias("churn", "champion", 1)
    assert world.look().document["verdict"] == "promoted"
    assert world.look().news is False
