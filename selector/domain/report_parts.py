"""Which parts does a report have: frozen values, plain enough to become JSON as they are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from selector.domain.curves import Points

SCHEMA_VERSION = 1


@dataclass(frozen=True, slots=True)
class ChampionLine:
    """The champion before or after: who it is, and what it scored."""

    version: int | None
    run_id: str | None
    name: str
    score: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class ReasonLine:
    """A stable code and one sentence."""

    code: str
    text: str


@dataclass(frozen=True, slots=True)
class GateLine:
    """One gate's answer."""

    gate: str
    verdict: str
    value: float | None
    bound: float | None
    margin: float | None
    detail: str
    observe: bool


@dataclass(frozen=True, slots=True)
class RankedCandidate:
    """One candidate's line: scores and leads in the metric's unit, p-values one-sided.

    Attributes:
        logged: the value its run logged for the metric.
        lead: lead over the champion on the same rows; `lead_low` to `lead_high` is its 95 % interval.
        p: chance of such a lead by luck alone; `adjusted_p` allows for everybody who tried.
        needed: the lead that would have been enough.
        disagreements: rows that it and the champion answer differently.
        why: why it is not the champion; None for the one that is.
        metrics: further metrics by key, which decide nothing; None where there is no value.

    """

    place: int
    name: str
    version: int | None
    run_id: str | None
    uri: str
    champion: bool
    winner: bool
    eligible: bool
    shortlisted: bool
    held: bool
    score: float | None
    low: float | None
    high: float | None
    logged: float | None
    lead: float | None
    lead_low: float | None
    lead_high: float | None
    p: float | None
    adjusted_p: float | None
    needed: float | None
    effective_rows: float | None
    disagreements: int | None
    reasons: tuple[ReasonLine, ...]
    why: ReasonLine | None
    gates: tuple[GateLine, ...]
    copies: tuple[str, ...]
    notes: tuple[str, ...]
    metrics: Mapping[str, float | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class LuckLine:
    """How many tries the bar accounts for; `bar` is the lead that was needed in this decision."""

    judged: int
    effective: float
    refused_before: int
    alpha: float
    bar: float | None
    text: str


@dataclass(frozen=True, slots=True)
class Subject:
    """Whose gates are shown: the winner's, else the best challenger's."""

    name: str
    version: int | None
    gates: tuple[GateLine, ...]


@dataclass(frozen=True, slots=True)
class ErrorsOf:
    """Right and wrong answers of one model.

    Attributes:
        role: "champion" or "winner", or "challenger" where nobody won.
        confusion: rows by true class (first index) and answered class (second index).
        precision_recall: (recall, precision) points, at most 200.
        roc: (false positive rate, true positive rate) points, at most 200.

    """

    role: str
    name: str
    version: int | None
    confusion: tuple[tuple[int, ...], ...]
    precision_recall: Points
    roc: Points
    average_precision: float | None
    roc_auc: float | None


@dataclass(frozen=True, slots=True)
class Errors:
    """Champion and winner side by side.

    Attributes:
        fixed: rows that the champion gets wrong and the other one right; None where answers are not at hand.
        broken: rows that the champion gets right and the other one wrong.
        prevalence: share of positive rows; None where there is no positive class.

    """

    classes: tuple[str, ...]
    models: tuple[ErrorsOf, ...]
    fixed: int | None
    broken: int | None
    prevalence: float | None


@dataclass(frozen=True, slots=True)
class ClassCount:
    """How many rows of the holdout belong to a class."""

    name: str
    rows: int


@dataclass(frozen=True, slots=True)
class Data:
    """What everything was judged on. For a regression, the targets' smallest, mean and largest value."""

    holdout: str
    rows: int
    target: str | None
    positive: str | None
    classes: tuple[ClassCount, ...]
    smallest: float | None
    mean: float | None
    largest: float | None
    weighted: bool
    groups: int | None
    slices: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class MetricLine:
    """What candidates are ranked by."""

    name: str
    label: str
    average: str | None
    direction: str


@dataclass(frozen=True, slots=True)
class PolicyLine:
    """The policy: its digest, its main figures, and the same in words."""

    digest: str
    rule: str
    confidence: float
    minimum_gain: float
    words: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ProductionPoint:
    """One batch of production."""

    at: str
    value: float | None
    floor: float | None
    rows: int
    health: str
    version: int | None


@dataclass(frozen=True, slots=True)
class BesideLine:
    """A challenger that answered the same rows of production as the champion.

    Attributes:
        finding: open, better, worse or out.
        low: the lead that it has at least, however often one looks; `high` is the most. None while too few rows tell.
        words: what that means, in one sentence.

    """

    name: str
    version: int | None
    finding: str
    rows: int
    value: float | None
    champion: float | None
    lead: float | None
    low: float | None
    high: float | None
    words: str


@dataclass(frozen=True, slots=True)
class ProductionLine:
    """How production has gone: what is watched, when there is an alarm, and the newest batches, oldest first."""

    metric: str
    health: str
    rule: str
    points: tuple[ProductionPoint, ...]
    beside: tuple[BesideLine, ...] = ()


@dataclass(frozen=True, slots=True)
class Report:
    """One decision, said completely. All numbers are unrounded; `at` is ISO 8601 in UTC.

    Attributes:
        headline: the verdict in one sentence.
        reason: why, in one sentence.
        warning: what the reader must know before anything else; empty mostly.
        done: what was changed in MLflow, one sentence each; empty where nothing was.
        undo: the command that takes it back; empty where nothing was changed.
        answer: the commands that approve or reject a candidate; empty where nobody is asked.
        metrics: titles of the further metrics, by key.

    """

    schema_version: int
    model: str
    decision: str
    at: str
    actor: str
    dry_run: bool
    verdict: str
    headline: str
    reason: str
    code: str
    proof: str
    warning: str
    held: tuple[ReasonLine, ...]
    metric: MetricLine
    before: ChampionLine | None
    after: ChampionLine | None
    floor: float | None
    expectation: str
    rows_needed: int | None
    luck: LuckLine
    ranking: tuple[RankedCandidate, ...]
    subject: Subject | None
    errors: Errors | None
    data: Data | None
    policy: PolicyLine
    confinement: str
    done: tuple[str, ...]
    undo: str
    answer: tuple[str, ...]
    notes: tuple[str, ...]
    environment: Mapping[str, str]
    production: ProductionLine | None = None
    metrics: Mapping[str, str] = field(default_factory=dict)
