"""Are holdouts read as pandas would read them, and refused in one sentence where they cannot be used?"""

import gzip
import hashlib
import io

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from selector.adapters import holdout_table
from selector.adapters.holdout_files import HoldoutFiles
from selector.errors import HoldoutError
from selector.ports import HoldoutSpec

SMALL = "id,region,age,charges,Churn,w\n1,north,30,1.5,Yes,1\n2,south,,2.5,No,0.5\n3,north,50,,Yes,2\n"


@pytest.fixture
def small(tmp_path):
    (tmp_path / "holdout.csv").write_text(SMALL)
    return HoldoutFiles(tmp_path)


def spec(**changes):
    return HoldoutSpec(**{"data": "holdout.csv", "target": "Churn", **changes})


def frame_of(features):
    parts = [pa.ipc.open_stream(io.BytesIO(batch)).read_all() for batch in features.batches()]
    assert len({str(part.schema) for part in parts}) == 1
    return pa.concat_tables(parts).to_pandas()


def test_labels_weights_groups_and_slices_are_read(small):
    truth, features = small.read(spec(positive="Yes", weights="w", group="region", slices=("region",), ignore=("id",)))
    assert truth.classes == ("No", "Yes")
    assert truth.positive == 1
    assert truth.labels.tolist() == [1, 0, 1]
    assert truth.labels.dtype == np.int64
    assert truth.weights.tolist() == [1.0, 0.5, 2.0]
    assert truth.groups.tolist() == [0, 1, 0]
    assert {name: mask.tolist() for name, mask in truth.slices.items()} == {
        "region=north": [True, False, True],
        "region=south": [False, True, False],
    }
    assert features.columns == ("region", "age", "charges")
    assert features.rows == truth.rows == 3


def test_the_digest_is_that_of_the_bytes_and_of_what_decides_the_labels(small, tmp_path):
    first = small.read(spec(positive="Yes"))[0].digest
    assert first == small.read(spec(positive="Yes"))[0].digest
    assert len(first) == 64
    assert first != small.read(spec(positive="No"))[0].digest
    assert first != small.read(spec(positive="Yes", ignore=("id",)))[0].digest
    (tmp_path / "copy.csv").write_text(SMALL)
    assert first == small.read(spec(data="copy.csv", positive="Yes"))[0].digest
    (tmp_path / "copy.csv").write_text(SMALL.replace("1.5", "1.6"))
    assert first != small.read(spec(data="copy.csv", positive="Yes"))[0].digest


def test_the_hash_covers_every_byte_of_a_csv(tmp_path):
    content = SMALL.encode() + b"\n\n"
    (tmp_path / "holdout.csv").write_bytes(content)
    table = holdout_table.open_table(holdout_table.Source("holdout.csv", tmp_path), ["Churn"])
    assert table.digest == hashlib.sha256(content).hexdigest()


NAMES = [
    "whole",
    "late_blank",
    "late_fraction",
    "late_text",
    "blank_start",
    "blank_end",
    "flags",
    "blank_flags",
    "words",
    "blank_words",
    "empty",
    "big",
]


