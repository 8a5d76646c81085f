"""Which class does each raw answer mean, in every spelling that models use?"""

from __future__ import annotations

import numpy as np
import pytest

from selector.domain.answers import Answers, decode
from selector.domain.model import Predictions, Truth, Unscorable

WORDS = Truth("d", np.array([0, 1, 1, 0]), ("No", "Yes"), 1)
DIGITS = Truth("d", np.array([0, 1, 1, 0]), ("0", "1"), 1)
THREE = Truth("d", np.array([0, 1, 2, 0]), ("bird", "cat", "dog"))
CREDIT = Truth("d", np.array([0, 1, 1, 0]), ("bad", "good"), 0)
RIGHT = [0, 1, 1, 0]


def read(truth, labels, probabilities=None, classes=(), threshold=None) -> Answers:
    raw = None if labels is None else np.asarray(labels)
    table = None if probabilities is None else np.asarray(probabilities, dtype=float)
    found = decode(truth, Predictions(raw, table, classes), threshold=threshold)
    assert isinstance(found, Answers), found
    return found


@pytest.mark.parametrize(
    ("truth", "labels"),
    [
        (WORDS, ["No", "Yes", "Yes", "No"]),
        (WORDS, np.array(["No", "Yes", "Yes", "No"], dtype=object)),
        (WORDS, [" no", "YES", "yes ", "no"]),
        (WORDS, [b"No", b"Yes", b"Yes", b"No"]),
        (WORDS, [0, 1, 1, 0]),
        (WORDS, [0.0, 1.0, 1.0, 0.0]),
        (WORDS, [False, True, True, False]),
        (WORDS, ["0", "1", "1", "0"]),
        (WORDS, ["False", "True", "True", "False"]),
        (WORDS, [[0], [1], [1], [0]]),
        (DIGITS, [0, 1, 1, 0]),
        (DIGITS, [0.0, 1.0, 1.0, 0.0]),
        (DIGITS, ["0.0", "1.0", "1.0", "0.0"]),
        (DIGITS, [False, True, True, False]),
        (Truth("d", np.array(RIGHT), ("0.0", "1.0"), 1), [0, 1, 1, 0]),
        (Truth("d", np.array(RIGHT), ("False", "True"), 1), [0, 1, 1, 0]),
        (Truth("d", np.array(RIGHT), ("-1", "1"), 1), [-1, 1, 1, -1]),
        (CREDIT, [1, 0, 0, 1]),
        (CREDIT, ["bad", "good", "good", "bad"]),
        (WORDS, [0.1, 0.8, 0.51, 0.5]),
        (WORDS, [[0.9, 0.1], [0.2, 0.8], [0.4, 0.6], [0.7, 0.3]]),
    ],
)
def test_every_usual_spelling_of_an_answer_is_understood(truth, labels):
    assert read(truth, labels).codes.tolist() == RIGHT


def test_one_and_zero_for_words_are_noted_with_their_meaning():
    assert read(WORDS, [0, 1, 1, 0]).notes == ("The model answers 0 and 1; 1 is taken as 'Yes'",)
    assert read(WORDS, ["No", "Yes", "Yes", "No"]).notes == ()


def test_bare_probabilities_are_cut_in_the_middle_unless_a_threshold_is_given():
    bare = [0.1, 0.4, 0.6, 0.2]
    plain = read(WORDS, bare)
    assert plain.codes.tolist() == [0, 0, 1, 0]
    assert plain.probability.tolist() == bare
    assert "above 0.5" in plain.notes[0]
    assert read(WORDS, bare, threshold=0.4).codes.tolist() == RIGHT


def test_bare_probabilities_speak_of_the_positive_class_even_where_it_sorts_first():
    found = read(CREDIT, [0.9, 0.1, 0.2, 0.7])
    assert found.codes.tolist() == RIGHT
    assert found.probability.tolist() == [0.9, 0.1, 0.2, 0.7]


def test_a_threshold_overrides_the_answered_classes():
    table = [[0.8, 0.2], [0.6, 0.4], [0.3, 0.7], [0.9, 0.1]]
    found = read(WORDS, ["No", "No", "Yes", "No"], table, ("No", "Yes"), threshold=0.3)
    assert found.codes.tolist() == RIGHT


def test_a_threshold_without_probabilities_is_not_applied_and_said():
    found = read(WORDS, ["No", "Yes", "Yes", "No"], threshold=0.3)
    assert found.codes.tolist() == RIGHT
    assert "0.3 was not applied" in found.notes[0]


def test_columns_follow_the_models_own_order_of_classes():
    table = [[0.1, 0.9], [0.8, 0.2], [0.6, 0.4], [0.3, 0.7]]
    found = read(WORDS, None, table, ("Yes", "No"))
    assert found.codes.tolist() == RIGHT
    assert found.probability.tolist() == [0.1, 0.8, 0.6, 0.3]


def test_columns_named_zero_and_one_mean_negative_and_positive():
    found = read(CREDIT, [1, 0, 0, 1], [[0.2, 0.8], [0.9, 0.1], [0.8, 0.2], [0.3, 0.7]], ("0", "1"))
    assert found.probability.tolist() == [0.8, 0.1, 0.2, 0.7]


