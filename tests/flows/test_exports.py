"""Exports hold the champion, whoever made it champion, and never stand in the way of a promotion."""

import contextlib
import json
from dataclasses import replace
from pathlib import Path

import pytest

from selector.adapters.exports_files import FileExports
from selector.adapters.registry_memory import KilledError
from selector.cli import tables
from selector.domain.family import Family
from selector.domain.policy import Approval
from selector.errors import ExportBusyError, ExportError, MlflowRefusedError, MlflowUnreachableError
from selector.workflows import approval, by_hand, look
from selector.workflows.cycle import Cycle
from selector.workflows.doctor_exports import exports as examined
from selector.workflows.import_staged import StagedFolders

HERE, THERE = "/models/production", "s3://bucket/churn"


@pytest.fixture
def exporting(world):
    """A world whose champion is exported to one folder."""
    world.export = (HERE,)
    return world


@pytest.fixture
def settled(exporting):
    """Version 2 is champion and exported, version 1 was before."""
    exporting.train("old", 300)
    exporting.look()
    exporting.train("new", 200)
    exporting.look()
    assert held(exporting) == 2
    return exporting


def held(world, where=HERE):
    found = world.exports.held.get(where)
    return found[0].version if found else None


def failures(world):
    return list(world.store.entries(kinds=("export_failed",)))


class Service:
    """The daemon's turns on a world, one after the other, with time that the test moves."""

    def __init__(self, world):
        self.world, self.now = world, 0.0
        self.cycle = Cycle(world.house, StagedFolders(()))

    def turn(self, *, seconds=30.0, thorough=False):
        self.world.clock.advance(seconds)
        self.now += seconds
        return self.cycle.turn((), self.now, thorough=thorough)


def test_a_promotion_is_exported_with_all_that_consumers_want_to_know(exporting):
    run = exporting.train("old", 300)
    look = exporting.look()
    record, files = exporting.exports.held[HERE]
    assert files == exporting.registry.files["models:/m-0000"]
    assert (record.model, record.version, record.run_id) == ("churn", 1, run.run_id)
    assert record.decision == look.decision.id
    assert record.at == exporting.clock.now()
    assert look.document["export"] == [{"where": HERE, "version": 1, "in_step": True, "reason": ""}]
    assert f"Exported version 1 to {HERE}." in look.text
    assert look.error is None


def test_the_digest_is_that_of_the_files_that_a_promotion_verified(settled):
    scored = list(settled.store.digests(["models:/m-0001"]).values())
    assert settled.exports.held[HERE][0].digest == scored[0].partition(":")[2]


def test_a_second_look_asks_no_more_and_writes_nothing(settled):
    settled.export = ()
    before = settled.registry.reads
    settled.look()
    without = settled.registry.reads - before
    settled.export = (HERE,)
    before = settled.registry.reads
    found = settled.look()
    assert settled.registry.reads - before == without
    assert settled.exports.writes == 2
    assert found.news is False


def test_a_rollback_is_exported_before_the_command_ends(settled):
    done = settled.roll_back()
    assert held(settled) == 1
    assert done.error is None
    assert done.document["export"][0]["in_step"] is True


def test_a_promotion_by_hand_is_exported(settled):
    settled.clock.advance(60)
    by_hand.promote(settled.house, "churn", 1, force="I say so", dry_run=False, actor="ada")
    assert held(settled) == 1


def test_what_a_person_approves_is_exported(settled):
    settled.policy = replace(settled.policy, approval=Approval(required=True))
    settled.train("newest", 100)
    found = settled.look()
    assert held(settled) == 2
    settled.clock.advance(60)
    approval.approve(settled.house, "churn", found.decision.id, candidate=None, reason="", dry_run=False, actor="ada")
    assert held(settled) == 3


def test_a_champion_that_somebody_else_chose_is_exported(settled):
    settled.registry.set_alias("churn", "champion", 1)
    settled.look()
    assert held(settled) == 1


def test_each_of_several_places_is_kept_in_step(settled):
    settled.export = (HERE, THERE)
    settled.look()
    assert (held(settled), held(settled, THERE)) == (2, 2)
    assert settled.exports.writes == 3


