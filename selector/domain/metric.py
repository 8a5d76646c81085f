"""What is a metric: its name, averaging, direction, valid range, and which of two values is better."""

from __future__ import annotations

import difflib
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, cast

from selector.domain.metric_names import LABELS, LOGGED_ONLY, RECOMPUTED, Direction, canonical_name

Aggregation = Literal["last", "best"] | int

AVERAGES = ("binary", "macro", "weighted", "micro")
AUTO = "auto"
"""The averaging of a metric that nobody has chosen yet; `resolve_average` turns it into one of `AVERAGES`."""

_AVERAGED = frozenset({"f1", "precision", "recall"})


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric as the operator asked for it. Make one with `metric`, which checks and fills in.

    Attributes:
        name: one of `known_metrics()`, or any MLflow key as written ("silhouette_score").
        average: binary, macro, weighted, micro; "auto" until resolved; None where averaging does not apply.
        direction: whether larger or smaller is better, or the distance from the band `target` counts.
        keys: logged keys the operator named, in order of preference; empty: the usual spellings of `name`.
        target: the band (low, high) for direction "target", both ends inside.
        low: smallest valid value.
        high: largest valid value.
        aggregation: which logged value counts where a key has several: the last, the best, or that of a step.
        quantile: between 0 and 1; used by pinball alone.

    """

    name: str
    average: str | None
    direction: Direction
    keys: tuple[str, ...] = ()
    target: tuple[float, float] | None = None
    low: float = -math.inf
    high: float = math.inf
    aggregation: Aggregation = "last"
    quantile: float = 0.5

    @property
    def recomputed(self) -> bool:
        """Whether the value can be computed here from labels and predictions."""
        return self.name in RECOMPUTED

    @property
    def share(self) -> bool:
        """Whether valid values lie between 0 and 1, so that 69.3 can only be a percentage."""
        return self.low == 0.0 and self.high == 1.0

    def miss(self, value: float) -> float:
        """Return how far `value` lies outside the target band (0 inside, >= 0), for direction "target"."""
        low, high = self.target if self.target is not None else (-math.inf, math.inf)
        return max(low - value, value - high, 0.0)

    def lead(self, a: float, b: float) -> float:
        """Return by how much `a` is better than `b`, in the metric's unit; negative where it is worse."""
        if self.direction == "maximize":
            return a - b
        if self.direction == "minimize":
            return b - a
        return self.miss(b) - self.miss(a)

    def better(self, a: float, b: float) -> bool:
        """Return whether `a` is strictly better than `b`; never where either is NaN."""
        return self.lead(a, b) > 0.0

    def valid(self, value: float) -> bool:
        """Return whether `value` is finite and within the metric's range."""
        return math.isfinite(value) and self.low <= value <= self.high

    def label(self) -> str:
        """Return the name for people, with the averaging wherever there is one: "weighted F1"."""
        name = LABELS.get(self.name, self.name)
        if self.name == "pinball":
            return f"{name} at {self.quantile:g}"
        return f"{self.average} {name}" if self.average in AVERAGES else name


def known_metrics() -> tuple[str, ...]:
    """Return the names of the metrics that can be recomputed from labels and predictions."""
    return tuple(RECOMPUTED)


def metric(
    name: str,
    *,
    average: str | None = None,
    direction: str | None = None,
    keys: Sequence[str] = (),
    target: tuple[float, float] | None = None,
    low: float | None = None,
    high: float | None = None,
    aggregation: str | int = "last",
    quantile: float = 0.5,
    classes: Sequence[str] = (),
    positive: str | None = None,
) -> Metric:
    """Return the metric an operator asked for.

    Args:
        name: a known metric in any usual spelling, which may carry its averaging ("macro_f1"), or any MLflow key.
        average: binary, macro, weighted or micro; None leaves F1, precision and recall at "auto".
        direction: maximize, minimize or target; needed where the name alone does not tell it.
        keys: the logged keys that hold it, in order of preference.
        target: the band that values should lie in; implies direction "target".
        low: smallest valid value, where it is not known from the name.
        high: largest valid value, where it is not known from the name.
        aggregation: "last", "best", or a step >= 0.
        quantile: strictly between 0 and 1, for pinball.
        classes: the holdout's classes; where given, "auto" is resolved at once.
        positive: the positive class, one of `classes`.

    Raises:
        ValueError: an unknown averaging, direction or aggregation, a name whose direction nobody gave, a band or a
            quantile that makes no sense.

    """
    if not name.strip():
        raise ValueError("metric has no name; known metrics: " + ", ".join(RECOMPUTED))
    known, spelled = _split_average(name)
    if average is not None and spelled is not None and average != spelled:
        raise ValueError(f"metric {name!r} names averaging {spelled!r} itself, but average is {average!r}")
    facts = {**RECOMPUTED, **LOGGED_ONLY}.get(known)
    made = Metric(
        name=known,
        average=_average(known, average or spelled),
        direction=_direction(known, direction, facts, target),
        keys=tuple(keys),
        target=_band(known, target),
        low=low if low is not None else facts[1] if facts else -math.inf,
        high=high if high is not None else facts[2] if facts else math.inf,
        aggregation=_aggregation(aggregation),
        quantile=_quantile(quantile),
    )
    return resolve_average(made, classes, positive) if classes else made


