"""Old archived versions go where `keep` says so, each told once, and nothing goes that is still needed."""

import contextlib
import itertools
from dataclasses import replace

import pytest

from selector.adapters.registry_memory import KilledError
from selector.domain.metric import metric
from selector.domain.policy import Approval, Policy
from selector.domain.retention import Keep
from selector.errors import MlflowRefusedError, MlflowUnreachableError
from selector.workflows import by_hand, look, select_champion
from selector.workflows.cycle import RETENTION_EVERY, Cycle
from selector.workflows.import_staged import StagedFolders

DAY = 86_400
LINE = Policy(metric("f1", average="binary"), rule="highest")


def reigns(world, count, *, keep=None, between=0):
    """One champion after the other, each better than the one before."""
    world.policy, world.keep = LINE, keep
    for number in range(count):
        world.train(f"model {number + 1}", 500 - 20 * number)
        world.look()
        world.clock.advance(between)
    return world


def numbers(world):
    return [v.version for v in world.model.versions]


def kinds(world, kind):
    return [e.version for e in world.store.entries("churn", kinds=(kind,))]


def test_by_default_nothing_is_ever_deleted(world):
    reigns(world, 6, between=1000 * DAY)
    assert numbers(world) == [1, 2, 3, 4, 5, 6]
    assert "retention" not in world.look().document


def test_the_newest_archived_versions_stay_and_each_deleted_one_is_told_once(world):
    reigns(world, 7, keep=Keep(versions=3))
    assert numbers(world) == [3, 4, 5, 6, 7]
    assert kinds(world, "deleted") == [1, 2]
    assert world.model.aliases == {"champion": 7, "previous": 6, "challenger": 5}  # 6, 4 and 3 are archived


def test_a_look_that_deletes_says_so(world):
    reigns(world, 6, keep=Keep(versions=3))
    world.train("model 7", 300)
    found = world.look()
    assert found.decision.verdict == "promoted"
    assert found.document["champion"]["version"] == 7
    assert found.text.endswith("Deleted version 2.")
    assert found.steps[-1].startswith("delete v2: it was archived on ")
    (line,) = found.document["retention"]["deleted"]
    assert (line["version"], line["run_id"], line["source"]) == (2, "run0001", "models:/m-0001")
    assert {one["version"] for one in found.document["retention"]["kept"]} == {3, 4, 5, 6, 7}


def test_looking_again_after_a_deletion_changes_nothing(world):
    reigns(world, 6, keep=Keep(versions=3))
    writes, entries = len(world.registry.writes), len(world.store.entries())
    assert not world.look().news
    assert (len(world.registry.writes), len(world.store.entries())) == (writes, entries)


def test_where_only_versions_compete_a_deletion_is_no_reason_for_another_decision(world, monkeypatch):
    reigns(world, 5)
    real = type(world).house.fget

    def only_versions(world):
        house = real(world)
        return replace(house, setups={"churn": replace(house.setups["churn"], experiments=())})

    monkeypatch.setattr(type(world), "house", property(only_versions))
    world.look()
    world.keep = Keep(versions=1)
    assert world.look().news
    assert numbers(world) == [3, 4, 5]
    entries = len(world.store.entries())
    found = world.look()
    assert not found.news
    assert len(found.document["ranking"]) == 3
    assert len(world.store.entries()) == entries


def test_the_ledger_has_all_that_is_needed_to_register_a_deleted_version_again(world):
    reigns(world, 4)
    before = world.model.version(1)
    world.keep = Keep(versions=1)
    world.look()
    entries = look.history(world.house, "churn", None)["entries"]
    gone = [e for e in entries if e["kind"] == "deleted"]
    assert [e["version"] for e in gone] == [1]
    assert (gone[0]["was"]["run_id"], gone[0]["was"]["source"]) == (before.run_id, before.source)
    assert gone[0]["was"]["tags"] == dict(before.tags)
    assert "version 1 (models:/m-0000 of run run0000) was archived on" in gone[0]["reason"]
    was = gone[0]["was"]
    assert world.registry.create_version("churn", was["source"], was["run_id"], was["tags"]) == 5


