"""What does a workflow have at hand: the ports, wired, and what is configured for each model."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import quote

from selector.domain.alerts import AlertRules
from selector.domain.family import Family
from selector.domain.health_policy import MonitorPolicy
from selector.domain.metric import Metric
from selector.domain.model import RegisteredModel, Run
from selector.domain.policy import Policy
from selector.domain.retention import Keep
from selector.errors import UsageError
from selector.ports import (
    Clock,
    HoldoutReader,
    HoldoutSpec,
    Lease,
    Progress,
    Registry,
    ReportWriter,
    Scorer,
    StagedImporter,
    Store,
)
from selector.ports_exports import Exports
from selector.ports_production import Commands, Sources, SourceSpec

ALL = "*"
"""Stands for every model where a pause names it."""


def why_paused(paused: Mapping[str, str], model: str) -> str | None:
    """Return why a model is paused, alone or with all others; None where it is not."""
    return paused.get(model, paused.get(ALL))


def silent(_what: str, _done: int, _total: int) -> None:
    """Take note of no progress."""


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """What was read for several models at once: for all members of a family, or for many models of one look.

    Attributes:
        runs: those of this model.
        registered: the registered model; None where it does not exist yet.
        others: runs of all these models and of their versions, by id.
        fresh: whether the registered model was read just now, and not with the others.
        existing: names of all experiments; None where nobody asked.

    """

    runs: tuple[Run, ...]
    registered: RegisteredModel | None
    others: Mapping[str, Run]
    fresh: bool = False
    existing: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Setup:
    """One registered model as it is configured, or one rule for a family of them.

    Attributes:
        experiments: names or globs of the experiments whose runs are candidates; empty: registered versions only.
        filter: MLflow search syntax that runs have to meet, or "".
        holdout: the labelled rows; None where only logged metrics are compared.
        threshold: probability from which on an answer counts as positive; None: 0.5, or the run's own tag.
        shadow: decide and report, write nothing.
        family: the family that this is the rule of, or a member of; None for a model configured by its name.
        value: which member of the family; None for the rule itself.
        seen: what was read together with other models; None where it has to be read.
        monitor: how production is watched; None where it is not.
        sources: where production metrics come from.
        keep: how many archived versions stay; None: all of them.
        metrics: further metrics, which are shown and decide nothing.
        exports: folders (absolute paths) and artifact URIs that hold the champion's files.

    """

    model: str
    policy: Policy
    experiments: tuple[str, ...] = ()
    filter: str = ""
    holdout: HoldoutSpec | None = None
    threshold: float | None = None
    shadow: bool = False
    family: Family | None = None
    value: str | None = None
    seen: Seen | None = None
    monitor: MonitorPolicy | None = None
    sources: tuple[SourceSpec, ...] = ()
    keep: Keep | None = None
    metrics: tuple[Metric, ...] = ()
    exports: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Staging:
    """A folder where finished model files arrive, and what they become.

    Attributes:
        quiet: seconds that a file has to stay unchanged before it counts as complete.
        manifest: take only what a manifest of digests vouches for.
        rescan: seconds between two scans where no hint comes.

    """

    folder: Path
    model: str
    experiment: str
    quiet: float = 10.0
    manifest: bool = False
    rescan: float = 60.0


@dataclass(frozen=True, slots=True)
class House:
    """Every port, wired by the composition root."""

    registry: Registry
    store: Store
    clock: Clock
    lease: Lease
    reports: ReportWriter
    scorer: Scorer
    holdouts: HoldoutReader
    setups: Mapping[str, Setup]
    spool: Path
    progress: Progress = field(default=silent)
    staging: tuple[Staging, ...] = ()
    importer: StagedImporter | None = None
    production: Sources | None = None
    commands: Commands | None = None
    exports: Exports | None = None
    alert_rules: AlertRules = field(default_factory=AlertRules)
    report_link: Callable[[Path], str] = field(default=str)
    """Says where people find a report's page."""

    def paused(self, model: str) -> str | None:
        """Return why this model is paused; None where it is not."""
        return why_paused(self.store.paused(), model)

    def new_id(self, *parts: object) -> str:
        """Return the id of what is done now: the time, and a digest of it and of what tells two such things apart."""
        now = self.clock.now()
        digest = hashlib.sha256("|".join(map(str, (now.timestamp(), *parts))).encode()).hexdigest()
        return f"{now:%Y%m%dT%H%M%S}-{digest[:8]}"

    def setup(self, model: str) -> Setup:
        """Return the model's set-up; raise UsageError where it is not configured, or a family instead of a member."""
        found = self.setups.get(model)
        if found is not None and found.family is not None:
            advice = "name one of its members; mlflow-selector status lists them"
            raise UsageError(f"{model!r} is a family of models", advice=advice)
        if found is not None:
            return found
        for rule in self.setups.values():
            value = rule.family.value_of(model) if rule.family else None
            if value is not None:
                return self.member(rule, value)
        known = ", ".join(sorted(self.setups)) or "none"
        raise UsageError(f"model {model!r} is not in the configuration", advice=f"configured models: {known}")

    def member(self, rule: Setup, value: str) -> Setup:
        """Return the set-up of one member of a family; its holdout may be named after it too."""
        if rule.family is None:
            return rule
        holdout = rule.holdout
        if holdout is not None:
            safe = quote(value, safe="") if "://" in holdout.data else value
            holdout = replace(holdout, data=rule.family.fill(safe, holdout.data))
        sources = tuple(_filled(source, rule.family, value) for source in rule.sources)
        exports = tuple(_exported(where, rule.family, value) for where in rule.exports)
        return replace(
            rule, model=rule.family.fill(value), value=value, holdout=holdout, sources=sources, exports=exports
        )


def _exported(where: str, family: Family, value: str) -> str:
    """Return where one member of a family is exported to: a path as it is spelled, a URI with the value quoted."""
    return family.fill(value if Path(where).is_absolute() else quote(value, safe=""), where)


def _filled(source: SourceSpec, family: Family, value: str) -> SourceSpec:
    """Return a source of one member of a family: the value stands in folders, files and experiments, never in SQL."""
    return replace(source, where=family.fill(value, source.where), labels=family.fill(value, source.labels))
