"""How many rows were right and wrong, as far as a run's logged metrics tell: the 2x2 table behind them.

mlflow.models.evaluate logs the counts themselves. Elsewhere precision and recall are quotients of counts, and a float64
holds such a quotient exactly enough to read it back in lowest terms.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

from selector.domain.logged import MLFLOW_INFINITY, words_around
from selector.domain.metric import AUTO, Metric

MOST_ROWS = 10_000_000
"""Above, a rebuilt table is float noise: any number lies within rounding of a fraction with such a denominator."""

FLOAT_NOISE = 4e-16
"""Rounding of one division, and of one more where the value was logged as a percentage."""

SAME = 1e-12
"""Two values of one metric, computed in different ways, agree to this."""

ROUNDED_DIGITS = 6
FEW_ROWS = 100

_COUNTS = {
    "tp": ("true_positives", "tp"),
    "fp": ("false_positives", "fp"),
    "fn": ("false_negatives", "fn"),
    "tn": ("true_negatives", "tn"),
    "rows": ("example_count",),
}


@dataclass(frozen=True, slots=True)
class Table:
    """Right and wrong answers of a binary classifier.

    Attributes:
        tp: positives that were found; at least 0, like all counts.
        fp: negatives that were called positive.
        fn: positives that were missed.
        tn: negatives that were left alone; None where nothing tells.
        exact: True for counts as they were; False for counts in lowest terms, which may be a whole multiple too small.
        note: where the counts come from, one plain sentence.

    """

    tp: int
    fp: int
    fn: int
    tn: int | None
    exact: bool
    note: str

    def share(self, name: str) -> tuple[int, int] | None:
        """Return hits and rows of the share that a metric follows from; None for any other metric, or without rows.

        For f1 it is F* = TP / (TP + FP + FN) (Hand, Christen & Kirielle 2021), since F1 = 2 F* / (1 + F*).
        """
        right = None if self.tn is None else self.tp + self.tn
        hits, wrong = {
            "f1": (self.tp, self.fp + self.fn),
            "precision": (self.tp, self.fp),
            "recall": (self.tp, self.fn),
            "accuracy": (right, self.fp + self.fn),
        }.get(name, (None, 0))
        return None if hits is None or hits + wrong == 0 else (hits, hits + wrong)

    def value(self, name: str) -> float | None:
        """Return the metric's value by these counts."""
        share = self.share(name)
        if share is None:
            return None
        hits, of = share
        return 2 * hits / (hits + of) if name == "f1" else hits / of


@dataclass(frozen=True, slots=True)
class NoTable:
    """Why no table can be had, in one plain sentence."""

    reason: str


def rebuild(metric: Metric, metrics: Mapping[str, float], key: str) -> Table | NoTable:
    """Return the table behind a logged value.

    Counts are taken as logged. Else precision and recall give TP : FP : FN, accuracy the share of errors, and an
    example count the scale; the logged F1 has to agree. Rounded, averaged and non-binary metrics are refused.

    Args:
        metric: what models are ranked by: binary F1, precision or recall, or accuracy.
        metrics: all that the run logged.
        key: the key that the metric's value was taken from; only metrics of the same data are looked at.

    """
    if metric.average not in (None, "binary", AUTO) or metric.direction != "maximize":
        return NoTable(f"{metric.label()} is not computed from four counts")
    around = words_around(key, metric.name)
    if around is None or metric.name not in ("f1", "precision", "recall", "accuracy"):
        return NoTable(f"{metric.label()} is not computed from four counts")
    around = tuple(word for word in around if word != "binary")
    found = _logged_counts(metrics, around)
    if found is None:
        found = _from_fractions(metrics, around)
    if isinstance(found, NoTable):
        return found
    value, logged = found.value(metric.name), _fraction_of_one(float(metrics[key]))
    if value is None or not abs(value - logged) <= (1e-9 if found.exact else SAME):
        return NoTable(f"the counts do not give the logged {key}")
    return found


def _fraction_of_one(value: float) -> float:
    return value / 100.0 if 1.0 < value <= 100.0 else value  # noqa: PLR2004 - a percentage


def _find(metrics: Mapping[str, float], name: str, around: tuple[str, ...]) -> float | None:
    """Return the value that speaks of the same data under this name, by the shortest key."""
    keys = []
    for key in metrics:
        words = words_around(key, name)
        if words is not None and tuple(w for w in words if w != "binary") == around:
            keys.append(key)
    return float(metrics[min(keys, key=lambda k: (len(k), k))]) if keys else None


