"""What value does a run's logged metrics hold for this metric, and under which key?

The spellings and traps come from a survey of 73 public repositories with classification metrics.
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from selector.domain.metric import AUTO, AVERAGES, Metric
from selector.domain.metric_names import canonical_name

MLFLOW_INFINITY = 1.797e308
"""MLflow's database stores an infinity as the largest float, 1.7976931348623157e308."""

_TIERS = {
    "test": 0,
    "": 1,
    "eval": 1,
    "evaluation": 1,
    "holdout": 1,
    "final": 1,
    "model": 1,
    "val": 2,
    "valid": 2,
    "validation": 2,
    "dev": 2,
    "cv": 3,
    "mean": 3,
    "avg": 3,
    "oof": 3,
    "best": 3,
}
"""Which data a key speaks of, best evidence first: test, the unprefixed holdout, validation, cross-validation."""

_FILLERS = frozenset({"x", "y", "set", "score", "metric", "metrics", "performance"})
"""Words that change nothing. Any other word makes a key something else: f1_std, f1_drop, baseline_f1, train_f1."""

_NO_OWNERS = frozenset({"train", "training", "baseline", "macro", "micro", "weighted", "binary"})

_MADE_OF = {"testf1": "test f1", "xtest": "x test", "trainf1": "train f1", "valf1": "val f1", "xtrain": "x train"}


@dataclass(frozen=True, slots=True)
class Logged:
    """The value that a run logged for a metric.

    Attributes:
        key: the key it was logged under.
        value: with percentages as fractions.
        raw: as it was logged.
        notes: what had to be assumed, in plain sentences.
        average: the averaging it was computed with, None where the key does not tell.

    """

    key: str
    value: float
    raw: float
    notes: tuple[str, ...] = ()
    average: str | None = None


@dataclass(frozen=True, slots=True)
class NotLogged:
    """Why a run has no usable value of a metric.

    Attributes:
        code: missing, not-a-number, infinite, out-of-range, or averaging.
        reason: one plain sentence.
        suggestions: keys of the run that look alike.

    """

    code: str
    reason: str
    suggestions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Key:
    """A logged key that speaks of the metric: which data it is about and how it was averaged."""

    key: str
    tier: int
    average: str | None


def logged_value(metric: Metric, metrics: Mapping[str, float]) -> Logged | NotLogged:
    """Return the best evidence for the metric among logged metrics.

    Keys named in `metric.keys` are taken in their order and literally. Otherwise the order is test, unprefixed (or
    eval, holdout), validation, cross-validation mean; scores on training data, spreads, changes and other models'
    scores never count. An unusable value at the best key is reported; a weaker key does not stand in for it.

    Args:
        metric: what is looked for.
        metrics: the last value of each key, as MLflow returns them.

    """
    found = _named(metric, metrics) if metric.keys else _recognised(metric, metrics)
    if isinstance(found, NotLogged):
        return found
    return _checked(metric, found, float(metrics[found.key]), metrics)


def _named(metric: Metric, metrics: Mapping[str, float]) -> _Key | NotLogged:
    for key in metric.keys:
        if key in metrics:
            read = _read(key, metric.name)
            return _Key(key, 0, read.average if read else None)
    return _missing(metric, metrics, "none of the keys " + ", ".join(metric.keys) + _at_step(metric))


def _at_step(metric: Metric) -> str:
    return f" at step {metric.aggregation}" if isinstance(metric.aggregation, int) else ""


def _recognised(metric: Metric, metrics: Mapping[str, float]) -> _Key | NotLogged:
    if metric.name in metrics and canonical_name(metric.name) != metric.name:
        return _Key(metric.name, 0, None)
    keys = [k for key in metrics if (k := _read(key, metric.name)) is not None]
    if not keys:
        return _missing(metric, metrics, f"no {metric.label()}{_at_step(metric)}")
    fitting = [k for k in keys if _fits(metric.average, k.average)]
    if not fitting:
        have = ", ".join(sorted(k.key for k in keys))
        return NotLogged("averaging", f"The run logs {have}, which is another averaging than {metric.label()}")
    # The averaging asked for beats one that is not spelled out; where none is asked for, the plain key is the one that
    # other runs have too. Then the shorter and first spelling, so that it never flaps.
    settled = metric.average in AVERAGES
    return min(fitting, key=lambda k: (k.tier, (k.average is None) == settled, len(k.key), k.key))


def _fits(wanted: str | None, spelled: str | None) -> bool:
    return spelled is None or wanted in (None, AUTO) or wanted == spelled


def of_others(metric: Metric, metrics: Mapping[str, float]) -> tuple[str, ...]:
    """Return the keys that hold this metric of something that the key names first, as in RandomForest_f1_score."""
    found = []
    for key in sorted(metrics):
        words = _words(key)
        while words and words[-1] in _FILLERS | {*AVERAGES}:
            words.pop()
        for size in range(1, len(words)):
            named, whose = canonical_name("_".join(words[-size:])), words[:-size]
            if named == metric.name and set(whose).isdisjoint(_NO_OWNERS | _FILLERS | _TIERS.keys()):
                found.append(key)
                break
    return tuple(found)


@lru_cache(maxsize=10_000)
def _read(key: str, name: str) -> _Key | None:
    """Understand a key as the metric of this name, or return None; thousands of runs log the same few keys."""
    words = _words(key)
    for size in range(len(words), 0, -1):
        for start in range(len(words) - size + 1):
            middle = words[start : start + size]
            if canonical_name("_".join(middle)) == name or middle == _words(name):
                return _told(key, words[:start] + words[start + size :])
    return None


