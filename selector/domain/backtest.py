"""Who would have been champion when, had this policy decided all along?"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Literal

from selector.domain.comparison import compare
from selector.domain.decision import decide
from selector.domain.metric import Metric
from selector.domain.model import PUT_ASIDE, STATUS_TAG, Candidate, ModelVersion, RegisteredModel
from selector.domain.policy import Approval, Policy
from selector.domain.ranking import Ranking, Standing
from selector.domain.snapshot import Snapshot
from selector.domain.verdict import Decision

EVER = datetime.min.replace(tzinfo=UTC)
UNREGISTERED = 1_000_000_000
"""Numbers from here on stand for candidates that were never registered."""

Track = Literal["policy", "recorded", "highest"]
TRACKS: tuple[Track, ...] = ("policy", "recorded", "highest")


@dataclass(frozen=True, slots=True)
class Happening:
    """What the ledger knows to have happened to a version.

    Attributes:
        kind: "reign" (it became champion), "barred" (it was put aside) or "cleared".
        how: the ledger's word for it: promoted, rolled_back, foreign_change and so on.

    """

    at: datetime
    kind: Literal["reign", "barred", "cleared"]
    version: int | None
    how: str = ""


@dataclass(frozen=True, slots=True)
class Stand:
    """Who is champion on one track after a moment.

    Attributes:
        how: what put it there at this moment; "" where nothing changed.
        lead: over the champion before, on all rows known today; None without one.
        low: lower end of that lead's 95 % interval; None where rows are not shared.
        high: upper end of it.
        regret: best score available at this moment minus the champion's, in the metric's unit, >= 0; None without one.

    """

    name: str | None = None
    version: int | None = None
    score: float | None = None
    how: str = ""
    lead: float | None = None
    low: float | None = None
    high: float | None = None
    regret: float | None = None

    @property
    def promoted(self) -> bool:
        """Whether a challenger was made champion at this moment."""
        return self.how == "promoted"


@dataclass(frozen=True, slots=True)
class Moment:
    """One point in time at which something arrived or was done.

    Attributes:
        at: when; None for what carries no time.
        arrived: names of the candidates that arrived.
        best: who had the best score of those that could compete.
        reason: what the policy said.

    """

    at: datetime | None
    arrived: tuple[str, ...]
    best: str | None
    best_score: float | None
    reason: str
    stands: Mapping[Track, Stand]


def walk(snapshot: Snapshot, policy: Policy, happenings: Sequence[Happening]) -> Iterator[Moment]:
    """Walk through time and decide again whenever a candidate arrived or somebody did something.

    Everything is judged by the scores that the snapshot holds, whenever they were measured. What people did to
    versions (rollbacks, quarantines, clearings) happens on the policy's track too. A person's approval is taken for
    granted.

    Args:
        snapshot: all candidates as they are known today, with their outcomes.
        policy: the policy that decides.
        happenings: from the ledger, in any order.

    """
    history = _History(snapshot, replace(policy, approval=Approval()), happenings)
    for at in history.times:
        yield history.moment(at)


def arrival(candidate: Candidate) -> datetime:
    """Return when a candidate became available: its run's end, else its start, else its registration."""
    run, version = candidate.run, candidate.version
    found = (run.ended_at or run.started_at) if run else None
    return found or (version.created_at if version else None) or EVER


