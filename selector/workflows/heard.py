"""What have people answered: by command, as the ledger keeps it, and by tags on runs and versions in MLflow?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from selector.domain.approval import APPROVE_TAG, REJECT, REJECT_TAG, Answer, lapsed
from selector.domain.model import NOTHING, Candidate
from selector.domain.verdict import Decision
from selector.ports import Entry
from selector.workflows.house import House, Setup

BY_TAG = "MLflow tag"
REIGN_ENDS = frozenset({"promoted", "rolled_back", "foreign_change"})
ANSWERS = ("approved", "rejected", "cleared")


@dataclass(frozen=True, slots=True)
class Rejection:
    """A rejection that somebody asked for by a tag and that is not carried out yet."""

    question: Entry
    offer: Mapping[str, Any]
    reason: str


@dataclass(frozen=True, slots=True)
class Heard:
    """Everything that people said about one model and that still counts.

    Attributes:
        approvals: in force; those by tag included.
        rejected: addresses and digests that may not compete, with who said so.
        rejections: those by tag that are still to be written down.
        notes: what was said and cannot be followed.

    """

    approvals: tuple[Answer, ...] = ()
    rejected: Mapping[str, str] = field(default_factory=lambda: NOTHING)
    rejections: tuple[Rejection, ...] = ()
    notes: tuple[str, ...] = ()

    def stale(self, decision: Decision) -> tuple[str, ...]:
        """Return a note for each tag that approves another decision than the present one."""
        present = decision.approval.evidence if decision.approval else decision.evidence
        return tuple(
            f"A tag {APPROVE_TAG} answers decision {a.decision}, which has lapsed: what it was made from has changed."
            for a in self.approvals
            if a.by == BY_TAG and a.evidence != present
        )


def open_questions(history: Sequence[Entry]) -> tuple[Entry, ...]:
    """Return the recorded decisions that may still be answered: those of the present champion's reign, oldest first.

    Args:
        history: decisions and changes of champion, oldest first.

    """
    ends = [i for i, entry in enumerate(history) if entry.kind in REIGN_ENDS]
    began = history[ends[-1]].decision if ends else None
    later = history[ends[-1] + 1 :] if ends else history
    first = [e for e in history if began and e.decision == began]
    return tuple(e for e in (*first, *later) if e.kind == "decision" and e.details.get("offers") and evidence_of(e))


def evidence_of(question: Entry) -> str:
    """Return the evidence of a recorded decision; empty where it was made by hand."""
    return str(question.details.get("evidence") or "")


def offers_of(question: Entry) -> Sequence[Mapping[str, Any]]:
    """Return whom a recorded decision offers to a person."""
    return tuple(question.details.get("offers") or ())


def heard(house: House, setup: Setup, candidates: Sequence[Candidate], history: Sequence[Entry]) -> Heard:
    """Return what people said about this model and that still counts.

    Args:
        house: the ports.
        setup: the model.
        candidates: with the tags of their runs and versions.
        history: decisions and changes of champion, oldest first.

    """
    now, expires = house.clock.now(), setup.policy.approval.expires
    answers = house.store.entries(setup.model, kinds=ANSWERS)
    rejected = _rejected(answers)
    approvals = [a for a in _approvals(house, setup) if not lapsed(a.at, expires, now)]
    tags = _Tags(setup, candidates, open_questions(history), answers, now)
    by_tag, rejections = tags.approvals(), tags.rejections()
    for told in rejections:
        words = f"it was rejected by {BY_TAG}"
        rejected |= dict.fromkeys(told.offer.get("keys", ()), words)
    return Heard((*approvals, *by_tag), rejected, tuple(rejections), tuple(tags.notes))


def _approvals(house: House, setup: Setup) -> Iterator[Answer]:
    """Return the recorded approvals since the champion changed; an approval serves once."""
    said = house.store.entries(setup.model, kinds=("approved", *REIGN_ENDS), newest=500)
    for entry in reversed(said):
        if entry.kind in REIGN_ENDS:
            return
        details = entry.details
        yield Answer(
            decision=entry.decision or "",
            evidence=details.get("evidence", ""),
            candidate=details.get("candidate", ""),
            approved=True,
            by=entry.actor,
            at=entry.at,
            reason=entry.reason,
        )


def _rejected(answers: Sequence[Entry]) -> dict[str, str]:
    """Return what may not compete because a person said so, and nobody has cleared it since."""
    found: dict[tuple[str | None, str], Entry] = {}
    for entry in answers:
        key = (entry.decision, entry.details.get("candidate", ""))
        if entry.kind == "rejected":
            found[key] = entry
        elif entry.kind == "cleared":
            found.pop(key, None)
    rejected: dict[str, str] = {}
    for entry in found.values():
        why = f": {entry.reason}" if entry.reason else ""
        words = f"it was rejected by {entry.actor} (decision {entry.decision}){why}"
        rejected |= dict.fromkeys(entry.details.get("keys", ()), words)
    return rejected


@dataclass(slots=True)
class _Tags:
    """What the tags of all candidates say."""

    setup: Setup
    candidates: Sequence[Candidate]
    questions: Sequence[Entry]
    answers: Sequence[Entry]
    now: datetime
    notes: list[str] = field(default_factory=list)

    def approvals(self) -> list[Answer]:
        found = []
        for candidate, value in self._said(APPROVE_TAG):
            if value == REJECT or self._settled(value, candidate):
                continue
            question = self._question(APPROVE_TAG, value, candidate)
            if question is not None:
                found.append(
                    Answer(
                        decision=question.decision or "",
                        evidence=evidence_of(question),
                        candidate=candidate.uri,
                        approved=True,
                        by=BY_TAG,
                        at=self.now,
                    )
                )
        return found

    def rejections(self) -> list[Rejection]:
        found = []
        for tag, asked in ((APPROVE_TAG, True), (REJECT_TAG, False)):
            for candidate, value in self._said(tag):
                if asked and value != REJECT:
                    continue
                question = self._newest(candidate) if asked else None
                if not asked and not self._settled(value, candidate):
                    question = self._question(tag, value, candidate)
                if question is None or self._settled(question.decision or "", candidate):
                    continue
                offer = next(o for o in offers_of(question) if o["uri"] == candidate.uri)
                found.append(Rejection(question, offer, f"tag {tag}"))
        return found

    def _said(self, tag: str) -> Iterator[tuple[Candidate, str]]:
        for candidate in self.candidates:
            of_run = candidate.run.tags if candidate.run else NOTHING
            own = candidate.version.tags if candidate.version else NOTHING
            for value in dict.fromkeys(tags[tag].strip() for tags in (of_run, own) if tags.get(tag, "").strip()):
                yield candidate, value

    def _newest(self, candidate: Candidate) -> Entry | None:
        return next((q for q in reversed(self.questions) if _offers(q, candidate)), None)

    def _question(self, tag: str, value: str, candidate: Candidate) -> Entry | None:
        """Return the open question that the tag names, or note why there is none."""
        named = [q for q in self.questions if value in {q.decision, evidence_of(q)} and _offers(q, candidate)]
        if not named:
            self.notes.append(f"Tag {tag} of {candidate.name} names {value!r}, which is no open question about it.")
            return None
        expires = self.setup.policy.approval.expires
        if tag == APPROVE_TAG and lapsed(named[-1].at, expires, self.now):
            self.notes.append(f"Tag {tag} of {candidate.name} answers {value!r}, which has lapsed by its age.")
            return None
        return named[-1]

    def _settled(self, value: str, candidate: Candidate) -> bool:
        """Tell whether this very question about this candidate has its answer already."""
        return any(
            entry.kind != "cleared"
            and value in {entry.decision, entry.details.get("evidence")}
            and entry.details.get("candidate") == candidate.uri
            for entry in self.answers
        )


def _offers(question: Entry, candidate: Candidate) -> bool:
    return any(offer["uri"] == candidate.uri for offer in offers_of(question))


def record_approval(house: House, model: str, answer: Answer) -> None:
    """Keep an approval in the ledger, once."""
    known = house.store.entries(model, kinds=("approved",), decision=answer.decision)
    if any(entry.details.get("candidate") == answer.candidate for entry in known):
        return
    asked = house.store.entries(model, kinds=("decision",), decision=answer.decision, newest=1)
    offers = [o for q in asked for o in offers_of(q) if o["uri"] == answer.candidate]
    entry = Entry(
        at=house.clock.now(),
        model=model,
        kind="approved",
        version=next((o.get("version") for o in offers), None),
        actor=answer.by,
        decision=answer.decision,
        reason=answer.reason,
        details={
            "evidence": answer.evidence,
            "candidate": answer.candidate,
            "name": next((o.get("name") for o in offers), None),
        },
    )
    house.store.append((entry,))
