"""Which models does one rule for a family stand for: a registered name made from a param or tag of each run?"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from selector.domain.model import NOTHING, Run

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


@dataclass(frozen=True, slots=True)
class Family:
    """One rule for many registered models.

    Attributes:
        template: the registered name with a place for the value, as in "HDBSCAN-{tech_center}".
        split_by: the param, or else the tag, that holds the value.

    """

    template: str
    split_by: str

    @property
    def place(self) -> str:
        """What stands for the value in the template."""
        return "{" + self.split_by + "}"

    def fill(self, value: str, text: str | None = None) -> str:
        """Return the template, or another text, with the value in its place."""
        return (self.template if text is None else text).replace(self.place, value)

    def value_of(self, name: str) -> str | None:
        """Return the value that a registered name was made from; None where it is no name of this family."""
        before, _, after = self.template.partition(self.place)
        if len(name) <= len(before) + len(after) or not (name.startswith(before) and name.endswith(after)):
            return None
        value = name[len(before) : len(name) - len(after)]
        return value if value == value.strip() and objection(value) is None else None

    def value_in(self, run: Run) -> str:
        """Return what the run's param, else its tag, holds; "" where it has neither."""
        return (run.params.get(self.split_by, "") or run.tags.get(self.split_by, "")).strip()


@dataclass(frozen=True, slots=True)
class Members:
    """What a family's runs make.

    Attributes:
        runs: the runs of each member, by value, in order of the values.
        refused: why a value cannot be part of a registered name, by value.
        left_out: runs that hold no value.

    """

    runs: Mapping[str, tuple[Run, ...]] = field(default_factory=lambda: NOTHING)
    refused: Mapping[str, str] = field(default_factory=lambda: NOTHING)
    left_out: tuple[Run, ...] = ()


def members(family: Family, runs: Sequence[Run]) -> Members:
    """Return the runs by member; what belongs to none is named."""
    groups: dict[str, list[Run]] = {}
    for run in runs:
        groups.setdefault(family.value_in(run), []).append(run)
    left_out = groups.pop("", [])
    refused = {value: why for value in sorted(groups) if (why := objection(value)) is not None}
    found = {value: tuple(groups[value]) for value in sorted(groups) if value not in refused}
    return Members(found, refused, tuple(left_out))


def objection(value: str) -> str | None:
    """Say why a value cannot be part of a registered name, or of a path of a holdout; None where it can."""
    for character in "/:\\":
        if character in value:
            return f"the value {value!r} holds {character!r}, which no registered model's name may hold"
    if value in (".", ".."):
        return f"the value {value!r} is a path and no name"
    if _CONTROL.search(value):
        return f"the value {value!r} holds a control character"
    return None
