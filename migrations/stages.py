"""How does a registry that lives by MLflow's old stages move to aliases, while old consumers keep working?

Stages stay as they are: whoever loads `models:/NAME/Production` finds the same version as before. With
`stages: mirror` in the configuration, every later promotion writes both. What is set here is noted on the version
before it is set, so that it can be taken back (`migrations.stages_end`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, Final, Literal

from selector.domain.model import ModelVersion, RegisteredModel
from selector.errors import MlflowRefusedError
from selector.ports import Progress, Registry

ALIAS_TAG: Final = "selector.alias_from_stage"
"""On versions: the aliases that were set here, with commas between them."""

STAGE_TAG: Final = "selector.stage_before"
"""On versions: the stage before the first change made here, and the one that was set: "Production > None"."""

ALIAS_OF_STAGE: Final[Mapping[str, str]] = MappingProxyType({"Production": "champion", "Staging": "challenger"})


@dataclass(frozen=True, slots=True)
class StageMove:
    """What is to be done for one stage of one registered model.

    Attributes:
        write: "alias" where the alias is to be set, "stage" where the stage is to be brought in step with an alias,
            "unset" where the alias goes away again, "clear" where the version leaves the stage, "restore" where it
            comes back into it.
        status: new before it is done; already, where nothing is to be done; refused, where a person has to decide.

    """

    model: str
    stage: str
    alias: str
    version: int | None
    write: Literal["alias", "stage", "unset", "clear", "restore", "nothing"]
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
    moves: Sequence[StageMove],
    models: Mapping[str, RegisteredModel],
    registry: Registry,
    *,
    dry_run: bool = False,
    progress: Progress | None = None,
) -> tuple[StageMove, ...]:
    """Carry out the moves; doing it again does nothing.

    Args:
        moves: from `plan_stages`, or from `migrations.stages_end`.
        models: what they were planned from, by name.
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
        version = models[move.model].version(move.version) if move.model in models else None
        todo = not dry_run and move.status == "new" and version is not None
        done.append(_carry_out(move, version, registry) if todo and version is not None else move)
    return tuple(done)


def _carry_out(move: StageMove, version: ModelVersion, registry: Registry) -> StageMove:
    try:
        _write(move, version, registry)
    except MlflowRefusedError as error:
        return replace(move, status="failed", reason=error.message)
    return replace(move, status="done")


def _write(move: StageMove, version: ModelVersion, registry: Registry) -> None:
    """Note what will be changed, then change it: a kill in between leaves a note about something that is as it was."""
    name, number = move.model, version.version
    if move.write == "alias":
        set_here = [alias for alias in version.tags.get(ALIAS_TAG, "").split(",") if alias and alias != move.alias]
        registry.set_version_tag(name, number, ALIAS_TAG, ",".join([*set_here, move.alias]))
        registry.set_alias(name, move.alias, number)
    elif move.write in {"stage", "clear"}:
        after = move.stage if move.write == "stage" else "None"
        before = version.tags.get(STAGE_TAG, version.stage).partition(" > ")[0]
        registry.set_version_tag(name, number, STAGE_TAG, f"{before} > {after}")
        registry.set_stage(name, number, after)
    elif move.write == "restore":
        registry.set_stage(name, number, move.stage)
        registry.delete_version_tag(name, number, STAGE_TAG)
    elif move.write == "unset":
        registry.delete_alias(name, move.alias)
        registry.delete_version_tag(name, number, ALIAS_TAG)


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
