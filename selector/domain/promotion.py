"""What has to be written for a promotion or a rollback: ordered, idempotent steps that say what they expect."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

PlanKind = Literal["promotion", "rollback", "archive", "restore", "quarantine", "clear", "challenger"]

NEW_VERSION = 0
"""Stands in a step for the version that this plan's CreateVersion makes."""


@dataclass(frozen=True, slots=True)
class CreateModel:
    """Create the registered model; harmless where it is there already."""


@dataclass(frozen=True, slots=True)
class CreateVersion:
    """Register `source` as a new version, tagged with the plan's id, which makes a repetition find it again."""

    source: str
    run_id: str | None


@dataclass(frozen=True, slots=True)
class VerifyBytes:
    """Stop the plan unless the bytes behind `uri` are still those that were scored."""

    uri: str
    digest: str


@dataclass(frozen=True, slots=True)
class MoveAlias:
    """Point `alias` from version `expected` (None: not set) to `version` (None: remove it).

    Any other present value is a foreign change and stops the plan.
    """

    alias: str
    version: int | None
    expected: int | None


@dataclass(frozen=True, slots=True)
class TagVersion:
    """Set one tag of one version."""

    version: int
    key: str
    value: str


@dataclass(frozen=True, slots=True)
class UntagVersion:
    """Remove one tag of one version; harmless where it is not set."""

    version: int
    key: str


@dataclass(frozen=True, slots=True)
class TagModel:
    """Set one tag of the registered model."""

    key: str
    value: str


@dataclass(frozen=True, slots=True)
class SetStage:
    """Set MLflow's old stage of one version, for consumers that still load models:/NAME/Production."""

    version: int
    stage: str


@dataclass(frozen=True, slots=True)
class LogReport:
    """Keep the decision's report as an artifact of this run."""

    run_id: str


Step = (
    CreateModel | CreateVersion | VerifyBytes | MoveAlias | TagVersion | UntagVersion | TagModel | SetStage | LogReport
)

STEP_KINDS: dict[str, type[Any]] = {
    kind.__name__: kind
    for kind in (
        CreateModel,
        CreateVersion,
        VerifyBytes,
        MoveAlias,
        TagVersion,
        UntagVersion,
        TagModel,
        SetStage,
        LogReport,
    )
}


@dataclass(frozen=True, slots=True)
class Plan:
    """Ordered, idempotent steps. `id` is the decision's id: journal, tags and ledger speak of the same one."""

    id: str
    model: str
    kind: PlanKind
    steps: tuple[Step, ...]

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values, from which `from_json` makes an equal plan."""
        steps = [{"do": type(step).__name__, **asdict(step)} for step in self.steps]
        return {"id": self.id, "model": self.model, "kind": self.kind, "steps": steps}

    @staticmethod
    def from_json(value: dict[str, Any]) -> Plan:
        """Rebuild a plan from `to_json`.

        Raises:
            KeyError: the journal was written by a newer version that knows other steps.

        """
        steps = tuple(STEP_KINDS[s["do"]](**{k: v for k, v in s.items() if k != "do"}) for s in value["steps"])
        return Plan(id=value["id"], model=value["model"], kind=value["kind"], steps=steps)
