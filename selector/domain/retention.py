"""Which archived versions may be deleted: never what an alias, a mark, a rollback or a person still needs."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from types import MappingProxyType

from selector.domain.approval import REJECT_TAG
from selector.domain.model import PUT_ASIDE, STATUS_TAG, ModelVersion, RegisteredModel
from selector.domain.promotion import DeleteVersion, MoveAlias, Plan, SetStage, TagVersion, UntagVersion

OUR_TAGS = "selector."
KEEP_TAG = "selector.keep"
"""Whoever needs a version under its number sets this tag, with any value, and the version stays."""

EARLIER = 2
"""So many earlier champions stay whatever was configured: the one to go back to, and the one before."""

FREE_STAGES = frozenset({"", "None", "Archived"})
"""Stages that nobody loads a version by."""

LONG_AGO = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Keep:
    """What the operator asks to keep. A version goes when it is beyond all that is given; one of the two is given.

    Attributes:
        versions: so many archived versions stay, >= 1; None: their number says nothing.
        days: archived versions stay for so many days, > 0; None: their age says nothing.

    """

    versions: int | None = None
    days: float | None = None

    def words(self) -> str:
        """Return what is kept: "the newest 10 and those of the last 90 days are kept"."""
        newest = "the newest one" if self.versions == 1 else f"the newest {self.versions}"
        young = f"those of the last {self.days:g} days" if self.days is not None else ""
        if self.versions is not None and not young:
            return f"{newest} {'is' if self.versions == 1 else 'are'} kept"
        return f"{newest} and {young} are kept" if self.versions is not None else f"{young} are kept"


@dataclass(frozen=True, slots=True)
class Past:
    """What the ledger knows of the model's versions.

    Attributes:
        champions: earlier champions that may serve again, newest first; the first is what a rollback brings back.
        superseded: versions that were champion, are not any more, and were not restored by a person since.
        archived_at: since when each version is known to be out of use; one that is missing is of unknown age.
        spoken_of: versions that something still waits for, with what that is.

    """

    champions: tuple[int, ...] = ()
    superseded: frozenset[int] = frozenset()
    archived_at: Mapping[int, datetime] = field(default_factory=dict)
    spoken_of: Mapping[int, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Fate:
    """What becomes of one version, and why, as a sentence that starts after "version N"."""

    version: ModelVersion
    reason: str


@dataclass(frozen=True, slots=True)
class Retention:
    """Which versions go and which stay; every version of the model is in one of both, newest first."""

    deleted: tuple[Fate, ...] = ()
    kept: tuple[Fate, ...] = ()


def expire(registered: RegisteredModel, champion_alias: str, keep: Keep, past: Past, now: datetime) -> Retention:
    """Return which versions are beyond what is to be kept, and why each of the others stays.

    Args:
        registered: the model as it is now.
        champion_alias: name of the alias; where it points at nothing, nothing is deleted.
        keep: what the operator asks for.
        past: what the ledger knows.
        now: the present time.

    Raises:
        ValueError: `keep` gives neither a number nor an age.

    """
    if keep.versions is None and keep.days is None:
        raise ValueError("keep needs versions, days or both")
    archived = [v for v in registered.versions if _archived_by_us(v, past)]
    archived.sort(key=lambda v: (past.archived_at.get(v.version, LONG_AGO), v.version), reverse=True)
    deleted: list[Fate] = []
    kept: list[Fate] = []
    for place, version in enumerate(archived, 1):
        needed = _needed(version, registered, champion_alias, past) or _within(version, place, keep, past, now)
        if needed:
            kept.append(Fate(version, needed))
        else:
            deleted.append(Fate(version, f"was archived {_since(version, past, now)}; {keep.words()}"))
    others = [v for v in registered.versions if v not in archived]
    kept += [Fate(v, "is not archived") for v in sorted(others, key=lambda v: v.version, reverse=True)]
    return Retention(tuple(deleted), tuple(kept))


def _archived_by_us(version: ModelVersion, past: Past) -> bool:
    """Tell whether we put it out of use: by the mark, or as a champion that another one replaced."""
    if not any(key.startswith(OUR_TAGS) for key in version.tags):
        return False
    status = version.tags.get(STATUS_TAG)
    return status == "archived" or (status in (None, "champion") and version.version in past.superseded)


def _needed(version: ModelVersion, registered: RegisteredModel, champion_alias: str, past: Past) -> str:
    """Return what still needs an archived version, whatever its age; "" where nothing does."""
    return next(_needs(version, registered, champion_alias, past), "")


def _needs(version: ModelVersion, registered: RegisteredModel, champion_alias: str, past: Past) -> Iterator[str]:
    number = version.version
    if registered.version(registered.aliases.get(champion_alias)) is None:
        yield "is kept while there is no champion"
    yield from (f"has the alias {alias}" for alias, at in sorted(registered.aliases.items()) if at == number)
    if version.stage not in FREE_STAGES:
        yield f"has the stage {version.stage}"
    if version.tags.get(STATUS_TAG) in PUT_ASIDE or REJECT_TAG in version.tags:
        yield "is marked, which bars copies of it from coming back"
    if KEEP_TAG in version.tags:
        yield f"has the tag {KEEP_TAG}"
    if number in past.champions[:EARLIER]:
        first = number == past.champions[0]
        yield "is what a rollback would bring back" if first else f"is one of the {EARLIER} newest earlier champions"
    if number in past.spoken_of:
        yield past.spoken_of[number]
    made = (v.version for v in registered.versions if v.source == f"models:/{registered.name}/{number}")
    yield from (f"is what version {other} was made from" for other in made if other != number)


def _within(version: ModelVersion, place: int, keep: Keep, past: Past, now: datetime) -> str:
    """Return which part of `keep` holds it; "" where it is beyond all of them."""
    since = past.archived_at.get(version.version)
    if since is None:
        return "is of unknown age: nobody wrote down when it was archived"
    if keep.versions is not None and place <= keep.versions:
        return f"is among the newest {keep.versions} that were archived"
    if keep.days is not None and now - since <= timedelta(days=keep.days):
        return f"was archived {_since(version, past, now)}, which is less than {keep.days:g} days"
    return ""


def _since(version: ModelVersion, past: Past, now: datetime) -> str:
    since = past.archived_at[version.version]
    days = (now - since).days
    return f"on {since:%Y-%m-%d}, " + ("today" if not days else f"{days} day{'' if days == 1 else 's'} ago")


def imprint(version: ModelVersion) -> str:
    """Return a digest of all that may change in a version, to find out whether somebody touched it since."""
    told = [version.source, version.run_id, version.stage, sorted(version.tags.items())]
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()[:16]


def deletion_plan(plan_id: str, model: str, version: ModelVersion) -> Plan:
    """Return the plan that deletes one version, if it is still as it was seen."""
    return Plan(plan_id, model, "deletion", (DeleteVersion(version.version, imprint(version)),))


def after(plan: Plan, registered: RegisteredModel) -> RegisteredModel:
    """Return the registered model as the plan would leave it, as far as retention looks at it.

    A version that the plan would register gets the next number and no more; nothing looks at what is in it.
    """
    versions = {v.version: v for v in registered.versions}
    aliases = dict(registered.aliases)
    new = max(versions, default=0) + 1
    for step in plan.steps:
        match step:
            case MoveAlias(alias, None, _):
                aliases.pop(alias, None)
            case MoveAlias(alias, int(number), _):
                aliases[alias] = number or new
                versions.setdefault(aliases[alias], ModelVersion(aliases[alias], ""))
            case TagVersion(number, key, value) if number in versions:
                tags = MappingProxyType({**versions[number].tags, key: value})
                versions[number] = replace(versions[number], tags=tags)
            case UntagVersion(number, key) if number in versions:
                kept = {k: v for k, v in versions[number].tags.items() if k != key}
                versions[number] = replace(versions[number], tags=MappingProxyType(kept))
            case SetStage(number, stage) if number in versions:
                versions[number] = replace(versions[number], stage=stage)
            case _:
                pass
    return replace(registered, versions=tuple(versions.values()), aliases=MappingProxyType(aliases))
