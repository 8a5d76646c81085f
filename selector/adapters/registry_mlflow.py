"""What is in MLflow, and how is it changed: the real implementation of the registry and the run writer."""

from __future__ import annotations

import functools
import threading
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from selector.adapters import registry_mlflow_artifacts as artifacts
from selector.adapters import registry_mlflow_runs as runs
from selector.adapters import registry_mlflow_watch as watch
from selector.adapters.mlflow_connection import Connection
from selector.adapters.mlflow_deadline import MissingError
from selector.adapters.mlflow_schema import is_database, sqlite_file
from selector.adapters.registry_mlflow_import import UPLOAD_SECONDS, ImportIntoMlflow
from selector.adapters.registry_mlflow_values import registered_value
from selector.adapters.store_reader_mlflow import MlflowStoreReader
from selector.adapters.store_writer_mlflow import MlflowStoreWriter
from selector.domain.finished import Finished, Outline
from selector.domain.model import DECISION_TAG, RegisteredModel, Run
from selector.errors import MlflowRefusedError, MlflowUnreachableError
from selector.ports import NewRun, WrittenRun

MODELS_PER_PAGE = 1000
VERSIONS_PER_PAGE = 10_000
FEW_NAMES = 2
"""Up to so many models are asked for by name; above, reading all pages takes fewer calls."""

GIGABYTE = 1024**3

_warnings_lock = threading.Lock()


