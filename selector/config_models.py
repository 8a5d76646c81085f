"""Which keys may one registered model have, and what does each of them mean?"""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import Field, GetJsonSchemaHandler, field_validator, model_validator
from pydantic.json_schema import JsonSchemaValue

from selector.config_export import ExportPlaces
from selector.config_gates import ALL, GateSettings
from selector.config_keep import KeepSettings
from selector.config_metrics import FurtherMetrics
from selector.config_monitor import MonitorSettings
from selector.config_schedule import ScheduleSettings
from selector.config_section import Fraction, Section, Words, nothing_given
from selector.config_values import Address, AliasName, Seconds, Word
from selector.domain.metric import Metric, metric
from selector.domain.policy import Aliases, Approval, Policy
from selector.ports import HoldoutSpec


class MetricSettings(Section):
    """What candidates are ranked by. A name alone is enough for a known metric."""

    shorthand: ClassVar[str | None] = "name"
    name: Word = Field(
        description="A known metric (f1, accuracy, roc_auc, log_loss, rmse …) or any MLflow key.", examples=["f1"]
    )
    keys: Words = Field(
        default=(),
        description="Logged keys that hold it, best first. Default: the usual spellings.",
        examples=[["f1_score", "val_f1"]],
    )
    average: Literal["auto", "binary", "macro", "weighted", "micro"] | None = Field(
        default=None,
        description="Averaging of F1, precision and recall. Default: binary where a positive class is given or the"
        " labels are 0 and 1, else macro.",
        examples=["binary"],
    )
    direction: Literal["maximize", "minimize", "target"] | None = Field(
        default=None,
        description="Which values are better. Needed where the name does not tell it.",
        examples=["maximize"],
    )
    target: tuple[float, float] | None = Field(
        default=None,
        description="The band [low, high] that values should lie in; goes with direction: target.",
        examples=[[0.4, 0.6]],
    )
    low: float | None = Field(
        default=None, description="Smallest valid value. Default: known from the name.", examples=[0]
    )
    high: float | None = Field(
        default=None, description="Largest valid value. Default: known from the name.", examples=[1]
    )
    aggregation: Word = Field(
        default="last",
        description="Which logged value counts where a key has several: last, best, or that of a step.",
        examples=["last"],
    )
    quantile: float = Field(
        default=0.5, gt=0, lt=1, description="Which quantile the pinball loss judges.", examples=[0.5]
    )

    @model_validator(mode="after")
    def _makes_sense(self) -> MetricSettings:
        self.metric()
        return self

    def metric(self) -> Metric:
        """Return the metric in the domain's words."""
        step = int(self.aggregation) if self.aggregation.isdigit() else self.aggregation
        return metric(
            self.name,
            average=self.average,
            direction=self.direction,
            keys=self.keys,
            target=self.target,
            low=self.low,
            high=self.high,
            aggregation=step,
            quantile=self.quantile,
        )


class HoldoutSettings(Section):
    """The labelled rows that every candidate is judged on. Models never see the labels."""

    data: Address = Field(description="Path or URI of a CSV or Parquet file.", examples=["holdout.csv"])
    target: Word = Field(description="The column with the label.", examples=["Churn"])
    positive: Word | None = Field(
        default=None, description="The positive class as the file spells it.", examples=['"Yes"']
    )
    weights: Word | None = Field(default=None, description="A column with row weights.", examples=["weight"])
    group: Word | None = Field(
        default=None,
        description="A column that says which rows belong together (customer, day).",
        examples=["customer_id"],
    )
    slices: Words = Field(
        default=(), description="Columns whose values are also looked at one by one.", examples=[["region"]]
    )
    ignore: Words = Field(default=(), description="Columns that are no features.", examples=[["customer_id"]])
    threshold: Fraction | None = Field(
        default=None,
        gt=0,
        lt=1,
        description="Answer the positive class from this probability on. Default: the model's own answer.",
        examples=[0.5],
    )
    regression: bool | None = Field(
        default=None,
        description="Treat the target as a number (yes) or as a class (no). Default: by its values.",
        examples=[False],
    )

    def spec(self) -> HoldoutSpec:
        """Return where the rows are, in the ports' words; `threshold` is not part of it."""
        return HoldoutSpec(
            data=self.data,
            target=self.target,
            positive=self.positive,
            weights=self.weights,
            group=self.group,
            slices=self.slices,
            ignore=self.ignore,
            regression=self.regression,
        )


