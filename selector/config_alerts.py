"""How often are people told of the same thing, and where do they find its report?"""

from __future__ import annotations

from datetime import timedelta

from pydantic import Field

from selector.config_section import Section
from selector.config_values import Seconds
from selector.domain.alerts import AlertRules


class AlertSettings(Section):
    """How often people are told of the same alert; who is told stands under `notify`."""

    repeat_every: Seconds = Field(
        default=4 * 3600.0,
        ge=60,
        description="Time after which an alert is told again that still holds and that nobody has acknowledged.",
        examples=["4h"],
    )
    settle: Seconds = Field(
        default=300.0,
        description="Time for which all has to be well before an alert is told to be resolved.",
        examples=["5m"],
    )

    reports_at: str | None = Field(
        default=None,
        pattern=r"^https?://",
        description="Web address at which the folder `reports` of the state is served; messages link there instead of"
        " naming a path on this machine.",
        examples=["https://reports.example.org/selector"],
    )

    def rules(self) -> AlertRules:
        """Return the settings as a value of the domain."""
        return AlertRules(timedelta(seconds=self.repeat_every), timedelta(seconds=self.settle))
