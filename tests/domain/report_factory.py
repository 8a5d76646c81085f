"""Which decisions do report tests speak of: real ones, decided from real predictions of simulated models."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np

from selector.domain.decision import decide
from selector.domain.metric import metric
from selector.domain.model import Candidate, ModelVersion, Predictions, RegisteredModel, Run, Truth, Unscorable
from selector.domain.outcomes import measure
from selector.domain.policy import Policy
from selector.domain.report import Report, build
from selector.domain.snapshot import Snapshot
from selector.domain.verdict import Decision

START = datetime(2026, 3, 2, 8, 30, tzinfo=UTC)


@dataclass(frozen=True)
class Story:
    """A decision with all that a report of it needs."""

    decision: Decision
    policy: Policy
    predictions: dict[str, Predictions]

    def report(self, **changes) -> Report:
        """Build the report as the product does after a promotion, or with other arguments."""
        facts = {
            "at": datetime(2026, 11, 20, 21, 40, tzinfo=UTC),
            "predictions": self.predictions,
            "target": "Churn",
            "confinement": "models were loaded by a separate process without network, in a private folder",
            "environment": {"mlflow-selector": "0.1.0", "MLflow": "3.17.2"},
        }
        if self.decision.winner is not None:
            facts["winner_version"] = None if changes.get("dry_run") else self.decision.winner.candidate.number or 12
            facts["done"] = (
                "alias champion: version 1 before, version 12 after",
                "alias previous: not set before, version 1 after",
                "tag selector.status of version 12: champion",
                "tag selector.status of version 1: archived",
            )
        return build(self.decision, self.policy, **{**facts, **changes})


def truth(rows: int = 2000, seed: int = 7, classes: tuple[str, ...] = ("No", "Yes")) -> Truth:
    """Return labelled rows; with two classes about 27 in 100 are positive."""
    rng = np.random.default_rng(seed)
    draw = rng.choice(len(classes), rows, p=[0.73, 0.27] if len(classes) == 2 else None)
    labels = draw.astype(np.int64)
    digest = hashlib.sha256(labels.tobytes()).hexdigest()
    return Truth(digest=digest, labels=labels, classes=classes, positive=1 if len(classes) == 2 else None)


def answers(rows: Truth, skill: float, seed: int) -> Predictions:
    """Return what a model of this skill (0: a coin, 3: nearly perfect) would answer; models share most mistakes."""
    common, own = np.random.default_rng(99), np.random.default_rng(seed)
    k = len(rows.classes)
    noise = 0.93 * common.normal(size=(rows.rows, k)) + 0.37 * own.normal(size=(rows.rows, k))
    pull = noise + skill * np.eye(k)[rows.labels]
    exponent = np.exp(pull - pull.max(axis=1, keepdims=True))
    table = exponent / exponent.sum(axis=1, keepdims=True)
    return Predictions(np.asarray(rows.classes)[table.argmax(axis=1)], table, rows.classes)


def story(
    skills: tuple[float, ...] = (1.8, 2.1, 1.9, 1.7),
    *,
    names: tuple[str, ...] = (),
    model: str = "churn",
    champion: bool = True,
    rows: int = 2000,
    classes: tuple[str, ...] = ("No", "Yes"),
    logged_only: bool = False,
    broken: tuple[str, ...] = (),
    copies: int = 0,
    **policy,
) -> Story:
    """Decide between models of these skills; with `champion` the first one is version 1 and champion.

    Args:
        broken: names of further candidates that cannot be scored.
        copies: how many further candidates answer exactly as the last one does.

    """
    labelled = truth(rows, classes=classes)
    rules = Policy(metric=metric("f1"), **({"trust_logged": True} if logged_only else {}) | policy)
    names = names or tuple(f"candidate-{i}" for i in range(len(skills)))
    candidates, predictions, outcomes, digests = [], {}, {}, {}
    measured = metric("f1", classes=labelled.classes, positive="Yes" if len(classes) == 2 else None)
    for i, (skill, name) in enumerate([*zip(skills, names, strict=True), *((None, b) for b in broken)]):
        given = answers(labelled, skill, seed=i) if skill is not None else None
        outcome = (
            measure(measured, labelled, given) if given else Unscorable("its model file is cut off after 4,096 bytes")
        )
        candidate = _candidate(i, name, {"f1": outcome.value} if given else {}, registered=champion and i == 0)
        candidates.append(candidate)
        outcomes[candidate.uri] = outcome
        digests[candidate.uri] = f"bytes of {i}"
        if given:
            predictions[candidate.uri] = given
    for i in range(copies):
        last = candidates[len(skills) - 1]
        copy = _candidate(500 + i, f"{last.name}-copy-{i}", last.metrics, registered=False)
        candidates.append(copy)
        outcomes[copy.uri], digests[copy.uri] = outcomes[last.uri], digests[last.uri]
    registered = RegisteredModel(
        model, tuple(c.version for c in candidates if c.version), {"champion": 1} if champion else {}
    )
    snapshot = Snapshot(
        model=model,
        registered=registered,
        candidates=tuple(candidates),
        digests=digests,
        outcomes={} if logged_only else outcomes,
        truth=None if logged_only else labelled,
        refused=frozenset() if logged_only else frozenset({"a", "b", "c", "d"}),
    )
    return Story(decide(snapshot, rules, "20261120T214000-7f3a"), rules, {} if logged_only else predictions)


def _candidate(i: int, name: str, metrics: dict[str, float], *, registered: bool) -> Candidate:
    run_id = hashlib.md5(str(i).encode(), usedforsecurity=False).hexdigest()
    run = Run(run_id, name, "churn_monitoring", "FINISHED", START + timedelta(days=i), metrics=metrics)
    uri = f"models:/m-{run_id}"
    version = ModelVersion(1, uri, run_id) if registered else None
    return Candidate(uri, name, run, version, metrics)
