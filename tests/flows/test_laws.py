"""The laws that hold whatever happens: training, looks, rollbacks, people who move aliases, kills at any write."""

import dataclasses
import os
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from selector.adapters.registry_memory import KilledError
from selector.domain.gates.bounds import MetricBound, VersusChampion
from selector.domain.gates.files import CompatibleSignature, Size
from selector.domain.gates.parts import PartRegression
from selector.domain.gates.runs import Required
from selector.domain.health import Health
from selector.domain.health_policy import MonitorPolicy
from selector.domain.live import LiveChallenger, LiveLead
from selector.domain.metric import metric
from selector.domain.model import STATUS_TAG
from selector.domain.policy import Approval
from selector.domain.retention import Keep
from selector.errors import SelectorError, UsageError
from selector.workflows import approval, by_hand, look


class Laws(RuleBasedStateMachine):
    """Random lives of one registered model."""

    world_class = None

    def __init__(self):
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.world = self.world_class(Path(self.folder.name))
        self.had_champion = False
        self.left = set()
        self.rejected = {}
        self.quiet_before = None

    def teardown(self):
        self.folder.cleanup()

    @initialize(wrong=st.integers(300, 450))
    def there_is_a_champion(self, wrong):
        self.world.train("first", wrong)
        self.world.look()

    @rule(wrong=st.integers(100, 450), seed=st.integers(0, 3))
    def somebody_trains_a_model(self, wrong, seed):
        self.world.train(f"model {wrong}/{seed}", wrong, seed=seed)

    @rule(wrong=st.integers(100, 300))
    def somebody_trains_a_model_and_it_is_looked_at(self, wrong):
        self.world.train(f"new {wrong}", wrong)
        self.world.look()

    @rule()
    def a_look(self):
        self.world.look()

    @rule(writes=st.integers(1, 12))
    def a_look_is_killed_and_another_one_follows(self, writes):
        self.world.registry.fail_after(writes)
        try:
            self.world.look()
        except KilledError:
            pass
        else:
            self.world.registry._left = None
        self.world.look()
        assert self.world.store.unfinished() == ()

    @precondition(lambda self: self.world.champion() is not None)
    @rule(data=st.data())
    def production_proves_somebody_better(self, data):
        uri = data.draw(st.sampled_from(sorted(self.world.registry.files)))
        found = LiveLead(0.05, 0.02, 0.08, 3_000, 100.0, 0.80, 0.85)
        proved = LiveChallenger(uri, "proved", 1, found=found, finding="better")
        version = self.world.model.aliases["champion"]
        self.world.store.keep_health("churn", Health(version=version, challengers=(proved,)).to_json())
        self.world.look()

    @precondition(lambda self: self.world.champion() is not None)
    @rule()
    def an_operator_rolls_back(self):
        left = self.world.model.aliases["champion"]
        try:
            self.world.roll_back()
        except UsageError:
            assert self.world.model.aliases["champion"] == left
        else:
            self.left.add(left)

    @precondition(lambda self: self.left)
    @rule(data=st.data())
    def an_operator_clears_a_version(self, data):
        version = data.draw(st.sampled_from(sorted(self.left)))
        if self.world.model.aliases.get("champion") != version:
            by_hand.mark(self.world.house, "churn", version, "clear", dry_run=False, actor="test")
        self.left.discard(version)

    @rule(required=st.booleans())
    def the_policy_asks_a_person_or_no_longer_does(self, required):
        self.world.policy = dataclasses.replace(self.world.policy, approval=Approval(required=required))

    @precondition(lambda self: self.pending())
    @rule(writes=st.integers(0, 12))
    def a_person_approves_and_may_be_killed_at_it(self, writes):
        question = self.pending()
        if writes:
            self.world.registry.fail_after(writes)
        try:
            self.answer(approval.approve, question["decision"])
        except (KilledError, SelectorError):
            self.world.registry._left = None
            self.world.look()
        else:
            self.world.registry._left = None
            assert self.name_of_champion() == question["name"]
        assert self.world.store.unfinished() == ()

    @precondition(lambda self: self.pending())
    @rule()
    def a_person_rejects(self):
        question = self.pending()
        before = self.world.champion()
        self.answer(approval.reject, question["decision"])
        [entry] = self.world.store.entries(kinds=("rejected",), decision=question["decision"])
        if entry.details.get("keys"):
            self.rejected[entry.decision] = entry.details["candidate"]
        assert self.world.champion() == before

    @precondition(lambda self: self.rejected)
    @rule(data=st.data())
    def a_person_clears_what_was_rejected(self, data):
        decision = data.draw(st.sampled_from(sorted(self.rejected)))
        approval.clear_rejection(self.world.house, "churn", decision, dry_run=False, actor="ada", reason="")
        del self.rejected[decision]

    def answer(self, say, decision):
        self.world.clock.advance(60)
        say(self.world.house, "churn", decision, candidate=None, reason="", dry_run=False, actor="ada")

    def pending(self):
        return look.status(self.world.house, ["churn"])[0]["pending"]

    def name_of_champion(self):
        return self.world.registry.run(self.world.champion()).name

    @invariant()
    def what_was_rejected_does_not_become_champion(self):
        model = self.world.model
        version = model.version(model.aliases.get("champion")) if model else None
        assert version is None or version.source not in self.rejected.values()

    @invariant()
    def nothing_is_promoted_without_a_word_where_a_person_is_asked(self):
        for entry in self.world.store.entries(kinds=("decision",), newest=1):
            asked = entry.details["inputs"]["policy"]["approval"]["required"] if "inputs" in entry.details else False
            if asked and entry.details["verdict"] == "promoted":
                assert entry.details["approval"]["by"] == "ada"

    @precondition(lambda self: self.world.model is not None and self.world.model.versions)
    @rule(data=st.data())
    def somebody_moves_the_champion_alias(self, data):
        version = data.draw(st.sampled_from(sorted(v.version for v in self.world.model.versions)))
        self.world.registry.set_alias("churn", "champion", version)
        self.left.discard(version)

    @rule()
    def looking_twice_changes_nothing_the_second_time(self):
        self.world.look()
        writes, entries = list(self.world.registry.writes), self.world.store.entries()
        self.world.look()
        assert (self.world.registry.writes, self.world.store.entries()) == (writes, entries)

    @invariant()
    def there_is_a_champion_once_there_was_one(self):
        there = self.world.champion() is not None
        assert there or not self.had_champion
        self.had_champion = there

    @invariant()
    def a_version_rolled_back_from_never_returns_by_itself(self):
        model = self.world.model
        champion = model.aliases.get("champion") if model else None
        assert champion not in self.left
        if champion is not None and self.left:
            barred = {self._files(v) for v in self.left}
            assert self._files(champion) not in barred or self._moved_there_by_hand()

    def _files(self, version):
        return str(sorted(self.world.registry.files[self.world.model.version(version).source].items()))

    def _moved_there_by_hand(self):
        newest = self.world.store.entries(kinds=("promoted", "rolled_back"))
        return not newest or newest[-1].version != self.world.model.aliases["champion"]

    @invariant()
    def a_quarantined_version_is_no_champion_unless_somebody_put_it_there(self):
        model = self.world.model
        champion = model.version(model.aliases.get("champion")) if model else None
        if champion is not None and champion.tags.get(STATUS_TAG) == "quarantined":
            assert self._moved_there_by_hand()

    @invariant()
    def what_is_deleted_goes_once_and_leaves_no_alias_behind(self):
        model = self.world.model
        versions = {v.version for v in model.versions} if model else set()
        gone = [e.version for e in self.world.store.entries(kinds=("deleted",))]
        assert len(set(gone)) == len(gone)
        assert not versions & set(gone)
        assert not (set(model.aliases.values()) if model else set()) - versions


EXAMPLES = int(os.environ.get("SELECTOR_EXAMPLES", "40"))
"""`make nightly` lives through more lives."""

GATES = (
    MetricBound(metric("precision"), "minimum", 0.6),
    VersusChampion("maximum_plausible_gain", 0.25),
    VersusChampion("maximum_relative_regression", 0.02, metric("recall")),
    PartRegression("classes", 0.05, metric=metric("recall")),
    Size(15_000),
    CompatibleSignature(observe=True),
    Required("tags", (("validated_by", "*"),), observe=True),
)


@pytest.mark.parametrize(
    ("gates", "keep"),
    [((), None), (GATES, None), ((), Keep(versions=1))],
    ids=["without gates", "with gates", "with deletions"],
)
def test_the_laws_hold_in_random_lives_of_a_model(new_world, gates, keep):
    from hypothesis.stateful import run_state_machine_as_test  # noqa: PLC0415 - only here

    def world(_folder):
        made = new_world()
        made.policy, made.keep = replace(made.policy, gates=gates), keep
        made.monitor = MonitorPolicy(challengers=1, on_better="promote")
        return made

    machine = type("LawsOfThisRun", (Laws,), {"world_class": staticmethod(world)})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=EXAMPLES, stateful_step_count=20, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
