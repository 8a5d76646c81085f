"""How do we get an MLflow client that neither upgrades, creates nor hangs by being asked a question?"""

from __future__ import annotations

import base64
import contextlib
import importlib
import importlib.metadata
import os
import ssl
import sys
import threading
import urllib.error
import urllib.parse
import urllib.request
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from selector.adapters.mlflow_deadline import UNREACHABLE_ADVICE, redacted, within
from selector.adapters.mlflow_schema import database_state, is_database, sqlite_file
from selector.errors import MlflowRefusedError, MlflowUnreachableError

T = TypeVar("T")

OPENING_SECONDS = 30.0
CREATING_SECONDS = 180.0
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
            _refuse_file_store(uri)
            if is_database(uri):
                database_state(uri, self.timeout, upgrade=self._upgrade)
        if self.over_http:
            return f"MLflow {server_version(self.uri, self.timeout)} at {redacted(self.uri)}"
        return f"MLflow {importlib.metadata.version('mlflow')} on {redacted(self.uri)}"

    def absent(self) -> bool:
        """Tell whether there is no database yet, so that there is nothing to read and a read must not create it."""
        if self._client is not None or not is_database(self.uri):
            return False
        return database_state(self.uri, self.timeout, upgrade=self._upgrade) == "absent"

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
        states = {}
        for uri in dict.fromkeys((self.uri, self.registry_uri)):
            _refuse_file_store(uri)
            if is_database(uri):
                states[uri] = database_state(uri, self.timeout, upgrade=self._upgrade)
                _refuse_unwritable(uri)
        tracking = mlflow_module("mlflow.tracking", timeout=self.timeout)
        for uri, state in states.items():
            self._prepare(uri, state)

        def connect() -> Any:
            client = tracking.MlflowClient(tracking_uri=self.uri, registry_uri=self.registry_uri)
            if self.uri in states:
                client.search_experiments(max_results=1)
            return client

        return within(max(self.timeout, OPENING_SECONDS), self.uri, "open the store", connect)

    def _prepare(self, uri: str, state: str) -> None:
        """Create a missing database with its artifacts beside it; upgrade an older one that we may upgrade."""
        if state == "absent":
            stores = mlflow_module("mlflow.tracking._tracking_service.utils")
            root = self.artifact_root
            location = root.as_uri() if root else None
            within(CREATING_SECONDS, uri, "create its tables", lambda: stores._get_store(uri, location))  # noqa: SLF001 - the client has no way to say where Default's artifacts go
        elif state == "outdated":
            databases = mlflow_module("mlflow.store.db.utils")

            def upgrade() -> None:
                engine = databases.create_sqlalchemy_engine(uri)
                databases._upgrade_db(engine)  # noqa: SLF001 - what `mlflow db upgrade` calls
                engine.dispose()

            within(CREATING_SECONDS, uri, "upgrade its schema", upgrade)


def mlflow_module(name: str, *, timeout: float = 10.0) -> Any:
    """Import a module of MLflow, with our settings in place of its defaults where the user has none.

    One call to a dead server would otherwise block for four minutes, and every run would print a link.
    """
    settings = {
        "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
        "MLFLOW_HTTP_REQUEST_TIMEOUT": str(max(1, int(timeout))),
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_DISABLE_AGENT_HINT": "true",
        "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
        "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
        "MLFLOW_LOGGING_LEVEL": "CRITICAL",
        "GIT_PYTHON_REFRESH": "quiet",
    }
    for key, value in settings.items():
        os.environ.setdefault(key, value)
    if name in sys.modules:
        return sys.modules[name]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # third-party deprecations at import; none of them is about our calls
        return importlib.import_module(name)


def server_version(uri: str, seconds: float) -> str:
    """Ask an MLflow server whether it is well and which version it is, without importing MLflow.

    Raises:
        MlflowUnreachableError: refused, silent, dripping, unknown host, or a 5xx answer.
        MlflowRefusedError: it answers, but not as MLflow, or wants other credentials.

    """

    def ask() -> str:
        health = _get(uri, "/health", seconds)
        if health.strip().strip('"').upper() != "OK":
            raise MlflowRefusedError(
                f"{redacted(uri)} answers, but not as an MLflow server.", advice="Check mlflow.tracking_uri."
            )
        return _get(uri, "/version", seconds).strip().strip('"')[:40]

    return within(min(seconds, 9.5), uri, "say its version", ask)


def _get(uri: str, path: str, seconds: float) -> str:
    parts = urllib.parse.urlsplit(uri)
    bare = parts._replace(netloc=parts.netloc.rpartition("@")[2], path=parts.path.rstrip("/") + path)
    request = urllib.request.Request(bare.geturl(), headers=_credentials(parts))  # noqa: S310 - http or https only
    try:
        with urllib.request.urlopen(request, timeout=seconds, context=_tls(parts.scheme)) as answer:  # noqa: S310 - the same
            return bytes(answer.read(1000)).decode("utf-8", "replace")
    except urllib.error.HTTPError as error:
        with error:
            _refuse_status(uri, path, error.code)
    except (urllib.error.URLError, OSError, ValueError) as error:
        reason = redacted(str(getattr(error, "reason", error)))
        message = f"MLflow at {redacted(uri)} cannot be reached: {reason}."
        raise MlflowUnreachableError(message, advice=UNREACHABLE_ADVICE) from None


def _refuse_status(uri: str, path: str, status: int) -> NoReturn:
    where = redacted(uri)
    if status in {401, 403}:
        raise MlflowRefusedError(
            f"MLflow at {where} wants other credentials (HTTP {status}).",
            advice="Set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN; "
            "for HTTP 403 see also the server's --allowed-hosts.",
        ) from None
    if status < 500:  # noqa: PLR2004 - where HTTP's server errors begin
        raise MlflowRefusedError(
            f"{where} has no {path} (HTTP {status}), so it is no MLflow server.", advice="Check mlflow.tracking_uri."
        ) from None
    raise MlflowUnreachableError(
        f"MLflow at {where} cannot be reached: HTTP {status}.", advice=UNREACHABLE_ADVICE
    ) from None


def _credentials(parts: urllib.parse.SplitResult) -> dict[str, str]:
    """Return the Authorization header that MLflow's own client would send."""
    user = urllib.parse.unquote(parts.username or "") or os.environ.get("MLFLOW_TRACKING_USERNAME", "")
    password = urllib.parse.unquote(parts.password or "") or os.environ.get("MLFLOW_TRACKING_PASSWORD", "")
    token = os.environ.get("MLFLOW_TRACKING_TOKEN", "")
    if user:
        return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}
    return {"Authorization": f"Bearer {token}"} if token else {}


def _tls(scheme: str) -> ssl.SSLContext | None:
    """Return the TLS rules that MLflow's own client would follow."""
    if scheme != "https":
        return None
    context = ssl.create_default_context(cafile=os.environ.get("MLFLOW_TRACKING_SERVER_CERT_PATH"))
    if os.environ.get("MLFLOW_TRACKING_INSECURE_TLS", "").lower() in {"true", "1"}:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


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
