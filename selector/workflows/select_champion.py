"""Look at a model now: observe, decide, carry out, report; what `select`, `plan` and every wake-up do."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from selector.domain.approval import Answer, lapsed
from selector.domain.model import Candidate, RegisteredModel
from selector.domain.plans import in_words
from selector.domain.promotion import NEW_VERSION, Plan
from selector.domain.ranking import Reason, Standing
from selector.domain.retention import Retention
from selector.domain.verdict import Decision
from selector.errors import LeaseHeldError, MlflowUnreachableError, SelectorError
from selector.ports import Entry
from selector.workflows.announce import of_entries
from selector.workflows.carry_out import recover
from selector.workflows.case import Case, decided, decision_entry, record_of
from selector.workflows.documents import decision_document, ranked_document
from selector.workflows.exports import bring_in_step, would_export
from selector.workflows.families import Left, meant
from selector.workflows.foreign import foreign_change, promoted_by_another
from selector.workflows.heard import BY_TAG, record_approval
from selector.workflows.house import House, Setup
from selector.workflows.observe import REIGN_ENDS, Observed, observe
from selector.workflows.rejection import reject
from selector.workflows.retention import delete_expired, retention_document, would_delete
from selector.workflows.retention import in_words as deletions
from selector.workflows.together import FEW, ReadOnce

GIVEN_UP = 3
"""So many models in a row that MLflow does not answer about are taken for MLflow being away."""


@dataclass(frozen=True, slots=True)
class Look:
    """What one look at one model came to.

    Attributes:
        decision: what was decided; None where the look failed.
        document: the model's part of the JSON document; holds the error where the look failed.
        text: what a person reads.
        news: whether anything was recorded or changed.
        steps: what was changed in MLflow, or would be.
        seen: the registered model as it was read; None where it may have changed since.

    """

    model: str
    decision: Decision | None
    document: dict[str, Any]
    text: str
    error: SelectorError | None = None
    report: Path | None = None
    news: bool = False
    steps: tuple[str, ...] = field(default=())
    seen: RegisteredModel | None = None


def select(house: House, models: Sequence[str], *, dry_run: bool, actor: str) -> tuple[Look, ...]:
    """Look at these models now, at all configured ones where none is named.

    One model that fails becomes a Look with an error; the others go on. The lease is taken only where something is to
    be written: scoring may take minutes, and nobody should have to wait for it who wants to roll back.

    Raises:
        UsageError: a model that is not configured.
        LeaseHeldError: something is to be written, and another instance is writing.
        MlflowUnreachableError: MLflow does not answer to what is asked for many models at once.

    """
    chosen = meant(house, models)
    house = replace(house, holdouts=ReadOnce(house.holdouts, chosen.setups))
    looks = tuple(_each(house, chosen.setups, dry_run=dry_run, actor=actor))
    return (*looks, *(failed(t.model, t.error) for t in chosen.troubles), *(_left_out(left) for left in chosen.left))


def _each(house: House, setups: Sequence[Setup], *, dry_run: bool, actor: str) -> Iterator[Look]:
    """Look at one model after the other; where MLflow stops answering, the rest is not asked one timeout at a time."""
    away = 0
    for done, setup in enumerate(setups):
        if len(setups) > FEW:
            house.progress("looking at models", done, len(setups))
        one = _look_safely(house, setup, dry_run=dry_run, actor=actor)
        yield one if dry_run else _exported(house, setup, one, actor)
        away = away + 1 if isinstance(one.error, MlflowUnreachableError) else 0
        if away == GIVEN_UP and one.error is not None:
            yield from (failed(later.model, one.error) for later in setups[done + 1 :])
            return


def _look_safely(house: House, setup: Setup, *, dry_run: bool, actor: str) -> Look:
    try:
        if dry_run:
            return look(house, setup, dry_run=True, actor=actor)
        return _look_and_write(house, setup, actor)
    except LeaseHeldError:
        raise
    except SelectorError as error:
        return failed(setup.model, error)


def _exported(house: House, setup: Setup, done: Look, actor: str) -> Look:
    """Let the places of export hold the champion; what was decided stands, whatever becomes of them."""
    if isinstance(done.error, MlflowUnreachableError):
        return done
    found = bring_in_step(house, setup, done.seen, actor=actor)
    document, text = {**found.document, **done.document}, " ".join(filter(None, (done.text, found.text)))
    news = done.news or bool(found.written)
    return replace(done, document=document, text=text, error=done.error or found.error, news=news)


def _look_and_write(house: House, setup: Setup, actor: str) -> Look:
    """Look without the lease; take it where that leads to a write, and look anew where the world has moved on."""
    if house.store.unfinished(setup.model):
        with house.lease.hold():
            return look(house, setup, dry_run=False, actor=actor)
    newest = house.store.entries(setup.model, newest=1)
    case = _case(house, setup, actor, None)
    idle = _put_off(case)
    if idle is not None:
        return _tidied(case, idle, held=False)
    with house.lease.hold():
        before = case.observed.snapshot.registered
        # What is only written down in our own ledger needs no second look at MLflow; what is written there does.
        registered = before if case.plan() is None else house.registry.registered_model(setup.model)
        same = registered == before and house.store.entries(setup.model, newest=1) == newest
        if same and house.paused(setup.model) is None:
            return _write(case)
        return look(house, _with_registered(setup, registered), dry_run=False, actor=actor)


def _put_off(case: Case) -> Look | None:
    """Return the look where it leads to no write; None where something is to be written."""
    house, setup = case.house, case.setup
    if setup.shadow or house.paused(setup.model) is not None:
        return _looked(case, case.plan())
    if _foreign(case) or case.observed.heard.rejections or not _is_old_news(case):
        return None
    return _unchanged(case.decision, case.observed)


def failed(model: str, error: SelectorError) -> Look:
    """Return a look that came to nothing."""
    document = {"model": model, "verdict": None, "error": error.message, "advice": error.advice}
    return Look(model, None, document, f"{model}: {error.message}", error=error)


def _left_out(left: Left) -> Look:
    """Tell which runs of a family belong to no member."""
    model, family = left.rule.model, left.rule.family
    key = family.split_by if family else ""
    reason = Reason("no-member", f"its run holds neither a param nor a tag {key}")
    standings = [Standing(Candidate("", run.name, run), reasons=(reason,)) for run in left.runs]
    count = len(standings)
    text = f"{count} run{'' if count == 1 else 's'} of the family hold neither a param nor a tag {key}."
    if not standings:
        text = f"No run that could make a member was found; members are made from the param or tag {key}."
    document = {
        "model": model,
        "verdict": "no_candidate",
        "champion": None,
        "previous": None,
        "reason": text,
        "code": "no-member",
        "decision": None,
        "report": None,
        "notes": list(left.notes),
        "ranking": [ranked_document(s) for s in standings],
    }
    return Look(model, None, document, f"{model}: {text}", news=bool(standings))


def look(house: House, setup: Setup, *, dry_run: bool, actor: str, answer: Answer | None = None) -> Look:
    """Look at one model; the lease is held by the caller unless this is a dry run.

    Args:
        house: the ports.
        setup: the model.
        dry_run: say what would be done, write nothing.
        actor: who looks.
        answer: what a person says just now to an earlier decision.

    """
    if not dry_run and recover(house, setup.model):
        setup = _fresh(house, setup)
    case = _case(house, setup, actor, answer)
    plan = case.plan()
    if dry_run or setup.shadow or house.paused(setup.model) is not None:
        return _looked(case, plan)
    if plan is not None and setup.seen is not None and not setup.seen.fresh:
        # What was read for all of them together may be old by now; nothing is written on its strength.
        return look(house, _fresh(house, setup), dry_run=dry_run, actor=actor, answer=answer)
    return _write(case)


def _write(case: Case) -> Look:
    """Write down and carry out what was decided; the lease is held."""
    if moved := _foreign(case):
        case.house.store.put(of_entries(case.house, moved), moved)
    _record_answers(case)
    old = _is_old_news(case)
    done = _unchanged(case.decision, case.observed) if old else _act(case, case.plan())
    return _tidied(case, done, held=True)


def _tidied(case: Case, done: Look, *, held: bool) -> Look:
    """Delete the versions that `keep` lets go, and look again, for they may have been candidates.

    What was decided before stands, whatever becomes of the deletions.
    """
    house, setup = case.house, case.setup
    if setup.keep is None or setup.shadow or house.paused(setup.model) is not None:
        return done
    try:
        seen = house.registry.registered_model(setup.model) if held else case.observed.snapshot.registered
        deleted = delete_expired(house, setup, seen, held=held, actor=case.actor)
        document = done.document | {"retention": retention_document(deleted.due, deleted.done)}
        if not deleted.done:
            return replace(done, document=document)
        again = _again(case, held=held)
    except LeaseHeldError:
        raise
    except SelectorError as error:
        return replace(done, error=error, document=done.document | {"error": error.message, "advice": error.advice})
    best = again if again is not None and again.decision and again.decision.verdict == "promoted" else done
    numbers = ", ".join(str(fate.version.version) for fate in deleted.done)
    text = f"{best.text} Deleted version{'' if len(deleted.done) == 1 else 's'} {numbers}."
    steps = (*best.steps, *deletions(deleted.done))
    return replace(
        best, document=best.document | {"retention": document["retention"]}, text=text, steps=steps, news=True
    )


def _again(case: Case, *, held: bool) -> Look | None:
    """Look once more; None where somebody else writes just now, who looks as well."""
    setup = _fresh(case.house, case.setup)
    if held:
        return look(case.house, setup, dry_run=False, actor=case.actor)
    try:
        return _look_and_write(case.house, setup, case.actor)
    except LeaseHeldError:
        return None


def _case(house: House, setup: Setup, actor: str, answer: Answer | None) -> Case:
    """Observe and decide."""
    observed = _with(observe(house, setup), answer)
    decision = decided(house, setup, observed)
    stranger = promoted_by_another(house, observed.snapshot.registered)
    return Case(house, setup, observed, replace(decision, notes=(*decision.notes, *stranger)), actor)


def _fresh(house: House, setup: Setup) -> Setup:
    """Read the registered model again, but not the runs that were read for all of them."""
    return _with_registered(setup, house.registry.registered_model(setup.model)) if setup.seen else setup


def _with_registered(setup: Setup, registered: RegisteredModel | None) -> Setup:
    return replace(setup, seen=replace(setup.seen, registered=registered, fresh=True)) if setup.seen else setup


def _is_old_news(case: Case) -> bool:
    """Tell whether this very evidence was decided on before, so that writing it down again would say nothing.

    A question that has lapsed by its age is asked again.
    """
    decision, last = case.decision, case.observed.last
    if decision.winner is not None or last is None or last.details.get("evidence") != decision.evidence:
        return False
    return not (decision.offers and lapsed(last.at, case.setup.policy.approval.expires, case.house.clock.now()))


def _with(observed: Observed, answer: Answer | None) -> Observed:
    """Return what was observed, with an answer that is given just now."""
    if answer is None:
        return observed
    snapshot = observed.snapshot
    return replace(observed, snapshot=replace(snapshot, approvals=(*snapshot.approvals, answer)))


def _record_answers(case: Case) -> None:
    """Write down what people said by tags, and the approval that this decision acts on, before acting on it."""
    house, setup = case.house, case.setup
    for told in case.observed.heard.rejections:
        registered = case.observed.snapshot.registered
        reject(house, setup, registered, told.question, told.offer, actor=BY_TAG, reason=told.reason)
    if case.decision.approval is not None:
        record_approval(house, setup.model, case.decision.approval)


def _foreign(case: Case) -> tuple[Entry, ...]:
    """Return what is to be written down where somebody else moved the champion alias; their choice is respected."""
    house, setup = case.house, case.setup
    known = house.store.entries(setup.model, kinds=tuple(REIGN_ENDS), newest=1)
    return foreign_change(setup, case.observed.snapshot.registered, known, house.clock.now())


def _act(case: Case, plan: Plan | None) -> Look:
    """Report, carry out, and write down."""
    decision, record = case.decision, record_of(case)
    created: int | None = None
    if plan is None:
        page = case.house.reports.write(case.report(()))
        entries = (decision_entry(case.house, decision, record),)
        case.house.store.put(of_entries(case.house, entries), entries)
    else:
        page, created = case.carry_out(plan, record)
    document = decision_document(decision, created=created, report=str(page), dry_run=False)
    text = f"{decision.model}: {decision.verdict.replace('_', ' ')}. {decision.reason}"
    steps = in_words(plan, {NEW_VERSION: f"v{created}"}) if plan else ()
    return Look(decision.model, decision, document, text, report=page, news=True, steps=steps)


def _unchanged(decision: Decision, observed: Observed) -> Look:
    last = observed.last
    shown = replace(decision, id=last.decision) if last and last.decision else decision
    document = decision_document(shown, created=None, report=None, dry_run=False)
    text = f"{decision.model}: {decision.verdict.replace('_', ' ')}. {decision.reason} Nothing new since {shown.id}."
    return Look(decision.model, shown, document, text, seen=observed.snapshot.registered)


def _looked(case: Case, plan: Plan | None) -> Look:
    """Say what would be done: a dry run, a shadow, or a paused model."""
    decision, paused = case.decision, case.house.paused(case.setup.model)
    due = would_delete(case, plan) if paused is None else Retention()
    number = (decision.champion_after.candidate.number or NEW_VERSION) if decision.champion_after else None
    exports = would_export(case.house, case.setup, number)
    steps = (*(in_words(plan) if plan else ()), *exports, *deletions(due.deleted))
    document = decision_document(decision, created=None, report=None, dry_run=True) | {"steps": list(steps)}
    if case.setup.keep is not None:
        document |= {"retention": retention_document(due, due.deleted)}
    why = f" (paused: {paused})" if paused is not None else " (shadow)" if case.setup.shadow else ""
    text = f"{decision.model}: would be {decision.verdict.replace('_', ' ')}{why}. {decision.reason}"
    return Look(decision.model, decision, document, text, steps=steps)