def tricky(rows):
    """Columns whose type pandas can only tell from the last rows."""
    columns = {name: [str(i) for i in range(rows)] for name in NAMES}
    columns["late_blank"][-1] = ""
    columns["late_fraction"][-1] = "0.1"
    columns["late_text"][-1] = "n/k"
    columns["blank_start"][:14] = [""] * 14
    columns["blank_end"][-12:] = [""] * 12
    columns["flags"] = ["True", "False"] * (rows // 2)
    columns["blank_flags"] = ["True", "False"] * (rows // 2)
    columns["blank_flags"][-1] = ""
    columns["words"] = ["a", " b"] * (rows // 2)
    columns["blank_words"] = ["x", "NA"] * (rows // 2)
    columns["empty"] = [""] * rows
    columns["big"] = [repr(0.1 * i) for i in range(rows)]
    return pd.DataFrame({**columns, "y": ["0", "1"] * (rows // 2)})


def test_every_dtype_and_value_is_what_pandas_reads_from_the_whole_file(tmp_path, monkeypatch):
    monkeypatch.setattr(holdout_table, "ROWS_A_PIECE", 7)
    tricky(40).to_csv(tmp_path / "holdout.csv", index=False)
    _, features = HoldoutFiles(tmp_path).read(spec(target="y"))
    expected = pd.read_csv(tmp_path / "holdout.csv").drop(columns="y")
    got = frame_of(features)
    got["blank_flags"] = got["blank_flags"].where(got["blank_flags"].notna(), np.nan)  # the worker does so too
    pd.testing.assert_frame_equal(got, expected, check_exact=True)
    assert sum(1 for _ in features.batches()) == 6


def test_numbers_keep_their_last_bit(tmp_path):
    values = np.random.default_rng(0).normal(size=5000)
    pd.DataFrame({"x": values, "y": [0, 1] * 2500}).to_csv(tmp_path / "holdout.csv", index=False)
    _, features = HoldoutFiles(tmp_path).read(spec(target="y"))
    assert (frame_of(features)["x"] == pd.read_csv(tmp_path / "holdout.csv")["x"]).all()


def test_parquet_gives_the_same_labels_and_features(small, tmp_path):
    pd.read_csv(tmp_path / "holdout.csv").to_parquet(tmp_path / "holdout.parquet")
    csv_truth, csv_features = small.read(spec(positive="Yes", weights="w"))
    truth, features = small.read(spec(data="holdout.parquet", positive="Yes", weights="w"))
    assert truth.labels.tolist() == csv_truth.labels.tolist()
    assert truth.weights.tolist() == csv_truth.weights.tolist()
    pd.testing.assert_frame_equal(frame_of(features), frame_of(csv_features))
    assert truth.digest != csv_truth.digest


def test_compressed_csv_and_file_uris_are_read(small, tmp_path):
    (tmp_path / "packed.csv.gz").write_bytes(gzip.compress(SMALL.encode()))
    for data in ("packed.csv.gz", f"file://{tmp_path}/holdout.csv", str(tmp_path / "holdout.csv")):
        truth, features = small.read(spec(data=data))
        assert truth.labels.tolist() == [1, 0, 1]
        assert frame_of(features)["region"].tolist() == ["north", "south", "north"]


@pytest.mark.parametrize(
    ("labels", "positive", "classes", "index"),
    [
        (["0", "1", "0"], "1", ("0", "1"), 1),
        (["0", "1", "0"], None, ("0", "1"), None),
        (["1.0", "0.0", "0.0"], "1", ("0.0", "1.0"), 1),
        (["True", "False", "True"], "True", ("False", "True"), 1),
        (["b", "a", "c"], "c", ("a", "b", "c"), 2),
        (["10", "9", "2"], "9", ("10", "2", "9"), 2),
    ],
)
def test_classes_are_spelled_as_in_the_file_and_sorted(tmp_path, labels, positive, classes, index):
    (tmp_path / "holdout.csv").write_text("x,Churn\n" + "".join(f"1,{label}\n" for label in labels))
    truth, _ = HoldoutFiles(tmp_path).read(spec(positive=positive))
    assert (truth.classes, truth.positive) == (classes, index)
    assert [truth.classes[code] for code in truth.labels] == labels


def test_fractional_targets_of_many_values_are_a_regression_and_may_be_declared_otherwise(tmp_path):
    rows = "".join(f"{i},{i / 7}\n" for i in range(60))
    (tmp_path / "holdout.csv").write_text("x,price\n" + rows)
    reader = HoldoutFiles(tmp_path)
    truth, _ = reader.read(spec(target="price"))
    assert truth.classes == ()
    assert truth.labels.dtype == np.float64
    assert reader.read(spec(target="price", regression=False))[0].classes != ()
    (tmp_path / "holdout.csv").write_text("x,price\n1,10\n2,20\n")
    assert reader.read(spec(target="price", regression=True))[0].labels.tolist() == [10.0, 20.0]
    assert reader.read(spec(target="price"))[0].classes == ("10", "20")


BAD = {
    "nearest file": (SMALL, {"data": "holdut.csv"}, "There is no holdout file holdut.csv", "Did you mean holdout.csv?"),
    "nearest column": (SMALL, {"target": "churn"}, "has no target column 'churn'", "Did you mean 'Churn'?"),
    "foreign column": (SMALL, {"target": "zzz"}, "has no target column 'zzz'", "id, region, age"),
    "weights column": (SMALL, {"weights": "weight"}, "has no column 'weight'", ""),
    "ignored column": (SMALL, {"ignore": ("ids",)}, "has no ignored column 'ids'", "Did you mean 'id'?"),
    "positive": (
        SMALL,
        {"positive": "yes"},
        "'yes' is not among the labels of 'Churn': 'No', 'Yes'",
        "Did you mean 'Yes'?",
    ),
    "empty": ("", {}, "is empty", "header line"),
    "only a header": ("x,Churn\n", {}, "has no rows", ""),
    "one class": ("x,Churn\n1,Yes\n2,Yes\n", {}, "All labels in 'Churn' of the holdout holdout.csv are 'Yes'", ""),
    "missing labels": (
        "x,Churn\n1,Yes\n2,\n3,No\n4,\n",
        {},
        "has 2 rows without a label in 'Churn', the first is row 2",
        "",
    ),
    "ragged": ("x,Churn\n1,Yes\n2,No\n3,Yes,4\n", {}, "line 4 has 3 fields instead of 2", ""),
    "not text": ("x,Churn\n1,Yes\n\udcff\udcfe,No\n", {}, "is not UTF-8 text", "Save it as UTF-8"),
    "bad weight": (
        "x,Churn,w\n1,Yes,1\n2,No,-3\n",
        {"weights": "w"},
        "weight in 'w' of row 2 of the holdout holdout.csv is '-3'",
        "",
    ),
    "no weight": ("x,Churn,w\n1,Yes,1\n2,No,\n", {"weights": "w"}, "is 'None'", ""),
    "all weights 0": ("x,Churn,w\n1,Yes,0\n2,No,0\n", {"weights": "w"}, "All weights in 'w'", ""),
    "text as numbers": ("x,Churn\n1,3.5\n2,many\n", {"regression": True}, "holds 'many', which is no number", ""),
    "no feature": ("Churn\nYes\nNo\n", {}, "has no column besides the target", ""),
    "slices": (
        "x,Churn,s\n" + "".join(f"1,{i % 2},{i}\n" for i in range(60)),
        {"slices": ("s",)},
        "'s' of the holdout holdout.csv has 60 values, too many for slices",
        "",
    ),
    "too many classes": (
        "x,Churn\n" + "".join(f"1,c{i}\n" for i in range(1001)),
        {},
        "has 1,001 different labels",
        "regression",
    ),
    "unknown scheme": (
        SMALL,
        {"data": "nosuch://u:pw@host/x.csv?token=abc"},
        "can read nosuch:// (nosuch://host/x.csv)",
        "fsspec",
    ),
    "folder": (SMALL, {"data": "."}, "is a folder or device", ""),
}


@pytest.mark.parametrize("name", BAD)
def test_what_cannot_be_used_is_refused_in_a_sentence_with_advice(tmp_path, name):
    content, changes, message, advice = BAD[name]
    (tmp_path / "holdout.csv").write_bytes(content.encode("utf-8", "surrogateescape"))
    with pytest.raises(HoldoutError) as caught:
        HoldoutFiles(tmp_path).read(spec(**changes))
    assert message in caught.value.message
    assert advice in caught.value.advice
    assert caught.value.message.endswith(".")
    assert "\n" not in caught.value.message
    assert "pw" not in caught.value.message


def test_broken_parquet_is_refused(tmp_path):
    (tmp_path / "holdout.parquet").write_bytes(b"PAR1 and then nothing")
    with pytest.raises(HoldoutError, match="is no readable Parquet file"):
        HoldoutFiles(tmp_path).read(spec(data="holdout.parquet"))


def test_a_file_that_changes_between_labels_and_features_is_noticed(small, tmp_path):
    _, features = small.read(spec())
    (tmp_path / "holdout.csv").write_text(SMALL + "4,north,1,1,No,1\n")
    with pytest.raises(HoldoutError, match="was changed while it was in use"):
        list(features.batches())


def test_rows_without_a_group_are_a_group_each(tmp_path):
    (tmp_path / "holdout.csv").write_text("g,x,Churn\na,1,Yes\n,2,No\n,3,No\na,4,Yes\n")
    truth, _ = HoldoutFiles(tmp_path).read(spec(group="g"))
    assert truth.groups.tolist() == [0, 1, 2, 0]
