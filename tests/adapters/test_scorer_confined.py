"""Does a confined worker answer what the model would answer in a plain script?"""

import io
import json
import pickle
import threading
import time
import warnings
from pathlib import Path

import joblib
import lightgbm
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import skops.io
import xgboost
import yaml
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from selector.adapters import scorer_spool
from selector.adapters.holdout_files import HoldoutFiles
from selector.adapters.scorer_confined import ConfinedScorer
from selector.domain.model import Predictions, Unscorable
from selector.errors import ScoringError
from selector.ports import HoldoutSpec, ScoreJob

ROWS = 45_000  # three batches
SPEC = HoldoutSpec("holdout.csv", "Churn", "Yes")
NUMBERS = ["tenure", "charges"]


def table(rows, seed):
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "contract": rng.choice(["monthly", "yearly", "two years"], rows),
            "tenure": rng.integers(0, 72, rows),
            "charges": rng.normal(64.8, 30.1, rows),
            "paperless": rng.choice(["Yes", "No"], rows),
        }
    )
    frame.loc[rows - 1, "paperless"] = None
    noise = rng.normal(0, 10, rows)
    frame["Churn"] = np.where(frame["charges"] - frame["tenure"] + noise > 20, "Yes", "No")
    return frame


def save(folder: Path, flavors, files):
    folder.mkdir(parents=True)
    for name, content in files.items():
        if callable(content):
            content(folder / name)
        else:
            (folder / name).write_bytes(content)
    (folder / "MLmodel").write_text(yaml.safe_dump({"flavors": flavors}))
    return folder


def sklearn_flavor(file="model.pkl", form="pickle"):
    return {
        "sklearn": {"pickled_model": file, "serialization_format": form, "code": None},
        "python_function": {"loader_module": "mlflow.sklearn", "model_path": file},
    }


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    base = tmp_path_factory.mktemp("world")
    table(ROWS, 1).to_csv(base / "holdout.csv", index=False)
    table(3_000, 2).to_csv(base / "train.csv", index=False)
    train, holdout = pd.read_csv(base / "train.csv"), pd.read_csv(base / "holdout.csv")
    truth, features = HoldoutFiles(base).read(SPEC)
    return {
        "base": base,
        "X": train.drop(columns="Churn"),
        "y": train["Churn"].eq("Yes").astype(int),
        "words": train["Churn"],
        "H": holdout.drop(columns="Churn"),
        "truth": truth,
        "features": features,
    }


@pytest.fixture(scope="module")
def scorer():
    made = ConfinedScorer(2, timeout=60)
    yield made
    made.close()


def encoder():
    return ColumnTransformer(
        [("n", StandardScaler(), NUMBERS), ("c", OneHotEncoder(handle_unknown="ignore"), ["contract", "paperless"])]
    )


def one(scorer, folder, features):
    (scored,) = scorer.score([ScoreJob("m", folder)], features)
    assert scored.key == "m"
    return scored.result


def test_a_pickled_pipeline_answers_the_same_labels_and_probabilities_as_in_a_script(world, scorer):
    model = make_pipeline(encoder(), LogisticRegression(max_iter=300)).fit(world["X"], world["words"])
    got = one(
        scorer, save(world["base"] / "pipe", sklearn_flavor(), {"model.pkl": pickle.dumps(model)}), world["features"]
    )
    assert isinstance(got, Predictions)
    assert got.labels.tolist() == model.predict(world["H"]).tolist()
    np.testing.assert_array_equal(got.probabilities, model.predict_proba(world["H"]))
    assert got.classes == ("No", "Yes")
    assert got.seconds > 0


def test_joblib_files_compressed_or_not_are_read(world, scorer):
    model = make_pipeline(encoder(), RandomForestClassifier(5, max_depth=4, random_state=0)).fit(world["X"], world["y"])
    for name, level in (("plain", 0), ("packed", 3)):
        folder = save(
            world["base"] / f"joblib-{name}",
            sklearn_flavor("m.joblib", "cloudpickle"),
            {"m.joblib": lambda path, level=level: joblib.dump(model, path, compress=level)},
        )
        got = one(scorer, folder, world["features"])
        np.testing.assert_array_equal(got.labels, model.predict(world["H"]))
        assert got.classes == ("0", "1")


