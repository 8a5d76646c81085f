"""What becomes of one decision on its way from the snapshot to the ledger?"""

from __future__ import annotations

import fnmatch
import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import MappingProxyType
from typing import Any

from selector.domain.choice import BETTER_IN_PRODUCTION
from selector.domain.counted import tries
from selector.domain.decision import decide
from selector.domain.further import Further, further
from selector.domain.gates.carried import held, remembered_by, stopped
from selector.domain.model import Predictions
from selector.domain.plans import challenger_plan, in_words, promotion_plan
from selector.domain.policy import Policy
from selector.domain.promotion import NEW_VERSION, Plan
from selector.domain.report import build
from selector.domain.report_parts import Report
from selector.domain.trials import behind
from selector.domain.verdict import Decision
from selector.ports import Entry
from selector.workflows.carry_out import Record, carry_out
from selector.workflows.documents import decision_document
from selector.workflows.families import missing_experiments
from selector.workflows.house import House, Setup
from selector.workflows.monitor_document import production_line
from selector.workflows.observe import Observed, threshold_of
from selector.workflows.record import inputs_document


@dataclass(frozen=True, slots=True)
class Case:
    """One decision on its way from the snapshot to the ledger."""

    house: House
    setup: Setup
    observed: Observed
    decision: Decision
    actor: str

    def plan(self) -> Plan | None:
        """Return what has to be written to MLflow; None where nothing has to."""
        registered = self.observed.snapshot.registered
        if self.decision.winner is None:
            return challenger_plan(self.decision, registered, self.setup.policy)
        scored = self.observed.bytes.get(self.decision.winner.candidate.uri)
        files, claim = scored.files if scored else None, self.house.store.identity()
        return promotion_plan(self.decision, registered, self.setup.policy, files, claim)

    def report(self, steps: Sequence[str], winner_version: int | None = None, before: Report | None = None) -> Report:
        """Return the report of the decision, with what it changes in MLflow; `before` is an earlier one of it."""
        answers = {uri: a for uri, a in self.observed.answers.items() if isinstance(a, Predictions)}
        made = build(
            self.decision,
            self.setup.policy,
            at=self.house.clock.now(),
            actor=self.actor,
            done=steps,
            winner_version=winner_version,
            predictions=answers,
            before=before,
            target=self.setup.holdout.target if self.setup.holdout else None,
            confinement=self.house.scorer.confinement if self.observed.answers else "",
            environment=_environment(),
        )
        return replace(made, production=production_line(self.house, self.setup))

    def carry_out(self, plan: Plan, record: Record) -> tuple[Path, int | None]:
        """Write the report, carry the plan out, and return the report's page and the version that was created."""
        first = self.report(in_words(plan))
        page = self.house.reports.write(first)

        def registered(number: int) -> None:
            self.house.reports.write(self.report(in_words(plan, {NEW_VERSION: f"v{number}"}), number, first))

        return page, carry_out(self.house, plan, record, on_registered=registered)


def decided(house: House, setup: Setup, observed: Observed) -> Decision:
    """Decide on what was observed, and give the decision its id: the time and the evidence."""
    now = house.clock.now()
    decision = decide(observed.snapshot, setup.policy, "")
    decision = replace(decision, id=f"{now:%Y%m%dT%H%M%S}-{decision.evidence[:8]}")
    beside = _beside(setup, observed, decision)
    told = (*observed.heard.notes, *observed.heard.stale(decision), *beside.notes)
    notes = (*decision.notes, *told, *_missing_experiments(house, setup, observed))
    return replace(decision, notes=notes, further=beside)


def _beside(setup: Setup, observed: Observed, decision: Decision) -> Further:
    """Return the further metrics, from the answers that are there; no model is scored for them."""
    if not setup.metrics:
        return Further()
    thresholds = {s.candidate.uri: threshold_of(setup, s.candidate) for s in decision.ranking}
    return further(
        setup.metrics,
        decision.metric,
        decision.ranking,
        truth=decision.truth,
        answers=observed.answers,
        thresholds=thresholds,
    )


def _missing_experiments(house: House, setup: Setup, observed: Observed) -> tuple[str, ...]:
    """Say which configured experiments have nothing to offer, with the nearest name where one does not exist."""
    seen = {c.run.experiment for c in observed.snapshot.candidates if c.run}
    unseen = [p for p in setup.experiments if not any(fnmatch.fnmatchcase(name, p) for name in seen)]
    if not unseen or setup.family is not None:
        return ()
    return missing_experiments(house, unseen, setup.seen.existing if setup.seen else None)


def record_of(case: Case) -> Record:
    """Return what the ledger and the journal keep of the decision."""
    decision = case.decision
    winner, champion = decision.winner, decision.champion
    before = champion.candidate.number if champion else None
    judged = [s.outcome.digest for s in decision.ranking if s.eligible and s.outcome and not s.champion]
    judged += [outcome.digest for outcome in behind(decision.ranking)] + tries(decision.ranking)
    details = decision_document(decision, created=None, report=None, dry_run=False) | {
        "evidence": decision.evidence,
        "policy": decision.policy_digest,
        "refused": [] if winner else sorted(set(judged)),
        **_carried_over(decision, case.setup.policy),
        "inputs": inputs_document(case.observed.snapshot, case.setup, case.house.scorer.revision),
    }
    return Record(
        kind="promoted" if winner else "decision",
        version=(winner.candidate.number or NEW_VERSION) if winner else (before or -1),
        previous=before if winner else None,
        actor=case.actor,
        reason=decision.reason,
        details=details,
    )


def _carried_over(decision: Decision, policy: Policy) -> dict[str, Any]:
    """Return who was stopped or held against the champion that is replaced, so that a second step is no way round."""
    if decision.winner is None:
        return {}
    found = {
        "stopped": stopped(decision.ranking, decision.winner, policy, decision.metric) | _beaten(decision),
        "held": held(decision.ranking, decision.winner, decision.metric),
    }
    return {name: what for name, what in found.items() if what}


def _beaten(decision: Decision) -> dict[str, str]:
    """Return the champion that lost on production's labels: the holdout, which did not see it coming, stays silent."""
    if decision.code != BETTER_IN_PRODUCTION or decision.champion is None:
        return {}
    return {remembered_by(decision.champion): "the present champion proved better on production's labels"}


def decision_entry(house: House, decision: Decision, record: Record) -> Entry:
    """Return the ledger's entry of a decision that needs no plan."""
    return Entry(
        at=house.clock.now(),
        model=decision.model,
        kind="decision",
        version=record.version if record.version > 0 else None,
        actor=record.actor,
        decision=decision.id,
        reason=decision.reason,
        details=record.details,
    )


@functools.cache
def _environment() -> Mapping[str, str]:
    """Return the versions that a reader of an old report will want to know, without importing any of them."""
    found = {}
    for name in ("mlflow-selector", "mlflow", "scikit-learn", "lightgbm", "xgboost"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return MappingProxyType(found)
