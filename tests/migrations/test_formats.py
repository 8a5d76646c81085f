"""Is every kind of model file told from its bytes, whole ones from broken ones, whatever its name?"""

from __future__ import annotations

import gzip
import io
import json
import pickle
import struct
import zipfile
import zlib

import joblib
import lightgbm
import numpy as np
import pandas as pd
import pytest
import skops.io
import xgboost
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import GradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from migrations import byte_source
from migrations.formats import tell


@pytest.fixture
def told(tmp_path):
    """Write bytes under a name and tell what they are."""

    def write(data, name="model.pkl"):
        path = tmp_path / name
        path.write_bytes(data)
        return tell(path)

    return write


@pytest.fixture(scope="session")
def natives(rows, tmp_path_factory):
    """Native model files by name."""
    frame, labels = rows
    folder = tmp_path_factory.mktemp("natives")
    quiet = {"verbose": -1, "min_data_in_leaf": 1, "objective": "binary"}
    lightgbm.train(quiet, lightgbm.Dataset(frame, labels), 5).save_model(folder / "model.txt")
    booster = xgboost.train({"objective": "binary:logistic"}, xgboost.DMatrix(frame, labels), 5)
    booster.save_model(folder / "model.json")
    booster.save_model(folder / "model.ubj")
    skops.io.dump(LogisticRegression().fit(frame, labels), folder / "model.skops")
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def joblibbed(value, compress=0):
    held = io.BytesIO()
    joblib.dump(value, held, compress=compress)
    return held.getvalue()


@pytest.mark.parametrize(
    ("name", "form"),
    [
        ("model.txt", "lightgbm-text"),
        ("model.json", "xgboost-json"),
        ("model.ubj", "xgboost-ubj"),
        ("model.skops", "skops"),
    ],
)
def test_native_files_are_told_under_any_name(told, natives, name, form):
    for shown in (name, "model.pkl", "metadata.json", "weights"):
        what = told(natives[name], shown)
        assert (what.format, what.role, what.reason) == (form, "model", "")


@pytest.mark.parametrize("name", ["model.txt", "model.json", "model.ubj", "model.skops"])
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150)
@given(share=st.floats(0.03, 1, exclude_max=True))
def test_no_cut_off_native_file_passes(told, natives, name, share):
    whole = natives[name].rstrip()
    cut = whole[: int(share * len(whole))]
    what = told(cut, name)
    complete = cut.rstrip().endswith(b"\nend of parameters")  # what follows in LightGBM's files is not needed
    assert what is None or what.damaged or complete


@pytest.mark.parametrize("compress", [0, 3, ("zlib", 3), ("gzip", 3), ("bz2", 3), ("xz", 3), ("lzma", 3)], ids=str)
def test_joblib_files_are_told_whatever_their_compression(told, estimators, compress):
    data = joblibbed(estimators[0], compress)
    for name in ("model.joblib", "model.pkl"):
        what = told(data, name)
        assert (what.format, what.role, what.reason) == ("joblib", "model", "")
        assert what.contains == "Pipeline ending in LogisticRegression"
        assert what.needs_loader


@pytest.mark.parametrize("compress", [0, ("zlib", 3), ("gzip", 3), ("bz2", 3), ("xz", 3), ("lzma", 3)], ids=str)
@pytest.mark.parametrize("share", [0.2, 0.5, 0.9, 0.99])
def test_cut_off_joblib_files_are_refused(told, estimators, compress, share):
    data = joblibbed(estimators[0], compress)
    what = told(data[: int(share * len(data))], "model.joblib")
    assert what.reason == "is cut off"


def booster(rows):
    return xgboost.XGBClassifier(n_estimators=2).fit(*rows)