def test_skops_files_are_read_with_our_own_list_of_trusted_types(world, scorer):
    model = make_pipeline(encoder(), RandomForestClassifier(5, max_depth=4, random_state=0)).fit(world["X"], world["y"])
    folder = save(world["base"] / "skops", sklearn_flavor("m.skops", "skops"), {"m.skops": skops.io.dumps(model)})
    np.testing.assert_array_equal(one(scorer, folder, world["features"]).probabilities, model.predict_proba(world["H"]))


def test_a_skops_file_cannot_ask_for_types_outside_of_the_trusted_packages(world, scorer):
    model = make_pipeline(StandardScaler(), LogisticRegression())
    model.steps[0][1].copy = pd.Timestamp("2025-01-01")
    flavors = sklearn_flavor("m.skops", "skops")
    flavors["sklearn"]["skops_trusted_types"] = ["pandas._libs.tslibs.timestamps.Timestamp"]
    folder = save(world["base"] / "skops-odd", flavors, {"m.skops": skops.io.dumps(model)})
    assert "in no trusted package" in one(scorer, folder, world["features"]).reason


def test_native_lightgbm_text_answers_probabilities(world, scorer):
    train = lightgbm.Dataset(world["X"][NUMBERS], world["y"])
    model = lightgbm.train({"objective": "binary", "verbose": -1, "num_threads": 1}, train, 5)
    folder = save(
        world["base"] / "lgb",
        {"lightgbm": {"data": "model.lgb", "model_class": "lightgbm.basic.Booster"}},
        {"model.lgb": model.model_to_string().encode()},
    )
    got = one(scorer, folder, world["features"])
    np.testing.assert_array_equal(got.probabilities[:, 1], model.predict(world["H"][NUMBERS]))
    assert got.labels is None


def test_lightgbm_trained_on_pandas_categories_gets_categories(world, scorer):
    rows = world["X"].astype({"contract": "category", "paperless": "category"})
    model = lightgbm.LGBMClassifier(n_estimators=5, verbose=-1, n_jobs=1).fit(rows, world["y"])
    flavors = {"lightgbm": {"data": "m.pkl", "model_class": "lightgbm.sklearn.LGBMClassifier"}}
    folder = save(world["base"] / "lgb-cat", flavors, {"m.pkl": pickle.dumps(model)})
    expected = model.predict_proba(world["H"].astype({"contract": "category", "paperless": "category"}))
    np.testing.assert_array_equal(one(scorer, folder, world["features"]).probabilities, expected)


def test_xgboost_trained_on_pandas_categories_gets_categories_even_where_a_batch_lacks_some(world, scorer):
    rows = world["X"].astype({"contract": "category", "paperless": "category"})
    model = xgboost.XGBClassifier(n_estimators=5, n_jobs=1, enable_categorical=True).fit(rows, world["y"])
    folder = save(
        world["base"] / "xgb-cat",
        {"xgboost": {"data": "model.ubj", "model_class": "xgboost.sklearn.XGBClassifier"}},
        {"model.ubj": model.save_model},
    )
    (world["base"] / "rare").mkdir()
    some = world["H"][world["H"]["contract"] == "yearly"].head(50)
    some.assign(Churn=["Yes", "No"] * 25).to_csv(world["base"] / "rare" / "holdout.csv", index=False)
    _, features = HoldoutFiles(world["base"] / "rare").read(SPEC)
    full = world["H"].astype({"contract": "category", "paperless": "category"})
    expected = model.predict_proba(full.loc[some.index])
    np.testing.assert_array_equal(one(scorer, folder, features).probabilities, expected)


@pytest.mark.parametrize("suffix", ["ubj", "json"])
def test_native_xgboost_answers_probabilities(world, scorer, suffix):
    train = xgboost.DMatrix(world["X"][NUMBERS], world["y"])
    model = xgboost.train({"objective": "binary:logistic", "nthread": 1}, train, 5)
    folder = save(
        world["base"] / f"xgb-{suffix}",
        {"xgboost": {"data": f"model.{suffix}", "model_class": "xgboost.core.Booster"}},
        {f"model.{suffix}": model.save_model},
    )
    got = one(scorer, folder, world["features"])
    expected = model.predict(xgboost.DMatrix(world["H"][NUMBERS]))
    np.testing.assert_allclose(got.probabilities[:, 1], expected, rtol=1e-6)