@dataclass(slots=True, eq=False)
class _History:
    """The state of all tracks, and how a moment changes it."""

    snapshot: Snapshot
    policy: Policy
    happenings: Sequence[Happening]
    times: list[datetime] = field(init=False)
    numbered: list[Candidate] = field(init=False)
    today: dict[str, Standing] = field(init=False)
    metric: Metric = field(init=False)
    barred: set[int] = field(init=False)
    refused: set[str] = field(default_factory=set)
    reigned: list[int] = field(default_factory=list)
    champion: dict[Track, int | None] = field(default_factory=lambda: dict.fromkeys(TRACKS))

    def __post_init__(self) -> None:
        """Number all candidates and judge them once as they stand today."""
        fit = [c for c in self.snapshot.candidates if c.run is None or c.run.status == "FINISHED"]
        self.numbered = [_numbered(c, UNREGISTERED + i) for i, c in enumerate(fit)]
        whole = decide(self._seen(self.numbered, None, set()), self.policy, "")
        self.today = {s.candidate.uri: s for s in whole.ranking}
        self.metric = whole.metric
        told = {h.version for h in self.happenings if h.kind != "reign"}
        marked = {c.number for c in fit if c.version and c.version.tags.get(STATUS_TAG) in PUT_ASIDE}
        self.barred = {n for n in marked if n is not None and n not in told}
        self.times = sorted({arrival(c) for c in self.numbered} | {h.at for h in self.happenings})

    def moment(self, at: datetime) -> Moment:
        """Let one point in time pass on all tracks."""
        before = dict(self.champion)
        how: dict[Track, str] = dict.fromkeys(TRACKS, "")
        for happening in sorted((h for h in self.happenings if h.at == at), key=lambda h: h.kind):
            self._happen(happening, how)
        visible = [c for c in self.numbered if arrival(c) <= at]
        decision = decide(self._seen(visible, self.champion["policy"], self.barred), self.policy, "")
        self._decided(decision, how)
        best = self._best(decision.ranking)
        self._highest(best, how)
        arrived = tuple(c.name for c in visible if arrival(c) == at)
        score = best.score if best else None
        stands = {track: self._stand(track, before[track], how[track], score) for track in TRACKS}
        when = None if at == EVER else at
        return Moment(when, arrived, best.name if best else None, score, decision.reason, stands)

    def _happen(self, happening: Happening, how: dict[Track, str]) -> None:
        version = happening.version
        if happening.kind == "reign":
            self.champion["recorded"], how["recorded"] = version, happening.how
        elif happening.kind == "cleared" and version is not None:
            self.barred.discard(version)
        elif version is not None:
            self.barred.add(version)
            if self.champion["policy"] == version:
                earlier = [n for n in self.reigned if n not in self.barred]
                self.champion["policy"], how["policy"] = (earlier[-1] if earlier else None), happening.how
                self.refused.clear()
            if self.champion["highest"] == version:
                self.champion["highest"], how["highest"] = None, happening.how

    def _decided(self, decision: Decision, how: dict[Track, str]) -> None:
        """Follow the decision, and count what the champion refused."""
        if decision.winner is not None:
            number = decision.winner.candidate.number
            if number is not None:
                self.reigned.append(number)
            self.champion["policy"], how["policy"] = number, "promoted"
            self.refused.clear()
            return
        judged = (s.outcome.digest for s in decision.ranking if s.eligible and s.outcome and not s.champion)
        self.refused.update(judged)

    def _best(self, ranking: Ranking) -> Standing | None:
        fit = [s for s in ranking if s.score is not None and (s.eligible or s.champion)]
        return max(fit, key=lambda s: self.metric.lead(s.score or 0.0, 0.0), default=None)

    def _highest(self, best: Standing | None, how: dict[Track, str]) -> None:
        """Follow the naive rule: whoever has the highest score is champion."""
        if best is None or best.score is None:
            return
        present = self._of(self.champion["highest"])
        score = present.score if present else None
        if score is None or self.metric.lead(best.score, score) > 0:
            self.champion["highest"], how["highest"] = best.candidate.number, how["highest"] or "promoted"

    def _of(self, number: int | None) -> Standing | None:
        """Return how this candidate stands today."""
        found = next((c for c in self.numbered if number is not None and c.number == number), None)
        return self.today.get(found.uri) if found else None

    def _stand(self, track: Track, before: int | None, how: str, best: float | None) -> Stand:
        number = self.champion[track]
        standing, former = self._of(number), self._of(before)
        if standing is None:
            shown = number if number is not None and number < UNREGISTERED else None
            return Stand(name=f"version {shown}" if shown else None, version=shown, how=how if number != before else "")
        score, lead, low, high = standing.score, None, None, None
        if number != before and former is not None and score is not None and former.score is not None:
            lead = self.metric.lead(score, former.score)
            if standing.outcome is not None and former.outcome is not None:
                groups = self.snapshot.truth.groups if self.snapshot.truth else None
                versus = compare(standing.outcome, former.outcome, groups=groups)
                low, high = versus.low, versus.high
        regret = None if best is None or score is None else max(0.0, self.metric.lead(best, score))
        real = number if number is not None and number < UNREGISTERED else None
        return Stand(standing.name, real, score, how if number != before else "", lead, low, high, regret)

    def _seen(self, visible: Iterable[Candidate], champion: int | None, barred: set[int]) -> Snapshot:
        """Return what a look would have seen."""
        seen = tuple(_marked(c, "quarantined" if c.number in barred else None) for c in visible)
        keys: dict[str, str] = {}
        for candidate in seen:
            if candidate.number in barred:
                standing = self.today.get(candidate.uri) if barred else None
                outcome = standing.outcome if standing else None
                digests = (self.snapshot.digests.get(candidate.uri), outcome.digest if outcome else None)
                keys.update({key: f"version {candidate.number}" for key in digests if key})
        aliases = {self.policy.aliases.champion: champion} if champion is not None else {}
        registered = RegisteredModel(self.snapshot.model, aliases=aliases)
        return replace(
            self.snapshot,
            registered=registered,
            candidates=seen,
            refused=frozenset(self.refused),
            barred=keys,
            approvals=(),
        )


