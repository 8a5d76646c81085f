"""How does one say where production metrics come from, when they are too low, and what to do then?"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, WithJsonSchema, field_validator, model_validator

from selector.config_section import Fraction, Section, Words
from selector.config_values import Address, FilePath, Seconds, Word
from selector.domain.health_policy import MonitorPolicy
from selector.domain.health_watch import Patience
from selector.domain.metric import Metric, metric
from selector.ports_production import SourceKind, SourceSpec

KINDS: dict[str, SourceKind] = {
    "folder": "folder",
    "sql": "sql",
    "experiment": "mlflow",
    "prometheus": "prometheus",
    "csv": "csv",
}
"""The key that says what a source is."""

_ROWS = {"label", "prediction", "probability", "id", "version", "ignore"}
GOES_WITH: dict[str, set[str]] = {
    "folder": _ROWS | {"labels"},
    "sql": _ROWS | {"query", "batch", "time", "rows", "key", "window", "timeout"},
    "experiment": {"query", "rows", "key", "window"},
    "prometheus": {"query", "rows", "step", "window", "timeout", "token"},
    "csv": {"time", "rows", "key", "window"},
}
"""The keys that may stand beside it."""


PerClass = Annotated[
    bool | dict[Word, float],
    WithJsonSchema(
        {
            "anyOf": [{"type": "boolean"}, {"type": "object", "additionalProperties": {"type": "number"}}],
            "x-kind": "true or false, or a floor for each class",
        }
    ),
]


Floors = Annotated[
    dict[Word, float],
    WithJsonSchema(
        {"type": "object", "additionalProperties": {"type": "number"}, "x-kind": "a floor for each metric"},
    ),
]


class SourceSettings(Section):
    """One place where production metrics come from: a folder, sql, an experiment, Prometheus, or a CSV file."""

    shorthand: ClassVar[str | None] = "folder"
    folder: FilePath | None = Field(
        default=None,
        description="A folder of CSV and Parquet files, one labelled batch each. The champion answers them itself,"
        " unless prediction names the column with the answers.",
        examples=["production/batches"],
    )
    sql: Address | None = Field(
        default=None,
        description="A PostgreSQL or SQLite database; needs query. Nothing is written to it.",
        examples=["postgresql://reader@warehouse/churn"],
    )
    experiment: Word | None = Field(
        default=None,
        description="An MLflow experiment (or glob) whose runs log production metrics.",
        examples=["churn_production"],
    )
    prometheus: Address | None = Field(
        default=None, description="A Prometheus server; needs query.", examples=["http://localhost:9090"]
    )
    csv: FilePath | None = Field(
        default=None, description="A file with one line of metrics per day.", examples=["rolling_metrics.csv"]
    )
    query: str = Field(
        default="",
        description="SQL that returns new rows, with :since for the time of the newest one that is known; PromQL; or"
        " an MLflow search of runs.",
        examples=["SELECT day AS time, f1, n AS rows FROM quality WHERE day > :since ORDER BY day"],
    )
    label: Word = Field(default="", description="Column with the label. Default: holdout.target.", examples=["Churn"])
    prediction: Word = Field(
        default="", description="Column with the answer that production gave.", examples=["predicted"]
    )
    probability: Word = Field(
        default="", description="Column with the probability of the positive class.", examples=["churn_probability"]
    )
    labels: FilePath | None = Field(
        default=None,
        description="A folder of files with labels that arrive later, joined to the predictions by id.",
        examples=["production/labels"],
    )
    id: Word = Field(
        default="", description="Column that predictions and labels have in common.", examples=["customer_id"]
    )
    version: Word = Field(
        default="", description="Column that says which model version answered.", examples=["model_version"]
    )
    batch: Word = Field(default="", description="SQL column that names the batch of a labelled row.", examples=["day"])
    time: Word = Field(
        default="", description="Column with the time. Default: time, timestamp, date, day or at.", examples=["day"]
    )
    rows: Word = Field(
        default="",
        description="Column, key or PromQL with the number of labelled rows. Default: example_count, rows or n.",
        examples=["n"],
    )
    key: Word = Field(
        default="", description="Column or key of the metric. Default: the usual spellings.", examples=["f1_score"]
    )
    window: int = Field(
        default=1,
        ge=1,
        le=10_000,
        description="How many batches one value covers. Rolling values overlap, so only every window-th counts.",
        examples=[7],
    )
    step: Seconds = Field(default=86_400.0, description="Time between two values of a PromQL query.", examples=["1d"])
    timeout: Seconds = Field(default=30.0, description="How long the source may take.", examples=["30s"])
    token: str = Field(
        default="", description="Bearer token for the server; keep it out of this file.", examples=["${env:PROM_TOKEN}"]
    )
    ignore: Words = Field(default=(), description="Columns that are no features.", examples=[["customer_id"]])

    @property
    def kind(self) -> str:
        """The key that says what this source is."""
        return next(key for key in KINDS if getattr(self, key) is not None)

    @model_validator(mode="after")
    def _is_one_thing(self) -> SourceSettings:
        given = [key for key in KINDS if getattr(self, key) is not None]
        if len(given) != 1:
            said = " and ".join(given) or "none of them"
            raise ValueError(f"a source is one of {', '.join(KINDS)}; this one has {said}")
        strange = self.model_fields_set - GOES_WITH[given[0]] - {given[0]}
        if strange:
            raise ValueError(f"{min(strange)} does not go with {given[0]}")
        if given[0] in ("sql", "prometheus") and not self.query.strip():
            raise ValueError(f"{given[0]} needs a query")
        if self.labels is not None and not (self.id and (self.prediction or self.probability)):
            raise ValueError("labels that arrive later need id and prediction")
        if given[0] == "sql" and (self.prediction or self.probability) and not self.batch:
            raise ValueError("labelled rows from sql need batch, the column that names their batch")
        return self

    def spec(
        self, target: str, slices: tuple[str, ...], hidden: tuple[str, ...], *, features: bool = False
    ) -> SourceSpec:
        """Return the source in the ports' words.

        Args:
            target: the holdout's label column; "" without a holdout.
            slices: columns whose values are watched.
            hidden: columns of the holdout that are no features.
            features: whether challengers answer the rows too.

        """
        return SourceSpec(
            kind=KINDS[self.kind],
            where=str(getattr(self, self.kind)),
            query=self.query,
            label=self.label or target,
            prediction=self.prediction,
            probability=self.probability,
            labels=str(self.labels) if self.labels else "",
            id=self.id,
            version=self.version,
            batch=self.batch,
            time=self.time,
            rows=self.rows,
            key=self.key,
            window=self.window,
            step=self.step,
            timeout=self.timeout,
            token=self.token,
            slices=slices,
            ignore=tuple(dict.fromkeys((*self.ignore, *hidden))),
            features=features,
        )


class OnDegradedSettings(Section):
    """What is done about a degraded champion: alert, rollback, reselect, or a command to run."""

    shorthand: ClassVar[str | None] = "action"
    action: Literal["alert", "rollback", "reselect", "run"] = Field(
        default="alert",
        description="alert: only tell. rollback: bring the previous good champion back and quarantine this one."
        " reselect: look for a better candidate now. run: run the command.",
        examples=["rollback"],
    )
    run: Words = Field(
        default=(),
        description="The command to run, word by word, without a shell; MODEL, VERSION and DECISION are in its"
        " environment.",
        examples=[["/opt/churn/retrain.sh", "--full"]],
    )
    timeout: Seconds = Field(default=3_600.0, description="How long the command may run.", examples=["1h"])

    @model_validator(mode="before")
    @classmethod
    def _command_alone(cls, data: Any) -> Any:
        return {"action": "run", **data} if isinstance(data, dict) and "run" in data else data

    @model_validator(mode="after")
    def _has_its_command(self) -> OnDegradedSettings:
        if (self.action == "run") != bool(self.run):
            raise ValueError("on_degraded: run needs its command: {run: [command, argument]}")
        return self


def _only_told() -> Any:
    """Return what stands for `on_degraded` where the file leaves it out."""
    return {"action": "alert"}


class MonitorSettings(Section):
    """How the champion is watched in production; docs/monitoring.md shows it at work."""

    shorthand: ClassVar[str | None] = "sources"
    sources: tuple[SourceSettings, ...] = Field(
        description="Where production metrics come from: folders, or the keys of each source.",
    )
    metric: Word | None = Field(
        default=None, description="What is watched. Default: what candidates are ranked by.", examples=["recall"]
    )
    minimum: float | None = Field(
        default=None, description="The floor: an alarm below it (above it, for a loss).", examples=[0.75]
    )
    maximum_drop: Fraction | None = Field(
        default=None,
        ge=0,
        description="The floor as a distance from the score at promotion. Default: 0.05 where no other floor is given.",
        examples=[0.05],
    )
    relative_drop: Fraction | None = Field(
        default=None, ge=0, lt=1, description="The floor as a share of the score at promotion.", examples=["10%"]
    )
    rule: Literal["tested", "plain"] = Field(
        default="tested",
        description="tested: alarm when it is more than chance. plain: alarm as soon as a batch lies below the floor;"
        " its price in false alarms is shown.",
        examples=["tested"],
    )
    in_a_row: int = Field(
        default=1, ge=1, le=1_000, description="For the plain rule: batches below the floor in a row.", examples=[1]
    )
    false_alarm_every: float = Field(
        default=365.0,
        ge=2,
        description="For the tested rule: at the floor itself, at most one false alarm in so many batches on average.",
        examples=[365],
    )
    expect_every: Seconds | None = Field(
        default=None,
        description="How often a batch is expected; three missing ones are an alarm. Default: never.",
        examples=["1d"],
    )
    minimum_rows: int = Field(
        default=50, ge=1, description="Labelled rows before anything is said, in either direction.", examples=[50]
    )
    slices: Words = Field(
        default=(),
        description="Columns whose values are watched one by one. Default: holdout.slices.",
        examples=[["region"]],
    )
    per_class: PerClass = Field(
        default=False,
        description="Watch each class too: yes, or a floor for each.",
        examples=[True],
    )
    floors: Floors = Field(
        default_factory=dict,
        description="Further metrics that are watched, each with its floor; all share one promise of false alarms.",
        examples=[{"recall": 0.5}],
    )
    drift: bool = Field(default=True, description="Tell when the inputs have moved.", examples=[True])
    challengers: int = Field(
        default=0,
        ge=0,
        le=20,
        description="How many challengers answer the same rows beside the champion; the best of the newest decision."
        " Rows have to come with their features.",
        examples=[2],
    )
    on_better: Literal["alert", "promote"] = Field(
        default="alert",
        description="What is done about a challenger that proves better on these labels. alert: only tell. promote: by"
        " an ordinary decision, gates and approval included.",
        examples=["promote"],
    )
    on_degraded: OnDegradedSettings = Field(
        default_factory=_only_told,
        description="What is done about a degraded champion: alert, rollback, reselect, or {run: [command]}.",
    )
    cool_down: Seconds = Field(
        default=86_400.0, description="After an action, no other one for this long.", examples=["1d"]
    )
    flap_limit: int = Field(
        default=2, ge=0, le=100, description="Actions within 30 days, after which people are only told.", examples=[2]
    )

    @field_validator("sources", mode="before")
    @classmethod
    def _one_or_many(cls, value: Any) -> Any:
        return [value] if isinstance(value, str | dict) else value

    @model_validator(mode="after")
    def _makes_sense(self) -> MonitorSettings:
        if not self.sources:
            raise ValueError("sources is empty; name a folder, sql, an experiment, Prometheus, or a CSV file")
        if self.in_a_row > 1 and self.rule != "plain":
            raise ValueError("in_a_row goes with rule: plain; the tested rule weighs all batches together")
        if self.metric is not None:
            metric(self.metric)
        if self.challengers and not any(source.folder for source in self.sources):
            raise ValueError("challengers answer the rows of a folder, and none of the sources is one")
        for name in self.floors:
            if metric(name).direction == "target":
                raise ValueError(f"{name} is better within a band, which a floor cannot say")
        if self.on_better == "promote" and not self.challengers:
            raise ValueError("on_better: promote needs challengers, the number of those that are judged")
        return self

    def policy(self, ranked_by: Metric) -> MonitorPolicy:
        """Return the rules in the domain's words.

        Raises:
            ValueError: the metric is better within a band, which a floor cannot say.

        """
        watched = metric(self.metric) if self.metric else None
        if (watched or ranked_by).direction == "target":
            raise ValueError("monitor needs a metric that is better the higher, or the lower; give monitor.metric")
        per_class = self.per_class if isinstance(self.per_class, bool) else tuple(self.per_class.items())
        return MonitorPolicy(
            metric=watched,
            minimum=self.minimum,
            maximum_drop=self.maximum_drop,
            relative_drop=self.relative_drop,
            patience=Patience(
                false_alarm_every=self.false_alarm_every,
                minimum_rows=self.minimum_rows,
                plain=self.rule == "plain",
                in_a_row=self.in_a_row,
            ),
            expect_every=self.expect_every,
            per_class=per_class,
            slices=self.slices,
            floors=tuple((name, metric(name), floor) for name, floor in self.floors.items()),
            drift=self.drift,
            on_degraded=self.on_degraded.action,
            command=self.on_degraded.run,
            command_timeout=self.on_degraded.timeout,
            cool_down=self.cool_down,
            flap_limit=self.flap_limit,
            challengers=self.challengers,
            on_better=self.on_better,
        )
