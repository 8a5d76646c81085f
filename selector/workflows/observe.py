"""What is the world like right now: registry, runs, candidates, their scores on one holdout, in one frozen snapshot."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from selector.domain.counted import is_logged_try
from selector.domain.family import members
from selector.domain.live import LiveProof, proofs
from selector.domain.metric import Metric, resolve_average
from selector.domain.model import (
    FINGERPRINT_TAG,
    PUT_ASIDE,
    STATUS_TAG,
    Candidate,
    Predictions,
    RegisteredModel,
    Run,
    Truth,
    Unscorable,
)
from selector.domain.outcomes import Outcome, measure
from selector.domain.policy import Policy
from selector.domain.snapshot import Snapshot, gather
from selector.domain.trials import before_scoring
from selector.ports import Entry, Features
from selector.workflows import heard
from selector.workflows.evaluate import Evaluation, evaluate
from selector.workflows.fingerprint import ModelBytes
from selector.workflows.foreign import foreign_change, passed_over
from selector.workflows.history_of_metrics import with_aggregation
from selector.workflows.house import House, Setup
from selector.workflows.kept_health import kept_health
from selector.workflows.model_facts import facts_without_rows

REIGN_ENDS = heard.REIGN_ENDS
THRESHOLD_TAG = "best_threshold"


@dataclass(frozen=True, slots=True, eq=False)
class Observed:
    """A snapshot, with what only the report and the plan need.

    Attributes:
        answers: raw answers by candidate URI.
        bytes: digests of each candidate's files by URI, to be checked again before a promotion.
        scored: how many models had to be scored.

    """

    snapshot: Snapshot
    answers: Mapping[str, Predictions | Unscorable]
    bytes: Mapping[str, ModelBytes]
    scored: int
    last: Entry | None
    """The newest recorded decision about this model."""
    heard: heard.Heard = field(default_factory=heard.Heard)
    """What people have answered."""


def observe(house: House, setup: Setup) -> Observed:
    """Read everything once and score what has no score yet.

    Raises:
        MlflowUnreachableError: MLflow does not answer in time.
        HoldoutError: the labelled rows cannot be used.
        ScoringError: models would not be confined.

    """
    registered, runs, others = read_registry(house, setup)
    candidates = gather(registered, runs, others, only_runs=bool(setup.filter))
    candidates = with_aggregation(house.registry, setup.policy.metric, candidates)
    truth: Truth | None = None
    evaluation = Evaluation()
    outcomes: dict[str, Outcome | Unscorable] = {}
    if setup.holdout is not None:
        truth, features = house.holdouts.read(setup.holdout)
        candidates, evaluation = _evaluated(house, setup, candidates, truth, features)
        outcomes = measured(setup, candidates, truth, evaluation)
    elif setup.policy.gates_need("facts"):
        finished = [c for c in candidates if c.run is None or c.run.status == "FINISHED"]
        evaluation.facts = facts_without_rows(house, finished)
    history = house.store.entries(setup.model, kinds=("decision", *REIGN_ENDS), newest=2000)
    history = (*history, *foreign_change(setup, registered, history, house.clock.now()))
    digests = {uri: found.content for uri, found in evaluation.bytes.items()} or _fingerprints(candidates)
    told = heard.heard(house, setup, candidates, history)
    replaced = passed_over(history, registered, candidates)
    by_hand = {key: why for why, whom in replaced.items() for key in _keys(whom, digests, outcomes) if key}
    snapshot = Snapshot(
        model=setup.model,
        registered=registered,
        candidates=candidates,
        digests=digests,
        outcomes=outcomes,
        truth=truth,
        refused=frozenset(r for r in refused_since(history) if is_logged_try(r) == (truth is None)),
        barred=_barred(candidates, digests, outcomes),
        approvals=told.approvals,
        rejected={**by_hand, **told.rejected},
        stopped=carried(history, "stopped", setup.policy),
        held=carried(history, "held", setup.policy),
        live=_proved(house, setup, registered),
        **(_for_gates(house, setup, candidates, evaluation) if setup.policy.gates else {}),
    )
    last = next((e for e in reversed(history) if e.kind == "decision"), None)
    return Observed(snapshot, evaluation.answers, evaluation.bytes, evaluation.scored, last, told)


def read_registry(house: House, setup: Setup) -> tuple[RegisteredModel | None, Sequence[Run], Sequence[Run]]:
    """Return the registered model, the runs that feed it, and the runs of versions that come from elsewhere."""
    if setup.seen is not None:
        seen = setup.seen
        return (
            seen.registered,
            seen.runs,
            [r for i in _elsewhere(seen.registered, seen.runs) if (r := seen.others.get(i))],
        )
    registered = house.registry.registered_model(setup.model)
    runs = house.registry.runs(setup.experiments, setup.filter) if setup.experiments else ()
    if setup.family is not None:
        runs = members(setup.family, runs).runs.get(setup.value or "", ())
    elsewhere = _elsewhere(registered, runs)
    return registered, runs, house.registry.runs_by_id(elsewhere) if elsewhere else ()


def _elsewhere(registered: RegisteredModel | None, runs: Sequence[Run]) -> list[str]:
    known = {run.run_id for run in runs}
    versions = registered.versions if registered else ()
    return sorted({v.run_id for v in versions if v.run_id and v.run_id not in known})


def _proved(house: House, setup: Setup, registered: RegisteredModel | None) -> Mapping[str, LiveProof]:
    """Return who proved better than the champion on production's labels, where the policy promotes for it."""
    if setup.monitor is None or setup.monitor.on_better != "promote" or not setup.monitor.challengers:
        return {}
    champion = champion_of(registered, setup.policy.aliases.champion)
    health = kept_health(house, setup.model)
    return proofs(health.challengers, champion) if health.version == champion else {}


