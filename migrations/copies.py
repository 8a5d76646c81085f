"""Which entries only point at another one: links within the tree, and second copies called latest or best_model?"""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from migrations.model import StagedModel, Unreadable
from migrations.names import POINTER

LINKED_AS = "linked_as"
_MISSING = "no model file"


def resolve_links(
    models: Sequence[StagedModel], unreadable: Sequence[Unreadable], links: Iterable[Path], roots: Sequence[Path]
) -> tuple[list[StagedModel], list[Unreadable]]:
    """Tie each symbolic link to the entry that it leads to; nothing behind a link is opened.

    Args:
        models: what was found, links left aside.
        unreadable: what was not importable.
        links: the links of the tree.
        roots: what the scan was asked for; a link that leads elsewhere stays a mere name.

    Returns:
        The models, with what links to them, and the rest, with one ignored entry for each link.

    """
    links = list(links)
    if not links:
        return list(models), list(unreadable)
    real_roots = [Path(os.path.realpath(root)) for root in roots]
    by_place: dict[Path, list[int]] = {}
    for index, model in enumerate(models):
        for place in {model.path, model.model_file, *_folders(model, roots)}:
            by_place.setdefault(Path(os.path.realpath(place)), []).append(index)
    found, rest = list(models), list(unreadable)
    for link in links:
        target = Path(os.path.realpath(link))
        owners = by_place.get(target, [])
        inside = any(target.is_relative_to(root) for root in real_roots)
        if inside and len(owners) == 1:
            owner = found[owners[0]]
            found[owners[0]] = _marked(owner, _shown(link, roots))
            reason = f"{link.name} is a link to {_shown(owner.path, roots)}, which is imported from there"
            if any(_waits_for(u, link) for u in rest):
                rest = [replace(u, reason=reason, ignored=True) if _waits_for(u, link) else u for u in rest]
                continue
        elif any(_waits_for(u, link) for u in rest):
            continue
        elif not target.exists():
            reason = f"{link.name} is a link to nothing; it is not followed or opened"
        elif inside:
            reason = f"{link.name} is a link to {_shown(target, real_roots)}; what is there is read where it is"
        else:
            reason = f"{link.name} is a link; it is not followed or opened"
        rest.append(Unreadable(link.name, link, reason, ignored=True))
    return found, rest


def _folders(model: StagedModel, roots: Sequence[Path]) -> list[Path]:
    """Return the folder that holds the model's file, unless it is what the scan was asked for."""
    return [model.model_file.parent] if model.model_file.parent not in roots else []


def _waits_for(entry: Unreadable, link: Path) -> bool:
    return entry.path == link.parent and entry.reason.startswith(f"{link.name} is a link")


def _shown(path: Path, roots: Sequence[Path]) -> str:
    root = next((root for root in roots if path.is_relative_to(root) and path != root), None)
    return path.relative_to(root).as_posix() if root else path.name


def listed_once(unreadable: Sequence[Unreadable]) -> list[Unreadable]:
    """Ignore a registry's record of a missing model where the model's own folder, which is here, says so already."""
    folders = {
        entry.name.rpartition("/")[2]: entry
        for entry in unreadable
        if entry.reason.startswith(_MISSING) and not entry.ignored and entry.path.suffix != ".json"
    }
    found = []
    for entry in unreadable:
        own = folders.get(entry.name.rpartition("/")[2])
        recorded = entry.path.suffix == ".json" and entry.reason.startswith(_MISSING)
        if recorded and own is not None and _agree(own.metrics, entry.metrics):
            reason = f"{entry.path.name} lists it too; see {own.path.name}"
            found.append(replace(entry, reason=reason, ignored=True))
        else:
            found.append(entry)
    return found


def link_copies(models: Sequence[StagedModel]) -> tuple[list[StagedModel], list[Unreadable]]:
    """Tie a second copy of the very same entry to the first, so that it is not imported again.

    A second copy has the same bytes, records nothing else, and either carries a name that only points (latest,
    best_model, production) or the same name in another stage's folder. Equal bytes under names of their own, such as
    v1 and v2, are a history and stay two entries.

    Returns:
        The models that are left, and an ignored entry for each second copy.

    """
    groups: dict[str, list[StagedModel]] = {}
    for model in models:
        groups.setdefault(model.fingerprint, []).append(model)
    left: list[StagedModel] = []
    ignored: list[Unreadable] = []
    for group in groups.values():
        kept: list[StagedModel] = []
        for model in sorted(group, key=_rank):
            index = next((i for i, first in enumerate(kept) if _same_entry(first, model)), None)
            if index is None:
                kept.append(model)
                continue
            kept[index] = _joined(kept[index], model)
            reason = f"a second copy of {kept[index].name}, which is imported and marked with this name"
            ignored.append(
                Unreadable(
                    model.name, model.path, reason, model.format, model.model_type, model.metrics, model.created_at,
                    ignored=True,
                )
            )  # fmt: skip
        left += kept
    return left, ignored


def _kept_by_mlflow(model: StagedModel) -> bool:
    """Return whether it is the artifact of a run, which is a copy of what was trained elsewhere."""
    return "mlruns" in model.path.parts or "mlartifacts" in model.path.parts


def _rank(model: StagedModel) -> tuple[bool, bool, bool, object, int, str]:
    """Entries with a name of their own come first, then those that record more, then the older."""
    return (
        _kept_by_mlflow(model), _points(model), not model.metrics, model.created_at, len(model.name), str(model.path),
    )  # fmt: skip


def _points(model: StagedModel) -> bool:
    return POINTER.fullmatch(model.name) is not None


def _same_entry(first: StagedModel, second: StagedModel) -> bool:
    named = first.name == second.name and first.name == first.path.name and first.path.is_dir()
    attached = {a.path.name for a in first.attachments}, {a.path.name for a in second.attachments}
    return (
        (_points(second) or named)
        and _agree(first.metrics, second.metrics)
        and (not all(attached) or attached[0] == attached[1])
    )


def _agree(one: Mapping[str, float], other: Mapping[str, float]) -> bool:
    """Return whether no number contradicts another: the same keys have the same values, or one records nothing."""
    shared = one.keys() & other.keys()
    if one and other and not shared:
        return False
    return all(
        math.isclose(one[key], other[key], rel_tol=1e-9) or (math.isnan(one[key]) and math.isnan(other[key]))
        for key in shared
    )


def _joined(first: StagedModel, second: StagedModel) -> StagedModel:
    """Mark the first with the name of the second; numbers that only the second records are the first one's too."""
    same = first.name == second.name
    marked = _marked(first, f"{second.path.parent.name}/{second.name}" if same else second.name)
    if first.metrics or not second.metrics:
        return marked
    notes = tuple(note for note in marked.notes if note != "no metrics are recorded")
    return replace(
        marked,
        metrics=second.metrics,
        container=second.container,
        percent=second.percent,
        params=first.params or second.params,
        notes=(*notes, f"the metrics are those of its second copy {second.name}"),
    )


def _marked(model: StagedModel, name: str) -> StagedModel:
    before = model.tags.get(LINKED_AS)
    return replace(
        model,
        tags={**model.tags, LINKED_AS: f"{before}, {name}" if before else name},
        notes=(*model.notes, f"{name} is the same entry"),
    )
