"""Are metrics, times and damaged documents of real stores read as they were written, and nothing invented?"""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from migrations.json_files import UnreadableJsonError, read_json
from migrations.metrics import read_metrics
from migrations.timestamps import parse_time, read_times, stamp_in_name

TOP = "the top level"
REPORT = {
    "0": {"f1-score": 0.9, "support": 9}, "2": {"f1-score": 0.7, "support": 1}, "accuracy": 0.8,
    "macro avg": {"f1-score": 0.8, "support": 10},
}  # fmt: skip


def test_a_report_among_the_metrics_gives_the_f1_that_they_lack():
    read = read_metrics({"metrics": {"loss": 0.4, "accuracy": 0.81, "classification_report": REPORT}})
    assert read.values == {"loss": 0.4, "accuracy": 0.81, "macro_f1-score": 0.8}
    assert read_metrics({"metrics": {"f1": 0.5, "classification_report": REPORT}}).values == {"f1": 0.5}


@pytest.mark.parametrize(
    ("document", "values", "container"),
    [
        ({"performance_metrics": {"f1": 0.1}, "metrics": {"f1": 0.2}}, {"f1": 0.1}, "performance_metrics"),
        ({"metrics": {"f1": 0.2}, "performance": {"f1": 0.3}}, {"f1": 0.2}, "metrics"),
        ({"performance": {"f1": 0.3}, "test_metrics": {"f1": 0.4}}, {"f1": 0.3}, "performance"),
        ({"test_metrics": {"f1": 0.4}, "metrics_test": {"f1": 0.5}}, {"f1": 0.4}, "test_metrics"),
        ({"metrics": {"train": {"f1": 1}, "test": {"f1": 0.6}}}, {"f1": 0.6}, "metrics.test"),
        ({"performance_metrics": {}, "metrics": {"f1": 0.2}}, {"f1": 0.2}, "metrics"),
        ({"accuracy": 0.15, "training_samples": 127, "seed": 4}, {"accuracy": 0.15}, "the top level"),
        ({"mae": 4.5, "r2": -1, "features": 5}, {"mae": 4.5, "r2": -1.0}, "the top level"),
        ({"learning_rate": 0.1, "score_threshold": 0.5}, {}, ""),
        ({"churn_rate": 0.27, "positive_rate": 0.1, "dropoutRate": 0.2, "silhouette_sample_size": 4000}, {}, ""),
        ({"false_positive_rate": 0.1, "anomaly_rate": 0.2}, {"false_positive_rate": 0.1, "anomaly_rate": 0.2}, TOP),
        ({"cv_f1": "0.598 ± 0.015", "auc": "0.91 (+/- 0.02)"}, {"cv_f1": 0.598, "auc": 0.91}, TOP),
        ({"R²": 0.8, "Accuracy(%)": 91, "R_squared": 0.7}, {"R²": 0.8, "Accuracy(%)": 91, "R_squared": 0.7}, TOP),
        ({"name": "a", "metadata": {"f1": 0.8, "rows": 9}}, {"f1": 0.8, "rows": 9.0}, "metadata"),
        ({"f1": 0.7, "metadata": {"error_rate": 0.1}}, {"f1": 0.7}, TOP),
        ({"metricas": {"f1": 0.7, "k": 3}}, {"f1": 0.7, "k": 3.0}, "metricas"),
        ({"metrics": {"f1": 0.0}}, {"f1": 0.0}, "metrics"),
        ({"metrics": "none yet"}, {}, ""),
        ({}, {}, ""),
    ],
)
def test_metrics_come_from_the_first_container_that_has_numbers(document, values, container):
    read = read_metrics(document)
    assert (dict(read.values), read.container) == (values, container)


def test_not_a_number_is_a_value_and_no_key_is_made_up():
    read = read_metrics({"metrics": {"f1": float("nan"), "auc": float("inf")}})
    assert math.isnan(read.values["f1"])
    assert math.isinf(read.values["auc"])
    assert set(read.values) == {"f1", "auc"}


