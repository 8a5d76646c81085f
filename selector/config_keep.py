"""How many archived versions stay registered?"""

from __future__ import annotations

from typing import Any

from pydantic import Field, GetJsonSchemaHandler, model_validator
from pydantic.json_schema import JsonSchemaValue

from selector.config_section import Section
from selector.domain.retention import Keep


class KeepSettings(Section):
    """How many archived versions stay registered: a number, or the keys below. Runs are never deleted."""

    versions: int | None = Field(
        default=None,
        ge=1,
        description="So many archived versions stay, the newest ones. Default: their number says nothing.",
        examples=[10],
    )
    days: float | None = Field(
        default=None,
        gt=0,
        description="Archived versions stay for so many days. Default: their age says nothing. With both, a version"
        " goes when it is beyond both.",
        examples=[90],
    )

    @model_validator(mode="before")
    @classmethod
    def _a_number(cls, data: Any) -> Any:
        return {"versions": data} if isinstance(data, int | float | str) else data

    @model_validator(mode="after")
    def _keeps_something(self) -> KeepSettings:
        if self.versions is None and self.days is None:
            raise ValueError("asks nothing; give versions, days or both, or leave keep out to keep everything")
        return self

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: Any, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {"anyOf": [{"type": "integer", "minimum": 1}, handler(core_schema)]}

    def rule(self) -> Keep:
        """Return the rule in the domain's words."""
        return Keep(self.versions, self.days)
