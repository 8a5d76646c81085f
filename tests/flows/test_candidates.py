"""Which models compete: several in one run, trials of a tuning, versions without a run, experiments that come and go."""

from dataclasses import replace

import pytest

from selector.adapters.scorer_memory import model_of
from selector.domain.model import LoggedModel, ModelVersion
from selector.domain.policy import Policy
from selector.workflows import select_champion

PARENT = "mlflow.parentRunId"


def lines(look):
    return {line["name"]: line for line in look.document["ranking"]}


def codes(look):
    return {line["name"]: line["codes"] for line in look.document["ranking"]}


def trial(world, parent, name, wrong, **more):
    return world.train(name, wrong, tags={PARENT: parent.run_id}, **more)


@pytest.fixture
def tuning(world):
    """A parent without a model, and five trials, of which the third is the best; `logs` says what they log."""

    def make(logs=lambda _wrong: {}, seeds=range(1, 6)):
        parent = world.train("tuning")
        wrongs = (300, 280, 200, 290, 310)
        made = [
            trial(world, parent, f"trial {n}", wrong, seed=seed, metrics=logs(wrong))
            for n, (wrong, seed) in enumerate(zip(wrongs, seeds, strict=True))
        ]
        return parent, made

    return make


class TestSeveralModelsInOneRun:
    def train_two(self, world, metrics=({}, {}), **run):
        for uri, wrong in (("models:/m-a", 300), ("models:/m-b", 200)):
            world.registry.files[uri] = model_of(world.answers(wrong, seed=wrong))
        models = tuple(LoggedModel(f"models:/m-{name}", name, found) for name, found in zip("ab", metrics, strict=True))
        return world.train("two", models=models, **run)

    def test_each_competes_on_its_own(self, world):
        self.train_two(world)

        look = world.look()

        assert list(codes(look)) == ["two/b", "two/a"]
        assert world.model.version(1).source == "models:/m-b"

    def test_a_metric_of_the_run_is_credited_to_none_of_them(self, world):
        world.shared_rows = False
        self.train_two(world, metrics=({"f1": 0.6}, {}), run_id="r")
        world.registry.add_run(
            replace(
                world.registry.run("r"),
                models=(LoggedModel("models:/m-a", "a", {"f1": 0.6}), LoggedModel("models:/m-b", "b")),
                metrics={"f1": 0.9},
            )
        )

        look = world.look()

        assert codes(look) == {"two/a": [], "two/b": ["logged-unsure"]}
        assert "f1 0.9" in lines(look)["two/b"]["reasons"][0]
        assert "model_id" in lines(look)["two/b"]["reasons"][0]

    def test_on_shared_rows_that_is_worth_a_note_and_no_reason(self, world):
        self.train_two(world, metrics=({}, {}))
        run = world.registry.runs(("exp",))[0]
        world.registry.add_run(replace(run, metrics={"f1": 0.9}))

        look = world.look()

        assert codes(look) == {"two/a": [], "two/b": []}
        assert any("it has 2 models" in note for note in look.document["notes"])

    def test_a_version_of_a_run_elsewhere_with_several_models_is_not_credited_either(self, world):
        world.shared_rows = False
        world.registry.files["models:/m-x"] = model_of(world.answers(200))
        world.train("elsewhere", experiment="other", run_id="r", outputs=2, metrics={"f1": 0.9})
        world.registry.add_version("churn", ModelVersion(1, "models:/m-x", run_id="r"))

        assert codes(world.look()) == {"elsewhere": ["logged-unsure"]}


def test_a_run_that_only_sums_up_other_models_is_no_candidate_and_says_whose_scores_it_holds(world):
    world.shared_rows = False
    world.train("fine", 300, metrics={"f1": 0.6})
    world.train("summary", metrics={"RandomForest_f1_score": 0.9, "XGBoost_f1_score": 0.8, "RandomForest_recall": 1.0})

    look = world.look()

    assert codes(look) == {"fine": [], "summary": ["no-model"]}
    (reason,) = lines(look)["summary"]["reasons"]
    assert reason == "its run logged no model, only metrics of others: RandomForest_f1_score, XGBoost_f1_score"


