"""How often does the service look at MLflow?"""

from __future__ import annotations

from pydantic import Field

from selector.config_section import Section
from selector.config_values import Seconds


class WatchSettings(Section):
    """How often the service looks at MLflow where no hint tells it to."""

    poll: Seconds = Field(
        default=30.0,
        ge=0.1,
        description="Time between two looks for what is new; with nothing new a look costs a few calls.",
        examples=["30s"],
    )
    production: Seconds = Field(
        default=60.0,
        ge=1,
        description="Time between two looks at the production data of a model with `monitor`.",
        examples=["60s"],
    )
    thorough: Seconds = Field(
        default=900.0,
        ge=1,
        description="Time between two complete readings, which also find what a short look cannot see.",
        examples=["15m"],
    )
    database_events: bool = Field(
        default=True,
        description="Look at once when MLflow's SQLite file is written to; without effect where MLflow is a server.",
        examples=[True],
    )
