"""Is what somebody else changes seen at once, written down with before and after, and left alone?"""

from __future__ import annotations

from dataclasses import replace

import pytest

from selector.domain.events import AliasMoved, StageMoved, VersionGone, VersionRegistered, WakeUp
from selector.workflows import by_hand
from selector.workflows.cycle import Cycle
from selector.workflows.import_staged import StagedFolders


class Service:
    """The daemon's turns on one world, one after the other."""

    def __init__(self, world):
        self.world, self.now = world, 0.0
        self.cycle = Cycle(world.house, StagedFolders())
        self.turn(WakeUp("start", everything=True))

    def turn(self, *wakes, thorough=False):
        self.now += 30.0
        self.world.clock.advance(30)
        return self.cycle.turn(wakes, self.now, thorough=thorough)

    def edits(self):
        found = self.world.store.entries(kinds=("foreign_edit", "foreign_change"))
        return [(e.kind, e.previous, e.version, e.reason) for e in found]


@pytest.fixture
def service(world):
    """A service at work: version 1 was promoted, version 2 after it, and version 3 lost against it."""
    world.train("a", 300)
    service = Service(world)
    world.train("b", 200)
    service.turn()
    third = world.train("c", 250)
    world.registry.create_version("churn", third.models[0].uri, third.run_id, {})
    service.turn()
    service.turn()
    assert dict(world.model.aliases) == {"champion": 2, "previous": 1, "challenger": 3}
    world.store._entries = [e for e in world.store._entries if e.kind != "foreign_edit"]
    return service


def test_what_we_did_ourselves_is_no_news_and_leads_to_no_further_turn(world):
    world.train("a", 300)
    service = Service(world)
    world.train("b", 200)
    turn = service.turn()
    assert [k.decision.verdict for k in turn.looks] == ["promoted"]
    writes = list(world.registry.writes)
    for _ in range(3):
        turn = service.turn()
        assert (turn.events, turn.looks) == ((), ())
    assert service.turn(thorough=True).events == ()
    assert service.edits() == []
    assert world.registry.writes == writes


def test_what_was_there_before_the_first_look_is_remembered_and_no_news(world, service):
    later = Service(world)
    assert later.turn().events == ()
    world.registry.set_alias("churn", "previous", 3)
    world.registry.remove_version("churn", 1)
    assert later.turn().events == (VersionGone("churn", 1), AliasMoved("churn", "previous", 1, 3))


def test_a_moved_champion_alias_is_seen_recorded_and_respected(world, service):
    world.registry.set_alias("churn", "champion", 3)
    turn = service.turn()
    assert turn.events == (AliasMoved("churn", "champion", 2, 3),)
    assert service.edits() == [
        ("foreign_change", 2, 3, "alias champion was moved from 2 to 3 by somebody else"),
    ]
    for _ in range(3):
        service.turn(thorough=True)
    assert world.model.aliases["champion"] == 3


def test_a_removed_champion_alias_is_recorded(world, service):
    world.registry.delete_alias("churn", "champion")
    turn = service.turn()
    assert AliasMoved("churn", "champion", 2, None) in turn.events
    assert world.champion() != "run0001"
    assert service.edits()[0] == (
        "foreign_change",
        2,
        None,
        "alias champion was moved from 2 to nothing by somebody else",
    )


@pytest.mark.parametrize(("alias", "before"), [("challenger", 3), ("previous", 1)])
def test_the_other_aliases_are_recorded_and_stay_where_somebody_put_them(world, service, alias, before):
    after = 1 if alias == "challenger" else 3
    world.registry.set_alias("churn", alias, after)
    turn = service.turn()
    assert turn.events == (AliasMoved("churn", alias, before, after),)
    said = ("foreign_edit", before, after, f"alias {alias} moved from v{before} to v{after} by somebody else")
    assert service.edits() == [said]
    entry = world.store.entries(kinds=("foreign_edit",))[0]
    assert dict(entry.details) == {"alias": alias, "before": before, "after": after}
    for _ in range(3):
        assert service.turn().looks == ()
    assert world.model.aliases[alias] == after
    assert service.edits() == [said]