def test_a_run_outlives_its_version_and_can_be_promoted_again(world):
    reigns(world, 5, keep=Keep(versions=1))
    assert numbers(world) == [3, 4, 5]
    assert world.registry.run("run0000") is not None
    assert "models:/m-0000" in world.registry.files


def test_the_two_newest_earlier_champions_stay_so_that_two_rollbacks_work(world):
    reigns(world, 6, keep=Keep(versions=1))
    assert numbers(world) == [4, 5, 6]
    world.roll_back()
    assert world.model.aliases["champion"] == 5
    world.look()
    world.roll_back()
    assert world.model.aliases["champion"] == 4
    world.look()
    assert numbers(world) == [4, 5, 6]  # both quarantined, which bars copies of them


def test_a_quarantined_version_and_its_copy_stay_out_for_ever(world):
    reigns(world, 2, keep=Keep(days=1))
    world.roll_back()
    for number in range(3, 7):
        world.train(f"model {number}", 450 - 20 * number, seed=number)
        world.look()
        world.clock.advance(10 * DAY)
    assert world.model.version(2).tags["selector.status"] == "quarantined"


def test_days_count_from_the_day_it_was_archived(world):
    reigns(world, 4, keep=Keep(days=90), between=40 * DAY)
    assert numbers(world) == [1, 2, 3, 4]  # version 1 was registered 160 days ago and archived 120 days ago
    world.look()
    assert numbers(world) == [2, 3, 4]


def test_both_rules_have_to_let_a_version_go(world):
    reigns(world, 6, keep=Keep(versions=2, days=1000))
    assert numbers(world) == [1, 2, 3, 4, 5, 6]
    world.clock.advance(2000 * DAY)
    world.look()
    assert numbers(world) == [3, 4, 5, 6]  # 5 and 3 are the two newest archived ones, 4 is the challenger


def test_a_restored_version_stays(world):
    reigns(world, 2)
    by_hand.mark(world.house, "churn", 1, "restore", dry_run=False, actor="ada")
    world.keep = Keep(versions=1)
    for number in range(3, 7):
        world.train(f"model {number}", 500 - 30 * number)
        world.look()
    assert numbers(world) == [1, 4, 5, 6]


def test_a_version_that_somebody_else_uses_stays(world):
    reigns(world, 6)
    world.registry.set_alias("churn", "eu-production", 1)
    world.registry.set_stage("churn", 2, "Production")
    world.registry.set_version_tag("churn", 3, "selector.keep", "audit")
    world.keep = Keep(versions=1)
    world.look()
    assert numbers(world) == [1, 2, 3, 4, 5, 6]


def test_a_version_that_a_person_is_asked_about_stays(world):
    reigns(world, 5)
    world.policy = replace(world.policy, approval=Approval(required=True))
    world.train("model 6", 380)
    world.registry.create_version("churn", "models:/m-0005", "run0005", {"selector.status": "archived"})
    (question,) = [world.look().document]
    assert (question["verdict"], question["offers"][0]["version"]) == ("awaiting_approval", 6)
    world.clock.advance(400 * DAY)
    world.keep = Keep(days=1)
    kept = {line["version"]: line["reason"] for line in world.look().document["retention"]["kept"]}
    assert kept[6] == f"is offered to a person by decision {question['decision']}"
    assert 6 in numbers(world)


def test_versions_of_others_stay(world):
    world.train("foreign", 600)
    world.registry.create_registered_model("churn")
    world.registry.create_version("churn", "models:/m-0000", "run0000", {"team": "fraud"})
    reigns(world, 5, keep=Keep(versions=1))
    assert numbers(world)[0] == 1


@pytest.mark.parametrize("how", ["paused", "shadow"])
def test_a_paused_or_shadowed_model_loses_nothing(world, how):
    reigns(world, 6)
    world.keep, world.shadow = Keep(versions=1), how == "shadow"
    if how == "paused":
        by_hand.pause(world.house, ["churn"], dry_run=False, actor="ada")
    entries = len(world.store.entries())
    found = world.look()
    assert len(world.store.entries()) == entries
    assert found.document.get("retention", {}).get("deleted", []) == []
    assert numbers(world) == [1, 2, 3, 4, 5, 6]
    assert not any("delete" in step for step in found.steps)


