"""Who is told, of what, and through which channel?"""

from __future__ import annotations

import re
from typing import Any, ClassVar

from pydantic import Field, model_validator

from selector.config_section import MASK, Section, Words
from selector.config_values import Word

SCHEME = re.compile(r"^[A-Za-z][A-Za-z0-9+.-]*://")


class NotifySettings(Section):
    """Somebody who is told: by an Apprise URL, or by our own signed webhook. See docs/notifications.md."""

    shorthand: ClassVar[str | None] = "url"
    url: str | None = Field(
        default=None,
        min_length=1,
        description="An Apprise URL; keep secrets out of this file: ${env:NAME}.",
        examples=["json://localhost:8080/alerts"],
    )
    webhook: str | None = Field(
        default=None,
        pattern=r"^https?://",
        description="Instead of url: where a signed JSON document is posted to.",
        examples=["https://ci.example.org/hook"],
    )
    secret: str | None = Field(
        default=None,
        min_length=16,
        description="What the webhook is signed with; keep it out of this file: ${env:NAME}.",
        examples=["a-secret-of-16-or-more"],
    )
    on: Words = Field(
        default=(),
        description="Only these kinds: promoted, rolled_back, awaiting_approval, foreign_change, failed, degraded,"
        " warning, drift, missing_data, better_challenger, no_way_back, unreachable, service_down. Default: all.",
        examples=[["promoted", "rolled_back", "degraded"]],
    )
    models: Words = Field(
        default=(), description="Only these registered models: names or globs. Default: all.", examples=[["churn*"]]
    )
    name: Word | None = Field(
        default=None,
        description="What the channel is called in logs. Default: made from the address, without secrets.",
        examples=["team"],
    )

    @model_validator(mode="after")
    def _names_one_channel(self) -> NotifySettings:
        if (self.url is None) == (self.webhook is None):
            raise ValueError("needs either url, an Apprise URL, or webhook with a secret")
        if self.url is not None and not SCHEME.match(self.url):
            raise ValueError(f"{self.url.partition(':')[0]!r} is no URL; write it as slack://… or json://host/path")
        if self.webhook is not None and self.secret is None:
            raise ValueError("a webhook needs a secret, so that its receiver can tell us from others")
        if self.url is not None and self.secret is not None:
            raise ValueError("secret goes with webhook; what an Apprise URL needs stands in the URL")
        return self

    def shown(self, name: str) -> Any:
        """Return the value of one key as it may be shown to anybody; the secret never is."""
        if name == "secret" and self.secret is not None and not self.referred(name):
            return MASK
        return super().shown(name)
