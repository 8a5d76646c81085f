"""Which registered models does an MLflow file store hold?"""

from __future__ import annotations

import re
from pathlib import Path

from migrations.stores.file_tree import FileTree, MissingMetaError, meta_of
from migrations.stores.meta import DELETED_STAGE, aliases_of, facts_of, is_prompt, text_of, whole_number
from migrations.stores.model import SourceRegistered, SourceVersion, UnreadableStoreError

_VERSION = re.compile(r"version-(\d{1,9})")


def registered_models(tree: FileTree, folder: Path) -> tuple[SourceRegistered, ...]:
    """Return the registered models below a store's folder `models`, by name; what cannot be read is noted."""
    found: dict[str, SourceRegistered] = {}
    for place in tree.folders(folder):
        if place.name.startswith("m-") and not any(tree.folders(place)):
            continue
        try:
            model = _registered(tree, place)
        except UnreadableStoreError as error:
            failed = not isinstance(error, MissingMetaError) or any(place.glob("version-*"))
            tree.leave("model", place.name, str(error), failed=failed)
            continue
        if model.name in found:
            tree.leave("model", place.name, f"a registered model {model.name!r} is there twice", failed=True)
            continue
        found[model.name] = model
    return tuple(found[name] for name in sorted(found))


def _registered(tree: FileTree, folder: Path) -> SourceRegistered:
    meta = meta_of(folder)
    tags = tree.values(folder / "tags")
    versions: dict[int, SourceVersion] = {}
    last = 0
    for place in tree.folders(folder):
        match = _VERSION.fullmatch(place.name)
        if match is None:
            continue
        last = max(last, int(match[1]))
        try:
            version = _version(tree, place, int(match[1]))
        except UnreadableStoreError as error:
            tree.leave("version", f"{folder.name} {match[1]}", str(error), failed=True)
            continue
        if version.version in versions:
            tree.leave("version", f"{folder.name} {match[1]}", f"version {version.version} is there twice", failed=True)
        elif version.stage != DELETED_STAGE:
            versions[version.version] = version
    told = aliases_of(meta.get("aliases")) | aliases_of(tree.values(folder / "aliases"))
    return SourceRegistered(
        name=text_of(meta.get("name")) or folder.name,
        description=text_of(meta.get("description")),
        tags=tags,
        aliases=told,
        versions=tuple(versions[number] for number in sorted(versions)),
        last=max(last, *versions, 0),
        prompt=is_prompt(tags),
        created=whole_number(meta.get("creation_timestamp")),
    )


def _version(tree: FileTree, folder: Path, number: int) -> SourceVersion:
    meta = meta_of(folder)
    return SourceVersion(
        version=whole_number(meta.get("version")) or number,
        source=text_of(meta.get("source")),
        storage=text_of(meta.get("storage_location")),
        run_id=text_of(meta.get("run_id")),
        stage=text_of(meta.get("current_stage")) or "None",
        description=text_of(meta.get("description")),
        model_id=text_of(meta.get("model_id")),
        tags=tree.values(folder / "tags"),
        created=whole_number(meta.get("creation_timestamp")),
        facts=facts_of(meta),
    )
