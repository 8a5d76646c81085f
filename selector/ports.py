"""What do we need from the world: every port on one page, each with a memory adapter and a real one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from selector.domain.events import WakeUp
from selector.domain.model import Predictions, RegisteredModel, Run, Truth, Unscorable
from selector.domain.model_facts import ModelFacts
from selector.domain.promotion import Plan
from selector.exchange import Delivery, Entry, HoldoutSpec, NewRun, Notice, Scored, ScoreJob, Unfinished, WrittenRun
from selector.ports_notices import AlertBox, Outbox
from selector.ports_watch import Watched

__all__ = [
    "AlertBox",
    "Cache",
    "Clock",
    "Delivery",
    "Entry",
    "Features",
    "Flags",
    "HealthBox",
    "HoldoutReader",
    "HoldoutSpec",
    "Journal",
    "Lease",
    "Ledger",
    "NewRun",
    "Notice",
    "Notifier",
    "Outbox",
    "Progress",
    "Registry",
    "ReportWriter",
    "RunWriter",
    "Scored",
    "ScoreJob",
    "Scorer",
    "StagedImporter",
    "Store",
    "Supervisor",
    "Unfinished",
    "WakeUps",
    "Watched",
    "WrittenRun",
]


class Clock(Protocol):
    """The time of day; the only one in the program."""

    def now(self) -> datetime:
        """Return the present time, aware, in UTC."""
        ...


class Registry(Watched, Protocol):
    """MLflow: tracking and registry, seen through the few calls that we need.

    Every method raises MlflowUnreachableError within its own deadline, and MlflowRefusedError where MLflow says no.
    """

    def check(self) -> str:
        """Return who answers ("MLflow 3.17.2 at http://…"); raise SchemaMismatchError on a foreign schema."""
        ...

    def runs(self, experiments: Sequence[str], filter_string: str = "") -> tuple[Run, ...]:
        """Return all active runs of the experiments that match these names or globs, with their logged models.

        The number of calls grows only with pages (1,000 runs or more a page).
        """
        ...

    def experiments(self) -> tuple[str, ...]:
        """Return the names of all active experiments."""
        ...

    def run(self, run_id: str) -> Run | None:
        """Return one run whatever its state, without its models; None where it is deleted or unknown."""
        ...

    def runs_by_id(self, run_ids: Sequence[str]) -> tuple[Run, ...]:
        """Return those of the runs that exist and are not deleted, whatever their experiment, in O(pages) calls."""
        ...

    def metric_values(self, run_ids: Sequence[str], key: str) -> Mapping[str, tuple[tuple[int, int, float], ...]]:
        """Return all that the runs logged under the key, as (step, milliseconds since 1970, value), by run id.

        Sorted; runs without any, or unknown ones, are left out. One call a run: ask only for what is needed.
        """
        ...

    def registered_model(self, name: str) -> RegisteredModel | None:
        """Return the registered model with all versions and aliases, or None."""
        ...

    def registered_models(self, names: Sequence[str]) -> Mapping[str, RegisteredModel]:
        """Return those of the names that exist, in O(pages) calls whatever the number of names."""
        ...

    def all_registered_models(self) -> Mapping[str, RegisteredModel]:
        """Return every registered model by name, prompts left out, in O(pages) calls."""
        ...

    def fetch(self, uri: str, into: Path) -> Path:
        """Copy the model's files into a private folder and return the folder that holds its MLmodel."""
        ...

    def create_registered_model(self, name: str) -> None:
        """Create it; harmless where it exists."""
        ...

    def create_version(self, name: str, source: str, run_id: str | None, tags: Mapping[str, str]) -> int:
        """Register `source` and return the new version's number."""
        ...

    def set_alias(self, name: str, alias: str, version: int) -> None:
        """Point the alias at the version; setting it again is harmless."""
        ...

    def delete_alias(self, name: str, alias: str) -> None:
        """Remove the alias; harmless where it is not set."""
        ...

    def set_version_tag(self, name: str, version: int, key: str, value: str) -> None:
        """Set one tag of a version."""
        ...

    def delete_version(self, name: str, version: int) -> None:
        """Delete one version for good; harmless where it is gone. Aliases at it go with it, so look at them first."""
        ...

    def delete_version_tag(self, name: str, version: int, key: str) -> None:
        """Remove one tag of a version; harmless where it is not set."""
        ...

    def set_model_tag(self, name: str, key: str, value: str) -> None:
        """Set one tag of the registered model."""
        ...

    def set_stage(self, name: str, version: int, stage: str) -> None:
        """Set the old-style stage of one version, leaving the other versions alone."""
        ...

    def log_report(self, run_id: str, folder: Path, artifact_path: str) -> None:
        """Keep the folder's files as artifacts of the run; the run's status and end time stay as they are."""
        ...


