"""How do these versions do side by side on the same rows?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from statistics import median
from typing import Any

from selector.domain.decision import decide
from selector.domain.intervals import interval
from selector.domain.logged import NotLogged, logged_value
from selector.domain.metric import AUTO, known_metrics, metric, resolve_average
from selector.domain.model import Candidate, Predictions, Truth, Unscorable
from selector.domain.outcomes import Outcome
from selector.domain.side_by_side import against, further_metrics
from selector.domain.snapshot import gather
from selector.errors import UsageError
from selector.workflows.documents import SCHEMA_VERSION, finite
from selector.workflows.evaluate import Evaluation, evaluate
from selector.workflows.house import House, Setup
from selector.workflows.observe import measured, observe, read_registry

BEST = 5
"""How many are compared where neither versions nor aliases name two."""

SINGLE = 2
UNPROVEN = "Unproven: these are values that runs logged, perhaps of different rows."
UNCORRECTED = "The chance of luck is that of each pair alone; select also counts how many were tried."


def compare(house: House, model: str, versions: Sequence[int]) -> dict[str, Any]:
    """Return versions side by side: scores, leads over the first one, further metrics, rows fixed and broken.

    Args:
        house: the ports; nothing is written to MLflow.
        model: the registered model.
        versions: the first one is what the others are compared with. None named: champion, challenger and previous;
            where fewer than two of them exist, the five best candidates.

    Raises:
        UsageError: no such version.
        MlflowUnreachableError: MLflow does not answer in time.
        HoldoutError: the labelled rows cannot be used.
        ScoringError: models would not be confined.

    """
    setup = house.setup(model)
    chosen, roles = _chosen(house, setup, list(dict.fromkeys(versions)))
    document: dict[str, Any] = {"schema_version": SCHEMA_VERSION, "model": model}
    if setup.holdout is None:
        return document | _by_logged(setup, chosen, roles)
    truth, features = house.holdouts.read(setup.holdout)
    evaluation = evaluate(house, chosen, truth.digest, features)
    return document | _by_rows(setup, chosen, roles, truth, evaluation)


def _chosen(house: House, setup: Setup, versions: list[int]) -> tuple[list[Candidate], dict[int, str]]:
    """Return what is compared, the first one first, and which alias each version holds."""
    registered, runs, others = read_registry(house, setup)
    aliases = setup.policy.aliases
    held = registered.aliases if registered else {}
    roles = {held[name]: name for name in (aliases.previous, aliases.challenger, aliases.champion) if name in held}
    candidates = gather(registered, runs, others)
    known = {c.number: c for c in reversed(candidates) if c.number is not None}
    if versions:
        missing = [v for v in versions if v not in known]
        if missing:
            there = ", ".join(str(v) for v in sorted(known)) or "none"
            raise UsageError(f"model {setup.model!r} has no version {missing[0]}", advice=f"versions: {there}")
        return [known[v] for v in versions], roles
    named = [v for v in reversed(roles) if v in known]
    if len(named) >= SINGLE:
        return [known[v] for v in named], roles
    return _best(house, setup), roles


def _best(house: House, setup: Setup) -> list[Candidate]:
    """Return the champion, if there is one, and the best others that may compete."""
    decision = decide(observe(house, setup).snapshot, setup.policy, "")
    fit = [s for s in decision.ranking if s.eligible]
    return [s.candidate for s in sorted(fit, key=lambda s: not s.champion)[:BEST]]


def _line(candidate: Candidate, roles: Mapping[int, str]) -> dict[str, Any]:
    number = candidate.number
    return {
        "version": number,
        "run_id": candidate.run_id,
        "name": candidate.name,
        "role": roles.get(number) if number is not None else None,
    }


def _by_rows(
    setup: Setup, chosen: Sequence[Candidate], roles: Mapping[int, str], truth: Truth, evaluation: Evaluation
) -> dict[str, Any]:
    outcomes = measured(setup, chosen, truth, evaluation)
    positive = truth.classes[truth.positive] if truth.positive is not None else None
    asked = resolve_average(setup.policy.metric, truth.classes, positive)
    others = {
        m.name: measured(replace(setup, policy=replace(setup.policy, metric=m)), chosen, truth, evaluation)
        for m in further_metrics(asked)
    }
    first = next((o for c in chosen[:1] if isinstance(o := outcomes.get(c.uri), Outcome)), None)
    lines = []
    for i, candidate in enumerate(chosen):
        outcome, answer = outcomes.get(candidate.uri), evaluation.answers.get(candidate.uri)
        line = _line(candidate, roles) | _measured(outcome, truth) | _speed(answer, truth)
        line["metrics"] = {name: _value(found.get(candidate.uri), truth) for name, found in others.items()}
        line["metrics"] = {name: value for name, value in line["metrics"].items() if value is not None}
        line |= _lead(first if i else None, outcome, truth)
        lines.append(line)
    return {
        "metric": asked.label(),
        "rows": truth.rows,
        "holdout": truth.digest,
        "proof": "measured",
        "classes": list(truth.classes),
        "versions": lines,
        "notes": [UNCORRECTED] if first is not None and len(chosen) > 1 else [],
    }


def _measured(outcome: Outcome | Unscorable | None, truth: Truth) -> dict[str, Any]:
    if not isinstance(outcome, Outcome):
        why = outcome.reason if outcome is not None else "it was not scored"
        return {"score": None, "low": None, "high": None, "confusion": None, "reason": why}
    low, high = interval(outcome, groups=truth.groups)
    confusion = None if outcome.confusion is None else [[int(n) for n in row] for row in outcome.confusion]
    return {
        "score": finite(outcome.value),
        "low": finite(low),
        "high": finite(high),
        "confusion": confusion,
        "reason": "",
    }


def _value(outcome: Outcome | Unscorable | None, truth: Truth) -> dict[str, Any] | None:
    if not isinstance(outcome, Outcome):
        return None
    low, high = interval(outcome, groups=truth.groups)
    return {"label": outcome.metric.label(), "value": finite(outcome.value), "low": finite(low), "high": finite(high)}


def _lead(first: Outcome | None, outcome: Outcome | Unscorable | None, truth: Truth) -> dict[str, Any]:
    keys = ("lead", "lead_low", "lead_high", "p", "disagreements", "rows_fixed", "rows_broken")
    if first is None or not isinstance(outcome, Outcome):
        return dict.fromkeys(keys)
    found = against(first, outcome, truth)
    versus = found.versus
    return {
        "lead": finite(versus.lead),
        "lead_low": finite(versus.low),
        "lead_high": finite(versus.high),
        "p": finite(versus.p),
        "disagreements": versus.disagreements,
        "rows_fixed": found.fixed,
        "rows_broken": found.broken,
    }


def _speed(answer: Predictions | Unscorable | None, truth: Truth) -> dict[str, Any]:
    """Return how long all rows took when the model was scored, and single rows where that was timed."""
    if not isinstance(answer, Predictions):
        return {"rows_per_second": None, "row_milliseconds": None}
    single = [1000.0 * seconds for rows, seconds in answer.timings or () if rows == 1]
    return {
        "rows_per_second": finite(truth.rows / answer.seconds) if answer.seconds > 0 else None,
        "row_milliseconds": median(single) if single else None,
    }


def _by_logged(setup: Setup, chosen: Sequence[Candidate], roles: Mapping[int, str]) -> dict[str, Any]:
    """Return the values that runs logged; nothing tells how far luck explains the differences."""
    asked = setup.policy.metric
    lines: list[dict[str, Any]] = []
    for candidate in chosen:
        found = logged_value(asked, candidate.metrics)
        reason = found.reason if isinstance(found, NotLogged) else ""
        score = None if isinstance(found, NotLogged) else finite(found.value)
        nothing = dict.fromkeys(("low", "high", "lead_low", "lead_high", "p", "confusion", "rows_fixed", "rows_broken"))
        line = _line(candidate, roles) | {"score": score, "reason": reason, "lead": None, **nothing}
        first = lines[0]["score"] if lines else None
        line["lead"] = asked.lead(score, first) if score is not None and first is not None else None
        lines.append(line | {"metrics": _logged_metrics(candidate)})
    label = asked.name if asked.average == AUTO else asked.label()
    return {
        "metric": label,
        "rows": None,
        "holdout": None,
        "proof": "unproven",
        "classes": [],
        "versions": lines,
        "notes": [UNPROVEN],
    }


def _logged_metrics(candidate: Candidate) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name in known_metrics():
        value = logged_value(metric(name), candidate.metrics)
        if not isinstance(value, NotLogged):
            found[name] = {"label": value.key, "value": finite(value.value), "low": None, "high": None}
    return found
