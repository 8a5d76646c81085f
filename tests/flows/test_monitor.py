"""Is production measured, told and acted on: from the first batch to a rollback that lasts?"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from selector.adapters.production_memory import MemoryCommands, MemoryProduction
from selector.domain.family import Family
from selector.domain.health_alert import AlertRaised, AlertResolved
from selector.domain.health_policy import MonitorPolicy
from selector.domain.health_watch import Patience
from selector.domain.metric import metric
from selector.domain.model import STATUS_TAG, Predictions
from selector.errors import HoldoutError, MlflowUnreachableError, UsageError
from selector.ports_production import Batch, Ended, SourceSpec, Unusable
from selector.workflows import by_hand
from selector.workflows.look import status
from selector.workflows.monitor import monitor, told

DAY = timedelta(days=1)


class Production:
    """A world whose models answer customers, day after day."""

    def __init__(self, world, **policy):
        self.world, self.source, self.commands = world, MemoryProduction(), MemoryCommands()
        self.policy = MonitorPolicy(**({"on_degraded": "rollback", "maximum_drop": 0.05} | policy))
        self.shadow = False
        self.day = 0

    @property
    def house(self):
        house = self.world.house
        setup = replace(
            house.setups["churn"], monitor=self.policy, sources=(SourceSpec("folder", "days"),), shadow=self.shadow
        )
        return replace(
            house, setups={"churn": setup}, production=lambda spec, metric: self.source, commands=self.commands
        )

    def batch(self, wrong, rows=400, *, version=None, name=None):
        """A day of answers of which this share is wrong."""
        self.day += 1
        rng = np.random.default_rng(self.day)
        labels = np.where(rng.random(rows) < 0.25, "Yes", "No").astype(object)
        errs = rng.random(rows) < wrong
        said = np.where(errs, np.where(labels == "Yes", "No", "Yes"), labels).astype(str)
        self.world.clock.advance(86_400)
        at = self.world.clock.now()
        made = Batch(
            name or f"day {self.day}", at, at, labels=labels, predictions=Predictions(said), rows=rows, version=version
        )
        self.source.given.append(made)
        return made

    def look(self, *, dry_run=False):
        house = self.house
        return monitor(house, house.setup("churn"), dry_run=dry_run, actor="test")

    def days(self, number, wrong, **more):
        found = None
        for _ in range(number):
            self.batch(wrong, **more)
            found = self.look()
        return found

    @property
    def kinds(self):
        return [e.kind for e in self.world.store.entries("churn")]


@pytest.fixture
def watched(world):
    """Version 2 is champion with 5 % wrong answers, version 1 was champion before."""
    old, new = world.train("old", 300), None
    world.look()
    new = world.train("new", 100)
    world.look()
    production = Production(world)
    production.old, production.new = old, new
    return production


def test_a_good_champion_is_healthy_and_its_batches_are_in_the_picture(watched):
    found = watched.days(20, 0.05)
    assert found.health.state == "healthy"
    assert found.alerts == ()
    assert len(found.document["points"]) == 20
    assert "healthy" in found.text


def test_a_degraded_champion_is_rolled_back_and_does_not_return(watched):
    watched.days(5, 0.05)
    found = watched.days(6, 0.25)

    world = watched.world
    assert world.champion() == watched.old.run_id
    assert world.model.version(2).tags[STATUS_TAG] == "quarantined"
    assert "Rolled back to version 1" in " ".join(found.actions) or "rolled_back" in watched.kinds
    (rollback,) = world.store.entries(kinds=("rolled_back",))
    assert rollback.reason.startswith("version 2 is degraded in production: binary F1 below its floor of 0.8")
    assert ("churn", rollback.decision) in world.reports.reports
    for _ in range(3):
        assert world.look().decision.verdict != "promoted"
    assert world.champion() == watched.old.run_id


def test_the_alert_says_what_was_done_and_is_resolved_once_the_champion_has_changed(watched):
    watched.days(5, 0.05)
    found = watched.days(1, 0.5)
    assert watched.world.champion() == watched.old.run_id
    (raised,) = [a for a in found.alerts if isinstance(a, AlertRaised) and a.about == "degraded"]
    assert "Rolled back to version 1; version 2 is quarantined" in raised.text
    again = watched.look()
    assert [a.key for a in again.alerts if isinstance(a, AlertResolved)] == [raised.key]


def test_alerts_are_given_until_somebody_takes_them_over(watched):
    watched.policy = replace(watched.policy, on_degraded="alert")
    found = watched.days(1, 0.6)
    assert watched.look().alerts == found.alerts != ()
    told(watched.house, "churn", found.alerts)
    assert watched.look().alerts == ()


def test_looking_again_without_anything_new_writes_nothing(watched):
    watched.days(3, 0.05)
    before, writes = watched.world.store._health["churn"], list(watched.world.registry.writes)
    watched.world.store.keep_health = lambda *_: pytest.fail("it wrote")
    found = watched.look()
    assert found.news is False
    assert watched.world.store._health["churn"] == before
    assert watched.world.registry.writes == writes


def test_a_dry_run_says_what_would_be_done_and_writes_nothing(watched):
    watched.days(2, 0.05)
    watched.batch(0.6)
    before, writes = dict(watched.world.store._health), list(watched.world.registry.writes)
    entries = watched.kinds
    found = watched.look(dry_run=True)
    assert found.actions == ("Would roll back to version 1; version 2 is quarantined, and does not return by itself.",)
    assert (watched.world.store._health, watched.world.registry.writes, watched.kinds) == (before, writes, entries)
    assert "Rolled back" in watched.look().actions[0]


@pytest.mark.parametrize("how", ["paused", "shadow"])
def test_a_paused_or_shadowed_model_is_measured_and_told_but_not_touched(watched, how):
    if how == "paused":
        by_hand.pause(watched.world.house, ["churn"], dry_run=False, actor="ann")
    watched.shadow = how == "shadow"
    found = watched.days(2, 0.6)
    assert found.health.state == "degraded"
    assert found.alerts
    assert watched.world.champion() == watched.new.run_id
    assert "Not acted" in found.actions[0]


def test_the_answers_of_an_earlier_champion_are_not_held_against_its_successor(watched):
    watched.days(2, 0.05)
    for _ in range(5):
        watched.batch(0.6)
    watched.look()
    assert watched.world.champion() == watched.old.run_id
    found = watched.look()  # the rest was answered by the one that left
    assert (found.health.version, found.health.state, found.health.watched) == (1, "unknown", ())
    assert watched.world.champion() == watched.old.run_id


def test_answers_that_name_their_version_count_for_that_version_only(watched):
    watched.days(3, 0.6, version=1)
    assert watched.look().health.watched == ()
    assert watched.days(2, 0.6, version=2).health.state in ("degraded", "unknown")
    assert watched.world.champion() == watched.old.run_id


def test_nothing_more_is_done_within_the_cool_down_and_beyond_the_flap_limit(watched):
    best = watched.world.train("best", 50)
    watched.world.look()
    watched.policy = replace(watched.policy, cool_down=10 * 86_400.0, flap_limit=1)
    watched.days(1, 0.6)
    assert watched.world.champion() == watched.new.run_id
    found = watched.days(2, 0.7)
    assert found.health.state == "degraded"
    assert watched.world.champion() == watched.new.run_id
    assert "nothing is done within 10d of the last rollback" in found.actions[0]
    watched.world.clock.advance(11 * 86_400)
    assert "flap_limit" in watched.look().actions[0]
    assert best.run_id != watched.world.champion()


def test_a_rollback_that_cannot_be_done_is_told_recorded_and_not_tried_again_at_once(world):
    world.train("only", 200)
    world.look()
    production = Production(world)
    found = production.days(1, 0.6)
    assert world.champion() == "run0000"
    assert "no earlier good champion" in " ".join(a.text for a in found.alerts)
    assert production.kinds.count("failed") == 1
    production.look()
    assert production.kinds.count("failed") == 1


def test_what_production_rolls_back_to_is_exported(watched):
    watched.world.export = ("/models/production",)
    watched.world.look()
    found = None
    while watched.world.champion() != watched.old.run_id:
        found = watched.days(1, 0.25)
    assert watched.world.exports.held["/models/production"][0].version == 1
    assert found.document["export"] == [{"where": "/models/production", "version": 1, "in_step": True, "reason": ""}]
    assert "Exported version 1" in found.text


def test_a_crash_between_the_alarm_and_the_rollback_is_made_good_by_the_next_look(watched):
    watched.days(2, 0.05)
    watched.batch(0.6)
    really = watched.world.registry.set_version_tag

    def dies(*_):
        raise MlflowUnreachableError("MLflow died")

    watched.world.registry.set_version_tag = dies
    with pytest.raises(MlflowUnreachableError):
        watched.look()
    assert watched.world.champion() == watched.new.run_id
    watched.world.registry.set_version_tag = really
    watched.look()
    assert watched.world.champion() == watched.old.run_id
    watched.look()
    assert watched.kinds.count("rolled_back") == 1
    assert watched.kinds.count("degraded") == 1


def test_a_command_is_run_once_with_what_it_is_for_and_its_end_is_recorded(watched):
    watched.policy = replace(watched.policy, on_degraded="run", command=("retrain", "--full"), command_timeout=60.0)
    watched.days(2, 0.6)
    watched.days(3, 0.6)
    ((name, command, environment, timeout),) = watched.commands.started
    assert (command, timeout) == (("retrain", "--full"), 60.0)
    assert environment == {"MODEL": "churn", "VERSION": "2", "DECISION": name}
    report = watched.world.reports.reports["churn", name]
    assert (report.verdict, report.code) == ("kept", "command-started")
    assert report.reason.startswith("Version 2 is degraded in production: binary F1 below its floor")
    assert f"log_report {watched.new.run_id} selector/{name}" in watched.world.registry.writes
    watched.commands.results[name] = Ended(0, 12.0, "trained")
    found = watched.look()
    assert found.health.acts[-1].done
    (ended,) = watched.world.store.entries("churn", kinds=("ended",))
    assert (ended.decision, ended.details["output"]) == (name, "trained")
    assert watched.world.champion() == watched.new.run_id


def test_a_command_that_cannot_be_started_is_told_and_stops_nothing(watched):
    watched.policy = replace(watched.policy, on_degraded="run", command=("gone",))
    watched.commands.missing = {"gone"}
    found = watched.days(1, 0.6)
    assert found.health.state == "degraded"
    assert "gone cannot be started" in found.actions[0]


def test_reselect_looks_for_a_better_candidate(watched):
    watched.policy = replace(watched.policy, on_degraded="reselect")
    better = watched.world.train("better", 20)
    found = watched.days(1, 0.6)
    assert watched.world.champion() == better.run_id
    assert "better" in found.text
    (act,) = found.acts
    assert watched.world.reports.reports["churn", act.decision].code == "looked-again"


def test_an_action_whose_report_cannot_be_made_is_done_all_the_same(watched, monkeypatch):
    watched.policy = replace(watched.policy, on_degraded="run", command=("retrain",))
    monkeypatch.setattr("selector.workflows.report_deed.observe", _unreadable)
    found = watched.days(1, 0.6)
    assert watched.commands.started
    assert found.document["report"] is None


def _unreadable(*_):
    raise HoldoutError("the holdout is gone")


def test_once_a_day_the_version_that_a_rollback_would_bring_back_is_loaded_and_asked(watched):
    found = watched.days(1, 0.05)
    assert found.document["way_back"] == {
        "version": 1,
        "checked_at": found.health.way_back.at.isoformat(),
        "ready": True,
        "reason": "",
    }
    asked = len(watched.world.scorer.scored)
    watched.look()
    assert len(watched.world.scorer.scored) == asked
    watched.days(1, 0.05)
    assert len(watched.world.scorer.scored) == asked + 1


def test_a_way_back_that_is_gone_is_told_before_it_is_needed_and_again_when_it_is_there(watched):
    files = watched.world.registry.files
    uri = watched.old.models[0].uri
    kept = files.pop(uri)
    found = watched.days(1, 0.05)
    (raised,) = [a for a in found.alerts if isinstance(a, AlertRaised)]
    assert raised.title == "churn: v1 cannot serve again"
    assert "A rollback of churn would bring version 1 back, and that one does not answer" in raised.text
    assert "No way back: version 1 does not answer" in found.text
    watched.days(3, 0.05)
    assert watched.kinds.count("no_way_back") == 1
    files[uri] = kept
    found = watched.days(1, 0.05)
    assert [a.about for a in found.alerts if isinstance(a, AlertResolved)] == ["way_back"]
    assert watched.kinds[-1] == "way_back"


def test_a_first_champion_without_a_way_back_is_no_alarm(world):
    world.train("only", 200)
    world.look()
    found = Production(world).days(2, 0.1)
    assert found.alerts == ()
    assert "No way back: there is no earlier good champion." in found.text


def test_without_rollbacks_nobody_asks_for_a_way_back(watched):
    watched.policy = replace(watched.policy, on_degraded="alert")
    assert watched.days(1, 0.05).document["way_back"] is None


def test_further_metrics_are_watched_by_floors_of_their_own(watched):
    recall = (("recall", metric("recall"), 0.99),)
    watched.policy = replace(watched.policy, on_degraded="alert", minimum=0.3, maximum_drop=None, floors=recall)
    found = watched.days(10, 0.05)
    states = {one["name"]: one["health"] for one in found.document["monitors"]}
    assert states == {"binary F1": "healthy", "recall": "degraded"}
    (raised,) = [a for a in found.alerts if isinstance(a, AlertRaised) and a.about == "degraded"]
    assert raised.title == "churn: recall is below its floor"


def test_logged_values_of_further_metrics_are_watched_too(watched):
    floors = (("recall", metric("recall"), 0.7), ("roc_auc", metric("roc_auc"), 0.7))
    watched.policy = replace(watched.policy, on_degraded="alert", minimum=0.3, maximum_drop=None, floors=floors)
    for day in range(1, 15):
        watched.world.clock.advance(86_400)
        at = watched.world.clock.now()
        values = {"f1": 0.8, "f1_se": 0.01, "recall": 0.5}
        watched.source.given.append(Batch(f"day {day}", at, at, metrics=values, rows=2_000))
        found = watched.look()
    states = {one["name"]: one["health"] for one in found.document["monitors"]}
    assert states["recall"] == "degraded"
    assert "roc_auc" not in states


def test_a_source_that_fails_and_a_batch_that_is_broken_cost_only_themselves(watched):
    watched.source.given.append(Unusable("day 0", "it has no rows"))
    broken = MemoryProduction(trouble="the disk is gone")
    house = watched.house
    setup = replace(house.setup("churn"), sources=(SourceSpec("folder", "a"), SourceSpec("folder", "b")))
    house = replace(house, production=lambda spec, metric: broken if spec.where == "a" else watched.source)
    watched.batch(0.05)
    found = monitor(house, setup, dry_run=False, actor="test")
    assert found.health.watched[0].batches == 1
    assert found.document["notes"] == ["the disk is gone", "day 0: it has no rows"]


def test_values_that_overlap_are_thinned_to_every_seventh(watched):
    house = watched.house
    setup = replace(house.setup("churn"), sources=(SourceSpec("csv", "rolling.csv", window=7),))
    counts = {"true_positives": 80.0, "false_positives": 10.0, "false_negatives": 10.0, "true_negatives": 100.0}
    for day in range(15):
        at = watched.world.clock.now() + day * DAY
        watched.source.given.append(Batch(f"{day}", at, at, metrics={"f1": 80 / 90, **counts}))
    found = monitor(house, setup, dry_run=False, actor="test")
    assert [p.batch.partition(":")[2] for p in found.health.points] == ["0", "7", "14"]
    more = watched.world.clock.now() + 15 * DAY
    for day in range(15, 22):
        watched.source.given.append(Batch(f"{day}", more + day * DAY, more, metrics={"f1": 80 / 90, **counts}))
    found = monitor(house, setup, dry_run=False, actor="test")
    assert [p.batch.partition(":")[2] for p in found.health.points] == ["0", "7", "14", "21"]


def test_data_that_stay_away_are_an_alarm_of_their_own_and_its_end_is_told(watched):
    watched.policy = replace(watched.policy, expect_every=86_400.0)
    watched.days(3, 0.05)
    watched.world.clock.advance(4 * 86_400)
    found = watched.look()
    assert [(a.about, a.key) for a in found.alerts] == [("silent", "churn/silent")]
    assert found.document["health"] == "warning"
    assert watched.world.champion() == watched.new.run_id
    found = watched.days(1, 0.05)
    assert isinstance(found.alerts[-1], AlertResolved)
    assert found.document["health"] == "healthy"


def test_too_few_rows_say_nothing_in_either_direction(watched):
    watched.policy = replace(watched.policy, on_degraded="alert", patience=Patience(minimum_rows=100))
    assert watched.days(4, 1.0, rows=20).health.state == "unknown"
    assert watched.days(3, 1.0, rows=20).health.state == "degraded"


def test_the_status_shows_the_health_of_the_present_champion_only(watched):
    watched.days(3, 0.05)
    (one,) = status(watched.house, ["churn"])
    assert one["health"] == "healthy"
    assert one["production"]["drawn"]
    watched.days(1, 0.6)
    (one,) = status(watched.house, ["churn"])
    assert (one["champion"]["version"], one["health"], one["production"]) == (1, "unknown", None)


def test_kept_health_that_cannot_be_read_starts_the_watch_anew(watched):
    watched.days(3, 0.05)
    watched.world.store.keep_health("churn", {"is": "Health", "version": "two"})
    assert watched.look().health.state == "healthy"


def test_a_model_that_is_not_watched_says_what_to_add(world):
    with pytest.raises(UsageError, match="nothing says where production metrics of 'churn' come from"):
        monitor(world.house, world.house.setup("churn"), dry_run=False, actor="test")


def test_before_there_is_a_champion_nobody_is_watched(world):
    production = Production(world)
    production.batch(0.5)
    found = production.look()
    assert found.document["health"] == "unknown"
    assert production.source.read == []


def test_a_hundred_healthy_months_raise_no_more_false_alarms_than_promised(new_world):
    """At most one in 365 batches: in 3,000 healthy ones 8 would be the promise itself; healthy models stay far below."""
    alarms = 0
    for month in range(100):
        world = new_world()
        world.train("only", 200)
        world.look()
        production = Production(world, on_degraded="alert")
        production.day = 1_000 * month
        for _ in range(30):
            production.batch(0.05, rows=200)
        alarms += production.look().health.state == "degraded"
    assert alarms <= 1


def test_labels_that_mean_nothing_cost_only_their_rows(watched):
    made = watched.batch(0.05)
    labels = made.labels.copy()
    labels[:3] = "Maybe"
    watched.source.given[-1] = replace(made, labels=labels, notes=("2 of 402 rows have no label",))
    found = watched.look()
    assert found.health.watched[0].rows == 397
    assert found.document["notes"] == [
        "day 1: 2 of 402 rows have no label",
        "day 1: 3 rows have labels that mean nothing: 'Maybe'",
    ]


def test_answers_that_mean_nothing_cost_only_their_rows(watched):
    made = watched.batch(0.05)
    said = made.predictions.labels.copy()
    said[:3] = "??"
    watched.source.given[-1] = replace(made, predictions=Predictions(said))
    found = watched.look()
    assert found.health.watched[0].rows == 397
    assert found.document["notes"] == ["day 1: 3 rows have answers that mean nothing: '??'"]


def test_answers_of_0_and_1_mean_the_words_of_the_holdout(watched):
    made = watched.batch(0.05)
    flags = np.where(made.predictions.labels == "Yes", "1", "0")
    watched.source.given[-1] = replace(made, predictions=Predictions(flags))
    found = watched.look()
    assert found.document["notes"] == []
    assert found.health.watched[0].last > 0.8


def test_slices_and_classes_are_watched_on_their_own_and_share_one_promise(watched):
    watched.policy = replace(watched.policy, on_degraded="alert", per_class=True)
    for _ in range(8):
        made = watched.batch(0.05, rows=800)
        north = np.arange(800) % 4 == 0
        said = made.predictions.labels.copy()
        said[north] = np.where(np.arange(200) % 2 == 0, "Yes", "No")
        slices = {"region": np.where(north, "north", "south").astype(object)}
        watched.source.given[-1] = replace(made, predictions=Predictions(said), slices=slices)
    found = watched.look()
    assert [m["name"] for m in found.document["monitors"]] == [
        "binary F1",
        "F1 of class No",
        "binary F1 where region=north",
        "binary F1 where region=south",
    ]
    health = {m["name"]: m["health"] for m in found.document["monitors"]}
    assert health["binary F1 where region=north"] == "degraded"
    assert health["binary F1 where region=south"] == "healthy"
    assert "over all 4 monitored metrics" in found.text


def test_a_class_with_a_floor_of_its_own_is_held_to_it(watched):
    watched.policy = replace(watched.policy, on_degraded="alert", per_class=(("No", 0.99),))
    found = watched.days(6, 0.05)
    floors = {m["name"]: (m["floor"], m["health"]) for m in found.document["monitors"]}
    assert floors["F1 of class No"] == (0.99, "degraded")


def test_another_floor_in_the_configuration_holds_from_the_next_look_on(watched):
    found = watched.days(3, 0.05)
    assert found.document["floor"] == pytest.approx(found.document["promoted_with"] - 0.05)
    watched.policy = replace(watched.policy, minimum=0.99, on_degraded="alert")
    found = watched.look()
    assert found.document["floor"] == 0.99
    assert "the watch starts anew" in found.text
    assert watched.days(5, 0.05).health.state == "degraded"
    watched.policy = replace(watched.policy, minimum=None)
    watched.days(3, 0.05)
    assert watched.look().health.state == "healthy"
    assert watched.look().health.open == ()


def test_logged_values_with_rows_raise_an_alarm_and_bare_ones_say_what_they_lack(watched):
    watched.policy = replace(watched.policy, on_degraded="alert")
    for day in range(6):
        at = watched.world.clock.now() + day * DAY
        watched.source.given.append(Batch(f"{day}", at, at, metrics={"f1": 0.7}))
    found = watched.look()
    assert (found.health.state, found.health.watched[0].batches) == ("unknown", 6)
    assert "0: a value without rows or standard_error proves nothing" in found.text
    for day in range(6, 12):
        at = watched.world.clock.now() + day * DAY
        watched.source.given.append(Batch(f"{day}", at, at, metrics={"f1": 0.7}, rows=500))
    assert watched.look().health.state == "degraded"


def test_a_member_of_a_family_has_sources_of_its_own(watched):
    rule = replace(
        watched.house.setup("churn"),
        model="HDBSCAN-{site}",
        family=Family("HDBSCAN-{site}", "site"),
        sources=(SourceSpec("folder", "/days/{site}", labels="/labels/{site}"), SourceSpec("sql", "u", query="{site}")),
    )
    member = watched.house.member(rule, "north")
    assert [(s.where, s.labels, s.query) for s in member.sources] == [
        ("/days/north", "/labels/north", ""),
        ("u", "", "{site}"),
    ]