class AliasSettings(Section):
    """The alias names used in MLflow."""

    champion: AliasName = Field(default="champion", description="The version in production.", examples=["champion"])
    challenger: AliasName = Field(
        default="challenger", description="The best one that is not.", examples=["challenger"]
    )
    previous: AliasName = Field(default="previous", description="The champion before.", examples=["previous"])

    @model_validator(mode="after")
    def _are_different(self) -> AliasSettings:
        names = (self.champion, self.challenger, self.previous)
        if len({n.lower() for n in names}) < len(names):
            raise ValueError(f"champion, challenger and previous need three different aliases, not {', '.join(names)}")
        return self


class WithoutHoldoutSettings(Section):
    """What counts where there is no holdout."""

    trust_logged: bool = Field(
        default=False,
        description="Compare logged metrics even where the runs do not carry the same dataset digest.",
        examples=[False],
    )


def _nobody_is_asked() -> Any:
    """Return what stands for `approval` where the file leaves it out."""
    return {"required": False}


class ApprovalSettings(Section):
    """Whether a person has to agree before anything is promoted: yes or no, or the keys below."""

    shorthand: ClassVar[str | None] = "required"
    required: bool = Field(
        default=True,
        description="Ask before anything is promoted. What is too good to be true waits for a person all the same.",
        examples=[False],
    )
    expires: Seconds | None = Field(
        default=None,
        description="A question, and an approval that could not be acted on, lapse after this time. Default: never.",
        examples=["7d"],
    )

    @model_validator(mode="before")
    @classmethod
    def _yes_or_no(cls, data: Any) -> Any:
        return {"required": data} if isinstance(data, bool) else data

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: Any, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {"anyOf": [{"type": "boolean"}, handler(core_schema)]}

    def rule(self) -> Approval:
        """Return the rule in the domain's words."""
        return Approval(self.required, self.expires)


