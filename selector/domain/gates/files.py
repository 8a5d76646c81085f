"""Is the model's folder as it has to be: not too large, complete, and callable as the champion is?"""

from __future__ import annotations

import fnmatch
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from selector.domain.gates.case import GateCase, Need, unknown, unopposed
from selector.domain.gates.result import GateResult, judged
from selector.domain.model_facts import InputColumn

_UNREAD = "its files were not read"
_MEGABYTE = 1e6

ACCEPTED = frozenset({("integer", "long"), ("integer", "double"), ("float", "double")})
"""Types that MLflow converts without loss (models/utils.py, _enforce_mlflow_datatype): what is sent, what is taken."""


@dataclass(frozen=True, slots=True)
class Size:
    """How large the model's files may be together, in bytes."""

    maximum: int
    observe: bool = False
    needs: ClassVar[frozenset[Need]] = frozenset({"facts"})

    @property
    def name(self) -> str:
        """What is asked, in words; in megabytes."""
        return f"model size at most {self.maximum / _MEGABYTE:g} MB"

    def check(self, case: GateCase) -> GateResult:
        """Compare the size of the folder with the bound."""
        facts, bound = case.facts(case.standing), self.maximum / _MEGABYTE
        if facts is None:
            return unknown(self, _UNREAD, bound)
        return judged(self.name, facts.size / _MEGABYTE, bound, "maximum", observe=self.observe)


@dataclass(frozen=True, slots=True)
class Artifacts:
    """Files that have to be in the model's folder, as names or globs relative to it."""

    patterns: tuple[str, ...]
    observe: bool = False
    needs: ClassVar[frozenset[Need]] = frozenset({"facts"})

    @property
    def name(self) -> str:
        """What is asked, in words."""
        return f"files of the model: {', '.join(self.patterns)}"

    def check(self, case: GateCase) -> GateResult:
        """Look for a file for each pattern."""
        facts = case.facts(case.standing)
        if facts is None:
            return unknown(self, _UNREAD)
        missing = [p for p in self.patterns if not any(fnmatch.fnmatchcase(name, p) for name in facts.files)]
        detail = f"missing: {', '.join(missing)}" if missing else ""
        return GateResult(self.name, "failed" if missing else "passed", detail=detail, observe=self.observe)


@dataclass(frozen=True, slots=True)
class CompatibleSignature:
    """Whoever calls the champion can call the model in the same way."""

    observe: bool = False
    needs: ClassVar[frozenset[Need]] = frozenset({"facts", "champion"})

    @property
    def name(self) -> str:
        """What is asked, in words."""
        return "signature accepts what the champion's accepts"

    def check(self, case: GateCase) -> GateResult:
        """Compare the inputs of the two signatures."""
        if case.champion is None:
            return unopposed(self)
        mine, theirs = case.facts(case.standing), case.facts(case.champion)
        if mine is None or theirs is None:
            return unknown(self, _UNREAD if mine is None else "the champion's files were not read")
        if mine.inputs is None or theirs.inputs is None:
            who = {(True, True): "neither it nor the champion", (True, False): "it", (False, True): "the champion"}
            without = who[mine.inputs is None, theirs.inputs is None]
            return unknown(self, f"{without} has {'a' if without.startswith('neither') else 'no'} signature")
        troubles = _troubles(mine.inputs, theirs.inputs)
        detail = "; ".join(troubles[:3]) + (f" and {len(troubles) - 3} more" if len(troubles) > 3 else "")  # noqa: PLR2004 - a line's worth
        return GateResult(self.name, "failed" if troubles else "passed", detail=detail, observe=self.observe)


def _troubles(new: Sequence[InputColumn], old: Sequence[InputColumn]) -> list[str]:
    """Return what callers of the old model would stumble over."""
    sent: Mapping[str, InputColumn] = {column.name: column for column in old}
    found = []
    for column in new:
        before = sent.get(column.name)
        if before is None:
            found += [f"new required input {column.name}"] if column.required else []
        elif column.type != before.type and (before.type, column.type) not in ACCEPTED:
            found.append(f"input {column.name} is {column.type}, and {before.type} for the champion")
        elif column.required and not before.required:
            found.append(f"input {column.name} is required, and optional for the champion")
    return found