class TestTrialsOfATuningRun:
    def test_the_best_by_its_logged_value_competes_and_only_it_is_scored(self, world, tuning):
        tuning(lambda wrong: {"val_f1": 1 - wrong / 1000})

        look = world.look()

        assert look.document["champion"]["name"] == "trial 2"
        assert len(world.scorer.scored) == 1
        others = {name: why for name, why in codes(look).items() if name != "trial 2"}
        assert others == {f"trial {n}": ["trial"] for n in (0, 1, 3, 4)} | {"tuning": ["no-model"]}
        assert lines(look)["trial 0"]["reasons"] == ["trial of tuning; the best trial competes for it"]

    def test_where_one_logged_nothing_all_are_scored_and_the_rows_choose(self, world, tuning):
        tuning(lambda wrong: {"val_f1": 1 - wrong / 1000} if wrong != 300 else {})

        look = world.look()

        assert look.document["champion"]["name"] == "trial 2"
        assert len(world.scorer.scored) == 5
        assert codes(look)["trial 1"] == ["trial"]

    def test_deciding_again_writes_nothing(self, world, tuning):
        tuning()
        world.look()
        writes, entries = list(world.registry.writes), world.store.entries()

        assert not world.look().news
        assert (world.registry.writes, world.store.entries()) == (writes, entries)

    def test_trials_chosen_by_the_holdout_count_as_tries(self, world, tuning):
        world.train("old", 320, seed=9)
        world.look()
        tuning()

        scored = world.look(dry_run=True).decision.luck

        assert (scored.judged, scored.trials) == (1, 4)
        assert 2 < scored.effective <= 5

    def test_trials_chosen_by_validation_do_not(self, world, tuning):
        world.train("old", 320, seed=9)
        world.look()
        tuning(lambda wrong: {"val_f1": 1 - wrong / 1000})

        chosen = world.look(dry_run=True).decision.luck

        assert (chosen.judged, chosen.trials, chosen.effective) == (1, 0, 1.0)

    def test_trials_chosen_by_a_value_logged_on_the_holdout_itself_count_unscored(self, world, tuning):
        world.train("old", 320, seed=9)
        world.look()
        tuning(lambda wrong: {"f1": f1_of(world, wrong)})

        chosen = world.look(dry_run=True).decision.luck

        assert len(world.scorer.scored) == 2
        assert (chosen.judged, chosen.trials, chosen.effective) == (1, 4, 5.0)

    def test_the_bar_is_higher_after_more_trials(self, world, tuning):
        world.train("old", 300, seed=9)
        world.look()
        tuning(lambda wrong: {"val_f1": 1 - wrong / 1000})
        one = lines(world.look(dry_run=True))["trial 2"]["needed_lead"]
        for run in world.registry.runs(("exp",)):
            if run.name.startswith("trial"):
                world.registry.add_run(replace(run, metrics={}))

        assert lines(world.look(dry_run=True))["trial 2"]["needed_lead"] > one

    def test_trials_that_the_champion_was_chosen_from_count_no_more(self, world, tuning):
        tuning()
        world.look()
        world.train("new", 190, seed=20)

        luck = world.look(dry_run=True).decision.luck

        assert (luck.judged, luck.trials, luck.effective) == (1, 0, 1.0)

    def test_refused_trials_raise_the_bar_for_later_challengers(self, world, tuning):
        world.train("old", 190, seed=9)
        world.look()
        tuning()
        world.look()
        world.policy = replace(world.policy, nested="parent")

        world.train("new", 185, seed=20)

        assert world.look().decision.luck.refused_before == 5

    def test_where_the_best_cannot_be_scored_the_next_best_competes(self, world, tuning):
        _, trials = tuning(lambda wrong: {"val_f1": 1 - wrong / 1000})
        world.registry.files[trials[2].models[0].uri] = {"MLmodel": b"", "answers.json": b"?"}

        look = world.look()

        assert look.document["champion"]["name"] == "trial 1"
        assert codes(look)["trial 2"] == ["not-scored"]
        assert codes(look)["trial 0"] == ["trial"]

    def test_a_trial_that_was_rolled_back_leaves_its_place_to_the_next_best(self, world, tuning):
        world.train("old", 320, seed=9)
        world.look()
        tuning(lambda wrong: {"val_f1": 1 - wrong / 1000})
        world.look()
        world.roll_back()

        look = world.look(dry_run=True)

        assert codes(look)["trial 2"] == ["quarantined"]
        assert codes(look)["trial 1"] == []

    def test_only_the_parent_competes_where_the_policy_says_so(self, world, tuning):
        world.policy = replace(world.policy, nested="parent")
        tuning()
        parent = world.train("tuned", 250)
        trial(world, parent, "better", 200)

        look = world.look()

        assert look.document["champion"]["name"] == "tuned"
        assert lines(look)["better"]["reasons"] == ["trial of tuned; only the parent run competes"]
        assert len(world.scorer.scored) == 1

    def test_all_compete_where_the_policy_says_so(self, world, tuning):
        world.policy = replace(world.policy, nested="all")
        tuning(lambda wrong: {"val_f1": 1 - wrong / 1000})

        assert [line["codes"] for line in world.look().document["ranking"]] == [[], [], [], [], [], ["no-model"]]

    def test_a_registered_trial_competes_on_its_own(self, world, tuning):
        _, trials = tuning(lambda wrong: {"val_f1": 1 - wrong / 1000})
        world.registry.add_version("churn", ModelVersion(1, trials[4].models[0].uri, run_id=trials[4].run_id))

        assert codes(world.look())["trial 4"] == []

    def test_with_logged_values_alone_the_best_trial_competes(self, world, tuning):
        world.shared_rows = False
        world.policy = Policy(world.policy.metric)
        tuning(lambda wrong: {"f1": 1 - wrong / 1000} if wrong != 300 else {})

        look = world.look()

        assert look.document["champion"]["name"] == "trial 2"
        assert codes(look)["trial 0"] == ["logged-missing"]
        assert codes(look)["trial 1"] == ["trial"]

    def test_each_tuning_has_its_own_best(self, world, tuning):
        tuning()
        parent = world.train("second tuning")
        trial(world, parent, "a", 240, seed=11)
        trial(world, parent, "b", 260, seed=12)

        found = codes(world.look())

        assert [name for name, why in found.items() if not why] == ["trial 2", "a"]
        assert found["b"] == ["trial"]