def test_a_class_that_the_model_does_not_know_gets_probability_zero():
    found = read(THREE, None, [[0.6, 0.4], [0.1, 0.9], [0.2, 0.8], [0.7, 0.3]], ("bird", "dog"))
    assert found.codes.tolist() == [0, 2, 2, 0]
    assert found.probability[:, 1].tolist() == [0.0] * 4


def test_softmax_rows_are_read_as_one_column_per_class():
    table = [[0.6, 0.2, 0.2], [0.1, 0.8, 0.1], [0.1, 0.2, 0.7], [0.9, 0.1, 0.0]]
    found = read(THREE, table)
    assert found.codes.tolist() == [0, 1, 2, 0]
    assert found.probability.shape == (4, 3)


def test_positions_among_sorted_classes_are_understood_and_noted():
    found = read(THREE, [0, 1, 2, 0])
    assert found.codes.tolist() == [0, 1, 2, 0]
    assert "positions among the sorted classes 'bird', 'cat', 'dog'" in found.notes[0]


def test_answers_of_one_class_are_noted():
    assert "All 4 answers are 'No'" in read(WORDS, ["No"] * 4).notes


def test_numbers_of_a_regression_come_as_they_are():
    truth = Truth("d", np.array([1.0, 2.0]))
    assert read(truth, [1, 3]).codes.tolist() == [1.0, 3.0]
    assert read(truth, ["1.5", "2"]).codes.tolist() == [1.5, 2.0]
    assert read(truth, [[1.5], [2.0]]).codes.tolist() == [1.5, 2.0]


@pytest.mark.parametrize(
    ("truth", "predictions", "word"),
    [
        (WORDS, Predictions(np.array(["No", "Yes"])), "2 answers for 4 rows"),
        (WORDS, Predictions(np.array([0.1, np.nan, 0.2, 0.3])), "NaN or an infinity in 1 of 4 rows, first in row 2"),
        (WORDS, Predictions(np.array(["No", None, "Yes", np.nan], dtype=object)), "no answer for 2 of 4 rows"),
        (
            WORDS,
            Predictions(np.array(["No", "Maybe", "Yes", "No"])),
            "'Maybe', but the holdout's classes are 'No', 'Yes'",
        ),
        (WORDS, Predictions(np.array([1, 2, 2, 1])), "'2'"),
        (WORDS, Predictions(np.array([-1.3, 0.2, 2.2, 0.1])), "'-1.3'"),
        (Truth("d", np.array(RIGHT), ("1", "2"), 1), Predictions(np.array([0, 1, 1, 0])), "'0'"),
        (THREE, Predictions(np.array([0.1, 0.2, 0.3, 0.4])), "'0.1'"),
        (THREE, Predictions(None, np.full((4, 2), 0.5)), "2 probabilities per row, but the holdout has 3 classes"),
        (THREE, Predictions(None, np.full(4, 0.5)), "one probability per row"),
        (WORDS, Predictions(None, np.full((4, 2), 0.5), ("Up", "Down")), "'Up', 'Down'"),
        (WORDS, Predictions(None, np.full((4, 2), 0.5), ("Yes",)), "names 1 classes, but gives 2"),
        (WORDS, Predictions(None, np.full((4, 2), 1.5)), "range from 0 to 1: 1.5"),
        (WORDS, Predictions(None, np.full((3, 2), 0.5)), "3 answers for 4 rows"),
        (WORDS, Predictions(None, np.full((4, 2), np.nan)), "NaN"),
        (WORDS, Predictions(None), "neither classes nor probabilities"),
        (Truth("d", np.ones(2)), Predictions(np.array(["a", "b"])), "'a', 'b', but the holdout's target is a number"),
        (Truth("d", np.ones(2)), Predictions(np.array([1.0, np.inf])), "infinity in 1 of 2"),
        (Truth("d", np.ones(2)), Predictions(None), "no numbers"),
        (Truth("d", np.ones(2)), Predictions(np.ones((2, 3))), "3 numbers per row"),
        (WORDS, Predictions(np.array(5)), "shape ()"),
        (WORDS, Predictions(np.zeros((4, 2, 2))), "shape (4, 2, 2)"),
        (WORDS, Predictions(None, np.zeros((4, 2, 2))), "shape (4, 2, 2)"),
        (WORDS, Predictions(np.array([["No"], {}, 1, 2], dtype=object)), "no class labels"),
        (WORDS, Predictions(np.full((4, 2), "x")), "no numbers: 'x'"),
    ],
)
def test_answers_that_cannot_be_understood_are_named(truth, predictions, word):
    found = decode(truth, predictions)
    assert isinstance(found, Unscorable)
    assert word in found.reason
    assert "\n" not in found.reason


def test_many_classes_are_told_apart_as_few_are():
    names = tuple(sorted(f"class {i}" for i in range(40)))
    codes = np.random.default_rng(0).integers(0, 40, 500)
    truth = Truth("d", codes, names)
    for kind in (str, object):
        assert read(truth, np.array(names, dtype=kind)[codes]).codes.tolist() == codes.tolist()
    big = Truth("d", codes, tuple(str(10**6 * i) for i in range(40)))
    assert read(big, 10**6 * codes).codes.tolist() == codes.tolist()