def test_an_xgboost_classifier_file_answers_labels_and_probabilities(world, scorer):
    model = xgboost.XGBClassifier(n_estimators=5, n_jobs=1).fit(world["X"][NUMBERS], world["y"])
    folder = save(
        world["base"] / "xgb-skl",
        {"xgboost": {"data": "model.json", "model_class": "xgboost.sklearn.XGBClassifier"}},
        {"model.json": model.save_model},
    )
    got = one(scorer, folder, world["features"])
    np.testing.assert_array_equal(got.labels, model.predict(world["H"][NUMBERS]))
    np.testing.assert_array_equal(got.probabilities, model.predict_proba(world["H"][NUMBERS]).astype(float))


def test_a_regression_answers_numbers(world, scorer):
    model = LinearRegression().fit(world["X"][NUMBERS], world["X"]["charges"] * 2)
    folder = save(world["base"] / "linear", sklearn_flavor(), {"model.pkl": pickle.dumps(model)})
    got = one(scorer, folder, world["features"])
    np.testing.assert_array_equal(got.labels, model.predict(world["H"][NUMBERS]))
    assert got.probabilities is None


def test_a_model_without_column_names_takes_the_names_of_its_signature(world, scorer):
    model = LogisticRegression().fit(world["X"][NUMBERS[::-1]].to_numpy(), world["y"])
    folder = save(world["base"] / "unnamed", sklearn_flavor(), {"model.pkl": pickle.dumps(model)})
    content = yaml.safe_load((folder / "MLmodel").read_text())
    content["signature"] = {"inputs": json.dumps([{"name": name, "type": "double"} for name in NUMBERS[::-1]])}
    (folder / "MLmodel").write_text(yaml.safe_dump(content))
    got = one(scorer, folder, world["features"])
    np.testing.assert_array_equal(got.labels, model.predict(world["H"][NUMBERS[::-1]].to_numpy()))


def test_features_that_the_holdout_lacks_are_named(world, scorer):
    rows = world["X"][NUMBERS].assign(region=1, balance=2)
    model = LogisticRegression().fit(rows, world["y"])
    folder = save(world["base"] / "lacking", sklearn_flavor(), {"model.pkl": pickle.dumps(model)})
    got = one(scorer, folder, world["features"])
    assert got == Unscorable("the model needs the features 'region', 'balance', which the holdout lacks")


def test_a_column_that_the_pipeline_drops_may_be_missing(world, scorer):
    model = make_pipeline(encoder(), LogisticRegression(max_iter=300)).fit(world["X"].assign(unused=1), world["y"])
    folder = save(world["base"] / "dropped", sklearn_flavor(), {"model.pkl": pickle.dumps(model)})
    assert isinstance(one(scorer, folder, world["features"]), Predictions)


def test_a_model_of_unnamed_columns_says_how_many_it_needs(world, scorer):
    model = lightgbm.train(
        {"verbose": -1, "num_threads": 1},
        lightgbm.Dataset(np.random.default_rng(0).random((200, 7)), np.arange(200)),
        2,
    )
    folder = save(
        world["base"] / "seven", {"lightgbm": {"data": "model.txt"}}, {"model.txt": model.model_to_string().encode()}
    )
    assert "trained on 7 columns without names, the holdout has 4" in one(scorer, folder, world["features"]).reason
    model = xgboost.XGBClassifier(n_estimators=2, n_jobs=1).fit(
        np.random.default_rng(0).random((9, 7)), np.arange(9) % 2
    )
    folder = save(world["base"] / "xgb-seven", sklearn_flavor(), {"model.pkl": pickle.dumps(model)})
    assert "trained on 7 columns without names, the holdout has 4" in one(scorer, folder, world["features"]).reason