def f1_of(world, wrong):
    """The F1 on the holdout of the model that errs on so many rows, with the seed that the tuning gives it."""
    seed = (300, 280, 200, 290, 310).index(wrong) + 1
    answers, truth = world.answers(wrong, seed), world.truth.labels.tolist()
    right = sum(a and t for a, t in zip(answers, truth, strict=True))
    return 2 * right / (sum(answers) + sum(truth))


class TestExperimentsThatComeAndGo:
    def setup_for(self, world, *experiments):
        house = world.house
        return replace(house, setups={"churn": replace(house.setups["churn"], experiments=experiments)})

    def look(self, world, house):
        world.clock.advance(60)
        return select_champion.select(house, ("churn",), dry_run=False, actor="test")[0]

    def test_a_glob_goes_on_with_the_experiment_of_the_next_year(self, world):
        house = self.setup_for(world, "churn_*")
        world.train("old", 300, experiment="churn_2025")
        world.train("not meant", 100, experiment="fraud_2025")
        assert self.look(world, house).document["champion"]["name"] == "old"

        world.train("new", 200, experiment="churn_2026")

        look = self.look(world, house)
        assert (look.decision.verdict, look.document["champion"]["name"]) == ("promoted", "new")
        assert look.document["previous"]["name"] == "old"

    def test_a_deleted_experiment_takes_its_candidates_along_and_leaves_the_champion(self, world):
        house = self.setup_for(world, "churn_*")
        old = world.train("old", 300, experiment="churn_2025")
        world.train("other", 310, experiment="churn_2025")
        self.look(world, house)
        for run in world.registry.runs(("churn_2025",)):
            world.registry.delete_run(run.run_id)

        look = self.look(world, house)

        assert world.champion() == old.run_id
        assert look.decision.verdict in ("kept", "inconclusive")
        assert len(look.document["ranking"]) == 1

        world.train("new", 200, experiment="churn_2026")
        assert self.look(world, house).document["champion"]["name"] == "new"

    def test_an_experiment_that_appears_later_is_found_without_a_word(self, world):
        house = self.setup_for(world, "churn", "later")
        world.train("old", 300, experiment="churn")
        assert self.look(world, house).document["notes"] == ["Experiment 'later' does not exist."]

        world.train("new", 200, experiment="later")

        look = self.look(world, house)
        assert look.document["champion"]["name"] == "new"
        assert not any("does not exist" in note for note in look.document["notes"])


class TestVersions:
    def test_two_versions_of_one_model_compete_as_one(self, world):
        run = world.train("a", 300)
        for number in (1, 2):
            world.registry.add_version("churn", ModelVersion(number, run.models[0].uri, run_id=run.run_id))

        look = world.look()

        assert [line["codes"] for line in look.document["ranking"]] == [[], ["copy"]]
        assert [v.version for v in world.model.versions] == [1, 2]

    def test_a_version_from_another_experiment_competes(self, world):
        world.train("here", 300)
        there = world.train("there", 200, experiment="other")
        world.registry.add_version("churn", ModelVersion(1, there.models[0].uri, run_id=there.run_id))

        assert world.look().document["champion"]["name"] == "there"
        assert world.model.aliases["champion"] == 1

    @pytest.mark.parametrize("run_id", [None, ""])
    def test_a_version_without_a_run_competes_under_its_number(self, world, run_id):
        world.registry.files["models:/m-x"] = model_of(world.answers(200))
        world.registry.add_version("churn", ModelVersion(4, "models:/m-x", run_id=run_id))
        world.train("here", 300)

        look = world.look()

        assert look.document["champion"]["name"] == "version 4"
        assert world.model.aliases["champion"] == 4

    def test_an_alias_at_a_version_that_is_gone_stops_and_says_so(self, world):
        world.train("a", 300)
        world.look()
        world.registry._models["churn"].versions.clear()

        look = world.look()

        assert (look.decision.verdict, look.decision.code) == ("inconclusive", "champion-gone")
        assert "version 1, which is gone" in look.decision.reason

    def test_a_version_that_is_registered_while_its_run_still_trains_does_not_compete(self, world):
        world.train("done", 300)
        run = world.train("training", 100, status="RUNNING")
        world.registry.add_version("churn", ModelVersion(1, run.models[0].uri, run_id=run.run_id))

        assert codes(world.look())["training"] == ["run-not-finished"]
