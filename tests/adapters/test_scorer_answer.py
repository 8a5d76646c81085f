"""Can bytes from a foreign process do anything but become checked arrays or a reason?"""

import json
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from selector.adapters.scorer_answer import MAGIC, Answer
from selector.domain.model import Predictions, Unscorable

ROWS = 3


def frame(header, body=b""):
    text = json.dumps(header).encode()
    return MAGIC + struct.pack("<I", len(text)) + text + body


def header(**changes):
    base = {"labels": "<i8", "vocabulary": [], "columns": None, "classes": [], "seconds": 0.5, "rows": ROWS}
    return {**base, **changes}


def numbers(*values):
    return np.array(values, dtype="<f8").tobytes()


def read(content, piece=10**9, max_bytes=10**6):
    answer = Answer(ROWS, max_bytes)
    for begin in range(0, len(content), piece):
        answer.add(content[begin : begin + piece])
    return answer.result(1.0)


@pytest.mark.parametrize("piece", [1, 7, 10**9])
def test_an_honest_answer_is_read_however_it_is_cut_into_pieces(piece):
    body = np.array([1, 0, 1], dtype="<i8").tobytes() + numbers(0.1, 0.9, 0.8, 0.2, 0.5, 0.5)
    got = read(frame(header(columns=2, classes=["No", "Yes"]), body), piece)
    assert isinstance(got, Predictions)
    assert got.labels.tolist() == [1, 0, 1]
    assert got.probabilities.tolist() == [[0.1, 0.9], [0.8, 0.2], [0.5, 0.5]]
    assert (got.classes, got.seconds) == (("No", "Yes"), 0.5)


@pytest.mark.parametrize(
    ("sent", "believed"),
    [
        (None, None),
        ([], ()),
        ([[1, 0.25], [100, 0.5]], ((1, 0.25), (100, 0.5))),
        ([[1, 0.25], [100, -0.5]], ()),
        ([[1, 2.5]], ()),
        ([[1, 0.75], [1, 0.75]], ()),
        ([[0, 0.5]], ()),
        ([[True, 0.5]], ()),
        ([["1", 0.5]], ()),
        ([[1, float("nan")]], ()),
        ([[1]], ()),
        ([1.0], ()),
        ([[1, 0.0001]] * 1_001, ()),
        ("soon", None),
    ],
)
def test_timings_that_cannot_be_are_not_believed_and_cost_no_answer(sent, believed):
    got = read(frame(header(timings=sent), np.array([1, 0, 1], dtype="<i8").tobytes()))
    assert got.labels.tolist() == [1, 0, 1]
    assert got.timings == believed


def test_labels_as_text_come_back_as_text():
    got = read(frame(header(labels="text", vocabulary=["b", "a"]), np.array([0, 1, 0], dtype="<i8").tobytes()))
    assert got.labels.tolist() == ["b", "a", "b"]


@given(st.binary(max_size=300))
def test_any_bytes_are_nothing_or_a_reason(content):
    assert read(content) is None or isinstance(read(content), Unscorable)


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=5)
    | st.sampled_from(["<i8", "<f8", "text"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
fields = st.sampled_from(["labels", "vocabulary", "columns", "classes", "seconds", "rows", "failure", "confinement"])


@given(st.dictionaries(fields, json_values, max_size=4), st.binary(max_size=80))
def test_any_header_is_nothing_a_reason_or_predictions_of_the_right_shape(changes, body):
    got = read(frame(header(**changes), body))
    if isinstance(got, Predictions):
        assert got.labels is None or got.labels.shape == (ROWS,)
        assert got.probabilities is None or (
            got.probabilities.shape[0] == ROWS and np.isfinite(got.probabilities).all()
        )
        assert all(isinstance(name, str) for name in got.classes)
        assert 0.0 <= got.seconds <= 1.0
    else:
        assert got is None or isinstance(got, Unscorable)


@given(st.text(max_size=3000))
def test_the_reason_of_a_failure_is_one_printable_line(sentence):
    got = read(frame({"failure": sentence}))
    assert isinstance(got, Unscorable)
    assert got.reason
    assert got.reason.isprintable()
    assert len(got.reason) <= 500


@pytest.mark.parametrize(
    ("claimed", "believed"),
    [(0.5, 0.5), (-3, 0.0), (1e9, 1.0), (None, 1.0), ("fast", 1.0), (float("nan"), 1.0), (float("inf"), 1.0)],
)
def test_claimed_seconds_are_believed_within_what_was_seen(claimed, believed):
    assert read(frame(header(seconds=claimed), bytes(8 * ROWS))).seconds == believed


def test_no_more_is_kept_than_an_answer_can_have():
    answer = Answer(ROWS, 10**6)
    for _ in range(1000):
        answer.add(b"MSA1" + b"\xff" * 10_000)
    assert answer.problem
    assert len(answer._content) == 0
    endless = Answer(ROWS, 10**6)
    endless.add(frame(header()))
    for _ in range(1000):
        endless.add(b"x" * 10_000)
    assert "more than 3 predictions" in endless.result(1.0).reason


def test_an_answer_over_the_byte_limit_is_refused_by_its_header_alone():
    assert "at most 100 are read" in read(frame(header(columns=500, labels=None)), max_bytes=100).reason


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -0.1, 1.1])
def test_probabilities_outside_of_0_to_1_are_refused(value):
    got = read(frame(header(labels=None, columns=1), numbers(0.5, value, 0.5)))
    assert "not numbers between 0 and 1" in got.reason


def test_rounding_errors_of_probabilities_are_forgiven():
    got = read(frame(header(labels=None, columns=1), numbers(1 + 1e-12, -1e-12, 0.5)))
    assert got.probabilities.ravel().tolist() == [1.0, 0.0, 0.5]