def resolve_average(metric: Metric, classes: Sequence[str], positive: str | None = None) -> Metric:
    """Return the metric with "auto" replaced: binary with a positive class or labels 0 and 1, else macro.

    Args:
        metric: any metric; one whose averaging is settled comes back as it is.
        classes: the holdout's classes as text; empty for a regression.
        positive: the positive class as text, or None.

    """
    if metric.average != AUTO:
        return metric
    binary = positive is not None or _zero_and_one(classes)
    return replace(metric, average="binary" if binary else "macro")


def _zero_and_one(classes: Sequence[str]) -> bool:
    try:
        return {float(c) for c in classes} == {0.0, 1.0}
    except ValueError:
        return {c.strip().lower() for c in classes} == {"false", "true"}


def _split_average(name: str) -> tuple[str, str | None]:
    """Take "macro" off "macro_f1" or "F1 (macro)"; leave names alone that are not an averaged metric with it."""
    words = name.strip().lower().replace("-", " ").replace("_", " ").replace("(", " ").replace(")", " ").split()
    found = [w for w in words if w in AVERAGES]
    rest = canonical_name("_".join(w for w in words if w not in AVERAGES))
    if len(found) == 1 and rest in _AVERAGED:
        return rest, found[0]
    return canonical_name(name), None


def _nearest(word: object, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(str(word).lower(), known, n=1, cutoff=0.5)
    return f"; did you mean {near[0]!r}?" if near else "."


def _average(name: str, average: str | None) -> str | None:
    if average is not None and average not in (*AVERAGES, AUTO):
        raise ValueError(f"average {average!r} is unknown{_nearest(average, AVERAGES)} Known: {', '.join(AVERAGES)}")
    if name in _AVERAGED:
        return average or AUTO
    if average in (None, AUTO):
        return None
    raise ValueError(f"average {average!r} does not apply to metric {name!r}; leave it out")


def _direction(
    name: str,
    direction: str | None,
    facts: tuple[Direction, float, float] | None,
    target: tuple[float, float] | None,
) -> Direction:
    known = ("maximize", "minimize", "target")
    if direction is not None and direction not in known:
        raise ValueError(f"direction {direction!r} is unknown{_nearest(direction, known)} Known: {', '.join(known)}")
    if (direction == "target") != (target is not None) and (direction is not None or target is None):
        raise ValueError(f"metric {name!r}: direction 'target' and a target band belong together")
    if target is not None:
        return "target"
    if direction is not None:
        if facts is not None and direction != facts[0]:
            raise ValueError(f"metric {name!r} is better when {facts[0]}d, but direction is {direction!r}")
        return cast("Direction", direction)
    if facts is None:
        raise ValueError(
            f"metric {name!r} does not tell whether larger or smaller is better{_nearest(name, tuple(RECOMPUTED))}"
            " Give direction: maximize or minimize"
        )
    return facts[0]


def _band(name: str, target: tuple[float, float] | None) -> tuple[float, float] | None:
    if target is None:
        return None
    low, high = (float(v) for v in target)
    if not (math.isfinite(low) and math.isfinite(high) and low <= high):
        raise ValueError(f"metric {name!r}: target band {low:g} to {high:g} is not a finite range, low first")
    return low, high


def _aggregation(aggregation: str | int) -> Aggregation:
    if aggregation in ("last", "best"):
        return cast("Aggregation", aggregation)
    if isinstance(aggregation, int) and not isinstance(aggregation, bool) and aggregation >= 0:
        return aggregation
    raise ValueError(f"aggregation {aggregation!r} is unknown; use last, best, or a step such as 100")


def _quantile(quantile: float) -> float:
    if not 0.0 < quantile < 1.0:
        raise ValueError(f"quantile {quantile!r} is not strictly between 0 and 1")
    return float(quantile)