def test_a_model_that_needs_a_missing_package_says_which(world, scorer):
    folder = save(
        world["base"] / "cat",
        {"catboost": {"data": "model.cb"}, "python_function": {"loader_module": "mlflow.catboost"}},
        {},
    )
    assert "'catboost', which is not installed" in one(scorer, folder, world["features"]).reason
    folder = save(world["base"] / "moved", sklearn_flavor(), {"model.pkl": b"csklearn.trees\nTree\n."})
    assert "'sklearn.trees', which is not installed" in one(scorer, folder, world["features"]).reason
    folder = save(world["base"] / "src", sklearn_flavor(), {"model.pkl": b"csrc.features.build\nAdder\n."})
    assert one(scorer, folder, world["features"]) == Unscorable(
        "the model needs the Python module 'src', which is not installed"
    )


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        ({}, "the model file model.pkl is missing"),
        ({"model.pkl": b""}, "the model file model.pkl is empty"),
        ({"model.pkl": pickle.dumps([1, 2])}, "holds a list, which has no predict"),
        ({"model.pkl": pickle.dumps(LogisticRegression())[:50]}, "the model failed with"),
        ({"model.pkl": pickle.dumps(LogisticRegression())}, "the model failed with NotFittedError"),
        ({"model.pkl": b"not a model at all"}, "the model failed with"),
    ],
)
def test_a_damaged_model_costs_only_itself_and_says_why(world, scorer, files, reason, tmp_path):
    folder = save(tmp_path / "bad", sklearn_flavor(), files)
    result = one(scorer, folder, world["features"])
    assert isinstance(result, Unscorable)
    assert reason in result.reason
    assert not result.transient


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_a_python_model_is_refused_before_it_is_loaded_and_runs_confined_where_code_is_allowed(world, scorer):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import mlflow.pyfunc  # noqa: PLC0415 - only this test needs it

        class Charges(mlflow.pyfunc.PythonModel):
            def predict(self, context, model_input: pd.DataFrame, params=None):
                return (model_input["charges"] > 70).astype(int)

        folder = world["base"] / "python"
        mlflow.pyfunc.save_model(folder, python_model=Charges(), pip_requirements=[])
    assert "brings its own Python code" in one(scorer, folder, world["features"]).reason
    open_minded = ConfinedScorer(timeout=60, allow_code=True)
    try:
        got = one(open_minded, folder, world["features"])
        assert isinstance(got, Predictions), got
        np.testing.assert_array_equal(got.labels, (world["H"]["charges"] > 70).astype(int))
    finally:
        open_minded.close()


def test_every_job_is_answered_once_and_several_run_at_once(world, scorer):
    model = LogisticRegression().fit(world["X"][NUMBERS], world["y"])
    folder = save(world["base"] / "many", sklearn_flavor(), {"model.pkl": pickle.dumps(model)})
    keys = [scored.key for scored in scorer.score([ScoreJob(str(i), folder) for i in range(9)], world["features"])]
    assert sorted(keys) == [str(i) for i in range(9)]


def test_labels_never_reach_the_worker(world):
    for batch in world["features"].batches():
        read = pa.ipc.open_stream(io.BytesIO(batch)).read_all()
        assert read.column_names == ["contract", "tenure", "charges", "paperless"]
        assert b"Churn" not in batch


def test_without_landlock_nothing_is_scored_unless_it_is_allowed(world):
    model = LogisticRegression().fit(world["X"][NUMBERS], world["y"])
    folder = save(world["base"] / "plain", sklearn_flavor(), {"model.pkl": pickle.dumps(model)})
    strict = ConfinedScorer(max_abi=0)
    allowed = ConfinedScorer(max_abi=0, allow_unconfined=True)
    try:
        with pytest.raises(
            ScoringError, match="would not be confined here: a worker still reads /etc/hostname"
        ) as caught:
            strict.self_test()
        assert "--allow-unconfined" in caught.value.advice
        with pytest.raises(ScoringError):
            next(strict.score([ScoreJob("m", folder)], world["features"]))
        assert allowed.self_test() == allowed.confinement == "seccomp only (allowed by --allow-unconfined)"
        assert isinstance(one(allowed, folder, world["features"]), Predictions)
    finally:
        strict.close()
        allowed.close()


