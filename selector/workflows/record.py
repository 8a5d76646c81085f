"""What has to be written down of a look so that its decision can be made again from the record alone?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, get_type_hints

from selector.domain.model import NOTHING, Candidate, RegisteredModel, Run, Unscorable
from selector.domain.plain import KIND, plain, read
from selector.domain.policy import Policy
from selector.domain.snapshot import Snapshot
from selector.workflows.house import Setup

MLFLOWS_OWN = ("mlflow.", "system/")
"""Tags and metrics that MLflow writes for itself; no rule looks at them, except at the parent of a run."""

KEPT = frozenset({"mlflow.parentRunId"})
OF_RUN = "run"
"""Stands for metrics that are those of the run."""

ELSEWHERE = frozenset({"model", "registered", "candidates", "outcomes", "truth", "answers"})
"""Parts of a snapshot that are kept in a form of their own."""


@dataclass(frozen=True, slots=True)
class Inputs:
    """A recorded look, without the rows and the answers, which are kept apart.

    Attributes:
        snapshot: without outcomes and truth.
        unscorable: why these candidates could not be scored, by address.
        threshold: the configured one.
        holdout: digest of the rows; None where none were shared.
        revision: of the libraries that the models were scored with.

    """

    snapshot: Snapshot
    policy: Policy
    unscorable: Mapping[str, str]
    threshold: float | None
    holdout: str | None
    revision: str


def inputs_document(snapshot: Snapshot, setup: Setup, revision: str) -> dict[str, Any]:
    """Return everything that the decision depended on and that is not kept elsewhere, as plain JSON."""
    registered = snapshot.registered
    unscorable = {uri: o.reason for uri, o in snapshot.outcomes.items() if isinstance(o, Unscorable)}
    rest = {f.name: plain(getattr(snapshot, f.name)) for f in fields(snapshot) if f.name not in ELSEWHERE}
    return {
        "policy": plain(setup.policy),
        "aliases": dict(registered.aliases) if registered else None,
        "candidates": [_kept(c) for c in snapshot.candidates],
        "unscorable": unscorable,
        "threshold": setup.threshold,
        "holdout": snapshot.truth.digest if snapshot.truth else None,
        "revision": revision,
        "snapshot": rest,
    }


def read_inputs(model: str, document: Mapping[str, Any]) -> Inputs:
    """Read what `inputs_document` wrote.

    Raises:
        ValueError: it was written by a version that kept other things.

    """
    try:
        aliases = document["aliases"]
        known = get_type_hints(Snapshot)
        rest = {name: read(known[name], part) for name, part in document["snapshot"].items() if name in known}
        snapshot = Snapshot(
            model=model,
            registered=RegisteredModel(model, aliases=aliases) if aliases is not None else None,
            candidates=tuple(_candidate(c) for c in document["candidates"]),
            **rest,
        )
        policy = read(Policy, document["policy"])
        unscorable, threshold, holdout = (document[key] for key in ("unscorable", "threshold", "holdout"))
        return Inputs(snapshot, policy, unscorable, threshold, holdout, document["revision"])
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"the record lacks {error}") from error


def _kept(candidate: Candidate) -> dict[str, Any]:
    """Return one candidate, without what no rule looks at."""
    run = candidate.run
    slim = replace(
        candidate,
        run=_slim_run(run) if run is not None else None,
        version=replace(candidate.version, tags=_ours(candidate.version.tags)) if candidate.version else None,
        metrics=_ours(candidate.metrics),
    )
    document: dict[str, Any] = _short(plain(slim))
    if run is not None and candidate.metrics == run.metrics:
        document["metrics"] = OF_RUN
    return document


def _candidate(document: Mapping[str, Any]) -> Candidate:
    """Read what `_kept` returned."""
    if document.get("metrics") != OF_RUN:
        return _read_candidate(document)
    found = _read_candidate({key: value for key, value in document.items() if key != "metrics"})
    return replace(found, metrics=found.run.metrics if found.run else NOTHING)


def _read_candidate(document: Mapping[str, Any]) -> Candidate:
    found: Candidate = read(Candidate, document)
    return found


def _slim_run(run: Run) -> Run:
    return replace(run, tags=_ours(run.tags), metrics=_ours(run.metrics))


def _ours(values: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in values.items() if not key.startswith(MLFLOWS_OWN) or key in KEPT}


def _short(value: Any) -> Any:
    """Leave out class names and empty values; all of them come back as defaults."""
    if isinstance(value, dict):
        return {k: _short(v) for k, v in value.items() if k != KIND and v not in (None, {}, [])}
    return [_short(v) for v in value] if isinstance(value, list) else value