def _told(key: str, rest: list[str]) -> _Key | None:
    """Read data and averaging off the words around the metric's name; None where one of them is unknown."""
    averages = [w for w in rest if w in AVERAGES]
    if len(averages) > 1 or any(w not in _FILLERS and w not in _TIERS and w not in AVERAGES for w in rest):
        return None
    tiers = [_TIERS[w] for w in rest if w in _TIERS]
    return _Key(key, max(tiers, default=_TIERS[""]), averages[0] if averages else None)


def _words(key: str) -> list[str]:
    """Split "Test-F1 Score", "eval/f1_score" or "f1ScoreTest" into lower-case words."""
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z][a-z])", " ", key.strip())
    words = [w for w in re.split(r"[^0-9a-z]+", spaced.lower()) if w]
    return " ".join(_MADE_OF.get(w, w) for w in words).split()


def _checked(metric: Metric, found: _Key, raw: float, metrics: Mapping[str, float]) -> Logged | NotLogged:
    key = found.key
    if math.isnan(raw):
        return NotLogged("not-a-number", f"{key} is NaN")
    if math.isinf(raw) or abs(raw) >= MLFLOW_INFINITY:
        return NotLogged("infinite", f"{key} is infinite")
    value, notes = raw, []
    if metric.share and 1.0 < raw <= 100.0:  # noqa: PLR2004 - a percentage
        value = raw / 100.0
        notes.append(f"{key} is {raw:g}, taken as {raw:g} %")
    if not metric.valid(value):
        return NotLogged("out-of-range", f"{key} is {raw:g}, outside {metric.low:g} to {metric.high:g}")
    average = found.average or _betrayed(found, metrics)
    if not _fits(metric.average, average):
        betrayed = "" if found.average else ": recall equals accuracy, which only averaging over all rows does"
        return NotLogged(
            "averaging", f"{key} is {replace(metric, average=average).label()}, not {metric.label()}{betrayed}"
        )
    if metric.average in AVERAGES and average is None:
        notes.append(f"{key} does not say how it was averaged; taken as {metric.average}")
    if found.tier > _TIERS[""]:
        notes.append(f"{key} was not measured on the test rows")
    return Logged(key, value, raw, tuple(notes), average)


def _betrayed(found: _Key, metrics: Mapping[str, float]) -> str | None:
    """Return "weighted" where recall and accuracy of the same data agree to 1e-12: both count all right answers.

    Weighted and micro recall both equal accuracy. F1 equals it as well when the averaging is micro.
    """
    values: dict[str, float] = {}
    for name in ("recall", "accuracy", "f1"):
        keys = [k for key in metrics if (k := _read(key, name)) is not None and k.tier == found.tier]
        if keys:
            values[name] = float(metrics[min(keys, key=lambda k: (k.average is not None, len(k.key), k.key)).key])
    if "recall" not in values or "accuracy" not in values or abs(values["recall"] - values["accuracy"]) > 1e-12:  # noqa: PLR2004 - float noise
        return None
    if values["recall"] in (0.0, 1.0):
        return None
    micro = abs(values.get("f1", math.nan) - values["accuracy"]) <= 1e-12  # noqa: PLR2004 - float noise
    return "micro" if micro else "weighted"


def _missing(metric: Metric, metrics: Mapping[str, float], what: str) -> NotLogged:
    finite: Sequence[str] = sorted(metrics)
    near = tuple(difflib.get_close_matches(metric.keys[0] if metric.keys else metric.name, finite, n=3, cutoff=0.4))
    training = [k for k in finite if {"train", "training"} & set(_words(k)) and _read(_untrained(k), metric.name)]
    if training and not metric.keys:
        text = f"The run logs {metric.label()} on training data only ({', '.join(training)}), which says nothing"
        return NotLogged("missing", text, near)
    if not finite:
        return NotLogged("missing", "The run logs no metrics")
    return NotLogged("missing", f"The run logs {what}; it logs {_listed(finite)}", near)


def _untrained(key: str) -> str:
    return "_".join(w for w in _words(key) if w not in {"train", "training"})


def _listed(keys: Sequence[str]) -> str:
    return ", ".join(keys[:6]) + (f" and {len(keys) - 6} more" if len(keys) > 6 else "")  # noqa: PLR2004 - a line's worth


def words_around(key: str, name: str) -> tuple[str, ...] | None:
    """Return the words of a key besides the metric's name and fillers, sorted; None where it is not that metric.

    Two keys with equal words around them speak of the same data: "val_f1" and "val/precision_score".
    """
    words, wanted = _words(key), _words(name)
    for size in range(len(words), 0, -1):
        for start in range(len(words) - size + 1):
            middle = words[start : start + size]
            if middle == wanted or canonical_name("_".join(middle)) == name:
                return tuple(sorted(w for w in words[:start] + words[start + size :] if w not in _FILLERS))
    return None


def logged_key(metric: Metric, metrics: Mapping[str, float]) -> str | None:
    """Return the key that `logged_value` would take the metric from, whatever its value; None where there is none."""
    found = _named(metric, metrics) if metric.keys else _recognised(metric, metrics)
    return None if isinstance(found, NotLogged) else found.key