def test_an_alias_that_is_taken_away_leaves_the_last_champion_there(settled):
    settled.registry.delete_alias("churn", "champion")
    settled.exports.writes = 0
    settled.policy = replace(settled.policy, approval=Approval(required=True))
    settled.look()
    assert held(settled) == 2
    assert settled.exports.writes == 0


@pytest.mark.parametrize("idle", ["shadow", "paused", "all paused"])
def test_what_is_only_watched_is_not_exported_unless_a_person_promotes(settled, idle):
    if idle == "shadow":
        settled.shadow = True
    else:
        settled.store.pause("churn" if idle == "paused" else "*", "data freeze")
    settled.registry.set_alias("churn", "champion", 1)
    settled.look()
    service = Service(settled)
    service.turn()
    assert service.turn().looks == ()
    assert held(settled) == 2
    assert not any(step.startswith("export") for step in settled.look(dry_run=True).steps)
    settled.registry.set_alias("churn", "champion", 2)
    planned = by_hand.rollback(settled.house, "churn", to=None, dry_run=True, actor="ada")
    assert f"export v1 to {HERE}" in planned.document["steps"]
    settled.roll_back()
    assert held(settled) == 1


def test_a_dry_run_says_what_would_be_exported_and_writes_nothing(exporting):
    exporting.train("old", 300)
    assert f"export the new version to {HERE}" in exporting.look(dry_run=True).steps
    assert exporting.exports.writes == 0
    exporting.look()
    assert not any(step.startswith("export") for step in exporting.look(dry_run=True).steps)
    exporting.exports.held.clear()
    assert f"export v1 to {HERE}" in exporting.look(dry_run=True).steps
    exporting.train("new", 200)
    exporting.look()
    for done in (
        by_hand.rollback(exporting.house, "churn", to=None, dry_run=True, actor="ada"),
        by_hand.promote(exporting.house, "churn", 1, force="so", dry_run=True, actor="ada"),
    ):
        assert f"export v1 to {HERE}" in done.document["steps"]
    assert held(exporting) == 2


def test_a_dry_run_names_a_place_that_refuses(settled):
    settled.exports.refused[HERE] = ExportError("not ours")
    assert f"export v2 to {HERE} (now refused: not ours)" in settled.look(dry_run=True).steps


@pytest.mark.parametrize("when", ["read", "write"])
def test_an_export_that_fails_undoes_no_promotion_and_is_told_once(settled, when):
    def full(*_):
        raise ExportError(f"{HERE}: No space left on device", advice="make room")

    setattr(settled.exports, when, full)
    new = settled.train("newest", 100)
    found = settled.look()
    assert found.decision.verdict == "promoted"
    assert settled.champion() == new.run_id
    assert found.error.advice == "make room"
    assert found.document["error"] == found.error.message
    assert found.document["export"][0]["in_step"] is False
    for _ in range(3):
        again = settled.look()
        assert again.error is not None
    (entry,) = failures(settled)
    assert (entry.version, entry.decision, entry.details) == (3, found.decision.id, {"where": HERE})
    notices = [n for n in settled.store.notices() if n.kind == "failed"]
    assert [n.title for n in notices] == ["churn: v3 was not exported"]
    assert "No space left on device" in notices[0].body

    delattr(settled.exports, when)
    assert settled.look().error is None
    assert held(settled) == 3


def test_what_somebody_puts_in_the_place_of_an_export_is_told_although_nothing_else_is_new(settled):
    settled.exports.refused[HERE] = ExportError("not ours")
    assert settled.look().error.message == "not ours"
    assert [e.version for e in failures(settled)] == [2]


def test_another_decision_is_told_of_again(settled):
    settled.exports.refused[HERE] = ExportError("read-only")
    settled.train("newest", 100)
    settled.look()
    settled.roll_back()
    assert [e.version for e in failures(settled)] == [3, 2]


def test_a_place_that_fails_does_not_stop_the_others(settled):
    settled.export = (THERE, HERE)
    settled.exports.refused[THERE] = ExportError("no such bucket")
    settled.train("newest", 100)
    settled.look()
    assert held(settled) == 3


