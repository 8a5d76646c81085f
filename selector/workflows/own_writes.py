"""Which changes in MLflow did we make ourselves, so that nobody is told of them as news?"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, cast

from selector.ports import Registry
from selector.workflows.known_models import KnownModels

Effect = Callable[[KnownModels], None]


class OwnWrites:
    """Hands every call on to the registry, and takes note of what was changed.

    Only what took effect is noted: a call that failed may have changed something all the same, and then the next look
    finds it as if somebody else had done it, which costs one look and nothing else.

    Args:
        registry: MLflow.

    """

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._effects: list[Effect] = []

    @classmethod
    def around(cls, registry: Registry) -> Registry:
        """Return the registry with notes taken."""
        return cast("Registry", registry if isinstance(registry, cls) else cls(registry))

    def __getattr__(self, name: str) -> Any:
        """Hand everything else on as it is."""
        return getattr(self._registry, name)

    def tell(self, known: KnownModels) -> None:
        """Apply what was noted since the last time, in order."""
        effects, self._effects = self._effects, []
        for effect in effects:
            effect(known)

    def create_version(self, name: str, source: str, run_id: str | None, tags: Mapping[str, str]) -> int:
        """Register a version."""
        number = self._registry.create_version(name, source, run_id, tags)
        self._effects.append(lambda known: known.we_staged(name, number, "None"))
        return number

    def set_alias(self, name: str, alias: str, version: int) -> None:
        """Point the alias at the version."""
        self._registry.set_alias(name, alias, version)
        self._effects.append(lambda known: known.we_moved(name, alias, version))

    def delete_alias(self, name: str, alias: str) -> None:
        """Remove the alias."""
        self._registry.delete_alias(name, alias)
        self._effects.append(lambda known: known.we_moved(name, alias, None))

    def set_stage(self, name: str, version: int, stage: str) -> None:
        """Set the stage of a version."""
        self._registry.set_stage(name, version, stage)
        self._effects.append(lambda known: known.we_staged(name, version, stage))

    def delete_version(self, name: str, version: int) -> None:
        """Delete a version."""
        self._registry.delete_version(name, version)
        self._effects.append(lambda known: known.we_deleted(name, version))
