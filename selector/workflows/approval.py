"""What may a person answer to a decision: approve it, reject its candidate, or take a rejection back?"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

from selector.domain.approval import Answer, lapsed
from selector.domain.plans import in_words
from selector.errors import SelectorError, UsageError
from selector.ports import Entry
from selector.workflows.by_hand import Done, exported
from selector.workflows.carry_out import recover
from selector.workflows.documents import SCHEMA_VERSION
from selector.workflows.heard import ANSWERS, REIGN_ENDS, evidence_of, offers_of, open_questions, record_approval
from selector.workflows.house import House, Setup
from selector.workflows.rejection import reject as write_rejection
from selector.workflows.rejection import rejection_plan, version_of
from selector.workflows.select_champion import Look, look


@dataclass(frozen=True, slots=True)
class _Question:
    """A recorded decision, and the one of its candidates that is spoken of."""

    entry: Entry
    offer: Mapping[str, Any]

    @property
    def id(self) -> str:
        return self.entry.decision or ""


def approve(
    house: House, model: str, decision: str, *, candidate: str | None, reason: str, dry_run: bool, actor: str
) -> Done:
    """Approve a decision that awaits a person, and look at once: what was approved is promoted by the usual plan.

    Args:
        house: the ports.
        model: the registered model.
        decision: id of the recorded decision.
        candidate: name, run or version of a held candidate that the decision does not propose by itself.
        reason: why; kept in the ledger.
        dry_run: say what would be done, write nothing.
        actor: who says so.

    Raises:
        UsageError: there is no such question, or it has its answer.
        SelectorError: the question has lapsed; the message names the new one, if there is one.

    """
    setup = house.setup(model)
    with nullcontext() if dry_run else house.lease.hold():
        done = _approve(house, setup, decision, candidate=candidate, reason=reason, dry_run=dry_run, actor=actor)
    return done if dry_run else exported(house, setup, done, actor)


def _approve(
    house: House, setup: Setup, decision: str, *, candidate: str | None, reason: str, dry_run: bool, actor: str
) -> Done:
    model = setup.model
    interrupted = () if dry_run else recover(house, model)
    question = _question(house, setup, decision, candidate)
    if any(done.finished for done in interrupted) and _acted_on(house, model, question):
        return _said(model, question, f"finished the promotion that {decision} was approved for")
    _check_unanswered(house, model, question)
    _check_open(house, setup, question, dry_run=dry_run, actor=actor)
    answer = Answer(
        decision=question.id,
        evidence=evidence_of(question.entry),
        candidate=question.offer["uri"],
        approved=True,
        by=actor,
        at=house.clock.now(),
        reason=reason,
    )
    tried = look(house, setup, dry_run=True, actor=actor, answer=answer)
    taken = tried.decision.approval if tried.decision else None
    if taken is None or (taken.decision, taken.candidate) != (answer.decision, answer.candidate):
        raise _lapsed(house, setup, question, "what it was made from has changed", dry_run=dry_run, actor=actor)
    if dry_run:
        return _looked(tried, question)
    record_approval(house, model, answer)
    return _looked(look(house, setup, dry_run=False, actor=actor, answer=answer), question)


def reject(
    house: House, model: str, decision: str, *, candidate: str | None, reason: str, dry_run: bool, actor: str
) -> Done:
    """Keep the candidate of a decision from competing until it is cleared. Arguments and errors as for `approve`."""
    setup = house.setup(model)
    with nullcontext() if dry_run else house.lease.hold():
        if not dry_run:
            recover(house, model)
        question = _question(house, setup, decision, candidate)
        _check_unanswered(house, model, question)
        registered = house.registry.registered_model(model)
        number, offer = version_of(question.offer, registered), question.offer
        if registered and number is not None and registered.aliases.get(setup.policy.aliases.champion) == number:
            raise UsageError(
                f"{offer['name']} (v{number}) is the champion of {model!r} and cannot be rejected",
                advice=f"mlflow-selector rollback {model}",
            )
        if dry_run:
            plan = rejection_plan(house, registered, question.entry, offer, reason or f"rejected by {actor}")
        else:
            plan = write_rejection(house, setup, registered, question.entry, offer, actor=actor, reason=reason)
        verb = "would be rejected" if dry_run else "is rejected"
        back = f"mlflow-selector clear {model} {decision if number is None else number}"
        text = f"{offer['name']} {verb} and does not compete until it is cleared: {back}"
        return _said(model, question, text, steps=list(in_words(plan)) if plan else [], dry_run=dry_run)


def clear_rejection(house: House, model: str, decision: str, *, dry_run: bool, actor: str, reason: str) -> Done:
    """Let the candidates compete again that were rejected by answering this decision while not registered.

    Raises:
        UsageError: nobody was rejected by this decision.

    """
    house.setup(model)
    with nullcontext() if dry_run else house.lease.hold():
        said = house.store.entries(model, kinds=("rejected", "cleared"), decision=decision)
        cleared = {e.details.get("candidate") for e in said if e.kind == "cleared"}
        found = [e for e in said if e.kind == "rejected" and e.details.get("keys")]
        if not found:
            raise UsageError(
                f"nobody was rejected by decision {decision!r} of model {model!r}",
                advice=f"name a version: mlflow-selector clear {model} VERSION",
            )
        left = [e for e in found if e.details.get("candidate") not in cleared]
        names = ", ".join(str(e.details.get("name")) for e in left or found)
        text = f"{names} {'would compete' if dry_run else 'competes'} again" if left else f"{names} is cleared already"
        if not dry_run and left:
            now, why = house.clock.now(), reason or f"cleared by {actor}"
            kept = [{key: e.details.get(key) for key in ("candidate", "name")} for e in left]
            house.store.append(
                tuple(Entry(now, model, "cleared", None, None, actor, decision, why, details) for details in kept)
            )
        document = {"schema_version": SCHEMA_VERSION, "model": model, "decision": decision, "changed": bool(left)}
        return Done(document | {"dry_run": dry_run, "reason": text}, f"{model}: {text}")


def _question(house: House, setup: Setup, decision: str, candidate: str | None) -> _Question:
    """Return the recorded decision and the candidate that is spoken of.

    Raises:
        UsageError: no such decision, one of another model, or one that asks nothing.

    """
    model = setup.model
    recorded = house.store.entries(kinds=("decision",), decision=decision)
    mine = next((e for e in reversed(recorded) if e.model == model), None)
    if mine is None and recorded:
        other = recorded[-1].model
        raise UsageError(f"decision {decision!r} is one of model {other!r}, not of {model!r}")
    if mine is None:
        raise UsageError(f"model {model!r} has no decision {decision!r}", advice=_nearest(house, model, decision))
    return _Question(mine, _offer(mine, candidate))


def _nearest(house: House, model: str, decision: str) -> str:
    """Return advice that names the decision that was probably meant; those that await an answer come first."""
    entries = house.store.entries(model, kinds=("decision",), newest=500)
    asking = [e.decision for e in reversed(entries) if e.decision and e.details.get("verdict") == "awaiting_approval"]
    others = [e.decision for e in reversed(entries) if e.decision]
    for known in (asking, others):
        near = difflib.get_close_matches(decision, known, n=1, cutoff=0.6)
        if near:
            return f"did you mean {near[0]}?"
    return f"mlflow-selector history {model}"


def _offer(entry: Entry, candidate: str | None) -> Mapping[str, Any]:
    """Return the candidate of this decision that the answer is about."""
    offers = offers_of(entry) if evidence_of(entry) else ()
    proposed = next((o for o in offers if o.get("proposed")), None)
    if candidate is None and proposed is not None:
        return proposed
    verdict = str(entry.details.get("verdict", "made by hand")).replace("_", " ")
    if candidate is None:
        held = next((o["name"] for o in offers), None)
        said = f"decision {entry.decision!r} does not await an answer, it is {verdict}"
        advice = f"it holds a candidate back, answer for that one: --candidate {held}" if held else ""
        raise UsageError(said, advice=advice or f"mlflow-selector status {entry.model}")
    asked = candidate.removeprefix("v")
    for offer in offers:
        if candidate in {offer["name"], offer.get("run_id"), offer["uri"]} or asked == str(offer.get("version")):
            return offer
    names = ", ".join(o["name"] for o in offers) or "nobody"
    raise UsageError(f"decision {entry.decision!r} does not offer {candidate!r}", advice=f"it offers {names}")


def _check_unanswered(house: House, model: str, question: _Question) -> None:
    said = house.store.entries(model, kinds=ANSWERS, decision=question.id)
    mine = [e for e in said if e.details.get("candidate") == question.offer["uri"]]
    newest = next((e for e in reversed(mine) if e.kind != "cleared"), None)
    if newest is None or (newest.kind == "approved" and not _acted_on(house, model, question)):
        return
    undo = "rollback" if newest.kind == "approved" else "clear"
    raise UsageError(
        f"decision {question.id!r} was {newest.kind} already, by {newest.actor} at {newest.at:%Y-%m-%d %H:%M} UTC",
        advice=f"to take it back: mlflow-selector {undo} --help",
    )


def _acted_on(house: House, model: str, question: _Question) -> bool:
    """Tell whether the approved candidate was promoted since."""
    recorded = house.store.entries(model, kinds=("decision",), newest=500)
    done = (e.details.get("approval") for e in recorded if e.details.get("verdict") == "promoted")
    return any(a and (a["decision"], a["candidate"]) == (question.id, question.offer["uri"]) for a in done)


def _check_open(house: House, setup: Setup, question: _Question, *, dry_run: bool, actor: str) -> None:
    history = house.store.entries(setup.model, kinds=("decision", *REIGN_ENDS), newest=2000)
    if question.id not in {q.decision for q in open_questions(history)}:
        raise _lapsed(house, setup, question, "the champion has changed since", dry_run=dry_run, actor=actor)
    if lapsed(question.entry.at, setup.policy.approval.expires, house.clock.now()):
        raise _lapsed(house, setup, question, "it is older than approval.expires", dry_run=dry_run, actor=actor)


def _lapsed(house: House, setup: Setup, question: _Question, why: str, *, dry_run: bool, actor: str) -> SelectorError:
    """Look anew, and say that the question has lapsed and which one is open now."""
    model = setup.model
    found = look(house, setup, dry_run=dry_run, actor=actor)
    answers = found.document.get("answer") or ()
    fresh = found.decision.id if found.decision and answers else None
    now = f"the open question is {fresh}" if fresh else "nothing awaits an answer now"
    return SelectorError(
        f"decision {question.id!r} has lapsed: {why}; {now}",
        advice=answers[0] if answers else f"mlflow-selector status {model}",
    )


def _looked(found: Look, question: _Question) -> Done:
    document = {"schema_version": SCHEMA_VERSION, **found.document, "answered": question.id, "steps": list(found.steps)}
    return Done(document, found.text)


def _said(model: str, question: _Question, text: str, *, steps: list[str] | None = None, dry_run: bool = False) -> Done:
    document = {
        "schema_version": SCHEMA_VERSION,
        "model": model,
        "answered": question.id,
        "candidate": question.offer.get("name"),
        "version": question.offer.get("version"),
        "dry_run": dry_run,
        "steps": steps or [],
        "reason": text,
    }
    return Done(document, f"{model}: {text}")