@pytest.mark.parametrize(
    ("make", "role", "contains"),
    [
        (lambda e, r: e[0], "model", "Pipeline ending in LogisticRegression"),
        (lambda e, r: e[0][-1], "model", "LogisticRegression"),
        (lambda e, r: booster(r), "model", "XGBClassifier"),
        (lambda e, r: lightgbm.LGBMClassifier(n_estimators=2, verbose=-1).fit(*r), "model", "LGBMClassifier"),
        (lambda e, r: e[0][:-1], "preprocessor", "Pipeline ending in StandardScaler"),
        (lambda e, r: StandardScaler().fit(r[0]), "preprocessor", "StandardScaler"),
        (lambda e, r: OneHotEncoder().fit(r[0]), "preprocessor", "OneHotEncoder"),
        (lambda e, r: ColumnTransformer([("s", StandardScaler(), ["a"])]), "preprocessor", "ColumnTransformer"),
        (
            lambda e, r: Pipeline([("inner", make_pipeline(StandardScaler(), e[0][-1]))]),
            "model",
            "Pipeline ending in Pipeline",
        ),
        (lambda e, r: {"model": e[0], "threshold": 0.4, "features": ["a"]}, "model", "a dict with Pipeline ending"),
        (lambda e, r: {"a": 1, "b": [2]}, "data", "a dict of 2"),
        (lambda e, r: ["a", "b"], "data", "a list of 2"),
        (lambda e, r: "I am no model", "data", "a text"),
        (lambda e, r: 0.5, "data", "a plain value"),
        (lambda e, r: np.arange(3), "data", "_reconstruct from numpy"),
        (lambda e, r: pd.Series([1, 2]), "data", "Series from pandas"),
    ],
    ids=range(16),
)
def test_what_a_pickle_holds_is_told(told, estimators, rows, make, role, contains):  # noqa: PLR0917  pytest passes them by name
    what = told(pickle.dumps(make(estimators, rows)))
    assert what.role == role
    assert contains in what.contains
    assert bool(what.reason) == (role != "model")


def test_an_xgboost_pickle_with_its_booster_inside_is_one_pickle(told, rows):
    what = told(pickle.dumps(booster(rows)), "lightgbm_model_xgboost.txt")
    assert (what.format, what.model_class) == ("pickle", "xgboost.sklearn.XGBClassifier")
    assert what.packages[0] == "xgboost"


def test_a_dict_whose_model_needs_its_neighbours_is_refused_with_their_names(told, estimators):
    what = told(pickle.dumps({"model": estimators[0][-1], "scaler": estimators[0][0]}))
    assert "'scaler'" in what.reason
    assert "how they belong together" in what.reason


@pytest.mark.parametrize(
    ("data", "name", "form", "words"),
    [
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:ab\nsize 12\n", "model.pkl", "git-lfs-pointer", "Git-LFS"),
        (b"outs:\n- md5: ab\n  path: model.pkl\n", "model.pkl.dvc", "dvc-pointer", "DVC"),
        (b'{"modelTopology":{"class_name":"Sequential"}}', "model.json", "tensorflow-js", "TensorFlow.js"),
        (b'{"format": "layers-model", "generatedBy": "keras"}', "model.json", "tensorflow-js", "TensorFlow.js"),
        (b"\x1c\x00\x00\x00TFL3", "model.tflite", "tflite", "TensorFlow Lite"),
        (b"\x08\x01\x12", "saved_model.pb", "pb", "TensorFlow SavedModel"),
        (b"", "model.pkl", "empty", "is empty"),
        (b"hello", "model.pkl", "unknown", "no format that we know"),
        (b"\x80\x04N.", "model.pkl", "pickle", "plain value"),
        (b"binf\x00\x00", "model.bin", "xgboost-binary", "old binary format"),
        (b"\x89HDF\r\n\x1a\n" + bytes(2048), "model.weights.h5", "hdf5", "without the model's structure"),
        (b"CBM1" + struct.pack("<I", 5000) + b"x" * 10, "model.cbm", "catboost", "cut off"),
        (b"PK\x03\x04 cut", "model.skops", "zip", "cut off"),
        (b"\x80\x04cos\nsystem\nX\x02\x00\x00\x00ls\x85R.", "model.pkl", "pickle", "would run os.system"),
        (b"\x80\x04c__builtin__\neval\nX\x01\x00\x00\x001\x85R.", "model.pkl", "pickle", "would run __builtin__.eval"),
        (b"\x80\x04\x8c\x02os\x8c\x06system\x93.", "model.pkl", "pickle", "would run os.system"),
        (b"\x80\x04c__main__\nMyModel\n)\x81.", "model.pkl", "pickle", "defined in a script"),
    ],
)  # fmt: skip
def test_what_cannot_be_imported_says_why(told, data, name, form, words):
    what = told(data, name)
    assert what.format == form
    assert words in what.reason


LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:ab\nsize 12\n"


@pytest.mark.parametrize(
    ("name", "role"),
    [
        ("drift_report.json", "data"), ("best_model_info.json", "data"), ("model_metadata.json", "data"),
        ("summary.txt", "data"), ("xgboost_model.json", "pointer"), ("lightgbm_model.txt", "pointer"),
        ("anything.pkl", "pointer"),
    ],
)  # fmt: skip
def test_a_pointer_that_stands_for_a_document_stands_for_no_model(told, name, role):
    assert told(LFS, name).role == role