class Sleeper:
    """Sleeps wherever it is unpickled."""

    def __reduce__(self):
        return exec, ("import time; time.sleep(10_000)",)


@pytest.mark.timeout(45)
def test_abandoning_the_answers_midway_ends_the_workers_that_still_run(world):
    model = LogisticRegression().fit(world["X"][NUMBERS], world["y"])
    quick = save(world["base"] / "quick", sklearn_flavor(), {"model.pkl": pickle.dumps(model)})
    asleep = save(world["base"] / "asleep", sklearn_flavor(), {"model.pkl": pickle.dumps(Sleeper())})
    made = ConfinedScorer(2, timeout=600)
    threads = threading.active_count()
    try:
        jobs = [ScoreJob("asleep", asleep), ScoreJob("quick", quick), *(ScoreJob(str(i), asleep) for i in range(5))]
        answers = made.score(jobs, world["features"])
        assert next(answers).key == "quick"
        answers.close()
        children = Path(f"/proc/{made._server.pid}/task/{made._server.pid}/children")
        while children.read_text().split():
            time.sleep(0.05)
        assert threading.active_count() == threads
    finally:
        made.close()


def test_a_scorer_that_is_dropped_takes_its_processes_with_it(world):
    made = ConfinedScorer()
    made.self_test()
    pid = made._server.pid
    del made
    assert not Path(f"/proc/{pid}").exists()


def test_what_mlflow_itself_saves_passes_the_lint_and_answers_the_same(world, scorer):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import mlflow.lightgbm  # noqa: PLC0415 - only this test needs MLflow
        import mlflow.sklearn  # noqa: PLC0415 - the same
        import mlflow.xgboost  # noqa: PLC0415 - the same
        from mlflow.models import infer_signature  # noqa: PLC0415 - the same

        numbers, target = world["X"][NUMBERS], world["y"]
        pipeline = make_pipeline(encoder(), LogisticRegression(max_iter=300)).fit(world["X"], target)
        light = lightgbm.LGBMClassifier(n_estimators=3, verbose=-1, n_jobs=1).fit(numbers, target)
        extreme = xgboost.XGBClassifier(n_estimators=3, n_jobs=1).fit(numbers, target)
        saved = {
            "skops": (mlflow.sklearn, pipeline, {"serialization_format": "skops"}),
            "cloudpickle": (mlflow.sklearn, pipeline, {"serialization_format": "cloudpickle"}),
            "lightgbm classifier": (mlflow.lightgbm, light, {}),
            "lightgbm booster": (mlflow.lightgbm, light.booster_, {}),
            "xgboost classifier": (mlflow.xgboost, extreme, {}),
            "xgboost booster": (mlflow.xgboost, extreme.get_booster(), {"model_format": "json"}),
        }
        for name, (flavour, model, options) in saved.items():
            signature = infer_signature(world["X"].head() if name in ("skops", "cloudpickle") else numbers.head())
            path = world["base"] / "mlflow" / name
            flavour.save_model(model, path, signature=signature, pip_requirements=[], **options)
    expected = {"skops": pipeline.predict_proba(world["H"]), "light": light.predict_proba(world["H"][NUMBERS])}
    expected |= {"cloud": expected["skops"], "xgboo": extreme.predict_proba(world["H"][NUMBERS])}
    jobs = [ScoreJob(name, world["base"] / "mlflow" / name) for name in saved]
    results = {scored.key: scored.result for scored in scorer.score(jobs, world["features"])}
    for name, result in results.items():
        assert isinstance(result, Predictions), (name, result)
        np.testing.assert_allclose(result.probabilities, expected[name[:5]], rtol=0, atol=1e-7)
    assert len(results) == len(saved)