class RunWriter(Protocol):
    """The part of MLflow that an import writes to."""

    def imported(self, experiment: str) -> Mapping[str, tuple[Run, ...]]:
        """Return the experiment's runs (any lifecycle) with a fingerprint tag, by fingerprint, oldest first."""
        ...

    def write(self, run: NewRun) -> WrittenRun:
        """Write one finished run with its model; a missing experiment is made; all of it is seen, or nothing."""
        ...

    def delete_run(self, run_id: str) -> None:
        """Delete a run (MLflow keeps it restorable)."""
        ...


class Features(Protocol):
    """The holdout's rows without the label, for the worker's eyes."""

    @property
    def columns(self) -> tuple[str, ...]:
        """Return the names of the feature columns."""
        ...

    @property
    def rows(self) -> int:
        """Return how many rows there are."""
        ...

    def batches(self) -> Iterator[bytes]:
        """Yield the rows in order as Arrow IPC streams of bounded size."""
        ...


class HoldoutReader(Protocol):
    """Reads labelled rows."""

    def read(self, spec: HoldoutSpec) -> tuple[Truth, Features]:
        """Return the labels and the features; raise HoldoutError where they cannot be used."""
        ...


class Scorer(Protocol):
    """Loads models and predicts, in another process; never sees a label."""

    @property
    def revision(self) -> str:
        """Return a digest of what can change a model's answer; kept answers of another one are not used."""
        ...

    @property
    def confinement(self) -> str:
        """Return one line on how models are kept from doing harm, for reports."""
        ...

    def self_test(self) -> str:
        """Return one line on how models are confined; raise ScoringError where they would not be."""
        ...

    def score(self, jobs: Iterable[ScoreJob], features: Features) -> Iterator[Scored]:
        """Score each job; a model that hangs, crashes or lies costs only itself. Order of answers is free."""
        ...


class Ledger(Protocol):
    """What happened, append-only and hash-chained."""

    def append(self, entries: Sequence[Entry]) -> None:
        """Append all or none."""
        ...

    def entries(
        self,
        model: str | None = None,
        *,
        kinds: Sequence[str] = (),
        decision: str | None = None,
        until: datetime | None = None,
        newest: int | None = None,
    ) -> tuple[Entry, ...]:
        """Return matching entries, oldest first; `newest` keeps only that many of the newest."""
        ...

    def last_decisions(self) -> Mapping[str, Entry]:
        """Return each model's newest entry of kind "decision", in one query."""
        ...

    def verify(self) -> int:
        """Return the number of entries; raise DamagedStateError where the chain is broken."""
        ...


class Journal(Protocol):
    """Plans that are being carried out. An intent is durable before its first effect."""

    def begin(self, plan: Plan, details: Mapping[str, Any]) -> None:
        """Record the intent; details are plain JSON that recovery needs to finish the ledger entry."""
        ...

    def step_done(self, plan_id: str, index: int) -> None:
        """Record that steps up to and including `index` (from 0) are done and verified."""
        ...

    def finish(self, plan_id: str, entries: Sequence[Entry], notices: Sequence[Notice] = ()) -> None:
        """Close the plan, append to the ledger and put notices into the outbox, in one transaction."""
        ...

    def abandon(self, plan_id: str, entries: Sequence[Entry], notices: Sequence[Notice] = ()) -> None:
        """Close the plan as not carried out, in one transaction with its ledger entries."""
        ...

    def unfinished(self, model: str | None = None) -> tuple[Unfinished, ...]:
        """Return plans that were begun and not closed, oldest first."""
        ...


class Cache(Protocol):
    """What would be a waste to compute twice. Losing it loses nothing but time."""

    def digests(self, uris: Sequence[str]) -> Mapping[str, str]:
        """Return the known content digests of these model URIs."""
        ...

    def remember_digest(self, uri: str, digest: str) -> None:
        """Keep the content digest of a logged model (logged models do not change)."""
        ...

    def facts(self, uris: Sequence[str]) -> Mapping[str, ModelFacts]:
        """Return what is known of these models' folders."""
        ...

    def remember_facts(self, uri: str, facts: ModelFacts) -> None:
        """Keep what a model's folder told when it was fetched."""
        ...

    def predictions(self, model_digest: str, holdout_digest: str) -> Predictions | Unscorable | None:
        """Return what this very model answered for these very rows, or None."""
        ...

    def remember_predictions(self, model_digest: str, holdout_digest: str, result: Predictions | Unscorable) -> None:
        """Keep an answer; transient failures are not kept."""
        ...

    def unread_predictions(self, since: datetime) -> tuple[tuple[str, str], ...]:
        """Return model and holdout digest of the answers with arrays that nobody kept or read since, to a day."""
        ...

    def drop_predictions(self, which: Sequence[tuple[str, str]], since: datetime) -> int:
        """Forget these answers, but none that was kept or read since; return how many."""
        ...


