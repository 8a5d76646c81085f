"""How does a registry that lives by MLflow's old stages move to aliases, while old consumers keep working?

Stages stay as they are: whoever loads `models:/NAME/Production` finds the same version as before. With
`stages: mirror` in the configuration, every later promotion writes both.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, Literal

from selector.domain.model import RegisteredModel
from selector.errors import MlflowRefusedError
from selector.ports import Progress, Registry

ALIAS_OF_STAGE: Final[Mapping[str, str]] = MappingProxyType({"Production": "champion", "Staging": "challenger"})


@dataclass(frozen=True, slots=True)
class StageMove:
    """What is to be done for one stage of one registered model.

    Attributes:
        write: "alias" where the alias is to be set, "stage" where the stage is to be brought in step with an alias.
        status: new before it is done; already, where nothing is to be done; refused, where a person has to decide.

    """

    model: str
    stage: str
    alias: str
    version: int | None
    write: Literal["alias", "stage", "nothing"]
    status: Literal["new", "done", "already", "refused", "failed"]
    reason: str = ""


def plan_stages(
    models: Iterable[RegisteredModel], aliases: Mapping[str, str] = ALIAS_OF_STAGE, *, mirror: bool = False
) -> tuple[StageMove, ...]:
    """PURE: decide which alias follows from which stage.

    An alias that points elsewhere already is never moved: either side may be right, and a person knows which. Two
    versions in one stage (MLflow allows it) are not chosen between.

    Args:
        models: registered models with versions, stages and aliases.
        aliases: stage to alias.
        mirror: also bring stages in step where only the alias is set.

    Returns:
        One move per model and stage that has a version or an alias, by model, then in the order of `aliases`.

    """
    moves = [
        _move(model, stage, alias, mirror=mirror)
        for model in sorted(models, key=lambda m: m.name)
        for stage, alias in aliases.items()
    ]
    return tuple(move for move in moves if move is not None)


def _move(model: RegisteredModel, stage: str, alias: str, *, mirror: bool) -> StageMove | None:
    staged = sorted(v.version for v in model.versions if v.stage == stage)
    pointed = model.aliases.get(alias)
    if pointed is None and not staged:
        return None
    if len(staged) > 1:
        which = ", ".join(map(str, staged))
        reason = f"versions {which} are all in {stage}; archive all but one"
        return StageMove(model.name, stage, alias, None, "nothing", "refused", reason)
    if not staged:
        return _alias_only(model, stage, alias, pointed, mirror=mirror)
    (version,) = staged
    if pointed == version:
        return StageMove(model.name, stage, alias, version, "nothing", "already")
    if pointed is not None:
        reason = f"{alias} points at version {pointed}, and version {version} is in {stage}; move one of them"
        return StageMove(model.name, stage, alias, version, "nothing", "refused", reason)
    return StageMove(model.name, stage, alias, version, "alias", "new")


def _alias_only(model: RegisteredModel, stage: str, alias: str, pointed: int | None, *, mirror: bool) -> StageMove:
    """The alias is set and no version is in the stage."""
    if model.version(pointed) is None:
        reason = f"{alias} points at version {pointed}, which does not exist"
        return StageMove(model.name, stage, alias, pointed, "nothing", "refused", reason)
    if mirror:
        return StageMove(model.name, stage, alias, pointed, "stage", "new")
    return StageMove(model.name, stage, alias, pointed, "nothing", "already", f"no version is in {stage}")


def apply_stages(
    moves: Sequence[StageMove], registry: Registry, *, dry_run: bool = False, progress: Progress | None = None
) -> tuple[StageMove, ...]:
    """Carry out the moves; doing it again does nothing.

    Args:
        moves: from `plan_stages`.
        registry: where aliases and stages are set.
        dry_run: return the moves as planned and write nothing.
        progress: called once a move.

    Returns:
        The same moves with what became of them.

    """
    done = []
    for index, move in enumerate(moves):
        if progress:
            progress(f"moving {move.model}", index, len(moves))
        done.append(move if dry_run or move.status != "new" else _carry_out(move, registry))
    return tuple(done)


def _carry_out(move: StageMove, registry: Registry) -> StageMove:
    status: Literal["done", "failed"] = "done"
    reason = move.reason
    try:
        if move.version is not None and move.write == "alias":
            registry.set_alias(move.model, move.alias, move.version)
        elif move.version is not None:
            registry.set_stage(move.model, move.version, move.stage)
    except MlflowRefusedError as error:
        status, reason = "failed", error.message
    return StageMove(move.model, move.stage, move.alias, move.version, move.write, status, reason)


def stages_document(moves: Sequence[StageMove]) -> dict[str, Any]:
    """Return the JSON document of `migrate stages`."""
    return {
        "schema_version": 1,
        "found": len(moves),
        "done": sum(move.status == "done" for move in moves),
        "skipped": sum(move.status == "already" for move in moves),
        "failed": sum(move.status in {"refused", "failed"} for move in moves),
        "moves": [
            {
                "model": move.model,
                "stage": move.stage,
                "alias": move.alias,
                "version": move.version,
                "write": move.write,
                "status": move.status,
                "reason": move.reason or None,
            }
            for move in moves
        ],
    }