def _logged_counts(metrics: Mapping[str, float], around: tuple[str, ...]) -> Table | NoTable | None:
    """Return the table of counts that were logged themselves; None where they were not."""
    found: dict[str, int | None] = {}
    for short, names in _COUNTS.items():
        value = next((v for name in names if (v := _find(metrics, name, around)) is not None), None)
        if value is not None and not _whole(value):
            return NoTable(f"the logged count {names[0]} is {value:g}")
        found[short] = None if value is None else int(value)
    tp, fp, fn, tn, rows = found["tp"], found["fp"], found["fn"], found["tn"], found["rows"]
    if tp is None or fp is None or fn is None:
        return None
    if rows is not None:
        tn = rows - tp - fp - fn if tn is None else tn
        if tn < 0 or tp + fp + fn + tn != rows:
            return NoTable(f"the logged counts do not add up to the {rows} rows of example_count")
    return Table(tp, fp, fn, tn, exact=True, note="counts as logged")


def _from_fractions(metrics: Mapping[str, float], around: tuple[str, ...]) -> Table | NoTable:
    named = {name: _find(metrics, name, around) for name in ("precision", "recall", "f1", "accuracy")}
    precision, recall, f1 = (
        None if (v := named[name]) is None else _fraction_of_one(v) for name in ("precision", "recall", "f1")
    )
    if precision is None or recall is None or f1 is None:
        return NoTable("neither the four counts nor precision, recall and F1 were logged")
    if not (0.0 < precision <= 1.0 and 0.0 < recall <= 1.0) or precision == recall == 1.0:
        return NoTable("precision and recall of 0 or 1 do not tell how many rows there were")
    a, c = _lowest_terms(precision), _lowest_terms(recall)
    if a is None or c is None:
        return NoTable("precision and recall are no quotients of counts: rounded, averaged or weighted")
    tp = math.lcm(a.numerator, c.numerator)
    smallest = (tp, int(tp / a) - tp, int(tp / c) - tp)
    if not abs(2 * tp / (2 * tp + smallest[1] + smallest[2]) - f1) <= SAME:
        return NoTable("precision and recall do not give the logged F1: rounded or averaged")
    accuracy = named["accuracy"]
    rows = _find(metrics, "example_count", around)
    return _scaled(smallest, None if accuracy is None else _fraction_of_one(accuracy), rows, (precision, recall, f1))


def _lowest_terms(value: float) -> Fraction | None:
    found = Fraction(value).limit_denominator(MOST_ROWS)
    return found if found and abs(float(found) - value) <= FLOAT_NOISE else None


def _scaled(
    smallest: tuple[int, int, int], accuracy: float | None, rows: float | None, values: tuple[float, ...]
) -> Table | NoTable:
    """Scale TP : FP : FN to whole numbers that also fit accuracy and, where it is known, the number of rows."""
    tp, fp, fn = smallest
    if accuracy is None:
        if fp == fn:
            return NoTable("precision equals recall, which averaging over all rows gives too, and there is no accuracy")
        return _believable(tp, fp, fn, None, values, exact=False)
    right = _lowest_terms(accuracy)
    if right is None or right >= 1:
        return NoTable("accuracy does not fit: rounded, averaged, weighted or of other data")
    total = (fp + fn) / (1 - right)
    scale = total.denominator
    if rows is not None:
        if not _whole(rows) or (int(rows) / total).denominator != 1 or not rows:
            return NoTable(f"accuracy does not fit the {rows:g} rows of example_count")
        scale = int(int(rows) / total)
    tn = int(total * scale) - (tp + fp + fn) * scale
    return _believable(tp * scale, fp * scale, fn * scale, tn, values, exact=rows is not None)


def _believable(
    tp: int, fp: int, fn: int, tn: int | None, values: tuple[float, ...], *, exact: bool
) -> Table | NoTable:
    if tn is not None and tn < 0:
        return NoTable("accuracy does not fit precision and recall: of other data or averaged")
    if tp + fp + fn + (tn or 0) > MOST_ROWS:
        return NoTable(f"the metrics would need more than {MOST_ROWS} rows: rounded or averaged")
    if tp + fp + fn >= FEW_ROWS and all(value == round(value, ROUNDED_DIGITS) for value in values):
        return NoTable(f"precision, recall and F1 have at most {ROUNDED_DIGITS} decimals: rounded")
    note = "counts from precision, recall and F1"
    return Table(tp, fp, fn, tn, exact=exact, note=note if exact else f"{note}, in lowest terms")


def _whole(value: float) -> bool:
    return 0.0 <= value < MLFLOW_INFINITY and value == int(value)
