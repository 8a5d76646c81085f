"""What do candidates score by further metrics, which are shown beside the one that decides, and decide nothing?"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from selector.domain.logged import NotLogged, logged_value
from selector.domain.metric import AUTO, AVERAGES, Metric, metric, resolve_average
from selector.domain.metric_names import LOGGED_ONLY, RECOMPUTED
from selector.domain.model import Candidate, Predictions, Truth, Unscorable
from selector.domain.outcomes import Outcome, measure
from selector.domain.ranking import Ranking, Standing


@dataclass(frozen=True, slots=True)
class Further:
    """Further metrics of all candidates of a decision.

    Attributes:
        labels: names for people by key, with the averaging; in the order that was asked for.
        values: by address of the candidate, then by key; None where there is no value.
        notes: metrics that not one candidate has a value of, with the reason of the first.

    """

    labels: Mapping[str, str] = field(default_factory=dict)
    values: Mapping[str, Mapping[str, float | None]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def of(self, standing: Standing) -> Mapping[str, float | None]:
        """Return one candidate's values by key; None for each that it has no value of."""
        return self.values.get(standing.candidate.uri) or dict.fromkeys(self.labels)


def further_metric(name: str) -> Metric:
    """Return the metric behind a usual spelling, which may carry its averaging ("macro_f1").

    Raises:
        ValueError: nobody knows it; the nearest known name is in the message.

    """
    try:
        return metric(name)
    except ValueError:  # it does not tell a direction, so nobody knows it
        known = (*RECOMPUTED, *LOGGED_ONLY)
    near = difflib.get_close_matches(name.lower(), known, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]!r}? " if near else ""
    raise ValueError(f"metric {name!r} is unknown; {hint}Known: {', '.join(known)}")


def key_of(asked: Metric) -> str:
    """Return the key of a further metric: its name, with the averaging where one was asked for."""
    return f"{asked.average}_{asked.name}" if asked.average in AVERAGES else asked.name


def further(
    asked: Sequence[Metric],
    own: Metric,
    ranking: Ranking,
    *,
    truth: Truth | None,
    answers: Mapping[str, Predictions | Unscorable],
    thresholds: Mapping[str, float | None],
) -> Further:
    """Measure further metrics on the answers that are there, or take what runs logged where no rows are shared.

    Args:
        asked: the metrics; those without an averaging of their own follow the one that decides.
        own: the metric that decides, with its averaging settled; it is left out.
        ranking: the candidates.
        truth: the labelled rows; None where only logged metrics exist.
        answers: what each candidate answered, by address.
        thresholds: the probability from which on an answer counts as positive, by address.

    """
    labels: dict[str, str] = {}
    values: dict[str, dict[str, float | None]] = {s.candidate.uri: {} for s in ranking if s.candidate.uri}
    notes: list[str] = []
    for one in asked:
        settled = _settled(one, own, truth)
        key = key_of(one)
        if (settled.name, settled.average) == (own.name, own.average) or key in labels:
            continue
        labels[key] = settled.label()
        found = _Values(settled, truth, answers, thresholds)
        for standing in ranking:
            if standing.candidate.uri:
                values[standing.candidate.uri][key] = found.of(standing.candidate)
        if found.reasons and not any(line.get(key) is not None for line in values.values()):
            notes.append(f"No candidate has a value of {settled.label()}: {found.reasons[0]}")
    return Further(labels, values, tuple(notes))


def _settled(one: Metric, own: Metric, truth: Truth | None) -> Metric:
    if one.average == AUTO and own.average in AVERAGES:
        return replace(one, average=own.average)
    if truth is None:
        return one
    return resolve_average(one, truth.classes, truth.classes[truth.positive] if truth.positive is not None else None)


@dataclass(slots=True)
class _Values:
    """The values of one metric; candidates that share their answers are measured once."""

    metric: Metric
    truth: Truth | None
    answers: Mapping[str, Predictions | Unscorable]
    thresholds: Mapping[str, float | None]
    reasons: list[str] = field(default_factory=list)
    _known: dict[tuple[int, float | None], float | None] = field(default_factory=dict)

    def of(self, candidate: Candidate) -> float | None:
        if self.truth is None or not self.metric.recomputed:
            found = logged_value(self.metric, candidate.metrics)
            if isinstance(found, NotLogged):
                self.reasons.append(found.reason)
                return None
            return found.value
        answer = self.answers.get(candidate.uri)
        if not isinstance(answer, Predictions):
            return None
        threshold = self.thresholds.get(candidate.uri)
        key = (id(answer), threshold)
        if key not in self._known:
            measured = measure(self.metric, self.truth, answer, threshold=threshold)
            self._known[key] = measured.value if isinstance(measured, Outcome) else None
            self.reasons += [measured.reason] if isinstance(measured, Unscorable) else []
        return self._known[key]