def _numbered(candidate: Candidate, number: int) -> Candidate:
    """Return the candidate with a version that it can be champion as."""
    if candidate.version is not None:
        return candidate
    version = ModelVersion(number, candidate.uri, run_id=candidate.run.run_id if candidate.run else None)
    return replace(candidate, version=version)


def _marked(candidate: Candidate, status: str | None) -> Candidate:
    version = candidate.version
    if version is None:
        return candidate
    tags = {key: value for key, value in version.tags.items() if key != STATUS_TAG}
    return replace(candidate, version=replace(version, tags=tags | ({STATUS_TAG: status} if status else {})))


@dataclass(frozen=True, slots=True)
class Summary:
    """What came of one track.

    Attributes:
        decisions: moments at which there was a champion with a score.
        promotions: how often a challenger was made champion, the first one included.
        changes: how often the champion changed in any way, after the first.
        not_held: promotions whose lead over the champion before is none on all rows known today.
        within_luck: promotions whose lead today is one, but no more than luck explains (its interval holds zero).
        regret: the sum of what was missed at each moment, in the metric's unit.

    """

    decisions: int
    promotions: int
    changes: int
    not_held: int
    within_luck: int
    regret: float
    champion: str | None

    @property
    def mean_regret(self) -> float | None:
        """What was missed per decision; None without one."""
        return self.regret / self.decisions if self.decisions else None


def summarised(moments: Sequence[Moment], track: Track) -> Summary:
    """Return what came of one track."""
    stands = [m.stands[track] for m in moments]
    promoted = [s for s in stands if s.promoted]
    regrets = [s.regret for s in stands if s.regret is not None]
    changed = [s for s in stands if s.how]
    return Summary(
        decisions=len(regrets),
        promotions=len(promoted),
        changes=max(0, len(changed) - 1),
        not_held=sum(1 for s in promoted if s.lead is not None and s.lead <= 0),
        within_luck=sum(1 for s in promoted if s.lead is not None and s.lead > 0 and s.low is not None and s.low <= 0),
        regret=sum(regrets),
        champion=stands[-1].name if stands else None,
    )