def test_arrays_texts_and_groups_are_left_out_and_named():
    read = read_metrics(
        {"metrics": {"f1": 0.5, "predictions": [1] * 9, "verdict": "good", "by_class": {}, "ok": True, "x": None}}
    )
    assert set(read.values) == {"f1"}
    note = " ".join(read.notes)
    for words in ("predictions (array of 9)", "verdict (text)", "by_class (group)", "ok (yes/no)", "x (empty)"):
        assert words in note


def test_percent_stays_percent_and_is_noted_value_by_value():
    read = read_metrics({"metrics": {"f1": 65.87, "roc_auc": 0.86}})
    assert read.values == {"f1": 65.87, "roc_auc": 0.86}
    assert "looks like percent, kept as recorded: f1" in read.notes


def test_an_integer_beyond_a_float_is_left_out():
    assert read_metrics({"metrics": {"f1": 0.5, "huge": 10**400}}).values == {"f1": 0.5}


@given(
    st.dictionaries(
        st.text(max_size=8), st.recursive(st.none() | st.floats() | st.text(max_size=3), st.lists, max_leaves=3)
    )
)
def test_every_number_kept_was_recorded_under_the_same_key(held):
    read = read_metrics({"metrics": held})
    for key, value in read.values.items():
        assert held[key] == value or math.isnan(value)


NOON = datetime(2025, 8, 20, 12, 30, 45, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "expected", "naive"),
    [
        ("2025-08-20T12:30:45", NOON, True),
        ("2025-08-20 12:30:45", NOON, True),
        ("2025-08-20T12:30:45.452494", NOON.replace(microsecond=452494), True),
        ("2025-08-20 12:30:45.4", NOON.replace(microsecond=400000), True),
        ("2025-08-20T12:30:45Z", NOON, False),
        ("2025-08-20T12:30:45+00:00", NOON, False),
        ("2025-08-20T18:00:45+05:30", NOON, False),
        ("2025-08-20 12:30:45 UTC", NOON, False),
        ("2025-08-20 18:00:45 +05:30", NOON, False),
        ("20250820_123045", NOON, True),
        ("2025-08-20@12:30:45", NOON, True),
        ("2025-08-20", NOON.replace(hour=0, minute=0, second=0), True),
        ("2025-08-20_12-30-45", NOON, True),
        ("2025-08-20_12:30:45", NOON, True),
        ("20250820_1230", NOON.replace(second=0), True),
        ("2025/08/20 12:30:45", NOON, True),
        ("20.08.2025 12:30", NOON.replace(second=0), True),
        ("Wed Aug 20 12:30:45 2025", NOON, True),
        ("August 20, 2025", NOON.replace(hour=0, minute=0, second=0), True),
        ("2025年08月20日", NOON.replace(hour=0, minute=0, second=0), True),
        (NOON.timestamp(), NOON, False),
        (int(NOON.timestamp() * 1000), NOON, False),
    ],
)
def test_every_spelling_that_was_seen_is_read(text, expected, naive):
    assert parse_time(text) == (expected, naive)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "yesterday",
        "v1.0.0",
        "03/04/2025",
        "1.2.3-beta",
        "0001-01-01T00:00:00+14:00",
        True,
        None,
        [],
        3,
        1e300,
        "9" * 30,
    ],
)
def test_what_is_no_time_is_none(text):
    assert parse_time(text) is None


def test_a_time_without_a_zone_is_read_in_the_given_zone():
    read, naive = parse_time("2025-08-20T12:30:45", ZoneInfo("Asia/Kolkata"))
    assert read == datetime(2025, 8, 20, 7, 0, 45, tzinfo=UTC)
    assert naive


@pytest.mark.parametrize("key", ["createdAt", "Created At", "created-at", "CREATED_AT", "fecha", "训练时间"])
def test_the_key_of_a_time_may_be_spelled_in_any_way(key):
    assert read_times({key: "2025-08-20T12:30:45Z"}, "model", 0)[1] == NOON


