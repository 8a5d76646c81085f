"""How do challengers do on the rows that the champion answers in production?

They answer beside the champion, in the same confinement, and nobody else sees their answers. Who is judged comes from
the newest decision: the best that may win. Who proves better is promoted by an ordinary decision, or told of.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from selector.domain.answers import Answers, decode, positive_class
from selector.domain.health import Health
from selector.domain.health_alert import Alert
from selector.domain.health_policy import MonitorPolicy
from selector.domain.health_words import better_alert, better_text
from selector.domain.live import LiveChallenger, entrants, settled
from selector.domain.live_lead import joint, live_lead, with_cells, with_outcomes
from selector.domain.metric import Metric
from selector.domain.model import Candidate, Predictions, Unscorable
from selector.domain.outcomes import OF_CLASSES, Outcome, measure
from selector.errors import MlflowUnreachableError, SelectorError
from selector.ports import Entry, ScoreJob
from selector.ports_production import Batch
from selector.workflows.fetched import fetch_job
from selector.workflows.house import House, Setup
from selector.workflows.monitor_measure import Judged
from selector.workflows.monitor_reference import watched_metric
from selector.workflows.observe import threshold_of

Codes = npt.NDArray[np.int64]


@dataclass(slots=True, eq=False)
class Challengers:
    """Those that are judged during one look: enrolled and fetched when the first batch needs them, once.

    Attributes:
        spool: a private folder for their files.
        notes: what could not be done, in plain sentences.

    """

    house: House
    setup: Setup
    policy: MonitorPolicy
    spool: Path
    notes: list[str] = field(default_factory=list)
    _enrolled: bool = False
    _jobs: dict[str, ScoreJob | None] = field(default_factory=dict)

    def judge(self, health: Health, batch: Batch, judged: Judged) -> tuple[Health, tuple[LiveChallenger, ...]]:
        """Return the health after all challengers have answered the batch, and who proved better by it.

        Raises:
            MlflowUnreachableError: MLflow does not answer.

        """
        if not self.policy.challengers or batch.features is None:
            return health, ()
        if not self._enrolled:
            health, self._enrolled = self._enrol(health), True
        due = [one for one in health.challengers if one.finding in ("open", "better") and _unseen(one, batch)]
        jobs = {one.uri: job for one in due if (job := self._job(one)) is not None}
        answers = self._answers(jobs, batch)
        after: list[LiveChallenger] = []
        for one in health.challengers:
            found = answers.get(jobs[one.uri].key) if one.uri in jobs else None
            after.append(one if found is None else self._judged(one, jobs[one.uri].key, found, batch, judged))
        proved = tuple(a for a, b in zip(after, health.challengers, strict=True) if a.finding != b.finding == "open")
        return replace(health, challengers=tuple(after)), tuple(a for a in proved if a.finding == "better")

    def _enrol(self, health: Health) -> Health:
        newest = self.house.store.entries(self.setup.model, kinds=("decision",), newest=1)
        ranking = newest[-1].details.get("ranking") or () if newest else ()
        free = entrants(ranking, health.challengers, health.version, self.policy.challengers)
        there = list(health.challengers)
        for line in free:
            there.append(self._entrant(line, len(there) + 1))
        return replace(health, challengers=tuple(there))

    def _entrant(self, line: Mapping[str, Any], place: int) -> LiveChallenger:
        run = self.house.registry.run(line["run_id"]) if line.get("run_id") else None
        one = Candidate(uri=line["uri"], name=line["name"], run=run)
        return LiveChallenger(
            uri=line["uri"],
            name=line["name"],
            place=place,
            version=line.get("version"),
            run_id=line.get("run_id"),
            since=run.ended_at if run else None,
            threshold=threshold_of(self.setup, one),
        )

    def _job(self, one: LiveChallenger) -> ScoreJob | None:
        """Return the challenger's files, fetched once a look; None where they cannot be had now."""
        if one.uri not in self._jobs:
            try:
                into = self.spool / f"challenger-{one.place}"
                self._jobs[one.uri] = fetch_job(self.house, one.uri, into, "a challenger")
            except MlflowUnreachableError:
                raise
            except (SelectorError, OSError) as error:
                self.notes.append(f"the challenger {one.title} cannot be read: {error}")
                self._jobs[one.uri] = None
        return self._jobs[one.uri]

    def _answers(self, jobs: Mapping[str, ScoreJob], batch: Batch) -> dict[str, Predictions | Unscorable]:
        distinct = {job.key: job for job in jobs.values()}
        if not distinct or batch.features is None:
            return {}
        return {s.key: s.result for s in self.house.scorer.score(list(distinct.values()), batch.features)}

    def _judged(
        self, one: LiveChallenger, digest: str, found: Predictions | Unscorable, batch: Batch, judged: Judged
    ) -> LiveChallenger:
        if isinstance(found, Unscorable):
            return one if found.transient else replace(one, finding="out", at=batch.at, reason=found.reason)
        metric = watched_metric(self.setup, replace(self.policy, metric=None), judged.classes, judged.positive)
        after = _after(replace(one, digest=digest), metric, found, judged)
        if isinstance(after, Unscorable):
            return replace(one, finding="out", at=batch.at, reason=after.reason)
        alpha = (1.0 - self.setup.policy.confidence) / one.place
        positive = positive_class(judged.truth)
        lead = live_lead(after, metric, classes=len(judged.classes), positive=positive, alpha=alpha)
        return after if lead is None else settled(after, lead, self.setup.policy.minimum_gain, batch.at)


