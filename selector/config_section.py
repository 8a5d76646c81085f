"""What is a group of keys: frozen, unknown keys refused, values that came from a reference never shown."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    GetJsonSchemaHandler,
    PrivateAttr,
    WithJsonSchema,
    model_validator,
)
from pydantic.json_schema import JsonSchemaValue

from selector.config_values import Word, parse_fraction
from selector.redaction import redact

MASK = "****"

Fraction = Annotated[
    float,
    BeforeValidator(parse_fraction),
    WithJsonSchema({"type": ["number", "string"], "x-kind": "number or percent"}),
]


def nothing_given() -> Any:
    """Return what stands for a group of keys that the file leaves out.

    It is validated like one from the file; a ready-made default would start its relative paths from the wrong folder.
    """
    return {}


def one_or_many(value: Any) -> Any:
    """Return a single text as a list of one."""
    return [value] if isinstance(value, str) else value


Words = Annotated[
    tuple[Word, ...],
    BeforeValidator(one_or_many, json_schema_input_type=str | list[str]),
]


class Section(BaseModel):
    """A group of keys: frozen, unknown keys refused, values that came from a reference never shown."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, validate_default=True, hide_input_in_errors=True, allow_inf_nan=False
    )
    shorthand: ClassVar[str | None] = None
    _origins: dict[str, str] = PrivateAttr(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _from_shorthand(cls, data: Any) -> Any:
        if data is None:
            # A heading whose keys are all comments.
            return {}
        return {cls.shorthand: data} if cls.shorthand and isinstance(data, str) else data

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: Any, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        made = handler(core_schema)
        return {"anyOf": [{"type": "string"}, made]} if cls.shorthand else made

    def shown(self, name: str) -> Any:
        """Return the value of one key as it may be shown to anybody."""
        if name in self._origins:
            return f"{MASK} (from {self._origins[name]})"
        value = getattr(self, name)
        return redact(value) if isinstance(value, str) else value

    def referred(self, name: str) -> bool:
        """Tell whether the value of one key came from a reference."""
        return name in self._origins

    def __repr_args__(self) -> Any:
        for name in type(self).model_fields:
            yield name, self.shown(name)

    def __str__(self) -> str:
        return repr(self)