@pytest.mark.parametrize(
    ("name", "zoned"),
    [
        ("rf_2025-08-20_12-30-45", False), ("2025-08-20/12-30-45", False), ("rf.2025-08-20T12.30.45.000Z", True),
        ("rf 2025-08-20 12:30:45", False),
    ],
)  # fmt: skip
def test_stamps_with_dashes_are_found_and_their_zone_is_kept(name, zoned):
    moved = NOON if zoned else NOON - timedelta(hours=5, minutes=30)
    assert stamp_in_name(name) == NOON
    assert read_times({}, name, 0, ZoneInfo("Asia/Kolkata"))[1] == moved


def test_a_day_and_a_number_are_no_stamp():
    assert stamp_in_name("rf_2025-08-20_12-30") is None
    assert stamp_in_name("rf_2025-08-20_99-99-99") is None


def test_the_stamp_in_a_name_is_found():
    assert stamp_in_name("random_forest_20250820_123045") == NOON
    assert stamp_in_name("random_forest_20251399_123045") is None
    assert stamp_in_name("random_forest_v2") is None


def test_times_fall_back_from_document_to_name_to_file():
    assert read_times({"registered_at": "2025-08-20T12:30:45"}, "x_20240101_000000", 5)[1] == NOON
    assert read_times({}, "x_20250820_123045", 5)[1] == NOON
    started, created, notes = read_times({}, "x", 86400)
    assert started == created == datetime(1970, 1, 2, tzinfo=UTC)
    assert "modification time" in notes[0]


def test_an_earlier_training_time_is_the_start_and_a_later_one_is_not():
    early = {"promotion_timestamp": "2025-08-20T12:30:45", "training_timestamp": "2025-08-20T10:00:00+00:00"}
    started, created, _ = read_times(early, "x", 0)
    assert (started, created) == (NOON.replace(hour=10, minute=0, second=0), NOON)
    late = early | {"training_timestamp": "2025-08-21T10:00:00+00:00"}
    assert read_times(late, "x", 0)[0] == NOON


@given(st.integers(631_152_000, 4_102_444_799), st.integers(0, 999_999), st.integers(-12, 14))
def test_any_written_time_comes_back_the_same(seconds, micro, hours):
    aware = datetime.fromtimestamp(seconds, timezone(timedelta(hours=hours))).replace(microsecond=micro)
    assert parse_time(aware.isoformat())[0] == aware


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b'{"model_id": "x", "metrics": {"f1_sc', "is cut off"),
        (b'{"a": 1,', "is cut off"),
        (b'{"a": tr', "is cut off"),
        (b'{"a": [1, 2', "is cut off"),
        (b"{'a': 1}", "is damaged"),
        (b'{"a": 1}{"b": 2}', "is damaged"),
        (b"", "is empty"),
        (b"  \n", "is empty"),
        (b"[" * 200_000, "is nested too deeply"),
        (b'{"a": 1' + b"}" * 3, "is damaged"),
    ],
)
def test_broken_documents_say_how_they_are_broken(tmp_path, data, reason):
    path = tmp_path / "metadata.json"
    path.write_bytes(data)
    with pytest.raises(UnreadableJsonError) as raised:
        read_json(path)
    assert reason in str(raised.value)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_documents_are_read_in_the_encodings_people_use(tmp_path, encoding):
    path = tmp_path / "metadata.json"
    path.write_bytes('{"author": "Françoise", "f1": NaN}'.encode(encoding))
    read = read_json(path)
    assert read["author"] == "Françoise"
    assert math.isnan(read["f1"])


@given(
    st.dictionaries(st.text(), st.integers() | st.text() | st.lists(st.booleans(), max_size=3), min_size=1), st.data()
)
def test_no_beginning_of_a_document_is_read(tmp_path_factory, document, data):
    whole = json.dumps(document, ensure_ascii=data.draw(st.booleans())).encode("utf-8", "replace")
    cut = data.draw(st.integers(1, len(whole) - 1))
    path = tmp_path_factory.getbasetemp() / "cut.json"
    path.write_bytes(whole[:cut])
    with pytest.raises(UnreadableJsonError, match="is cut off"):
        read_json(path)
