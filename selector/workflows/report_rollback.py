"""What does the report of a rollback say, and where is it kept?"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from selector.domain.plans import in_words
from selector.domain.promotion import Plan
from selector.domain.report_words import ROLLED_BACK
from selector.errors import SelectorError
from selector.workflows.carry_out import REPORT_PATH
from selector.workflows.case import Case, decided
from selector.workflows.house import House, Setup
from selector.workflows.observe import observe


def report_rollback(
    house: House, setup: Setup, plan: Plan, *, to: int, left: int, reason: str, actor: str
) -> Path | None:
    """Write the report and keep it with the champion's run; return its page.

    It is made after the alias has moved: going back must neither wait for scoring nor fail with it. Where MLflow or the
    holdout does not answer any more, the rollback stands without a report.
    """
    try:
        observed = observe(house, setup)
        decision = decided(house, setup, observed)
    except SelectorError:
        return None
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
    page = house.reports.write(Case(house, setup, observed, told, actor).report(in_words(plan)))
    if back.candidate.run is not None:
        try:
            house.registry.log_report(back.candidate.run.run_id, page.parent, f"{REPORT_PATH}/{plan.id}")
        except SelectorError:
            return page
    return page
