"""Are challengers judged on the labels of production, and is only who proves better promoted?"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from selector.adapters.production_memory import MemoryCommands, MemoryProduction
from selector.adapters.scorer_memory import MemoryFeatures
from selector.domain.events import WakeUp
from selector.domain.health_alert import AlertRaised, AlertResolved
from selector.domain.health_policy import MonitorPolicy
from selector.domain.model import STATUS_TAG, Predictions
from selector.domain.policy import Approval
from selector.errors import MlflowUnreachableError
from selector.ports_production import Batch, SourceSpec
from selector.workflows import approval, by_hand
from selector.workflows.cycle import Cycle
from selector.workflows.import_staged import StagedFolders
from selector.workflows.look import status
from selector.workflows.monitor import monitor
from selector.workflows.production_watch import ProductionWatch
from selector.workflows.replay import replay
from selector.workflows.sentences import sentence
from tests.flows.conftest import ROWS


class Live:
    """A champion, challengers that the holdout cannot tell from it, and customers who can."""

    def __init__(self, world, **policy):
        self.world, self.source, self.day = world, MemoryProduction(), 0
        self.policy = MonitorPolicy(**({"challengers": 2, "on_better": "promote"} | policy))
        self.shadow = False

    @property
    def house(self):
        house = self.world.house
        source = (SourceSpec("folder", "days", features=True),)
        setup = replace(house.setups["churn"], monitor=self.policy, sources=source, shadow=self.shadow)
        given = lambda _spec, _metric: self.source  # noqa: E731
        return replace(house, setups={"churn": setup}, production=given, commands=MemoryCommands())

    def batch(self, right, share=0.9, rows=ROWS, at=None):
        """A day on which, where models differ, the truth is what `right` answers in this share of the rows."""
        self.day += 1
        rng = np.random.default_rng(self.day)
        answers = np.array(right)
        labels = np.where(rng.random(ROWS) < share, answers, 1 - answers)
        self.world.clock.advance(86_400)
        at = at or self.world.clock.now()
        spelled = np.array(["No", "Yes"], dtype=object)[labels]
        self.source.given.append(
            Batch(f"day {self.day}", at, at, labels=spelled, features=MemoryFeatures(ROWS), rows=rows)
        )

    def look(self, **more):
        house = self.house
        return monitor(house, house.setup("churn"), actor="test", **({"dry_run": False} | more))

    def days(self, number, right, share=0.9):
        found = None
        for _ in range(number):
            self.batch(right, share)
            found = self.look()
        return found

    @property
    def kinds(self):
        return [e.kind for e in self.world.store.entries("churn")]

    def decisions(self):
        return [e.details["code"] for e in self.world.store.entries("churn", kinds=("decision",))]


@pytest.fixture
def live(world):
    """The champion errs on 100 rows of the holdout, the rival on 102 others: the holdout cannot tell them apart."""
    made = Live(world)
    made.champion = world.train("champion", 100)
    world.look()
    made.rival = world.train("rival", 102, seed=7)
    world.look()
    made.answers = {"champion": world.answers(100), "rival": world.answers(102, seed=7)}
    assert world.champion() == made.champion.run_id
    return made


def test_who_proves_better_on_the_labels_of_production_becomes_champion(live):
    found = live.days(1, live.answers["rival"], share=1.0)

    world = live.world
    assert world.champion() == live.rival.run_id, found.text
    assert live.decisions()[-1] == "better-in-production"
    (made,) = [e for e in world.store.entries("churn", kinds=("decision",)) if e.details["verdict"] == "promoted"][1:]
    assert made.details["proof"] == "proven"
    assert "labelled rows of production it leads by" in made.reason
    assert ("churn", made.decision) in world.reports.reports
    assert "better" in live.kinds
    assert world.model.aliases["previous"] == 1


def test_the_champion_that_lost_in_production_is_not_brought_back_by_the_holdout(live):
    live.days(1, live.answers["rival"], share=1.0)
    for _ in range(3):
        assert live.world.look().decision.verdict != "promoted"
    stays = live.world.look().decision
    old = next(s for s in stays.ranking if s.candidate.number == 1)
    assert any("proved better on production's labels" in gate.detail for gate in old.gates)
    assert live.world.champion() == live.rival.run_id


def test_the_decision_can_be_made_again_from_its_record(live):
    live.days(1, live.answers["rival"], share=1.0)
    entry = live.world.store.entries("churn", kinds=("decision",))[-1]
    assert entry.details["code"] == "better-in-production"
    again = replay(live.house, entry)
    assert again.code == "better-in-production"
    assert again.reason == entry.reason


def test_where_people_are_only_told_nothing_is_promoted_and_they_are_told_once(live):
    live.policy = replace(live.policy, on_better="alert")
    raised = []
    for _ in range(5):
        live.batch(live.answers["rival"], 1.0)
        found = live.look()
        raised += [a for a in found.alerts if isinstance(a, AlertRaised) and a.about == "better" and a not in raised]
    assert live.world.champion() == live.champion.run_id
    assert len(raised) == 1
    assert "rival answered 2,000 labelled rows of production beside version 1 of churn" in raised[0].text
    assert live.kinds.count("better") == 1
    assert live.world.look().decision.verdict != "promoted"


def test_the_alert_ends_when_the_champion_changes(live):
    live.policy = replace(live.policy, on_better="alert")
    live.days(1, live.answers["rival"], share=1.0)
    live.world.train("third", 20)
    live.world.look()
    ended = [a for a in live.look().alerts if isinstance(a, AlertResolved)]
    assert [a.about for a in ended] == ["better"]


def test_challengers_that_are_no_better_are_not_promoted_however_often_one_looks(live):
    truth = live.world.truth.labels  # both models err on as many of these rows, give or take luck
    live.days(120, truth, share=0.97)
    assert live.world.champion() == live.champion.run_id
    assert "better" not in live.kinds


def test_a_challenger_is_not_judged_by_what_it_may_have_learned(live):
    world = live.world
    late = world.train("late", 101, seed=9, ended_at=world.clock.now() + timedelta(days=30))
    world.look()
    found = live.days(10, world.answers(101, seed=9), share=1.0)
    rows = {one["name"]: one["rows"] for one in found.document["challengers"]}
    assert rows["late"] == 0
    assert world.champion() != late.run_id


def test_a_batch_without_features_judges_nobody(live):
    live.batch(live.answers["rival"], 1.0)
    (batch,) = live.source.given
    said = np.array(["No", "Yes"])[np.array(live.answers["champion"])]
    live.source.given[:] = [replace(batch, features=None, predictions=Predictions(said))]
    found = live.look()
    assert found.document["challengers"] == []


def test_a_rejected_challenger_is_not_promoted_for_what_it_proved(live):
    live.policy = replace(live.policy, on_better="alert")
    live.days(1, live.answers["rival"], share=1.0)
    house = live.house
    registry = live.world.registry
    number = registry.create_version("churn", live.rival.models[0].uri, live.rival.run_id, {})
    by_hand.mark(house, "churn", number, "quarantine", dry_run=False, actor="test")
    live.policy = replace(live.policy, on_better="promote")
    live.look()
    assert live.world.champion() == live.champion.run_id
    assert registry.registered_model("churn").version(number).tags[STATUS_TAG] == "quarantined"


def test_a_person_is_asked_where_the_policy_says_so(live):
    world = live.world
    world.policy = replace(world.policy, approval=Approval(required=True))
    live.days(1, live.answers["rival"], share=1.0)
    assert world.champion() == live.champion.run_id
    asked = world.store.entries("churn", kinds=("decision",))[-1]
    assert asked.details["verdict"] == "awaiting_approval"
    assert "labelled rows of production" in asked.reason
    house = live.house
    approval.approve(house, "churn", asked.decision, candidate=None, reason="", dry_run=False, actor="ada")
    assert world.champion() == live.rival.run_id


def test_a_shadowed_or_paused_model_is_judged_and_not_promoted(live):
    by_hand.pause(live.world.house, ["churn"], dry_run=False, actor="test")
    found = live.days(1, live.answers["rival"], share=1.0)
    assert live.world.champion() == live.champion.run_id
    assert found.document["challengers"][0]["finding"] == "better"


def test_one_who_cannot_lead_any_more_makes_room_for_the_next(live):
    live.policy = replace(live.policy, challengers=1)
    world = live.world
    world.train("next", 103, seed=11)
    world.look()
    found = live.days(3, live.answers["champion"], share=1.0)
    findings = {one["name"]: one["finding"] for one in found.document["challengers"]}
    assert findings["rival"] == "worse"
    assert list(findings) == ["rival", "next"]


def test_a_challenger_that_cannot_answer_is_left_out_and_stops_nobody(live):
    world = live.world
    broken = world.train("broken", 101, seed=3)
    world.look()
    world.registry.files[broken.models[0].uri] = {"MLmodel": b"flavors: {}\n"}
    found = live.days(1, live.answers["rival"], share=1.0)
    findings = {one["name"]: one["finding"] for one in found.document["challengers"]}
    assert findings == {"broken": "out", "rival": "better"}
    assert world.champion() == live.rival.run_id


def test_a_crash_before_the_decision_is_made_up_for_by_the_next_look(live, monkeypatch):
    live.batch(live.answers["rival"], 1.0)
    with monkeypatch.context() as broken:
        broken.setattr("selector.workflows.monitor.select", _killed)
        with pytest.raises(KeyboardInterrupt):
            live.look()
    assert live.world.champion() == live.champion.run_id
    live.look()
    assert live.world.champion() == live.rival.run_id
    assert live.kinds.count("better") == 1


def _killed(*_args, **_kwargs):
    raise KeyboardInterrupt


def test_a_look_that_mlflow_interrupts_counts_the_batch_once_all_the_same(live, monkeypatch):
    live.batch(live.answers["champion"], 0.5)
    with monkeypatch.context() as away:
        away.setattr(live.world.registry, "run", _away)
        with pytest.raises(MlflowUnreachableError):
            live.look()
    found = live.look()
    assert [one["rows"] for one in found.document["challengers"]] == [ROWS]


def _away(*_args):
    raise MlflowUnreachableError("MLflow does not answer.")


def test_a_dry_run_judges_and_keeps_nothing(live):
    live.batch(live.answers["rival"], 1.0)
    found = live.look(dry_run=True)
    assert found.document["challengers"][0]["finding"] == "better"
    assert live.world.champion() == live.champion.run_id
    assert "better" not in live.kinds
    assert live.world.store.health("churn") is None


def test_status_shows_who_answers_beside_the_champion(live):
    live.days(2, live.answers["champion"], share=0.5)
    (model,) = status(live.house, ["churn"])
    (beside,) = model["production"]["challengers"]
    assert (beside["name"], beside["finding"], beside["rows"]) == ("rival", "open", 2 * ROWS)


def test_a_holdout_that_says_otherwise_is_named(live):
    live.days(1, live.answers["rival"], share=1.0)
    entry = live.world.store.entries("churn", kinds=("decision",))[-1]
    assert any(note.startswith("The holdout says otherwise: there rival leads by -") for note in entry.details["notes"])


def test_answers_that_production_gave_are_compared_row_by_row_with_those_of_challengers(live):
    live.batch(live.answers["rival"], 1.0)
    said = np.array(["No", "Yes"], dtype=object)[np.array(live.answers["champion"])]
    said[:5] = "?"
    (batch,) = live.source.given
    live.source.given[:] = [replace(batch, predictions=Predictions(said.astype(str)))]
    found = live.look()
    (beside,) = found.document["challengers"]
    assert (beside["rows"], beside["finding"]) == (ROWS - 5, "better")
    assert beside["value"] == 1.0
    assert live.world.champion() == live.rival.run_id


def test_without_a_holdout_challengers_are_judged_all_the_same(new_world):
    world = new_world()
    world.shared_rows = False
    world.policy = replace(world.policy, trust_logged=True)
    champion = world.train("champion", 100, metrics={"f1": 0.90})
    world.look()
    rival = world.train("rival", 102, seed=7, metrics={"f1": 0.89})
    world.look()
    assert world.champion() == champion.run_id
    live = Live(world, minimum=0.5)
    live.days(2, world.answers(102, seed=7), share=1.0)
    assert world.champion() == rival.run_id
    assert live.decisions()[-1] == "better-in-production"


def test_the_service_tells_the_promotion_in_its_sentence(live):
    cycle = Cycle(live.house, StagedFolders(), production=ProductionWatch(60.0))
    cycle.turn([WakeUp("start", everything=True)], 0.0)
    live.batch(live.answers["rival"], 1.0)
    turn = cycle.turn([], 60.0)
    assert live.world.champion() == live.rival.run_id
    assert sentence(turn).startswith("churn: promoted. rival replaces champion (v1): on 2,000 labelled rows")
    assert "churn: version 1 is" in sentence(turn)
    assert cycle.turn([], 61.0).looks == ()