def test_an_array_that_joblib_dumped_is_data(told):
    stream = io.BytesIO()
    joblib.dump(np.arange(12.0).reshape(4, 3), stream)
    assert (told(stream.getvalue(), "X_scaled.pkl").role, told(stream.getvalue(), "model.joblib").role) == ("data",) * 2


def test_the_losses_of_gradient_boosting_need_no_package_of_their_own(told, rows):
    what = told(pickle.dumps(GradientBoostingClassifier(n_estimators=2).fit(*rows)))
    assert "_loss" not in what.packages
    assert not what.notes


def test_a_catboost_file_with_all_its_bytes_is_a_model(told):
    assert told(b"CBM1" + struct.pack("<I", 10) + b"x" * 10, "model.cbm").reason == ""


def test_onnx_is_told_by_its_fields(told):
    whole = b"\x08\x08\x12\x07skl2onn\x3a\x05graph"
    assert (told(whole, "model.onnx").format, told(whole, "model.onnx").reason) == ("onnx", "")
    assert told(whole[:-2], "model.onnx").reason == "is cut off"
    assert told(b"not at all", "model.onnx").reason == "is no ONNX model"


@pytest.mark.parametrize(
    "document",
    [
        {"learner": "xgb", "f1": 0.5},
        {"model_type": "xgboost", "metrics": {"f1": 1}},
        {"version": [1, 2], "learner": {"a": 1}},
    ],
    ids=str,
)
def test_metadata_is_no_model_even_where_it_sounds_like_one(told, document):
    assert told(json.dumps(document).encode(), "model.json") is None


def test_text_tables_and_pictures_are_nothing(told):
    for data, name in ((b"a,b\n1,2\n", "train.csv"), (b"# Readme", "README.md"), (b"tree\n", "trees.csv")):
        assert told(data, name) is None


def test_a_compression_bomb_is_stopped_at_the_bound(told, monkeypatch):
    monkeypatch.setattr(byte_source.ByteSource.__init__, "__defaults__", (1 << 20,))
    packed = zlib.compress(b"\x80\x04B" + struct.pack("<I", 1 << 24) + bytes(1 << 24) + b".", 9)
    assert len(packed) < 1 << 16
    assert "too large" in told(packed, "model.joblib").reason


def test_a_bomb_of_many_small_opcodes_is_stopped_at_the_bound(told, monkeypatch):
    monkeypatch.setattr("migrations.pickle_machine.MAX_OPCODES", 10_000)
    assert "too large" in told(gzip.compress(b"\x80\x04" + b"N0" * 1_000_000 + b"N."), "model.joblib").reason


def test_a_skops_file_with_foreign_types_names_them(told):
    schema = {"__class__": "LogisticRegression", "__module__": "sklearn.linear_model._logistic",
              "content": {"__class__": "system", "__module__": "os"}}  # fmt: skip
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as archive:
        archive.writestr("schema.json", json.dumps(schema))
    assert "os.system" in told(held.getvalue(), "model.skops").reason


def test_only_classes_of_estimator_libraries_are_trusted(told):
    names = [
        ("builtins", "eval"),
        ("numpy", "load"),
        ("sklearn.utils", "estimator_html_repr"),
        ("sklearn.tree._tree", "Tree"),
    ]
    content = [{"__module__": module, "__class__": name} for module, name in names]
    schema = {"__class__": "RandomForestClassifier", "__module__": "sklearn.ensemble._forest", "content": content}
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as archive:
        archive.writestr("schema.json", json.dumps(schema))
    what = told(held.getvalue(), "model.skops")
    assert what.trusted == ("sklearn.ensemble._forest.RandomForestClassifier", "sklearn.tree._tree.Tree")


def test_a_deeply_nested_schema_is_no_recursion(told):
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as archive:
        archive.writestr("schema.json", "[" * 100_000)
    assert "cannot be read" in told(held.getvalue(), "model.skops").reason


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200)
@given(
    st.sampled_from(["model.txt", "model.json", "model.ubj", "model.skops"]),
    st.floats(0, 1),
    st.binary(min_size=1, max_size=8),
)
def test_overwritten_bytes_never_raise(told, natives, name, place, data):
    changed = bytearray(natives[name])
    at = int(place * (len(changed) - 1))
    changed[at : at + len(data)] = data
    told(bytes(changed), name)