def _after(one: LiveChallenger, metric: Metric, found: Predictions, judged: Judged) -> LiveChallenger | Unscorable:
    truth, answers = judged.truth, judged.of_batch(found)
    if judged.classes and metric.name in OF_CLASSES:
        own, champion = decode(truth, answers, threshold=one.threshold), _champion(judged)
        if isinstance(own, Unscorable):
            return own
        if isinstance(champion, Unscorable):
            return one
        labels = truth.labels.astype(np.int64)
        return with_cells(one, joint(labels, _codes(champion), _codes(own)))
    mine = measure(metric, truth, answers, threshold=one.threshold)
    other = measure(metric, truth, judged.answers, threshold=judged.threshold)
    if isinstance(mine, Outcome) and isinstance(other, Outcome):
        return with_outcomes(one, mine, other)
    return one if isinstance(other, Unscorable) else Unscorable(_why(mine))


def _champion(judged: Judged) -> Answers | Unscorable:
    return decode(judged.truth, judged.answers, threshold=judged.threshold)


def _codes(answers: Answers) -> Codes:
    return answers.codes.astype(np.int64)


def _why(found: Outcome | Unscorable) -> str:
    return found.reason if isinstance(found, Unscorable) else ""


def _unseen(one: LiveChallenger, batch: Batch) -> bool:
    """Tell whether the challenger was there before the batch, so that it cannot have learned from it."""
    return one.since is None or min(batch.at, batch.arrived) > one.since


def told_better(
    model: str, health: Health, policy: MonitorPolicy, one: LiveChallenger, now: datetime
) -> tuple[Entry, Alert]:
    """Return the ledger's line and the alert about a challenger that proved better on production's labels."""
    found, at = one.found, one.at or now
    details: dict[str, Any] = {"challenger": one.title, "run_id": one.run_id, "batch_at": at.isoformat()}
    if found is not None:
        details |= {"lead": found.lead, "low": found.low, "rows": found.rows}
    reason = better_text(model, health, one)
    entry = Entry(now, model, "better", one.version, health.version, reason=reason, details=details)
    return entry, better_alert(model, health, one, _how_promoted(model, policy, one), at)


def _how_promoted(model: str, policy: MonitorPolicy, one: LiveChallenger) -> str:
    """Say what becomes of a challenger that proved better, or what a person can do."""
    if policy.on_better == "promote":
        return "It is promoted if nothing else stands in the way."
    if one.version is not None:
        return f"Promote it: mlflow-selector promote {model} {one.version}"
    return "It is promoted where monitor.on_better is promote."


def due(health: Health, policy: MonitorPolicy) -> Sequence[LiveChallenger]:
    """Return who proved better and was not looked at for a promotion yet."""
    if policy.on_better != "promote":
        return ()
    return [one for one in health.challengers if one.finding == "better" and not one.looked]


def looked(health: Health) -> Health:
    """Return the health in which everybody who proved better was looked at."""
    mark = tuple(replace(c, looked=True) if c.finding == "better" else c for c in health.challengers)
    return replace(health, challengers=mark)
