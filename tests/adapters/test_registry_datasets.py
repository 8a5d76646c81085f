"""Do only the datasets that metrics were measured on make two runs comparable, as real MLflow stores them?"""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from selector.adapters.registry_mlflow import MlflowRegistry
from selector.adapters.registry_mlflow_datasets import linked_to, measured_on, trained_on


def an_input(digest, context=None):
    tags = [SimpleNamespace(key="mlflow.data.context", value=context)] if context is not None else []
    return SimpleNamespace(dataset=SimpleNamespace(digest=digest), tags=tags)


@pytest.mark.parametrize(
    ("context", "counts"),
    [
        ("evaluation", True), ("eval", True), ("test", True), ("Testing", True), ("holdout", True), ("hold-out", True),
        ("validation", True), ("val_", True), ("test set", True), (None, True), ("", True),
        ("train", False), ("training", False), ("train_eval", False), ("monitoring", False), ("latest", False),
    ],
)  # fmt: skip
def test_a_context_says_whether_a_dataset_was_held_out(context, counts):
    assert (measured_on([an_input("abc", context)]) == {"abc"}) is counts


def test_what_is_training_data_too_counts_only_where_a_context_says_so():
    assert measured_on([an_input("abc", "training"), an_input("abc")]) == frozenset()
    assert measured_on([an_input("abc", "training"), an_input("abc", "test")]) == frozenset({"abc"})
    assert trained_on([an_input("abc", "training"), an_input("abc", "test")]) == frozenset()


def test_training_metrics_and_training_data_link_nothing():
    metrics = [
        SimpleNamespace(key=key, dataset_digest=digest)
        for key, digest in (("f1", "held out"), ("training_f1", "a"), ("f1", "trained"), ("acc", None))
    ]
    assert linked_to(metrics, frozenset({"trained"})) == {"held out"}


@pytest.mark.filterwarnings("ignore")  # of MLflow's own about pandas and scikit-learn
class TestOnSqlite:
    """The fluent API of MLflow itself writes; our registry reads."""

    @pytest.fixture
    def mlflow(self, mlflow_sqlite, tmp_path, monkeypatch):
        import mlflow  # noqa: PLC0415 - slow, and only these tests need it

        monkeypatch.chdir(tmp_path)
        before = mlflow.get_tracking_uri()
        MlflowRegistry(mlflow_sqlite).experiments()
        mlflow.set_tracking_uri(mlflow_sqlite)
        mlflow.create_experiment("e", artifact_location=(tmp_path / "artifacts").as_uri())
        mlflow.set_experiment("e")
        yield mlflow
        mlflow.set_tracking_uri(before)

    @pytest.fixture
    def sets(self, mlflow):
        import pandas as pd  # noqa: PLC0415 - the same

        frames = {"train": [1.0, 2.0, 3.0], "test": [4.0, 5.0, 6.0]}
        return {
            name: mlflow.data.from_pandas(pd.DataFrame({"x": values, "y": [0.0, 1.0, 0.0]}), targets="y", name=name)
            for name, values in frames.items()
        }

    @pytest.fixture
    def candidate(self, mlflow_sqlite):
        """What the guard of the decision compares: the digests of a run's only candidate."""
        from selector.domain.snapshot import gather  # noqa: PLC0415 - the same

        def found():
            (run, *_) = MlflowRegistry(mlflow_sqlite).runs(["e"])
            (only,) = gather(None, [run])
            return only

        return found

    def model(self, mlflow):
        made = mlflow.initialize_logged_model(name="m")
        mlflow.finalize_logged_model(made.model_id, "READY")
        return made.model_id

    @pytest.mark.parametrize("context", ["evaluation", "test"])
    def test_an_input_counts_by_its_context(self, mlflow, sets, candidate, context):
        with mlflow.start_run():
            self.model(mlflow)
            mlflow.log_input(sets["train"], context="training")
            mlflow.log_input(sets["test"], context=context)
            mlflow.log_metric("f1", 0.5)
        assert candidate().datasets == {sets["test"].digest}

    @pytest.mark.parametrize("with_model", [False, True])
    def test_the_dataset_of_a_metric_counts_with_and_without_a_model(self, mlflow, sets, candidate, with_model):
        with mlflow.start_run():
            model_id = self.model(mlflow)
            mlflow.log_input(sets["train"], context="training")
            mlflow.log_metric("f1", 0.5, dataset=sets["test"], **({"model_id": model_id} if with_model else {}))
        assert candidate().datasets == {sets["test"].digest}

    def test_a_metric_of_the_training_data_makes_nothing_comparable(self, mlflow, sets, candidate):
        with mlflow.start_run():
            model_id = self.model(mlflow)
            mlflow.log_input(sets["train"], context="training")
            mlflow.log_metric("f1", 0.5, dataset=sets["train"], model_id=model_id)
        assert candidate().metrics["f1"] == 0.5
        assert candidate().datasets == frozenset()

    def test_autologging_makes_nothing_comparable(self, mlflow, sets, candidate):
        from sklearn.linear_model import LogisticRegression  # noqa: PLC0415 - slow, and only this test needs it

        frame = sets["train"].df
        mlflow.sklearn.autolog(log_models=False, silent=True)
        try:
            with mlflow.start_run():
                LogisticRegression().fit(frame[["x"]], frame["y"])
        finally:
            mlflow.sklearn.autolog(disable=True)
        assert "training_f1_score" in candidate().metrics
        assert candidate().datasets == frozenset()

    def test_evaluate_leaves_the_counts_and_the_dataset_that_they_are_of(self, mlflow, sets, candidate):
        from selector.domain.metric import metric  # noqa: PLC0415 - the same
        from selector.domain.tables import Table, rebuild  # noqa: PLC0415 - the same

        frame = sets["test"].df.assign(p=[0.0, 1.0, 1.0])
        data = mlflow.data.from_pandas(frame, targets="y", predictions="p")
        with mlflow.start_run():
            mlflow.models.evaluate(data=data, model_type="classifier", evaluator_config={"log_explainer": False})
        found = candidate()
        assert found.datasets == {data.digest}
        table = rebuild(metric("f1", average="binary"), found.metrics, "f1_score")
        assert table == Table(1, 1, 0, 1, exact=True, note="counts as logged")