def test_an_alias_that_is_not_ours_wakes_and_is_not_recorded(world, service):
    world.registry.set_alias("churn", "blue", 1)
    assert service.turn().events == (AliasMoved("churn", "blue", None, 1),)
    assert service.edits() == []


def test_versions_registered_and_deleted_by_others_are_recorded(world, service):
    run = world.train("d", 400)
    service.turn()
    for _ in range(2):
        world.registry.create_version("churn", run.models[0].uri, run.run_id, {})
    assert service.turn().events == (VersionRegistered("churn", 4), VersionRegistered("churn", 5))
    world.registry.remove_version("churn", 4)
    assert service.turn().events == (VersionGone("churn", 4),)
    assert service.edits() == [
        ("foreign_edit", None, 5, "versions 4, 5 were registered by somebody else"),
        ("foreign_edit", None, None, "version 4 was deleted by somebody else"),
    ]
    assert [dict(e.details) for e in world.store.entries(kinds=("foreign_edit",))] == [
        {"before": [], "after": [4, 5]},
        {"before": [4], "after": []},
    ]


def test_a_deleted_champion_version_takes_its_alias_with_it_and_both_are_recorded(world, service):
    world.registry.remove_version("churn", 2)
    service.turn()
    assert [(kind, before, after) for kind, before, after, _ in service.edits()[:2]] == [
        ("foreign_edit", None, None),
        ("foreign_change", 2, None),
    ]
    service.turn()
    service.turn(thorough=True)
    assert world.champion() not in {None, "run0001"}
    assert sum(kind == "foreign_change" for kind, *_ in service.edits()) == 1


def test_a_deleted_registered_model_is_recorded(world, service):
    del world.registry._models["churn"]
    service.turn()
    reasons = [reason for *_, reason in service.edits()]
    assert "versions 1, 2, 3 were deleted by somebody else" in reasons
    assert "alias challenger moved from v3 to nothing by somebody else" in reasons


@pytest.mark.parametrize("mirror", [True, False])
def test_stages_are_recorded_where_they_are_mirrored(world, mirror):
    world.policy = replace(world.policy, mirror_stages=mirror)
    world.train("a", 300)
    service = Service(world)
    world.registry.set_stage("churn", 1, "Staging")
    before = "Production" if mirror else "None"
    assert service.turn().events == (StageMoved("churn", 1, before, "Staging"),)
    said = f"version 1 moved from stage {before} to Staging by somebody else"
    assert [reason for *_, reason in service.edits()] == ([said] if mirror else [])
    service.turn(thorough=True)
    assert world.model.version(1).stage == "Staging"


def test_what_our_own_command_does_in_another_process_is_not_foreign(world, service):
    world.clock.advance(5)
    by_hand.rollback(world.house, "churn", to=None, dry_run=False, actor="ada")
    turn = service.turn()
    assert AliasMoved("churn", "champion", 2, 1) in turn.events
    assert service.edits() == []
    world.registry.set_alias("churn", "challenger", 2)
    service.turn()
    assert [kind for kind, *_ in service.edits()] == ["foreign_edit"]


def test_a_change_during_our_own_turn_is_still_seen(world, monkeypatch):
    world.train("a", 300)
    service = Service(world)
    world.train("b", 200)
    reports = world.registry.log_report

    def meddle(*args):
        world.registry.set_alias("churn", "previous", 2)
        return reports(*args)

    monkeypatch.setattr(world.registry, "log_report", meddle)
    service.turn()
    monkeypatch.setattr(world.registry, "log_report", reports)
    assert world.model.aliases["previous"] == 2
    assert service.turn().events == (AliasMoved("churn", "previous", 1, 2),)


def test_models_that_wait_for_a_person_are_looked_at_in_each_turn(world):
    world.policy = replace(world.policy, approval=replace(world.policy.approval, required=True))
    run = world.train("a", 300)
    service = Service(world)
    assert world.champion() is None
    asked = world.registry.reads
    assert [k.decision.verdict for k in service.turn().looks] == ["awaiting_approval"]
    once = world.registry.reads - asked
    decision = world.store.last_decisions()["churn"].decision
    world.registry.add_run(
        replace(world.registry.run(run.run_id), models=run.models, tags={"selector.approve": decision})
    )
    service.turn()
    assert world.champion() == run.run_id
    assert once < 12
    assert service.turn().looks == ()