def test_a_dry_run_names_what_would_be_deleted_and_deletes_nothing(world):
    reigns(world, 6, keep=Keep(versions=3))
    world.train("model 7", 300)
    writes = list(world.registry.writes)
    found = world.look(dry_run=True)
    assert [line["version"] for line in found.document["retention"]["deleted"]] == [2]
    assert found.steps[-1].startswith("delete v2: ")
    assert world.registry.writes == writes
    assert "deleted" not in {e.kind for e in world.store.entries("churn") if e.version == 2}
    world.look()
    assert kinds(world, "deleted") == [1, 2]


def test_an_alias_that_is_set_after_the_decision_saves_the_version(world, monkeypatch):
    reigns(world, 5)
    world.keep = Keep(versions=1)
    real = world.store.begin

    def begin(plan, details):
        real(plan, details)
        if plan.kind == "deletion" and plan.steps[0].version == 1:
            world.registry.set_alias("churn", "pinned", 1)

    monkeypatch.setattr(world.store, "begin", begin)
    world.look()
    assert numbers(world) == [1, 3, 4, 5]
    (failed,) = world.store.entries("churn", kinds=("failed",))
    assert failed.reason == "gave up the deletion: version 1 of 'churn' has the alias pinned now"
    assert world.store.unfinished() == ()


@pytest.mark.parametrize("touch", ["tag", "stage"])
def test_a_version_that_is_touched_after_the_decision_stays(world, monkeypatch, touch):
    reigns(world, 4)
    world.keep = Keep(versions=1)
    real = world.store.begin

    def begin(plan, details):
        real(plan, details)
        if touch == "tag":
            world.registry.set_version_tag("churn", 1, "used-by", "fraud")
        else:
            world.registry.set_stage("churn", 1, "Staging")

    monkeypatch.setattr(world.store, "begin", begin)
    world.look()
    assert 1 in numbers(world)


def test_a_version_that_mlflow_does_not_delete_stops_no_other_one_and_is_told_once_a_day(world, monkeypatch):
    reigns(world, 6)
    world.keep = Keep(versions=1)
    real = world.registry.delete_version

    def delete(name, version):
        if version == 2:
            raise MlflowRefusedError("not allowed")
        real(name, version)

    monkeypatch.setattr(world.registry, "delete_version", delete)
    for _ in range(3):
        assert world.look().error is None
    assert numbers(world) == [2, 4, 5, 6]
    assert kinds(world, "failed") == [2]
    world.clock.advance(DAY)
    world.look()
    assert kinds(world, "failed") == [2, 2]


def test_a_promotion_stands_where_mlflow_goes_away_before_the_deletions(world, monkeypatch):
    reigns(world, 4)
    world.keep = Keep(versions=1)
    world.train("model 5", 300)
    real = world.registry.delete_version

    def away(*_):
        raise MlflowUnreachableError("MLflow does not answer")

    monkeypatch.setattr(world.registry, "delete_version", away)
    found = world.look()
    assert isinstance(found.error, MlflowUnreachableError)
    assert found.document["verdict"] == "promoted"
    assert world.model.aliases["champion"] == 5
    monkeypatch.setattr(world.registry, "delete_version", real)
    assert world.look().error is None
    assert numbers(world) == [3, 4, 5]
    assert sorted(kinds(world, "deleted")) == [1, 2]


def test_a_held_lease_puts_deletions_off(world):
    reigns(world, 5)
    world.keep = Keep(versions=1)
    with world.house.lease.hold():
        assert not world.look().news
    assert numbers(world) == [1, 2, 3, 4, 5]
    assert world.look().news
    assert numbers(world) == [3, 4, 5]


def test_nothing_is_deleted_of_a_model_that_was_paused_before_its_plan_was_finished(world, monkeypatch):
    reigns(world, 4)
    world.keep = Keep(versions=1)
    real = world.registry.delete_version
    monkeypatch.setattr(world.registry, "delete_version", lambda *_: (_ for _ in ()).throw(KilledError()))
    with pytest.raises(KilledError):
        world.look()
    monkeypatch.setattr(world.registry, "delete_version", real)
    by_hand.pause(world.house, ["churn"], dry_run=False, actor="ada")
    Cycle(world.house, StagedFolders()).turn((), 0.0)
    assert numbers(world) == [1, 2, 3, 4]
    assert world.store.unfinished() == ()