@pytest.mark.parametrize("error", [MlflowRefusedError("its artifacts are gone"), OSError(28, "No space left")])
def test_a_champion_that_cannot_be_fetched_leaves_the_old_one_there(settled, error):
    settled.train("newest", 100)
    real = settled.registry.fetch

    def fetch(uri, into):
        if uri.startswith("models:/churn/"):
            raise error
        return real(uri, into)

    settled.registry.fetch = fetch
    found = settled.look()
    assert found.decision.verdict == "promoted"
    assert found.error is not None
    assert held(settled) == 2
    assert len(failures(settled)) == 1


def test_a_rollback_by_hand_succeeds_although_the_export_fails(settled):
    settled.exports.refused[HERE] = ExportError("read-only")
    done = settled.roll_back()
    assert settled.model.aliases["champion"] == 1
    assert done.error.message == "read-only"
    assert f"Not exported to {HERE}: read-only." in done.text


def test_an_unreachable_mlflow_after_a_rollback_is_told_and_repeated(settled):
    real = settled.registry.registered_model
    settled.registry.fetch = lambda *_: (_ for _ in ()).throw(MlflowUnreachableError("MLflow does not answer"))
    done = settled.roll_back()
    assert isinstance(done.error, MlflowUnreachableError)
    del settled.registry.fetch
    assert settled.registry.registered_model == real
    settled.look()
    assert held(settled) == 1


def test_a_champion_that_moves_while_it_is_exported_is_followed(settled):
    real = settled.exports.write
    moves = iter([1])

    def write(where, folder, exported):
        real(where, folder, exported)
        for version in moves:
            settled.registry.set_alias("churn", "champion", version)

    settled.exports.write = write
    settled.train("newest", 100)
    settled.look()
    assert held(settled) == 1


def test_a_place_that_another_process_writes_just_now_is_no_failure(settled):
    def busy(*_):
        raise ExportBusyError("another process writes it")

    settled.exports.write = busy
    settled.train("newest", 100)
    found = settled.look()
    assert found.error is None
    assert found.document["export"][0]["in_step"] is False
    assert failures(settled) == []


def test_a_place_of_another_model_is_not_taken(settled):
    record, files = settled.exports.held[HERE]
    settled.exports.held[HERE] = (replace(record, model="other"), files)
    found = settled.look()
    assert "'other'" in found.error.message
    assert settled.exports.held[HERE][0].model == "other"


def test_the_same_number_of_a_model_that_was_made_anew_is_another_version(settled):
    record, files = settled.exports.held[HERE]
    settled.exports.held[HERE] = (replace(record, source="models:/m-9999"), files)
    settled.look()
    assert settled.exports.held[HERE][0] == replace(record, at=settled.clock.now())


def test_status_and_doctor_tell_what_each_place_holds(settled):
    (one,) = look.status(settled.house, ["churn"])
    assert one["export"] == [{"where": HERE, "version": 2, "in_step": True, "reason": ""}]
    assert tables._exports([one]) == []
    assert [c.ok for c in examined(settled.house, settled.house.setup("churn"))] == [True]

    settled.registry.set_alias("churn", "champion", 1)
    (one,) = look.status(settled.house, ["churn"])
    assert (one["export"][0]["version"], one["export"][0]["in_step"]) == (2, False)
    assert tables._exports([one]) == [f"churn is not in step at {HERE}: holds v2"]
    (check,) = examined(settled.house, settled.house.setup("churn"))
    assert (check.ok, "holds version 2" in check.detail) == (None, True)

    settled.exports.refused[HERE] = ExportError("not ours", advice="mv it")
    (one,) = look.status(settled.house, ["churn"])
    assert one["export"] == [{"where": HERE, "version": None, "in_step": False, "reason": "not ours"}]
    assert tables._exports([one]) == [f"churn is not in step at {HERE}: not ours"]
    (check,) = examined(settled.house, settled.house.setup("churn"))
    assert (check.ok, check.detail, check.advice) == (False, "not ours", "mv it")


def test_doctor_tells_the_last_failure_of_a_place_that_is_late(settled):
    settled.exports.refused[HERE] = ExportError("No space left on device")
    settled.train("newest", 100)
    settled.look()
    settled.exports.refused.clear()
    (check,) = examined(settled.house, settled.house.setup("churn"))
    assert check.ok is False
    assert "No space left" in check.detail


