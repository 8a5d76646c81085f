"""Which facts can make it worth looking at a model again?"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RunFinished:
    """A run that was not there, or not finished, when we looked last; or whose numbers changed since."""

    experiment: str
    run_id: str
    name: str = ""

    @property
    def words(self) -> str:
        """Say it in a few words."""
        return f"run {self.name or self.run_id} finished"


@dataclass(frozen=True, slots=True)
class RunGone:
    """A finished run that was deleted, or is running again."""

    experiment: str
    run_id: str

    @property
    def words(self) -> str:
        """Say it in a few words."""
        return f"run {self.run_id} is no longer there"


@dataclass(frozen=True, slots=True)
class VersionRegistered:
    """A model version that somebody registered."""

    model: str
    version: int

    @property
    def words(self) -> str:
        """Say it in a few words."""
        return f"version {self.version} was registered"


@dataclass(frozen=True, slots=True)
class VersionGone:
    """A model version that somebody deleted."""

    model: str
    version: int

    @property
    def words(self) -> str:
        """Say it in a few words."""
        return f"version {self.version} was deleted"


@dataclass(frozen=True, slots=True)
class AliasMoved:
    """An alias that points elsewhere than when we looked last; None stands for nothing."""

    model: str
    alias: str
    before: int | None
    after: int | None

    @property
    def words(self) -> str:
        """Say it in a few words."""
        return f"alias {self.alias} moved from {_version(self.before)} to {_version(self.after)}"


@dataclass(frozen=True, slots=True)
class StageMoved:
    """An old-style stage that is another one than when we looked last."""

    model: str
    version: int
    before: str
    after: str

    @property
    def words(self) -> str:
        """Say it in a few words."""
        return f"version {self.version} moved from stage {self.before} to {self.after}"


@dataclass(frozen=True, slots=True)
class ModelStaged:
    """A staged model that became a finished run."""

    model: str
    name: str

    @property
    def words(self) -> str:
        """Say it in a few words."""
        return f"staged model {self.name} was imported"


Event = RunFinished | RunGone | VersionRegistered | VersionGone | AliasMoved | StageMoved | ModelStaged


@dataclass(frozen=True, slots=True)
class WakeUp:
    """A hint that it is worth looking now. It may be lost, repeated or wrong: nothing is decided on its strength.

    Attributes:
        source: who says so: start, poll, database, staging, schedule, webhook, socket, signal, retry, reload.
        models: which models to look at whatever is new there; empty where only what is new counts.
        everything: look at all models.
        words: what happened, for the log; may be empty.

    """

    source: str
    models: tuple[str, ...] = ()
    everything: bool = False
    words: str = ""


def _version(number: int | None) -> str:
    return "nothing" if number is None else f"v{number}"
