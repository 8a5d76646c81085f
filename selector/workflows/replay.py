"""Does a recorded decision come out the same when it is made again from its record?"""

from __future__ import annotations

from dataclasses import dataclass, replace

from selector.domain.decision import decide
from selector.domain.model import Truth, Unscorable
from selector.domain.policy import Policy
from selector.domain.snapshot import Snapshot
from selector.domain.verdict import Decision
from selector.errors import SelectorError
from selector.ports import Entry
from selector.workflows.evaluate import Answer, Evaluation, rows_key
from selector.workflows.house import House, Setup
from selector.workflows.observe import measured
from selector.workflows.record import Inputs, read_inputs

INPUTS = "inputs"


@dataclass(frozen=True, slots=True)
class NotReplayable:
    """Why a decision cannot be made again, in one plain sentence."""

    reason: str


@dataclass(frozen=True, slots=True, eq=False)
class Replayed:
    """What a decision was made from, and the decision made again."""

    snapshot: Snapshot
    policy: Policy
    decision: Decision


def replay(house: House, entry: Entry) -> Decision | NotReplayable:
    """Make a recorded decision again, from its record, the holdout and the answers in the cache.

    No model is scored and MLflow is not asked.

    Args:
        house: the ports.
        entry: a ledger entry of a decision.

    Returns:
        The decision, or why it cannot be made again: done by hand, recorded by an early version, other rows in the
        holdout, answers no longer kept, or because this version decides otherwise.

    """
    found = replayed(house, entry)
    return found if isinstance(found, NotReplayable) else found.decision


def replayed(house: House, entry: Entry) -> Replayed | NotReplayable:
    """Return the decision made again, with what it was made from."""
    inputs = _inputs(entry)
    if isinstance(inputs, NotReplayable):
        return inputs
    snapshot = _snapshot(house, inputs)
    if isinstance(snapshot, NotReplayable):
        return snapshot
    decision = decide(snapshot, inputs.policy, entry.decision or "")
    if _outcome(decision) != _recorded_outcome(entry):
        return NotReplayable(f"this version decides otherwise: {decision.reason.rstrip('.')}")
    return Replayed(snapshot, inputs.policy, decision)


def _outcome(decision: Decision) -> tuple[str, str, str | None]:
    after = decision.champion_after
    return decision.verdict, decision.code, after.candidate.run_id if after else None


def _recorded_outcome(entry: Entry) -> tuple[str, str, str | None]:
    champion = entry.details.get("champion") or {}
    return entry.details.get("verdict", ""), entry.details.get("code", ""), champion.get("run_id")


def _inputs(entry: Entry) -> Inputs | NotReplayable:
    if entry.details.get("by_hand"):
        return NotReplayable("it was made by a person")
    if INPUTS not in entry.details:
        return NotReplayable("its record does not say what it was made from")
    try:
        return read_inputs(entry.model, entry.details[INPUTS])
    except ValueError as error:
        return NotReplayable(f"its record cannot be read: {error}")


def _snapshot(house: House, inputs: Inputs) -> Snapshot | NotReplayable:
    """Return what the look saw, the rows and the scores included."""
    truth = _truth(house, inputs.snapshot.model, inputs)
    if truth is None or isinstance(truth, NotReplayable):
        return inputs.snapshot if truth is None else truth
    answers = _answers(house, inputs, truth)
    if isinstance(answers, NotReplayable):
        return answers
    setup = Setup(inputs.snapshot.model, inputs.policy, threshold=inputs.threshold)
    outcomes = measured(setup, inputs.snapshot.candidates, truth, Evaluation(answers=answers))
    return replace(inputs.snapshot, outcomes=outcomes, truth=truth, answers=answers)


def _truth(house: House, model: str, inputs: Inputs) -> Truth | NotReplayable | None:
    """Return the rows it was judged on, if they are still the same."""
    if inputs.holdout is None:
        return None
    spec = house.setup(model).holdout
    if spec is None:
        return NotReplayable("no holdout is configured any more")
    try:
        truth, _ = house.holdouts.read(spec)
    except SelectorError as error:
        return NotReplayable(f"the holdout cannot be read: {error.message}")
    if truth.digest != inputs.holdout:
        return NotReplayable("the holdout holds other rows today")
    return truth


def _answers(house: House, inputs: Inputs, truth: Truth) -> dict[str, Answer] | NotReplayable:
    """Return what each candidate answered, from the cache, or why it did not, from the record."""
    answers: dict[str, Answer] = {uri: Unscorable(reason) for uri, reason in inputs.unscorable.items()}
    kept: dict[str, Answer | None] = {}
    for uri, digest in inputs.snapshot.digests.items():
        if uri in answers:
            continue
        if digest not in kept:
            kept[digest] = house.store.predictions(digest, rows_key(truth.digest, inputs.revision))
        answer = kept[digest]
        if answer is None:
            return NotReplayable("the answers of its candidates are not kept any more")
        answers[uri] = answer
    return answers
