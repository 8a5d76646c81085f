"""What did one look see: the registry, the runs, which candidates that makes, and what was measured of them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from selector.domain.approval import Answer
from selector.domain.live import LiveProof
from selector.domain.model import (
    NOTHING,
    Candidate,
    LoggedModel,
    ModelVersion,
    Predictions,
    RegisteredModel,
    Run,
    Truth,
    Unscorable,
)
from selector.domain.model_facts import ModelFacts
from selector.domain.outcomes import Outcome


@dataclass(frozen=True, slots=True, eq=False)
class Snapshot:
    """The world as one look saw it; a decision is a pure function of this and the policy.

    Attributes:
        candidates: everything considered, the champion included, in any order.
        digests: content digest by candidate URI, where the bytes were read.
        outcomes: what each candidate scored on the holdout, or why it could not be scored; by candidate URI.
        truth: the labelled rows; None where only logged metrics exist.
        refused: answer digests of the challengers that the present champion has refused in earlier decisions.
        barred: content and answer digests of models that a person or a rollback has put aside, with the reason.
        stopped: models that a gate stopped against the champion before, with the gate's words; see gates/carried.py.
        held: models that were held against the champion before, likewise, with the reason.
        answers: what each candidate answered, by URI; for gates on further metrics, on slices and on classes.
        thresholds: the probability from which on a candidate's answer counts as positive, by URI, where one is given.
        facts: what the models' folders tell, by URI; only where a gate asks for it.
        at: when the look was made; None where nothing depends on it.
        approvals: what people approved and what has not lapsed since.
        rejected: digests and addresses of models that a person rejected, with who and why.
        live: who proved better than a champion on production's labels, by address and content digest.

    """

    model: str
    registered: RegisteredModel | None
    candidates: tuple[Candidate, ...]
    digests: Mapping[str, str] = field(default_factory=lambda: NOTHING)
    outcomes: Mapping[str, Outcome | Unscorable] = field(default_factory=lambda: NOTHING)
    truth: Truth | None = None
    refused: frozenset[str] = frozenset()
    barred: Mapping[str, str] = field(default_factory=lambda: NOTHING)
    stopped: Mapping[str, str] = field(default_factory=lambda: NOTHING)
    held: Mapping[str, str] = field(default_factory=lambda: NOTHING)
    answers: Mapping[str, Predictions | Unscorable] = field(default_factory=lambda: NOTHING)
    thresholds: Mapping[str, float | None] = field(default_factory=lambda: NOTHING)
    facts: Mapping[str, ModelFacts] = field(default_factory=lambda: NOTHING)
    at: datetime | None = None
    approvals: tuple[Answer, ...] = ()
    rejected: Mapping[str, str] = field(default_factory=lambda: NOTHING)
    live: Mapping[str, LiveProof] = field(default_factory=lambda: NOTHING)

    def alias(self, name: str) -> int | None:
        """Return the version the alias points at; None where it is not set or the model is not registered."""
        return self.registered.aliases.get(name) if self.registered else None

    def at_version(self, number: int | None) -> Candidate | None:
        """Return the candidate that is registered as this version."""
        return next((c for c in self.candidates if number is not None and c.number == number), None)


def gather(
    registered: RegisteredModel | None, runs: Sequence[Run], others: Iterable[Run] = (), *, only_runs: bool = False
) -> tuple[Candidate, ...]:
    """Return one candidate per logged model and per registered version.

    Args:
        registered: the registered model, None where it does not exist yet.
        runs: the runs of the experiments that feed this model.
        others: runs of versions that come from elsewhere.
        only_runs: versions whose run is not among `runs` do not compete; the champion stays known all the same.

    """
    versions = registered.versions if registered else ()
    near = _near(versions)
    taken: set[int] = set()
    found: list[Candidate] = []
    for run in runs:
        for model in run.models or (None,):
            mine = _registered_from(run, model, near, taken) if model is not None else []
            taken.update(v.version for v in mine)
            registered_as: list[ModelVersion | None] = [*mine] or [None]
            found.extend(_candidate(run, model, version) for version in registered_as)
    known = {run.run_id: run for run in (*others, *runs)}
    aliased = set(registered.aliases.values()) if registered else set()
    name = registered.name if registered else ""
    found.extend(
        _from_version(name, version, known.get(version.run_id or ""))
        for version in versions
        if version.version not in taken
        if not only_runs or version.version in aliased
    )
    return tuple(found)


def _near(versions: Iterable[ModelVersion]) -> dict[str, list[ModelVersion]]:
    """Return the versions by what they may have been made from: their source, and the run they name."""
    found: dict[str, list[ModelVersion]] = {}
    for version in versions:
        for key in dict.fromkeys((version.source.rstrip("/"), version.run_id or "")):
            found.setdefault(key, []).append(version)
    return found


def _registered_from(
    run: Run, model: LoggedModel, near: Mapping[str, Sequence[ModelVersion]], taken: Collection[int]
) -> list[ModelVersion]:
    """Return the versions that were made from this model and from none before it, in their order."""
    maybe = {v.version: v for key in (model.uri, run.run_id) for v in near.get(key, ())}
    return [v for _, v in sorted(maybe.items()) if v.version not in taken and _made_from(v, run, model)]


def _made_from(version: ModelVersion, run: Run, model: LoggedModel) -> bool:
    """Tell whether the version was registered from this model of this run.

    A version made from `runs:/ID/path` carries `models:/m-…` (MLflow 3) or an artifact path (MLflow 2) as its source.
    """
    if version.source.rstrip("/") == model.uri:
        return True
    if version.run_id != run.run_id or version.source.startswith("models:/m-"):
        return False
    return len(run.models) == 1 or version.source.rstrip("/").endswith(f"/{model.uri.partition(run.run_id + '/')[2]}")


def _candidate(run: Run, model: LoggedModel | None, version: ModelVersion | None) -> Candidate:
    if model is None:
        return Candidate(uri="", name=run.name, run=run, metrics=run.metrics, datasets=run.datasets)
    several = run.several
    return Candidate(
        uri=model.uri,
        name=f"{run.name}/{model.name}" if several else run.name,
        run=run,
        version=version,
        metrics=(model.metrics if several else {**run.metrics, **model.metrics}),
        datasets=(model.datasets or run.datasets) if several else run.datasets | model.datasets,
        ready=model.ready,
    )


def _from_version(name: str, version: ModelVersion, run: Run | None) -> Candidate:
    return Candidate(
        uri=f"models:/{name}/{version.version}",
        name=run.name if run else f"version {version.version}",
        run=run,
        version=version,
        metrics=run.metrics if run and not run.several else NOTHING,
        datasets=run.datasets if run else frozenset(),
        ready=version.status == "READY",
    )