class Flags(Protocol):
    """What operators switched on and off."""

    def pause(self, model: str, reason: str) -> None:
        """Decide and report, but write nothing for this model ("*": all)."""
        ...

    def resume(self, model: str) -> bool:
        """Undo `pause`; return whether it was paused."""
        ...

    def paused(self) -> Mapping[str, str]:
        """Return paused models with the reason; "*" stands for all."""
        ...


class HealthBox(Protocol):
    """What is known of each model's production, kept between batches as plain JSON."""

    def health(self, model: str) -> Mapping[str, Any] | None:
        """Return what was kept of this model, or None; damage counts as nothing."""
        ...

    def keep_health(self, model: str, document: Mapping[str, Any], entries: Sequence[Entry] = ()) -> None:
        """Replace what is kept of this model, and append to the ledger, in one transaction."""
        ...


class Store(Ledger, Journal, Cache, Flags, HealthBox, Outbox, AlertBox, Protocol):
    """Our own state, all of it in one place."""

    def describe(self) -> str:
        """Return one line on where the state lies."""
        ...

    def identity(self) -> str:
        """Return a name that this state alone has, and keeps; "" where nothing was ever written."""
        ...

    def close(self) -> None:
        """Release connections; safe to call twice."""
        ...


class Lease(Protocol):
    """The right to write. One holder per registry."""

    def hold(self) -> AbstractContextManager[None]:
        """Hold the lease within the context; raise LeaseHeldError at once where another instance has it."""
        ...

    def still_held(self) -> bool:
        """Return whether this instance has the lease now; a lost connection to a database loses it."""
        ...


class ReportWriter(Protocol):
    """Puts a report where people find it."""

    def write(self, report: Any) -> Path:
        """Write all formats atomically and return the path of the HTML page."""
        ...

    def path(self, model: str, decision: str) -> Path | None:
        """Return the page of an earlier decision, or None."""
        ...


Progress = Callable[[str, int, int], None]
"""Called with what is being done, how many are done, how many there are."""


class StagedImporter(Protocol):
    """Turns staged models into finished runs; implemented by migrations.importer."""

    def import_folder(self, folder: Path, model: str, experiment: str) -> Sequence[Any]:
        """Import what is new below the folder and return one outcome per staged model."""
        ...

    def import_paths(
        self,
        paths: Sequence[Path],
        model: str,
        experiment: str,
        *,
        batch: str | None = None,
        progress: Progress | None = None,
        found_at: Mapping[Path, Path] | None = None,
    ) -> Sequence[Any]:
        """Import what is new below some paths; `found_at` says for which folder each private copy stands."""
        ...

    def sources(self, experiment: str) -> frozenset[str]:
        """Return where everything that was ever imported into the experiment was found."""
        ...

    def new_batch(self) -> str:
        """Return an id under which an import can be taken back."""
        ...


class Notifier(Protocol):
    """One way to tell people."""

    @property
    def name(self) -> str:
        """Return what it is called, the same at every start and without a secret: outbox rows are kept by it."""
        ...

    def takes(self, notice: Notice) -> bool:
        """Return whether it was configured for such notices (`on`, `models`)."""
        ...

    def send(self, notice: Notice) -> Delivery:
        """Send it within the channel's own deadline (10 s); never raises. The key goes along, for the receiver."""
        ...


class WakeUps(Protocol):
    """A source of hints. It runs in threads of its own and never decides anything."""

    @property
    def name(self) -> str:
        """Return what it is called in logs: database, staging, schedule, webhook, socket."""
        ...

    def start(self, wake: Callable[[WakeUp], None]) -> None:
        """Begin to call `wake`, from any thread; return at once."""
        ...

    def stop(self) -> None:
        """End; safe to call twice, and without `start`."""
        ...

    def trouble(self) -> str | None:
        """Return what keeps hints from arriving, as one sentence; None where all is well. Mends itself if it can."""
        ...


class Supervisor(Protocol):
    """Who started the daemon and wants to know that it lives (systemd)."""

    def ready(self, status: str) -> None:
        """Say that the start is over."""
        ...

    def status(self, status: str) -> None:
        """Say in one sentence what is going on."""
        ...

    def alive(self) -> None:
        """Say that the loop made progress."""
        ...

    def reloading(self) -> None:
        """Say that the configuration is being read again; `ready` ends it."""
        ...

    def stopping(self) -> None:
        """Say that the end has begun."""
        ...

    @property
    def patience(self) -> float | None:
        """Return after how many seconds without `alive` the daemon would be killed; None where nobody watches."""
        ...
