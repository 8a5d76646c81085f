"""How does one write a gate: which keys go together, and what do they ask?"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal, get_args

from pydantic import BeforeValidator, Field, WithJsonSchema, model_validator

from selector.config_section import Fraction, Section, Words
from selector.config_values import Seconds, Word, parse_duration, parse_fraction, parse_size
from selector.domain.gates.bounds import Comparing, MetricBound, Side, VersusChampion
from selector.domain.gates.files import Artifacts, CompatibleSignature, Size
from selector.domain.gates.kinds import AnyGate
from selector.domain.gates.latency import Latency
from selector.domain.gates.parts import FEWEST_ROWS, PartRegression
from selector.domain.gates.runs import Freshness, Required
from selector.domain.gates.scores import OF_ONE_CLASS
from selector.domain.metric import Metric, metric

ALL = "all"
COMPARING: tuple[Comparing, ...] = get_args(Comparing)
SIDES: tuple[Side, ...] = get_args(Side)
OF_METRIC = frozenset({"metric", "average", "direction", "keys"})

GOES_WITH: dict[str, frozenset[str]] = {
    "slices": OF_METRIC | {"maximum_regression", "minimum_rows", "confident"},
    "classes": OF_METRIC | {"maximum_regression", "minimum_rows", "confident"},
    "latency": frozenset({"maximum"}),
    "size": frozenset({"maximum"}),
    "artifacts": frozenset(),
    "tags": frozenset(),
    "params": frozenset(),
    "signature": frozenset(),
    "freshness": frozenset(),
}
"""What a gate can be about besides a metric, and the keys that may stand beside it."""

_METRIC_KEYS = OF_METRIC | {*SIDES, *COMPARING, "confident"}


def _named(value: Any) -> Any:
    return dict.fromkeys(value, "*") if isinstance(value, list) else value


def _names(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


Limit = Annotated[
    float | str | None, WithJsonSchema({"type": ["number", "string"], "x-kind": "number, percent, duration or size"})
]
Wanted = Annotated[
    dict[Word, Word],
    BeforeValidator(lambda value: _named(_names(value))),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "object", "additionalProperties": {"type": ["string", "number", "boolean"]}},
                {"type": "array", "items": {"type": "string"}},
            ],
            "x-kind": "names, or names with values",
        }
    ),
]


class GateSettings(Section):
    """One condition that a winner has to meet besides; docs/gates.md shows each kind."""

    metric: Word | None = Field(
        default=None,
        description="A metric, measured on the holdout where it can be. Default: the model's own.",
        examples=["precision"],
    )
    average: Literal["binary", "macro", "weighted", "micro"] | None = Field(
        default=None, description="Averaging of that metric.", examples=["macro"]
    )
    direction: Literal["maximize", "minimize"] | None = Field(
        default=None,
        description="Which values of that metric are better, where its name does not tell.",
        examples=["minimize"],
    )
    keys: Words = Field(default=(), description="Logged keys that hold that metric.", examples=[["business_value"]])
    minimum: Limit = Field(default=None, description="Smallest value that passes.", examples=[0.7])
    maximum: Limit = Field(
        default=None,
        description="Largest value that passes: of the metric, of the latency (5ms), of the size (500MB).",
        examples=[0.99],
    )
    maximum_regression: Fraction | None = Field(
        default=None, ge=0, description="How much worse than the champion's, in the metric's unit.", examples=[0.01]
    )
    maximum_relative_regression: Fraction | None = Field(
        default=None, ge=0, description="How much worse, relative to the champion's value.", examples=["2%"]
    )
    minimum_gain: Fraction | None = Field(
        default=None, ge=0, description="How much better than the champion's, in the metric's unit.", examples=[0.01]
    )
    minimum_relative_gain: Fraction | None = Field(
        default=None, ge=0, description="How much better, relative to the champion's value.", examples=["1%"]
    )
    maximum_plausible_gain: Fraction | None = Field(
        default=None, gt=0, description="A larger gain over the champion is not believed.", examples=[0.1]
    )
    confident: bool = Field(
        default=False,
        description="The whole 95 % interval has to pass; inconclusive where only a part of it does.",
        examples=[True],
    )
    slices: Words = Field(
        default=(),
        description="Slices that must not get worse: all, columns of holdout.slices, or single ones (region=north).",
        examples=["all"],
    )
    classes: Words = Field(
        default=(),
        description="Classes that must not get worse, each against the rest: all, or names.",
        examples=["all"],
    )
    minimum_rows: int = Field(
        default=FEWEST_ROWS,
        ge=1,
        description="Slices and classes with fewer rows say nothing, and stop nothing.",
        examples=[FEWEST_ROWS],
    )
    latency: (
        Literal["p50_per_row", "p95_per_row", "p99_per_row", "p50_per_batch", "p95_per_batch", "p99_per_batch"] | None
    ) = Field(
        default=None,
        description="A percentile of the time that one call takes, for a single row or for a batch of 100.",
        examples=["p95_per_row"],
    )
    size: bool | None = Field(default=None, description="The size of the model's files together.", examples=[True])
    artifacts: Words = Field(
        default=(), description="Files that the model's folder has to hold: names or globs.", examples=[["MLmodel"]]
    )
    tags: Wanted | None = Field(
        default=None,
        description="Tags that the run or its version has to have, with the values they have to match.",
        examples=[{"validated_by": "*"}],
    )
    params: Wanted | None = Field(
        default=None, description="Params that the run has to have.", examples=[["learning_rate"]]
    )
    signature: Literal["compatible"] | None = Field(
        default=None, description="Accepts what callers of the champion send.", examples=["compatible"]
    )
    freshness: Seconds | None = Field(
        default=None, description="How long ago the run may have ended.", examples=["90d"]
    )
    observe: bool = Field(default=False, description="Only report; never stop a promotion.", examples=[False])

    @model_validator(mode="after")
    def _asks_one_thing(self) -> GateSettings:
        given = {name for name in self.model_fields_set if getattr(self, name) not in (None, (), {})} - {"observe"}
        if "size" in given and self.size is False:
            raise ValueError("size: false asks nothing; write size: true and a maximum, or leave the gate out")
        heads = [head for head in GOES_WITH if head in given]
        if len(heads) > 1:
            raise ValueError(f"a gate asks one thing; make {' and '.join(heads)} gates of their own")
        fitting = GOES_WITH[heads[0]] | {heads[0]} if heads else _METRIC_KEYS
        if odd := sorted(given - fitting):
            beside = ", ".join(sorted(fitting - set(heads))) or "nothing else"
            about = heads[0] if heads else "a metric"
            raise ValueError(f"{' and '.join(odd)} does not go with {about}, which takes {beside}")
        if not list(self.gates(metric("f1"))):
            raise ValueError(_nothing_asked(heads, given))
        return self

    def gates(self, own: Metric) -> Iterator[AnyGate]:
        """Return the gates in the domain's words, several where several bounds are given.

        Args:
            own: the metric that the model's candidates are ranked by.

        Raises:
            ValueError: the bounds make no sense.

        """
        if self.slices or self.classes:
            yield from self._of_parts()
        elif self.latency is not None:
            percentile, _, per = self.latency.removeprefix("p").partition("_per_")
            if self.maximum is not None:
                seconds = parse_duration(self.maximum)
                yield Latency(int(percentile), "row" if per == "row" else "batch", seconds, self.observe)
        elif self.size:
            if self.maximum is not None:
                yield Size(parse_size(self.maximum), self.observe)
        elif self.artifacts:
            yield Artifacts(self.artifacts, self.observe)
        elif self.tags is not None or self.params is not None:
            yield from self._of_run()
        elif self.signature is not None:
            yield CompatibleSignature(self.observe)
        elif self.freshness is not None:
            yield Freshness(self.freshness, self.observe)
        else:
            yield from self._of_metric(own)

    def _of_metric(self, own: Metric) -> Iterator[AnyGate]:
        named = self._metric()
        for side in SIDES:
            limit = getattr(self, side)
            if limit is not None:
                chosen = named or own
                yield MetricBound(chosen, side, _bound(side, limit, named), self.confident, self.observe)
        for kind in COMPARING:
            bound = getattr(self, kind)
            if bound is not None:
                yield VersusChampion(kind, bound, named, self.confident, self.observe)

    def _of_parts(self) -> Iterator[AnyGate]:
        of: Literal["slices", "classes"] = "slices" if self.slices else "classes"
        names, named = self.slices or self.classes, self._metric()
        if named is not None and not named.recomputed:
            raise ValueError(f"{of} are measured on the holdout, which {named.name!r} cannot be")
        if of == "classes" and named is not None and named.name not in OF_ONE_CLASS:
            raise ValueError(f"{named.name!r} has no value for a single class; use {', '.join(sorted(OF_ONE_CLASS))}")
        if self.maximum_regression is not None:
            chosen = None if names == (ALL,) else names
            yield PartRegression(
                of, self.maximum_regression, chosen, named, self.minimum_rows, self.confident, self.observe
            )

    def _of_run(self) -> Iterator[AnyGate]:
        for what, wanted in (("tags", self.tags), ("params", self.params)):
            if wanted:
                yield Required("tags" if what == "tags" else "params", tuple(wanted.items()), self.observe)

    def _metric(self) -> Metric | None:
        """Return the metric that is named here; its direction is needed only where it is compared."""
        if self.metric is None:
            if self.average or self.direction or self.keys:
                raise ValueError("average, direction and keys need the metric that they are about")
            return None
        compared = self.slices or self.classes or any(getattr(self, kind) is not None for kind in COMPARING)
        try:
            return metric(self.metric, average=self.average, direction=self.direction, keys=self.keys)
        except ValueError:
            if compared or self.direction is not None:
                raise
            return metric(self.metric, average=self.average, direction="maximize", keys=self.keys)


def _bound(side: str, limit: float | str, named: Metric | None) -> float:
    value = parse_fraction(limit)
    try:
        bound = float(value)
    except ValueError:
        raise ValueError(f"{side} {limit!r} is not a number") from None
    if named is not None and not named.valid(bound):
        raise ValueError(f"{side} {limit} is outside {named.low:g} to {named.high:g}, where {named.label()} lies")
    return bound


def _nothing_asked(heads: list[str], given: set[str]) -> str:
    if not given:
        return "asks nothing; docs/gates.md shows what gates can ask"
    wanted = {"slices": "maximum_regression", "classes": "maximum_regression", "latency": "maximum", "size": "maximum"}
    if heads:
        return f"{heads[0]} needs {wanted.get(heads[0], 'a value')}"
    return f"a gate on a metric needs one of {', '.join((*SIDES, *COMPARING))}"