def test_the_service_looks_once_a_day_for_versions_that_have_grown_old(world):
    reigns(world, 5, keep=Keep(days=90))
    cycle = Cycle(world.house, StagedFolders())
    cycle.turn((), 0.0)
    assert cycle.next_at == RETENTION_EVERY
    world.clock.advance(91 * DAY)
    assert cycle.turn((), RETENTION_EVERY - 1).looks == ()
    assert numbers(world) == [1, 2, 3, 4, 5]
    (found,) = cycle.turn((), RETENTION_EVERY).looks
    assert found.news
    assert numbers(world) == [3, 4, 5]
    assert cycle.turn((), RETENTION_EVERY + 60).quiet  # what we deleted ourselves is no news
    assert "foreign_edit" not in {e.kind for e in world.store.entries("churn")}


def test_without_keep_the_service_has_nothing_to_do_once_a_day(world):
    reigns(world, 2)
    cycle = Cycle(world.house, StagedFolders())
    cycle.turn((), 0.0)
    assert cycle.next_at is None


def test_versions_archived_before_a_lost_state_began_count_from_its_beginning(world):
    reigns(world, 6)
    for number in (1, 2, 3, 4):
        by_hand.mark(world.house, "churn", number, "archive", dry_run=False, actor="ada")
    world.registry.delete_alias("churn", "challenger")
    world.store.__init__()
    world.clock.advance(200 * DAY)
    world.keep = Keep(days=90)
    world.look()  # finds a champion that it does not know
    assert numbers(world) == [1, 2, 3, 4, 5, 6]
    world.clock.advance(91 * DAY)
    world.look()
    assert numbers(world) == [4, 5, 6]  # 5 and 4 were champions, as their tags tell


# Killed at any write.


def doomed(world):
    reigns(world, 4)
    world.keep = Keep(versions=1)
    world.train("model 5", 300)


def end_of(world):
    world.look()
    assert not world.look().news
    assert world.store.unfinished() == ()
    ledger = [(e.kind, e.version) for e in world.store.entries() if e.kind != "failed"]
    return numbers(world), dict(world.model.aliases), sorted(ledger, key=str)


class Writes:
    """Kills the process after so many writes to MLflow or to our own state."""

    def __init__(self, world):
        self.left, self.count, self.inside = None, 0, False
        for owner, names in (
            (world.registry, [n for n in dir(world.registry) if n.startswith(("set_", "delete_", "create_"))]),
            (world.store, ("begin", "step_done", "finish", "append", "put")),
        ):
            for name in names:
                setattr(owner, name, self._counted(getattr(owner, name)))

    def _counted(self, method):
        def call(*args, **named):
            if self.inside:  # what one write does within itself is one transaction
                return method(*args, **named)
            self.inside = True
            try:
                result = method(*args, **named)
            finally:
                self.inside = False
            self.count += 1
            if self.left is not None:
                self.left -= 1
                if self.left == 0:
                    raise KilledError
            return result

        return call


def lived(world, kills):
    doomed(world)
    writes = Writes(world)
    for kill in kills:
        writes.left = kill
        with contextlib.suppress(KilledError):
            world.look()
    writes.left = None
    return end_of(world), writes.count


def test_killed_after_any_single_write_each_version_goes_exactly_once(new_world):
    expected, writes = lived(new_world(), ())
    assert expected[0] == [3, 4, 5]
    assert [line for line in expected[2] if line[0] == "deleted"] == [("deleted", 1), ("deleted", 2)]
    for kill in range(1, writes + 1):
        assert lived(new_world(), (kill,))[0] == expected, f"killed after write {kill}"


def test_killed_after_any_two_writes_each_version_goes_exactly_once(new_world):
    expected, writes = lived(new_world(), ())
    for first, second in itertools.product(range(1, writes + 1, 4), (1, 3)):
        assert lived(new_world(), (first, second))[0] == expected, f"killed after {first}, then after {second} more"


def test_select_as_a_whole_deletes_too(world):
    reigns(world, 5)
    world.keep = Keep(versions=1)
    world.clock.advance(60)
    (found,) = select_champion.select(world.house, [], dry_run=False, actor="ada")
    assert found.news
    assert {e.actor for e in world.store.entries("churn", kinds=("deleted",))} == {"ada"}
