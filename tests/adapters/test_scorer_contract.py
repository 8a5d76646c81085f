"""What may everybody who scores rely on, in memory and with confined processes alike?"""

import logging
import pickle
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from distributed import LocalCluster
from sklearn.linear_model import LogisticRegression

from selector.adapters.holdout_files import HoldoutFiles
from selector.adapters.scorer_confined import ConfinedScorer
from selector.adapters.scorer_dask import DaskScorer
from selector.adapters.scorer_memory import MemoryFeatures, MemoryScorer, model_of
from selector.domain.model import Predictions, Unscorable
from selector.ports import HoldoutSpec, ScoreJob

ROWS = 6
MLMODEL = b"flavors: {sklearn: {pickled_model: model.pkl, serialization_format: pickle}}"


class InMemory:
    def __init__(self, base):
        self.scorer, self.features = MemoryScorer(), MemoryFeatures(ROWS)

    def files(self):
        return model_of([0, 1] * (ROWS // 2))

    def close(self):
        pass


class Confined:
    def __init__(self, base):
        frame = pd.DataFrame({"x": np.arange(ROWS), "y": [0, 1] * (ROWS // 2)})
        frame.to_csv(base / "holdout.csv", index=False)
        self.scorer = ConfinedScorer(1)
        self.features = HoldoutFiles(base).read(HoldoutSpec("holdout.csv", "y"))[1]
        self.model = LogisticRegression().fit(frame[["x"]], frame["y"])

    def files(self):
        return {"MLmodel": MLMODEL, "model.pkl": pickle.dumps(self.model)}

    def close(self):
        self.scorer.close()


class OnDask(Confined):
    """The same, on a cluster of two nodes on this computer."""

    def __init__(self, base):
        super().__init__(base)
        self.scorer.close()
        self.cluster = LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address=None, silence_logs=logging.ERROR, local_directory=base
        )
        self.scorer = DaskScorer(self.cluster.scheduler_address.replace("tcp://", "dask://"))

    def close(self):
        self.cluster.close()


@pytest.fixture(scope="module", params=[InMemory, Confined, pytest.param(OnDask, marks=pytest.mark.live)])
def world(request, tmp_path_factory):
    made = request.param(tmp_path_factory.mktemp("contract"))
    yield made
    made.close()


@pytest.fixture
def job(world, tmp_path):
    def make(key, *, files=None) -> ScoreJob:
        folder = Path(tmp_path, key)
        folder.mkdir()
        for name, content in (world.files() if files is None else files).items():
            (folder / name).write_bytes(content)
        return ScoreJob(key, folder)

    return make


def test_every_job_gets_one_answer_under_its_key(world, job):
    answers = list(world.scorer.score([job(str(i)) for i in range(5)], world.features))
    assert sorted(answer.key for answer in answers) == ["0", "1", "2", "3", "4"]
    for answer in answers:
        assert isinstance(answer.result, Predictions)
        assert len(answer.result.labels) == world.features.rows


def test_a_model_that_cannot_be_scored_costs_only_itself(world, job):
    jobs = [job("good"), job("bad", files={}), job("fine")]
    results = {answer.key: answer.result for answer in world.scorer.score(jobs, world.features)}
    assert isinstance(results["bad"], Unscorable)
    assert results["bad"].reason
    assert isinstance(results["good"], Predictions)
    assert isinstance(results["fine"], Predictions)


def test_no_job_is_no_answer(world):
    assert list(world.scorer.score([], world.features)) == []


def test_jobs_are_asked_for_as_they_are_scored_and_not_all_at_once(world, job):
    asked = []

    def endless():
        while True:
            asked.append(len(asked))
            yield job(str(len(asked)))

    answers = world.scorer.score(endless(), world.features)
    for _ in range(3):
        next(answers)
    answers.close()
    assert len(asked) <= 6


def test_an_error_of_whoever_hands_in_the_jobs_comes_through(world, job):
    def failing():
        yield job("first")
        raise KeyError("the registry is gone")

    with pytest.raises(KeyError, match="the registry is gone"):
        list(world.scorer.score(failing(), world.features))


def test_the_confinement_is_one_line_and_the_same_as_the_self_tests(world):
    assert world.scorer.self_test() == world.scorer.confinement
    assert world.scorer.confinement.isprintable()
    assert world.scorer.confinement
