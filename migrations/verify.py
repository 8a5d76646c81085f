"""Does MLflow hold exactly what an import was to write, and do its models still answer as they did before?"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np

from migrations.mlmodel import model_folder
from migrations.model import StagedModel
from migrations.verify_values import file_differences, record_differences
from migrations.wording import printable
from selector.domain.model import Predictions, RegisteredModel, Run, Unscorable
from selector.errors import MlflowRefusedError, MlflowUnreachableError, StagingError
from selector.exchange import Scored, ScoreJob
from selector.ports import Features, Progress, Registry, Scorer

ScoredPair = tuple[Predictions | Unscorable, Predictions | Unscorable]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be found of one imported entry.

    Attributes:
        run: as MLflow gives it back; None where it is gone.
        planned: what was to be written; see `migrations.report.planned_document`.
        staged: the entry as it is in the legacy store now; None where it is gone.

    """

    name: str
    source: str
    run_id: str
    planned: Mapping[str, Any]
    run: Run | None
    staged: StagedModel | None


@dataclass(frozen=True, slots=True)
class Verified:
    """What came of comparing one entry.

    Attributes:
        status: equal, or different.
        differences: one sentence each.
        notes: what could not be compared, and why.

    """

    name: str
    source: str
    run_id: str
    version: int | None
    status: Literal["equal", "different"]
    differences: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(slots=True)
class _Found:
    """Differences of one entry, while they are being collected."""

    version: int | None = None
    differences: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def verify(
    wanted: Sequence[Wanted],
    registered: RegisteredModel | None,
    registry: Registry,
    *,
    scorer: Scorer | None = None,
    features: Features | None = None,
    spool: Path | None = None,
    progress: Progress | None = None,
) -> tuple[Verified, ...]:
    """Compare every entry: run, version, times, params, metrics, tags, bytes, and predictions where there is a holdout.

    Args:
        wanted: what is to be found.
        registered: the registered model, None where it is gone.
        registry: gives the models' files back.
        scorer: predicts with the files before and after, in a confined process; None: predictions are not compared.
        features: the rows to predict.
        spool: where fetched files are kept for a moment.
        progress: called once an entry.

    Returns:
        One result per entry, in the same order.

    Raises:
        MlflowUnreachableError: MLflow went away; nothing can be said about the rest.

    """
    work = _Verification(registry, registered, scorer, features)
    done = []
    for index, entry in enumerate(wanted):
        if progress:
            progress(f"verifying {printable(entry.name)}", index, len(wanted))
        with tempfile.TemporaryDirectory(prefix="mlflow-selector-verify-", dir=spool) as scratch:
            done.append(work.entry(entry, Path(scratch)))
    if progress and wanted:
        progress("verified", len(wanted), len(wanted))
    return tuple(done)


class _Verification:
    """One verification under way; models of equal bytes are scored once."""

    def __init__(
        self,
        registry: Registry,
        registered: RegisteredModel | None,
        scorer: Scorer | None,
        features: Features | None,
    ) -> None:
        self.registry, self.scorer, self.features = registry, scorer, features
        self.versions = {v.run_id: v for v in (registered.versions if registered else ()) if v.run_id}
        self.answers: dict[str, ScoredPair] = {}

    def entry(self, wanted: Wanted, scratch: Path) -> Verified:
        """Compare one entry."""
        found = _Found()
        if wanted.run is None:
            found.differences.append(f"the run {wanted.run_id} is not in MLflow any more")
        else:
            found.differences += record_differences(wanted.planned, wanted.run)
        version = self.versions.get(wanted.run_id)
        if version is None:
            found.differences.append("no version of the registered model belongs to its run")
        else:
            found.version = version.version
            self._files(wanted, version.source, scratch, found)
        status: Literal["equal", "different"] = "different" if found.differences else "equal"
        return Verified(
            wanted.name,
            wanted.source,
            wanted.run_id,
            found.version,
            status,
            tuple(found.differences),
            tuple(found.notes),
        )

    def _files(self, wanted: Wanted, uri: str, scratch: Path, found: _Found) -> None:
        """Compare the model's files with those that the legacy store gives today."""
        try:
            after = self.registry.fetch(uri, scratch / "after")
        except MlflowUnreachableError:
            raise
        except MlflowRefusedError as error:
            found.differences.append(f"the model cannot be fetched: {error.message}")
            return
        if wanted.staged is None:
            found.notes.append("the legacy store does not hold it any more, so bytes and predictions are not compared")
            return
        if wanted.staged.fingerprint != wanted.planned["fingerprint"]:
            found.notes.append("the legacy store holds other bytes now, so bytes and predictions are not compared")
            return
        try:
            before = model_folder(wanted.staged, scratch / "before")
        except StagingError as error:
            found.notes.append(f"bytes and predictions are not compared: {error.message}")
            return
        found.differences += file_differences(before, after)
        self._predictions(wanted, before, after, found)

    def _predictions(self, wanted: Wanted, before: Path, after: Path, found: _Found) -> None:
        if self.scorer is None or self.features is None:
            return
        key = f"{wanted.planned['fingerprint']} {bool(found.differences)}"
        if key not in self.answers:
            jobs = [ScoreJob("before", before), ScoreJob("after", after)]
            scored: dict[str, Scored] = {s.key: s for s in self.scorer.score(jobs, self.features)}
            self.answers[key] = (scored["before"].result, scored["after"].result)
        one, other = self.answers[key]
        found.differences += answer_differences(one, other)
        if isinstance(one, Unscorable) and isinstance(other, Unscorable):
            found.notes.append(f"predictions are not compared: {one.reason}")


def answer_differences(before: Predictions | Unscorable, after: Predictions | Unscorable) -> Iterator[str]:
    """Yield how two sets of predictions differ: nothing short of equal is equal."""
    if isinstance(before, Unscorable) or isinstance(after, Unscorable):
        if isinstance(before, Predictions):
            yield f"the model in MLflow cannot predict: {after.reason if isinstance(after, Unscorable) else ''}"
        elif isinstance(after, Predictions):
            yield "the model in MLflow predicts, and the one in the legacy store does not"
        return
    for what, one, other in (
        ("label", before.labels, after.labels),
        ("probability", before.probabilities, after.probabilities),
    ):
        if (one is None) != (other is None):
            yield f"only one of the two gives a {what}"
        elif one is not None and other is not None:
            yield from _rows(what, one, other)
    if before.classes != after.classes:
        yield f"the classes are {', '.join(after.classes)}, and were {', '.join(before.classes)}"


def _rows(what: str, one: Any, other: Any) -> Iterator[str]:
    if one.shape != other.shape:
        yield f"the {what} has shape {other.shape}, and had {one.shape}"
        return
    numeric = one.dtype.kind == other.dtype.kind == "f"
    same = (one == other) | (np.isnan(one) & np.isnan(other)) if numeric else one == other
    wrong = int((~np.asarray(same)).sum())
    if wrong:
        yield f"{wrong} of {same.size} {what} values differ"
