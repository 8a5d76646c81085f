"""PURE: who is still found by stage, and how does the move from stages to aliases end: finished, or taken back?"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from migrations.stages import ALIAS_OF_STAGE, ALIAS_TAG, STAGE_TAG, StageMove
from selector.domain.model import ModelVersion, RegisteredModel

NO_STAGE: Final = "None"
LOADED_BY: Final = ("Production", "Staging")
"""Stages that somebody loads by; Archived is a mark."""


def still_found(
    models: Iterable[RegisteredModel], aliases: Mapping[str, Mapping[str, str]]
) -> tuple[dict[str, Any], ...]:
    """Return every version that `models:/NAME/STAGE` still finds, and whether an alias finds the same.

    Args:
        models: registered models with versions, stages and aliases.
        aliases: stage to alias by model; the usual ones for a model that is not there.

    Returns:
        Documents by model, stage and version. MLflow loads the newest of several versions in one stage.

    """
    return tuple(
        {
            "model": model.name,
            "stage": stage,
            "version": version,
            "uri": f"models:/{model.name}/{stage}",
            "loaded": version == staged[-1],
            "alias": alias,
            "alias_version": model.aliases.get(alias),
            "in_step": staged == [model.aliases.get(alias)],
        }
        for model in sorted(models, key=lambda one: one.name)
        for stage, alias in aliases.get(model.name, ALIAS_OF_STAGE).items()
        for staged in [sorted(v.version for v in model.versions if v.stage == stage)]
        for version in staged
    )


def plan_finish(
    models: Iterable[RegisteredModel], aliases: Mapping[str, Mapping[str, str]], mirrored: Iterable[str] = ()
) -> tuple[StageMove, ...]:
    """Decide which versions leave their stage. One that is found by stage and by no alias is not left behind.

    Args:
        models: registered models with versions, stages and aliases.
        aliases: stage to alias by model; the usual ones for a model that is not there.
        mirrored: models whose configuration still writes stages.

    """
    still = set(mirrored)
    return tuple(
        _finish(model, version, aliases.get(model.name, ALIAS_OF_STAGE), still)
        for model in sorted(models, key=lambda one: one.name)
        for version in sorted(model.versions, key=lambda one: one.version)
        if version.stage != NO_STAGE
    )


def _finish(model: RegisteredModel, version: ModelVersion, aliases: Mapping[str, str], still: set[str]) -> StageMove:
    alias = aliases.get(version.stage, "")
    move = StageMove(model.name, version.stage, alias, version.version, "clear", "new")
    if model.name in still:
        reason = "the configuration says stages: mirror, which would set it again; take that line out first"
    elif version.stage in LOADED_BY and model.aliases.get(alias) is None:
        reason = f"nothing but the stage finds it, for there is no alias {alias}; run migrate stages first"
    elif version.stage in LOADED_BY and model.aliases[alias] != version.version:
        reason = f"{alias} points at version {model.aliases[alias]}; move one of them first"
    else:
        return move
    return StageMove(model.name, version.stage, alias, version.version, "nothing", "refused", reason)


def plan_revert(models: Iterable[RegisteredModel]) -> tuple[StageMove, ...]:
    """Decide how everything that was set here goes back. What somebody changed since is left alone and named.

    Stages come first, so that no version is found by neither.
    """
    moves: list[StageMove] = []
    for model in sorted(models, key=lambda one: one.name):
        versions = sorted(model.versions, key=lambda one: one.version)
        moves += [move for version in versions for move in _restored(model, version)]
        moves += [move for version in versions for move in _unset(model, version)]
    return tuple(moves)


def _restored(model: RegisteredModel, version: ModelVersion) -> Iterator[StageMove]:
    before, arrow, after = version.tags.get(STAGE_TAG, "").partition(" > ")
    if not arrow:
        return
    if version.stage in {before, after}:
        yield StageMove(model.name, before, "", version.version, "restore", "new")
    else:
        reason = f"it was put into {version.stage} since, and stays there"
        yield StageMove(model.name, before, "", version.version, "nothing", "refused", reason)


def _unset(model: RegisteredModel, version: ModelVersion) -> Iterator[StageMove]:
    for alias in filter(None, version.tags.get(ALIAS_TAG, "").split(",")):
        pointed = model.aliases.get(alias)
        if pointed in {version.version, None}:
            yield StageMove(model.name, version.stage, alias, version.version, "unset", "new")
        else:
            reason = f"{alias} was moved to version {pointed} since, and stays there"
            yield StageMove(model.name, version.stage, alias, version.version, "nothing", "refused", reason)