def _evaluated(
    house: House, setup: Setup, candidates: Sequence[Candidate], truth: Truth, features: Features
) -> tuple[tuple[Candidate, ...], Evaluation]:
    """Score what competes; where the best trial of a tuning run cannot be scored, the next best is."""
    hopeless: set[str] = set()
    while True:
        chosen = before_scoring(candidates, setup.policy.nested, _metric(setup, truth), hopeless)
        worth = [c for c in chosen if (c.run is None or c.run.status == "FINISHED") and not c.set_aside]
        needs = setup.policy.gates_need
        evaluation = evaluate(house, worth, truth.digest, features, timed=needs("timings"), facts=needs("facts"))
        unscorable = {uri for uri, answer in evaluation.answers.items() if isinstance(answer, Unscorable)}
        if not {c.uri for c in chosen if c.trials} & (unscorable - hopeless):
            return chosen, evaluation
        hopeless |= unscorable


def _for_gates(house: House, setup: Setup, candidates: Sequence[Candidate], evaluation: Evaluation) -> dict[str, Any]:
    """Return what only gates look at."""
    thresholds = {c.uri: threshold_of(setup, c) for c in candidates if c.uri in evaluation.answers}
    return {
        "answers": evaluation.answers,
        "thresholds": {uri: value for uri, value in thresholds.items() if value is not None},
        "facts": evaluation.facts if setup.policy.gates_need("facts") else {},
        "at": house.clock.now() if setup.policy.gates_need("run") else None,
    }


def _metric(setup: Setup, truth: Truth) -> Metric:
    positive = truth.classes[truth.positive] if truth.positive is not None else None
    return resolve_average(setup.policy.metric, truth.classes, positive)


def measured(
    setup: Setup, candidates: Sequence[Candidate], truth: Truth, evaluation: Evaluation
) -> dict[str, Outcome | Unscorable]:
    """Measure each distinct answer once; copies share the outcome."""
    metric = _metric(setup, truth)
    found: dict[tuple[int, float | None], Outcome | Unscorable] = {}
    result: dict[str, Outcome | Unscorable] = {}
    for candidate in candidates:
        answer = evaluation.answers.get(candidate.uri)
        if answer is None:
            continue
        if isinstance(answer, Unscorable):
            result[candidate.uri] = answer
            continue
        threshold = threshold_of(setup, candidate)
        key = (id(answer), threshold)
        if key not in found:
            found[key] = measure(metric, truth, answer, threshold=threshold)
        result[candidate.uri] = found[key]
    return result


def threshold_of(setup: Setup, candidate: Candidate) -> float | None:
    """Return the run's own threshold where it carries one that makes sense, else the configured one."""
    run = candidate.run
    text = (run.tags.get(THRESHOLD_TAG) or run.params.get(THRESHOLD_TAG)) if run else None
    try:
        value = float(text) if text else math.nan
    except ValueError:
        value = math.nan
    return value if 0.0 < value < 1.0 else setup.threshold


def _fingerprints(candidates: Sequence[Candidate]) -> dict[str, str]:
    """Return what imports wrote down about the bytes, for looks that read no model."""
    return {c.uri: c.run.tags[FINGERPRINT_TAG] for c in candidates if c.uri and c.run and FINGERPRINT_TAG in c.run.tags}


def _barred(
    candidates: Sequence[Candidate], digests: Mapping[str, str], outcomes: Mapping[str, Outcome | Unscorable]
) -> dict[str, str]:
    """Return the digests of models put aside, so that no copy of them comes back under another name."""
    barred: dict[str, str] = {}
    for candidate in candidates:
        if candidate.version is None or candidate.version.tags.get(STATUS_TAG) not in PUT_ASIDE:
            continue
        outcome = outcomes.get(candidate.uri)
        keys = (digests.get(candidate.uri), outcome.digest if isinstance(outcome, Outcome) else None)
        barred.update({key: f"version {candidate.number}" for key in keys if key})
    return barred


def _keys(
    candidates: Sequence[Candidate], digests: Mapping[str, str], outcomes: Mapping[str, Outcome | Unscorable]
) -> Iterator[str]:
    """Yield what bars these models under any name: their addresses, and digests of their files and answers."""
    for candidate in candidates:
        outcome = outcomes.get(candidate.uri)
        yield candidate.uri
        yield digests.get(candidate.uri, "")
        yield outcome.digest if isinstance(outcome, Outcome) else ""


def refused_since(history: Sequence[Entry]) -> frozenset[str]:
    """Return the answer digests of the challengers that the present champion has refused.

    The count starts again when the champion changes, and not when the holdout does (selection.md, section 3).
    """
    refused: set[str] = set()
    for entry in reversed(history):
        if entry.kind in REIGN_ENDS:
            break
        refused.update(entry.details.get("refused", ()))
    return frozenset(refused)


def carried(history: Sequence[Entry], what: str, policy: Policy) -> Mapping[str, str]:
    """Return who was stopped or held when the present champion was promoted, under the same policy, and by what."""
    change = next((e for e in reversed(history) if e.kind in REIGN_ENDS), None)
    made = next((e for e in history if change and e.kind == "decision" and e.decision == change.decision), None)
    if change is None or made is None or made.details.get("policy") != policy.digest():
        return {}
    found: Mapping[str, str] = made.details.get(what, {})
    return found


def champion_of(registered: RegisteredModel | None, alias: str) -> int | None:
    """Return the version the alias points at, or None."""
    return registered.aliases.get(alias) if registered else None
