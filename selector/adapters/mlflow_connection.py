"""How do we get an MLflow client that neither upgrades, creates nor hangs by being asked a question?"""

from __future__ import annotations

import contextlib
import importlib.metadata
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

from selector.adapters.mlflow_database import create_database, upgrade_database
from selector.adapters.mlflow_deadline import redacted, within
from selector.adapters.mlflow_health import server_version
from selector.adapters.mlflow_import import mlflow_module
from selector.adapters.mlflow_schema import State, database_state, is_database, sqlite_file
from selector.errors import MlflowRefusedError

T = TypeVar("T")

OPENING_SECONDS = 30.0
LOCKED_SECONDS = 25.0
"""MLflow lets SQLite wait 20 s for a foreign lock; giving up earlier would leave a write that still happens."""


_process_wide = threading.Lock()


class Connection:
    """One MLflow, opened at the first call and only when its schema is known to be ours.

    Args:
        tracking_uri: an HTTP server, a database, or what else the MLflow client understands (databricks).
        registry_uri: where registered models are, when elsewhere.
        timeout: seconds per call, > 0.
        artifact_root: where experiments that we create keep their artifacts; None: beside a SQLite database, else
            what the server says.
        upgrade_database: the user agreed that an older database is upgraded in place.

    """

    def __init__(
        self,
        tracking_uri: str,
        registry_uri: str | None = None,
        timeout: float = 10.0,
        artifact_root: Path | None = None,
        *,
        upgrade_database: bool = False,
    ) -> None:
        self.uri = tracking_uri.strip()
        self.registry_uri = (registry_uri or "").strip() or self.uri
        self.timeout = timeout
        self._artifact_root = artifact_root
        self._upgrade = upgrade_database
        self._client: Any = None
        self._present: set[str] = set()
        self._opening = threading.Lock()

    @property
    def over_http(self) -> bool:
        """Whether an MLflow server answers (and not a database)."""
        return self.uri.startswith(("http://", "https://"))

    @property
    def artifact_root(self) -> Path | None:
        """Where experiments that we create keep their artifacts; None where the server knows best."""
        if self._artifact_root is not None:
            return self._artifact_root.absolute()
        file = sqlite_file(self.uri) if is_database(self.uri) else None
        return file.parent / "mlartifacts" if file else None

    def check(self) -> str:
        """Return who answers; raise as `selector.ports.Registry.check` says."""
        for uri in dict.fromkeys((self.uri, self.registry_uri)):
            self._state(uri)
        if self.over_http:
            return f"MLflow {server_version(self.uri, self.timeout)} at {redacted(self.uri)}"
        return f"MLflow {importlib.metadata.version('mlflow')} on {redacted(self.uri)}"

    def absent(self, uri: str | None = None) -> bool:
        """Tell whether there is no database yet, so that there is nothing to read and a read must not create it."""
        asked = uri or self.uri
        if asked not in self._present and self._state(asked) != "absent":
            self._present.add(asked)
        return asked not in self._present

    def make_registry(self) -> None:
        """Create the database of registered models where it is another than the tracking database, and missing."""
        if self.registry_uri != self.uri and self.absent(self.registry_uri):
            create_database(self.registry_uri, self.artifact_root)

    def _state(self, uri: str) -> State:
        """Say whether MLflow may open this; raise where it may not."""
        _refuse_file_store(uri)
        if not is_database(uri):
            return "current"
        state = database_state(uri, self.timeout, upgrade=self._upgrade)
        _refuse_unwritable(uri)
        return state

    def ask(self, doing: str, question: Callable[[Any], T], *, seconds: float | None = None) -> T:
        """Call `question(client)` within the deadline.

        Raises:
            MlflowUnreachableError: no answer in time.
            MissingError: what is asked for does not exist.
            MlflowRefusedError: MLflow said no.

        """
        client = self._opened()
        return within(seconds or self.call_seconds, self.uri, doing, lambda: question(client))

    @contextlib.contextmanager
    def named_in_process(self) -> Iterator[None]:
        """Be the process's MLflow for one call that MLflow's SQL registry cannot make otherwise.

        Its `create_model_version` looks a models:/m-… up through the process-wide tracking URI (its own comment says
        so), and would create ./mlflow.db where there is none. Neither environment nor tracing is touched.
        """
        if not is_database(self.registry_uri):
            yield
            return
        settings = mlflow_module("mlflow.tracking._tracking_service.utils")
        with _process_wide:
            before = settings._tracking_uri  # noqa: SLF001 - set_tracking_uri would also write the environment
            settings._tracking_uri = self.uri  # noqa: SLF001 - the same
            try:
                yield
            finally:
                settings._tracking_uri = before  # noqa: SLF001 - the same

    @property
    def call_seconds(self) -> float:
        """How long one call may take."""
        if is_database(self.uri) and sqlite_file(self.uri):
            return max(self.timeout, LOCKED_SECONDS)
        return self.timeout

    def _opened(self) -> Any:
        with self._opening:
            if self._client is None:
                self._client = self._open()
            return self._client

    def _open(self) -> Any:
        for uri in dict.fromkeys((self.uri, self.registry_uri)):
            state = self._state(uri)
            if state == "outdated":
                upgrade_database(uri)
            elif state == "absent" and uri == self.uri:
                create_database(uri, self.artifact_root)
        tracking = mlflow_module("mlflow.tracking")

        def connect() -> Any:
            client = tracking.MlflowClient(tracking_uri=self.uri, registry_uri=self.registry_uri)
            if is_database(self.uri):
                client.search_experiments(max_results=1)
            return client

        return within(max(self.timeout, OPENING_SECONDS), self.uri, "open the store", connect)


def _refuse_file_store(uri: str) -> None:
    if uri.startswith("databricks") or uri == "uc":
        return
    if uri.startswith(("file:", ".", "/", "~")) or ":" not in uri:
        raise MlflowRefusedError(
            f"{uri or 'An empty tracking URI'} is a file store, which MLflow no longer opens.",
            advice="Move it into a database first: mlflow-selector migrate store PATH.",
        )


def _refuse_unwritable(uri: str) -> None:
    """Say clearly what SQLite would call "attempt to write a readonly database" in the middle of a plan."""
    file = sqlite_file(uri)
    if file is None:
        return
    folder = next(parent for parent in (file.parent, *file.parents) if parent.exists())
    if (file.exists() and not os.access(file, os.W_OK)) or not os.access(folder, os.W_OK):
        raise MlflowRefusedError(
            f"{file} or its folder is read-only, and SQLite needs to write beside a database even to read it safely.",
            advice="Give this user write permission on both, or serve the database with `mlflow server`.",
        )
