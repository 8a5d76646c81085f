"""What has to be written for a promotion or a rollback: ordered, idempotent steps that say what they expect."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, Literal

PlanKind = Literal["promotion", "rollback", "mark", "challenger", "deletion"]

Named = Callable[[int | None], str]
"""Gives a version the name that people read."""

NEW_VERSION = 0
"""Stands in a step for the version that this plan's CreateVersion makes."""


@dataclass(frozen=True, slots=True)
class CreateModel:
    """Create the registered model; harmless where it is there already."""

    def words(self, named: Named) -> str:
        """Return the step in words."""
        del named
        return "create the registered model"


@dataclass(frozen=True, slots=True)
class CreateVersion:
    """Register `source` as a new version, tagged with the plan's id, which makes a repetition find it again."""

    source: str
    run_id: str | None

    def words(self, named: Named) -> str:
        """Return the step in words."""
        del named
        return f"register {self.source} as a new version"


@dataclass(frozen=True, slots=True)
class VerifyBytes:
    """Stop the plan unless the bytes behind `uri` are still those that were scored."""

    uri: str
    digest: str

    def words(self, named: Named) -> str:
        """Return the step in words."""
        del named
        return f"check that the files are still those that were scored ({self.digest[:12]})"


@dataclass(frozen=True, slots=True)
class MoveAlias:
    """Point `alias` from version `expected` (None: not set) to `version` (None: remove it).

    Any other present value is a foreign change and stops the plan.
    """

    alias: str
    version: int | None
    expected: int | None

    def words(self, named: Named) -> str:
        """Return the step in words."""
        return f"alias {self.alias}: {named(self.expected)} -> {named(self.version)}"


@dataclass(frozen=True, slots=True)
class TagVersion:
    """Set one tag of one version."""

    version: int
    key: str
    value: str

    def words(self, named: Named) -> str:
        """Return the step in words."""
        return f"tag {named(self.version)}: {self.key} = {self.value}"


@dataclass(frozen=True, slots=True)
class UntagVersion:
    """Remove one tag of one version; harmless where it is not set."""

    version: int
    key: str

    def words(self, named: Named) -> str:
        """Return the step in words."""
        return f"remove tag {self.key} of {named(self.version)}"


@dataclass(frozen=True, slots=True)
class TagModel:
    """Set one tag of the registered model."""

    key: str
    value: str

    def words(self, named: Named) -> str:
        """Return the step in words."""
        del named
        return f"tag the registered model: {self.key} = {self.value}"


@dataclass(frozen=True, slots=True)
class SetStage:
    """Set MLflow's old stage of one version, for consumers that still load models:/NAME/Production."""

    version: int
    stage: str

    def words(self, named: Named) -> str:
        """Return the step in words."""
        return f"stage of {named(self.version)}: {self.stage}"


@dataclass(frozen=True, slots=True)
class LogReport:
    """Keep the decision's report as an artifact of this run."""

    run_id: str

    def words(self, named: Named) -> str:
        """Return the step in words."""
        del named
        return f"keep the report with run {self.run_id}"


@dataclass(frozen=True, slots=True)
class DeleteVersion:
    """Delete one registered version for good; its run and the run's files stay. Harmless where it is gone.

    Attributes:
        seen: imprint of the version when that was decided; any other one, or an alias at it, stops the plan.

    """

    version: int
    seen: str

    def words(self, named: Named) -> str:
        """Return the step in words."""
        return f"delete {named(self.version)}"


Step = (
    CreateModel
    | CreateVersion
    | VerifyBytes
    | MoveAlias
    | TagVersion
    | UntagVersion
    | TagModel
    | SetStage
    | LogReport
    | DeleteVersion
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
        DeleteVersion,
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
