"""What does the report say of something that was done about a champion, and where is it kept?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from selector.domain.plans import in_words
from selector.domain.promotion import Plan
from selector.domain.report_words import ROLLED_BACK
from selector.domain.verdict import Decision
from selector.errors import SelectorError
from selector.workflows.carry_out import REPORT_PATH
from selector.workflows.case import Case, decided
from selector.workflows.house import House, Setup
from selector.workflows.observe import Observed, observe


def report_rollback(
    house: House, setup: Setup, plan: Plan, *, to: int, left: int, reason: str, actor: str
) -> Path | None:
    """Write the report and keep it with the champion's run; return its page.

    It is made after the alias has moved: going back must neither wait for scoring nor fail with it. Where MLflow or the
    holdout does not answer any more, the rollback stands without a report.
    """
    seen = _seen(house, setup)
    if seen is None:
        return None
    observed, decision = seen
    by_number = {s.candidate.number: s for s in decision.ranking}
    back, gone = by_number.get(to), by_number.get(left)
    if back is None:
        return None
    told = replace(
        decision,
        id=plan.id,
        verdict="promoted",
        code=ROLLED_BACK,
        reason=reason,
        winner=back,
        champion=gone,
        proof="none",
        notes=(),
    )
    page = _written(Case(house, setup, observed, told, actor), in_words(plan))
    if back.candidate.run is not None:
        _keep(house, page, back.candidate.run.run_id, plan.id)
    return page


def report_deed(house: House, setup: Setup, deed: str, *, code: str, reason: str, actor: str) -> Path | None:
    """Write the report of something that was begun about a degraded champion and moves no alias; return its page.

    As for a rollback: it is made afterwards, and where it cannot be made, what was begun goes on without it.

    Args:
        house: the ports.
        setup: the model.
        deed: id of the action, as the ledger has it.
        code: what was done, for scripts.
        reason: one sentence.
        actor: who did it.

    """
    seen = _seen(house, setup)
    if seen is None:
        return None
    observed, decision = seen
    told = replace(
        decision,
        id=deed,
        verdict="kept",
        code=code,
        reason=reason,
        winner=None,
        proof="none",
        notes=(),
        proposed=None,
        offers=(),
        approval=None,
    )
    page = _written(Case(house, setup, observed, told, actor), ())
    champion = decision.champion.candidate.run if decision.champion else None
    if champion is not None:
        _keep(house, page, champion.run_id, deed)
    return page


def _seen(house: House, setup: Setup) -> tuple[Observed, Decision] | None:
    try:
        observed = observe(house, setup)
        return observed, decided(house, setup, observed)
    except SelectorError:
        return None


def _written(case: Case, steps: Sequence[str]) -> Path:
    return case.house.reports.write(case.report(steps))


def _keep(house: House, page: Path, run_id: str, name: str) -> None:
    """Keep the report with the run, where MLflow takes it; on disk it is all the same."""
    try:
        house.registry.log_report(run_id, page.parent, f"{REPORT_PATH}/{name}")
    except SelectorError:
        return
