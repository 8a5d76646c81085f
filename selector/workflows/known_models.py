"""Which aliases, stages and versions have changed since we looked last, and was it ourselves who changed them?"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from selector.domain.events import AliasMoved, Event, StageMoved, VersionGone, VersionRegistered
from selector.domain.finished import Outline
from selector.domain.model import RegisteredModel
from selector.ports import Registry

FEW = 3
"""Up to so many changed models are read one by one; above, reading the pages of all takes fewer calls."""


@dataclass(slots=True)
class Known:
    """What is remembered of one registered model: where its aliases point, and the stage of each version."""

    aliases: dict[str, int] = field(default_factory=dict)
    stages: dict[int, str] = field(default_factory=dict)


@dataclass(slots=True, eq=False)
class KnownModels:
    """Remembers every registered model."""

    _models: dict[str, Known] = field(default_factory=dict)
    _outlines: Mapping[str, Outline] | None = None

    def look(self, registry: Registry, *, thorough: bool = False) -> Iterable[Event]:
        """Return what is new; nothing at the first look, which only remembers.

        One question tells the aliases of all models, and which models' versions have changed; only those are read.

        Raises:
            MlflowUnreachableError: MLflow does not answer; what was remembered stays.

        """
        outlines = registry.outlines()
        old = self._outlines
        if old is None or thorough:
            return self._read_all(registry, outlines)
        changed = [n for n, outline in outlines.items() if n not in old or old[n].stamp != outline.stamp]
        if len(changed) > FEW:
            return self._read_all(registry, outlines)
        read = {name: registry.registered_model(name) for name in changed}
        found: list[Event] = []
        for name in sorted({*self._models, *outlines}):
            if name in read:
                found += self._replace(name, read[name])
            elif name not in outlines:
                found += self._replace(name, None)
            else:
                found += self._realias(name, outlines[name].aliases)
        self._outlines = outlines
        return found

    @property
    def aliases(self) -> Mapping[str, Mapping[str, int]]:
        """Where the aliases of each model point, as last read."""
        return {name: known.aliases for name, known in self._models.items()}

    def we_moved(self, model: str, alias: str, version: int | None) -> None:
        """Take note of an alias that we moved ourselves (None: removed)."""
        known = self._known(model)
        if version is not None:
            known.aliases[alias] = version
        else:
            known.aliases.pop(alias, None)

    def we_staged(self, model: str, version: int, stage: str) -> None:
        """Take note of a version that we registered (stage "None"), or whose stage we set."""
        self._known(model).stages[version] = stage

    def we_deleted(self, model: str, version: int) -> None:
        """Take note of a version that we deleted; its aliases go with it."""
        known = self._known(model)
        known.stages.pop(version, None)
        known.aliases = {alias: number for alias, number in known.aliases.items() if number != version}

    def _known(self, model: str) -> Known:
        return self._models.setdefault(model, Known())

    def _read_all(self, registry: Registry, outlines: Mapping[str, Outline]) -> list[Event]:
        present = registry.all_registered_models()
        quiet = self._outlines is None
        found = [e for name in sorted({*self._models, *present}) for e in self._replace(name, present.get(name))]
        self._outlines = outlines
        return [] if quiet else found

    def _replace(self, name: str, model: RegisteredModel | None) -> list[Event]:
        """Remember the model as it is now, and return what is different."""
        old, new = self._models.get(name) or Known(), _of(model)
        if model is None:
            self._models.pop(name, None)
        else:
            self._models[name] = new
        return list(_different(name, old, new))

    def _realias(self, name: str, aliases: Mapping[str, int]) -> list[Event]:
        old = self._known(name)
        new = Known(dict(aliases), old.stages)
        found = list(_different(name, old, new))
        old.aliases = new.aliases
        return found


def _of(model: RegisteredModel | None) -> Known:
    if model is None:
        return Known()
    return Known(dict(model.aliases), {v.version: v.stage for v in model.versions})


def _different(name: str, old: Known, new: Known) -> Iterator[Event]:
    for version in sorted(new.stages.keys() - old.stages.keys()):
        yield VersionRegistered(name, version)
    for version in sorted(old.stages.keys() - new.stages.keys()):
        yield VersionGone(name, version)
    for alias in sorted(old.aliases.keys() | new.aliases.keys()):
        before, after = old.aliases.get(alias), new.aliases.get(alias)
        if before != after:
            yield AliasMoved(name, alias, before, after)
    for version in sorted(old.stages.keys() & new.stages.keys()):
        if old.stages[version] != new.stages[version]:
            yield StageMoved(name, version, old.stages[version], new.stages[version])