def test_the_service_exports_what_it_promotes_and_asks_nothing_more_while_nothing_changes(exporting):
    service = Service(exporting)
    exporting.train("old", 300)
    service.turn()
    assert held(exporting) == 1
    service.turn()
    before = exporting.registry.reads
    exporting.export = ()
    service.turn()
    idle = exporting.registry.reads - before
    exporting.export = (HERE,)
    for _ in range(3):
        before = exporting.registry.reads
        turn = service.turn()
        assert turn.quiet
        assert exporting.registry.reads - before == idle
    assert exporting.exports.writes == 1


def test_the_service_heals_an_export_that_somebody_removed(settled):
    service = Service(settled)
    service.turn()
    settled.exports.held.clear()
    turn = service.turn()
    assert held(settled) == 2
    assert not turn.quiet
    assert service.turn().quiet


def test_the_service_asks_an_artifact_store_only_in_complete_readings(settled):
    settled.export = (THERE,)
    service = Service(settled)
    service.turn()
    settled.exports.held.clear()
    service.turn()
    assert held(settled, THERE) is None
    service.turn(thorough=True)
    assert held(settled, THERE) == 2


def test_the_service_follows_an_alias_that_a_person_moved(settled):
    service = Service(settled)
    service.turn()
    settled.registry.set_alias("churn", "champion", 1)
    service.turn()
    assert held(settled) == 1


def test_the_service_repeats_what_failed_later_and_later(settled):
    service = Service(settled)
    service.turn()
    settled.exports.refused[HERE] = ExportError("read-only")
    settled.train("newest", 100)
    looks = [len(service.turn(seconds=5.0).looks) for _ in range(20)]
    assert looks[0] == 1
    assert 4 <= sum(looks) <= 7
    assert len(failures(settled)) == 1
    settled.exports.refused.clear()
    service.turn(seconds=600.0)
    assert held(settled) == 3


def test_the_service_exports_members_of_a_family_each_to_its_place(world):
    family = Family("F-{region}", "region")
    rule = replace(world.house.setups["churn"], model="F-{region}", family=family, exports=("/m/{region}/production",))
    house = replace(world.house, setups={"F-{region}": rule})
    for region, wrong in (("north", 300), ("south", 310)):
        world.train(region, wrong, params={"region": region})
    cycle = Cycle(house, StagedFolders(()))
    cycle.turn((), 1.0)
    held = {where: record.model for where, (record, _) in world.exports.held.items()}
    assert held == {"/m/north/production": "F-north", "/m/south/production": "F-south"}
    world.exports.held.pop("/m/south/production")
    cycle.turn((), 60.0)
    assert set(world.exports.held) == set(held)


def test_killed_at_any_write_the_next_look_brings_everything_in_step(new_world, tmp_path):
    for kill in range(1, 100):
        world = new_world()
        place = tmp_path / str(kill) / "production"
        world.export, world.exports = (str(place),), FileExports()
        world.train("old", 300)
        world.look()
        world.train("new", 200)
        left = kill

        def counted(method):
            def call(*args, **named):
                nonlocal left
                result = method(*args, **named)
                left -= 1
                if left == 0:
                    raise KilledError
                return result

            return call

        writing = [n for n in dir(world.registry) if n.startswith(("set_", "delete_", "create_")) or n == "log_report"]
        for owner, names in (
            (world.registry, [*writing, "fetch"]),
            (world.store, ("begin", "step_done", "finish", "append")),
            (world.exports, ("write",)),
        ):
            for name in names:
                setattr(owner, name, counted(getattr(owner, name)))
        with contextlib.suppress(KilledError):
            world.look()
        done, left = left > 0, 0
        record = json.loads((place / "selector.json").read_text())
        assert record["version"] in (1, 2)
        for name, size in record["files"].items():
            assert (Path(place) / name).stat().st_size == size
        world.look()
        assert json.loads((place / "selector.json").read_text())["version"] == world.model.aliases["champion"] == 2
        if done:
            assert kill > 15
            return
    pytest.fail("there is no end")