class ModelSettings(Section):
    """How the champion of one registered model is chosen."""

    synonyms: ClassVar[dict[str, str]] = {"min_improvement": "minimum_gain"}
    experiments: Words = Field(
        default=(),
        description="Experiments whose finished runs are candidates: names or globs. Default: registered versions.",
        examples=[["churn_monitoring"]],
    )
    filter: str = Field(
        default="", description="Only runs that match this MLflow search.", examples=["\"tags.team = 'retention'\""]
    )
    split_by: Word | None = Field(
        default=None,
        description="One rule for a family: the param, or else the tag, whose value makes the models' names; it stands"
        " in braces in the name, as in HDBSCAN-{tech_center}, and may stand so in holdout.data.",
        examples=["tech_center"],
    )
    metric: MetricSettings = Field(description="What candidates are ranked by: a name, or the keys below.")
    metrics: FurtherMetrics = Field(
        default=(),
        description="Further metrics, shown beside the one above for every candidate; they decide nothing.",
        examples=[["precision", "recall", "roc_auc"]],
    )
    holdout: HoldoutSettings | None = Field(
        default=None, description="The labelled rows that every candidate is judged on."
    )
    rule: Literal["proven", "highest"] = Field(
        default="proven",
        description="proven: promote only what is better by more than luck. highest: promote the highest score.",
        examples=["proven"],
    )
    confidence: Fraction = Field(
        default=0.95,
        ge=0.5,
        lt=1,
        description="How sure a promotion must be, after correction for luck.",
        examples=[0.95],
    )
    minimum_gain: Fraction = Field(
        default=0.005,
        ge=0,
        description="Smallest lead worth a change, in the metric's unit. Also: min_improvement.",
        examples=[0.005],
    )
    without_proof: Literal["promote", "keep"] = Field(
        default="promote", description="What to do with a leader where no rows are shared.", examples=["promote"]
    )
    trust_logged: bool = Field(
        default=False, description="Short for without_holdout: {trust_logged: yes}.", examples=[False]
    )
    without_holdout: WithoutHoldoutSettings = Field(
        default_factory=nothing_given, description="What counts where there is no holdout."
    )
    gates: tuple[GateSettings, ...] | None = Field(
        default=None, description="Further conditions that a winner has to meet, one each; see docs/gates.md."
    )
    approval: ApprovalSettings = Field(
        default_factory=_nobody_is_asked,
        description="Whether a person has to agree before anything is promoted: true, or the keys below; see"
        " docs/approval.md.",
    )
    monitor: MonitorSettings | None = Field(
        default=None,
        description="How the champion is watched in production: a folder of batches, or the keys below; see"
        " docs/monitoring.md.",
    )
    aliases: AliasSettings = Field(default_factory=nothing_given, description="The alias names used in MLflow.")
    stages: Literal["mirror"] | None = Field(
        default=None,
        description="mirror: keep MLflow's old stages Production and Archived in step with the aliases.",
        examples=["mirror"],
    )
    nested: Literal["parent", "best", "all"] = Field(
        default="best",
        description="Which runs of a tuning compete. best: the best trial, and the parent if it logged a model."
        " parent: only the parent. all: every trial.",
        examples=["best"],
    )
    keep: KeepSettings | None = Field(
        default=None,
        description="How many archived versions stay registered: a number, or the keys below. Default: all of them;"
        " nothing is ever deleted. See docs/retention.md.",
    )
    export: ExportPlaces = Field(
        default=(),
        description="Folders and artifact URIs that always hold the champion's files, for consumers that do not speak"
        " MLflow; see docs/export.md.",
        examples=["models/production"],
    )
    schedule: ScheduleSettings | None = Field(
        default=None,
        description="Looks at fixed times, besides those that something new leads to: a cron expression or an interval,"
        " or the keys below; see docs/monitoring-the-daemon.md.",
    )
    shadow: bool = Field(
        default=False, description="Decide and report only; write nothing to MLflow.", examples=[False]
    )

    @model_validator(mode="before")
    @classmethod
    def _synonyms(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        for synonym, name in cls.synonyms.items():
            if synonym in data and name in data:
                raise ValueError(f"{synonym} and {name} mean the same; keep {name}")
        return {cls.synonyms.get(key, key): value for key, value in data.items()}

    @field_validator("gates")
    @classmethod
    def _are_some(cls, gates: tuple[GateSettings, ...] | None) -> tuple[GateSettings, ...] | None:
        if gates is not None and not gates:
            raise ValueError("an empty list asks nothing and looks like gates that all passed; leave gates out")
        return gates

    @model_validator(mode="after")
    def _is_watched_by_something(self) -> ModelSettings:
        if self.monitor is not None:
            self.monitor.policy(self.metric.metric())
            for source in self.monitor.sources:
                if source.kind == "folder" and not source.label and self.holdout is None:
                    raise ValueError("monitor.sources: a folder needs label, the column with the label")
        return self

    @model_validator(mode="after")
    def _gates_find_what_they_look_at(self) -> ModelSettings:
        columns = self.holdout.slices if self.holdout else ()
        for gate in self.gates or ():
            list(gate.gates(self.metric.metric()))
            for key in ("slices", "classes", "latency"):
                if getattr(gate, key) and self.holdout is None:
                    raise ValueError(f"a gate on {key} needs a holdout, where the models can be measured")
            if gate.slices and not columns:
                raise ValueError("a gate on slices needs holdout.slices, the columns whose values are the slices")
            for name in gate.slices:
                if name != ALL and name.partition("=")[0] not in columns:
                    raise ValueError(f"gates: {name!r} is no slice; holdout.slices names {', '.join(columns)}")
        return self

    def policy(self) -> Policy:
        """Return the policy in the domain's words; averaging stays "auto" until the holdout's classes are known."""
        return Policy(
            metric=self.metric.metric(),
            rule=self.rule,
            confidence=self.confidence,
            minimum_gain=self.minimum_gain,
            without_proof=self.without_proof,
            trust_logged=self.trust_logged or self.without_holdout.trust_logged,
            aliases=Aliases(self.aliases.champion, self.aliases.challenger, self.aliases.previous),
            mirror_stages=self.stages == "mirror",
            nested=self.nested,
            approval=self.approval.rule(),
            gates=tuple(g for s in self.gates or () for g in s.gates(self.metric.metric())),
        )