class MlflowRegistry:
    """MLflow behind `selector.ports.Registry` and `selector.ports.RunWriter`. MLflow is imported at the first call.

    Args:
        tracking_uri: http(s)://…, sqlite:///…, postgresql://…, or what else MLflow's client understands.
        registry_uri: where registered models are, when elsewhere.
        timeout: seconds that one call may take, > 0.
        artifact_root: where experiments made by an import keep their artifacts; None: beside a SQLite database, else
            what the server says.
        upgrade_database: an older database may be upgraded in place.
        most_bytes: models larger than this are not fetched.
        transfer_timeout: seconds that fetching one model may take.

    """

    def __init__(
        self,
        tracking_uri: str,
        *,
        registry_uri: str | None = None,
        timeout: float = 10.0,
        artifact_root: Path | None = None,
        upgrade_database: bool = False,
        most_bytes: int = 10 * GIGABYTE,
        transfer_timeout: float = UPLOAD_SECONDS,
    ) -> None:
        self._connection = Connection(
            tracking_uri, registry_uri, timeout, artifact_root, upgrade_database=upgrade_database
        )
        self._import = ImportIntoMlflow(self._connection)
        self._most_bytes = most_bytes
        self._transfer_timeout = transfer_timeout

    def check(self) -> str:
        """Return who answers; raise SchemaMismatchError on a foreign schema, MlflowUnreachableError on no answer."""
        return self._connection.check()

    def runs(self, experiments: Sequence[str], filter_string: str = "") -> tuple[Run, ...]:
        """Return all active runs of the experiments that match, newest first, with their logged models.

        An unknown experiment has no runs; `experiments` says which ones there are.
        """
        return runs.read_runs(self._connection, experiments, filter_string)

    def experiments(self) -> tuple[str, ...]:
        """Return the names of all active experiments, sorted."""
        return tuple(sorted(runs.experiments(self._connection).values()))

    def run(self, run_id: str) -> Run | None:
        """Return one run whatever its state, without its models; None where it is deleted or unknown."""
        return runs.read_run(self._connection, run_id)

    def runs_by_id(self, run_ids: Sequence[str]) -> tuple[Run, ...]:
        """Return those of the runs that exist and are not deleted, whatever their experiment, in O(pages) calls."""
        return runs.read_by_id(self._connection, run_ids)

    def metric_values(self, run_ids: Sequence[str], key: str) -> Mapping[str, tuple[tuple[int, int, float], ...]]:
        """Return all that the runs logged under the key, by run id, in one call a run."""
        return runs.read_history(self._connection, run_ids, key)

    def registered_model(self, name: str) -> RegisteredModel | None:
        """Return the registered model with all versions and aliases; None where it is unknown, or a prompt."""
        if self._connection.absent(self._connection.registry_uri):
            return None
        try:
            model = self._connection.ask("get a registered model", lambda client: client.get_registered_model(name))
        except MissingError:
            return None
        return registered_value(model, [v for v in self._versions(_where_name(name)) if v.name == name])

    def registered_models(self, names: Sequence[str]) -> Mapping[str, RegisteredModel]:
        """Return those of the names that exist, in O(pages) calls."""
        wanted = set(names)
        if self._connection.absent(self._connection.registry_uri) or not wanted:
            return {}
        if len(wanted) <= FEW_NAMES:
            few = ((name, self.registered_model(name)) for name in sorted(wanted))
            return {name: model for name, model in few if model is not None}
        return {name: model for name, model in self.all_registered_models().items() if name in wanted}

    def all_registered_models(self) -> Mapping[str, RegisteredModel]:
        """Return every registered model by name, prompts left out, in O(pages) calls."""
        if self._connection.absent(self._connection.registry_uri):
            return {}
        versions: dict[str, list[Any]] = {}
        for version in self._versions(None):
            versions.setdefault(version.name, []).append(version)
        return {
            model.name: value
            for model in self._models()
            if (value := registered_value(model, versions.get(model.name, ()))) is not None
        }

    def experiments_like(self, patterns: Sequence[str]) -> Mapping[str, str]:
        """Return the active experiments that match these names or globs, names by id."""
        return watch.experiments_like(self._connection, patterns)

    def finished(self, experiments: Mapping[str, str]) -> Iterator[Finished]:
        """Yield every active finished run of the experiments (names by id) once, oldest first."""
        return watch.finished(self._connection, experiments)

    def finished_from(self, experiments: Mapping[str, str], offset: int, most: int) -> tuple[Finished, ...]:
        """Return active finished runs in the order of their ends, without the first `offset`, in one call."""
        return watch.finished_from(self._connection, experiments, offset, most)

    def outlines(self) -> Mapping[str, Outline]:
        """Return the outline of every registered model by name, in one call per 1,000."""
        return watch.outlines(self._connection)

    def written(self) -> str | None:
        """Return what changes with every write to a SQLite database, without a call; None for all else."""
        return watch.written(self._connection)

    def fetch(self, uri: str, into: Path) -> Path:
        """Copy the model's files into a private folder and return the folder that holds its MLmodel."""
        if self._connection.absent():
            raise MlflowRefusedError(f"There is no model at {uri}: the MLflow database does not exist yet.")
        return artifacts.fetch(self._connection, uri, into, most_bytes=self._most_bytes, seconds=self._transfer_timeout)

    def create_registered_model(self, name: str) -> None:
        """Create it; harmless where it exists."""
        self._connection.make_registry()
        try:
            self._connection.ask("create a registered model", lambda client: client.create_registered_model(name))
        except MlflowRefusedError:
            if self.registered_model(name) is None:
                raise

    def create_version(self, name: str, source: str, run_id: str | None, tags: Mapping[str, str]) -> int:
        """Register `source` and return the version's number.

        A version with the same source and the same decision tag is that decision's own: it is returned again.
        """
        decision = tags.get(DECISION_TAG)
        if decision:
            model = self.registered_model(name)
            same = [v for v in model.versions if v.tags.get(DECISION_TAG) == decision] if model else []
            again = [v.version for v in same if v.source == source]
            if again:
                return min(again)
        model_id = source.removeprefix("models:/") if source.startswith("models:/m-") else None

        def create(client: Any) -> Any:
            with self._connection.named_in_process():
                return client.create_model_version(
                    name, source, run_id, dict(tags), await_creation_for=0, model_id=model_id
                )

        try:
            return int(self._connection.ask("create a model version", create).version)
        except MlflowUnreachableError:
            # MLflow's server answers 500 for a logged model that is gone; asking again would never help.
            if model_id is not None:
                self._connection.ask("find a logged model", lambda client: client.get_logged_model(model_id))
            raise

    def set_alias(self, name: str, alias: str, version: int) -> None:
        """Point the alias at the version; setting it again is harmless."""
        self._connection.ask(
            "set an alias", lambda client: client.set_registered_model_alias(name, alias, str(version))
        )

    def delete_alias(self, name: str, alias: str) -> None:
        """Remove the alias; harmless where it is not set."""
        self._connection.ask("remove an alias", lambda client: client.delete_registered_model_alias(name, alias))

    def set_version_tag(self, name: str, version: int, key: str, value: str) -> None:
        """Set one tag of a version."""
        self._connection.ask(
            "tag a version", lambda client: client.set_model_version_tag(name, str(version), key, value)
        )

    def delete_version(self, name: str, version: int) -> None:
        """Delete one version for good; harmless where it is gone."""
        try:
            self._connection.ask("delete a version", lambda client: client.delete_model_version(name, str(version)))
        except MlflowRefusedError:
            found = self.registered_model(name)
            if found is not None and found.version(version) is not None:
                raise

    def delete_version_tag(self, name: str, version: int, key: str) -> None:
        """Remove one tag of a version; harmless where it is not set."""
        self._connection.ask("untag a version", lambda client: client.delete_model_version_tag(name, str(version), key))

    def set_model_tag(self, name: str, key: str, value: str) -> None:
        """Set one tag of the registered model."""
        self._connection.ask("tag a model", lambda client: client.set_registered_model_tag(name, key, value))

    def set_stage(self, name: str, version: int, stage: str) -> None:
        """Set the old-style stage of one version, leaving the other versions alone."""

        def transition(client: Any) -> None:
            with _warnings_lock, warnings.catch_warnings():
                # Stages are deprecated; mirroring them for old consumers is why we are here.
                warnings.simplefilter("ignore", FutureWarning)
                client.transition_model_version_stage(name, str(version), stage, archive_existing_versions=False)

        self._connection.ask("set a stage", transition)

    def log_report(self, run_id: str, folder: Path, artifact_path: str) -> None:
        """Keep the folder's files as artifacts of the run; the run's status and end time stay as they are."""
        self._connection.ask(
            "keep a report",
            lambda client: client.log_artifacts(run_id, str(folder), artifact_path),
            seconds=self._transfer_timeout,
        )

    def imported(self, experiment: str) -> Mapping[str, tuple[Run, ...]]:
        """Return the experiment's imported runs by fingerprint; RUNNING is unfinished, DELETED was taken back."""
        return self._import.imported(experiment)

    def write(self, run: NewRun) -> WrittenRun:
        """Write one finished run with its model and its original times."""
        return self._import.write(run)

    def delete_run(self, run_id: str) -> None:
        """Delete a run; MLflow keeps it restorable."""
        self._import.delete_run(run_id)

    def is_at(self, path: str) -> bool:
        """Tell whether this MLflow lies in that very file or folder."""
        uris = (self._connection.uri, self._connection.registry_uri)
        files = [sqlite_file(uri) for uri in uris if is_database(uri)]
        return any(file is not None and file.resolve() == Path(path).resolve() for file in files)

    @property
    def jobs(self) -> int:
        """How many runs may well be written at the same time: SQLite has one writer."""
        return 1 if sqlite_file(self._connection.uri) else 4

    def store_writer(self) -> MlflowStoreWriter:
        """Return what carries a whole store into this MLflow."""
        return MlflowStoreWriter(self._connection)

    def store_reader(self) -> MlflowStoreReader:
        """Return what reads back what was carried."""
        return MlflowStoreReader(self._connection)

    def _versions(self, where: str | None) -> list[Any]:
        return self._pages(
            "search model versions",
            lambda client, token: client.search_model_versions(
                where, max_results=VERSIONS_PER_PAGE, order_by=["name ASC", "version_number ASC"], page_token=token
            ),
            lambda version: (version.name, int(version.version)),
        )

    def _models(self) -> list[Any]:
        return self._pages(
            "search registered models",
            lambda client, token: client.search_registered_models(max_results=MODELS_PER_PAGE, page_token=token),
            lambda model: model.name,
        )

    def _pages(self, doing: str, page_of: Any, key_of: Any) -> list[Any]:
        """Read all pages; what moved between two pages while we read is kept once."""
        found: dict[Any, Any] = {}
        token: str | None = None
        while True:
            page = self._connection.ask(doing, functools.partial(page_of, token=token))
            found.update({key_of(entry): entry for entry in page})
            token = page.token
            if not token:
                return list(found.values())


def _where_name(name: str) -> str:
    """Return a search filter that finds the model's versions, and perhaps a few of others.

    MLflow's grammar knows both quotes but no escape, so a name with both is asked for with a wildcard.
    """
    if "'" in name and '"' in name:
        return "name LIKE '" + name.replace("'", "_") + "'"
    quote = '"' if "'" in name else "'"
    return f"name = {quote}{name}{quote}"
