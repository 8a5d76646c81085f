"""Which keys stand beside the models: the MLflow server, staging, notifications, state, scoring, logging?"""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import Field, field_validator, model_validator

from selector.config_section import Section
from selector.config_values import Address, Bytes, FilePath, ModelName, Seconds, Word


class MlflowSettings(Section):
    """The MLflow server that is watched and written to."""

    tracking_uri: Address = Field(
        default="sqlite:///mlflow.db",
        description="Address of the MLflow server, or of its database. Default: MLFLOW_TRACKING_URI, else"
        " sqlite:///mlflow.db beside this file.",
        examples=["http://localhost:5000"],
    )
    registry_uri: Address | None = Field(
        default=None,
        description="Address of the model registry where it is another one. Default: the tracking server.",
        examples=["http://localhost:5000"],
    )
    timeout: Seconds = Field(default=10.0, description="How long one call to MLflow may take.", examples=["10s"])
    upgrade_database: bool = Field(
        default=False,
        description="Let MLflow migrate an older database in place. Older servers cannot open it afterwards.",
        examples=[False],
    )


class StagingSettings(Section):
    """A folder where finished model files arrive; each becomes a finished run."""

    folder: FilePath = Field(description="The folder to look into.", examples=["models/staging"])
    model: ModelName = Field(description="The registered model that they are for.", examples=["churn"])
    experiment: Word = Field(description="The experiment that they become runs of.", examples=["churn_monitoring"])
    quiet: Seconds = Field(
        default=10.0,
        description="How long files have to stay unchanged before they count as complete.",
        examples=["10s"],
    )
    manifest: Literal["optional", "required"] = Field(
        default="optional",
        description="required: take only what a manifest of sha256 digests vouches for; see docs/staging.md.",
        examples=["optional"],
    )
    observer: Literal["auto", "inotify", "polling"] = Field(
        default="auto",
        description="Who tells that files came: the kernel, or scans alone. auto: scans alone on network file systems.",
        examples=["auto"],
    )
    rescan: Seconds = Field(
        default=60.0,
        ge=1,
        description="Time between two scans of names and times where nobody tells that files came.",
        examples=["60s"],
    )


class StateSettings(Section):
    """Where decisions, plans and scores are kept. Losing it loses history, never correctness."""

    shorthand: ClassVar[str | None] = "folder"
    folder: FilePath = Field(
        default=Path(".mlflow-selector"),
        description="Folder for state, reports and the score cache.",
        examples=[".mlflow-selector"],
    )
    database: Address | None = Field(
        default=None,
        description="A PostgreSQL (or SQLite) URL for the state instead of a file in the folder.",
        examples=["postgresql://selector@localhost/selector"],
    )

    @model_validator(mode="before")
    @classmethod
    def _from_address(cls, data: Any) -> Any:
        return {"database": data} if isinstance(data, str) and "://" in data else data

    @field_validator("database")
    @classmethod
    def _is_a_database(cls, value: str | None) -> str | None:
        if value is not None and not value.startswith(("postgresql:", "postgresql+", "postgres:", "sqlite:")):
            raise ValueError("is neither a postgresql:// nor a sqlite:/// URL")
        return value


class ScoringSettings(Section):
    """Where models are scored, and how much each may use."""

    shorthand: ClassVar[str | None] = "scorer"
    scorer: str = Field(
        default="here",
        pattern=r"^(here|dask://[A-Za-z0-9_.\[\]:-]+:\d{1,5})$",
        description="here: on this machine. dask://HOST:PORT: on the Dask cluster of this scheduler; see docs/dask.md.",
        examples=["here"],
    )
    workers: int | None = Field(
        default=None,
        ge=1,
        le=256,
        description="How many models are scored at the same time. Default: one per processor, at most 8.",
        examples=[2],
    )
    memory: Bytes = Field(default=4 << 30, ge=64 << 20, description="Memory that one model may use.", examples=["4GiB"])
    timeout: Seconds = Field(default=60.0, description="Time that one model may take.", examples=["60s"])
    allow_unconfined: bool = Field(
        default=False, description="Score even where this machine cannot confine models.", examples=[False]
    )


class LoggingSettings(Section):
    """What is written to stderr."""

    level: Literal["debug", "info", "warning", "error"] = Field(
        default="warning", description="The least important message that is written.", examples=["warning"]
    )
    format: Literal["human", "json"] = Field(
        default="human",
        description="human for people, json for log collectors. Default: human; json for the service under systemd.",
        examples=["human"],
    )