@pytest.mark.parametrize("library", ["lightgbm", "xgboost"])
def test_boosters_of_three_classes_answer_three_probabilities(world, scorer, library):
    rows, target = world["X"][NUMBERS], world["X"]["tenure"] % 3
    if library == "lightgbm":
        settings = {"objective": "multiclass", "num_class": 3, "verbose": -1, "num_threads": 1}
        model = lightgbm.train(settings, lightgbm.Dataset(rows, target), 3)
        files = {"model.txt": model.model_to_string().encode()}
        expected = model.predict(world["H"][NUMBERS])
    else:
        settings = {"objective": "multi:softprob", "num_class": 3, "nthread": 1}
        model = xgboost.train(settings, xgboost.DMatrix(rows, target), 3)
        files = {"model.ubj": model.save_model}
        expected = model.predict(xgboost.DMatrix(world["H"][NUMBERS]))
    flavors = {library: {"data": next(iter(files)), "model_class": "Booster"}}
    got = one(scorer, save(world["base"] / f"three-{library}", flavors, files), world["features"])
    np.testing.assert_allclose(got.probabilities, expected, rtol=1e-6)


def test_closing_gives_every_descriptor_back_and_the_next_score_starts_afresh(world):
    model = LogisticRegression().fit(world["X"][NUMBERS], world["y"])
    folder = save(world["base"] / "closing", sklearn_flavor(), {"model.pkl": pickle.dumps(model)})
    made = ConfinedScorer()
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(2):
        assert isinstance(one(made, folder, world["features"]), Predictions)
        made.close()
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_a_fork_server_that_ended_for_lack_of_work_is_started_again(world):
    model = LogisticRegression().fit(world["X"][NUMBERS], world["y"])
    folder = save(world["base"] / "idle", sklearn_flavor(), {"model.pkl": pickle.dumps(model)})
    made = ConfinedScorer(idle_seconds=0.05)
    try:
        made.self_test()
        made._server._running.process.wait(timeout=30)
        assert isinstance(one(made, folder, world["features"]), Predictions)
    finally:
        made.close()


@pytest.mark.parametrize("memory", [64 << 20, 1 << 30])
def test_memory_is_counted_on_top_of_the_libraries_so_that_little_is_enough_for_a_small_model(world, memory):
    model = RandomForestClassifier(3, max_depth=3).fit(world["X"][NUMBERS], world["y"])
    folder = save(world["base"] / f"tiny{memory}", sklearn_flavor(), {"model.pkl": pickle.dumps(model)})
    made = ConfinedScorer(memory=memory)
    try:
        assert isinstance(one(made, folder, world["features"]), Predictions)
    finally:
        made.close()


def test_the_same_failure_has_the_same_reason_each_time(world, scorer):
    folder = save(
        world["base"] / "cut",
        {"xgboost": {"data": "model.json", "model_class": "xgboost.core.Booster"}},
        {"model.json": b'{"learner": {"attributes": '},
    )
    first, second = (one(scorer, folder, world["features"]) for _ in range(2))
    assert first == second
    assert first.reason.startswith("the model failed with XGBoostError: Expecting")


def test_a_full_disk_is_told_in_a_sentence(world, scorer, monkeypatch):
    with Path("/dev/full").open("wb", buffering=0) as full:
        monkeypatch.setattr(scorer_spool.tempfile, "TemporaryFile", lambda **_: full)
        with pytest.raises(ScoringError, match=r"cannot be written to .*No space left on device") as caught:
            list(scorer.score([], world["features"]))
    assert "TMPDIR" in caught.value.advice


def test_single_rows_and_batches_are_timed_where_the_job_asks_for_it(world, scorer):
    model = make_pipeline(encoder(), LogisticRegression(max_iter=300)).fit(world["X"], world["words"])
    folder = save(world["base"] / "timed", sklearn_flavor(), {"model.pkl": lambda path: joblib.dump(model, path)})
    jobs = [ScoreJob("plain", folder), ScoreJob("timed", folder, timed=True)]
    found = {scored.key: scored.result for scored in scorer.score(jobs, world["features"])}
    assert found["plain"].timings is None
    assert {rows for rows, _ in found["timed"].timings} == {1, 100}
    assert 2 <= len(found["timed"].timings) <= 80
    assert all(0 < seconds < 60 for _, seconds in found["timed"].timings)
    np.testing.assert_array_equal(found["timed"].labels, found["plain"].labels)
    np.testing.assert_array_equal(found["timed"].probabilities, found["plain"].probabilities)
