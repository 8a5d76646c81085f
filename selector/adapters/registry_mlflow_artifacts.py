"""How do a model's files come out of MLflow into a private folder, when their address is untrusted text?"""

from __future__ import annotations

import functools
import re
import shutil
import stat
import time
import urllib.parse
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from selector.adapters.mlflow_connection import Connection
from selector.adapters.mlflow_deadline import within
from selector.adapters.mlflow_import import mlflow_module
from selector.errors import MlflowRefusedError, MlflowUnreachableError

MODEL_FILE = "MLmodel"
MOST_FILES = 10_000
MOST_STEPS = 5
SERVER_ADVICE = "Set mlflow.tracking_uri to that server in place of its database."

_OBJECT_STORES = frozenset({"s3", "r2", "b2", "gs", "wasbs", "abfss", "hdfs", "viewfs", "dbfs"})


def fetch(connection: Connection, uri: str, into: Path, *, most_bytes: int, seconds: float) -> Path:
    """Copy the files that `uri` names into `into`, and return the folder that holds MLmodel.

    Args:
        connection: where MLflow is.
        uri: models:/m-…, models:/name/version, models:/name@alias, runs:/ID/path, or a version's source.
        into: a folder that is made (mode 0700) where it is missing.
        most_bytes: refuse models that are larger.
        seconds: how long the whole copy may take.

    Raises:
        MlflowRefusedError: there is no model, it is too large, or its address is none that we follow.
        MlflowUnreachableError: no answer in time.

    """
    into.mkdir(parents=True, exist_ok=True, mode=0o700)
    into.chmod(0o700)
    place = resolve(connection, uri)
    local = _local_folder(connection, place)
    if local is not None:
        within(seconds, connection.uri, "copy a model's files", lambda: _copy(local, into, most_bytes))
    else:
        _download(connection, place, into, most_bytes, seconds)
    return _model_folder(into, uri)


def resolve(connection: Connection, uri: str) -> str:
    """Follow models:/ and runs:/ to the address of the files.

    MLflow's own download does this with the process-wide tracking URI, which may be another server's.
    """
    for _ in range(MOST_STEPS):
        scheme = urllib.parse.urlsplit(uri).scheme
        if scheme == "models":
            uri = _behind_models(connection, uri)
        elif scheme == "runs":
            uri = _behind_run(connection, uri)
        else:
            return _allowed(connection, uri)
    raise MlflowRefusedError(f"{uri} leads round in a circle of model addresses.")


def _behind_models(connection: Connection, uri: str) -> str:
    path = uri.removeprefix("models:").strip("/")
    name, slash, number = path.rpartition("/")
    if slash and number.isdigit():
        return str(
            connection.ask("find a version's files", lambda client: client.get_model_version_download_uri(name, number))
        )
    if "@" in path:
        name, _, alias = path.rpartition("@")
        version = connection.ask("read an alias", lambda client: client.get_model_version_by_alias(name, alias))
        return f"models:/{name}/{int(version.version)}"
    if "/" in path or not path:
        raise MlflowRefusedError(
            f"{uri} names no model that stays the same.",
            advice="Use models:/NAME/VERSION, models:/NAME@ALIAS or models:/m-ID.",
        )
    return str(connection.ask("find a model's files", lambda client: client.get_logged_model(path)).artifact_location)


def _behind_run(connection: Connection, uri: str) -> str:
    run_id, _, path = uri.removeprefix("runs:").strip("/").partition("/")
    run = connection.ask("get a run", lambda client: client.get_run(run_id))
    outputs = getattr(getattr(run, "outputs", None), "model_outputs", None) or ()
    models = connection.ask(
        "find a run's models", lambda client: [client.get_logged_model(output.model_id) for output in outputs]
    )
    named = [model for model in models if model.name == path]
    if named:
        return str(max(named, key=lambda model: (model.creation_timestamp, model.model_id)).artifact_location)
    root = str(run.info.artifact_uri).rstrip("/")
    return f"{root}/{_below(path, uri)}" if path else root


def _below(path: str, uri: str) -> str:
    if ".." in PurePosixPath(urllib.parse.unquote(path)).parts:
        raise MlflowRefusedError(f"{uri} leads out of the run's artifacts.")
    return path


def _allowed(connection: Connection, uri: str) -> str:
    """Refuse addresses that would send our credentials, or a request of ours, to a host of the author's choice."""
    parts = urllib.parse.urlsplit(uri)
    if parts.scheme in {"", "file"} | _OBJECT_STORES:
        return uri
    own = urllib.parse.urlsplit(connection.uri)
    if parts.scheme == "mlflow-artifacts" and not connection.over_http:
        raise MlflowRefusedError(f"{uri} is kept by an MLflow server.", advice=SERVER_ADVICE)
    if parts.scheme == "mlflow-artifacts" and parts.hostname in {None, own.hostname}:
        return uri
    if parts.scheme in {"http", "https"} and (parts.hostname, parts.port) == (own.hostname, own.port):
        return uri
    raise MlflowRefusedError(
        f"Models are not fetched from {parts.scheme}://{parts.hostname or ''}: it is not the configured MLflow server.",
        advice="Log the model into MLflow, or register it from an object store.",
    )


def _local_folder(connection: Connection, uri: str) -> Path | None:
    """Return the folder of a file address; None where the address is of another kind."""
    parts = urllib.parse.urlsplit(uri)
    if parts.scheme not in {"", "file"}:
        return None
    if parts.hostname not in {None, "localhost"}:
        raise MlflowRefusedError(f"{uri} names a file on another host.")
    path = Path(urllib.parse.unquote(parts.path) if parts.scheme else uri)
    if not path.is_absolute() or ".." in path.parts:
        raise MlflowRefusedError(f"{uri} is no absolute path.", advice="Register the model from its run.")
    if connection.over_http and not (path / MODEL_FILE).is_file():
        raise MlflowRefusedError(
            f"{path} is a folder on the MLflow server, and not readable here.",
            advice="Let the server serve its artifacts (mlflow server --serve-artifacts), or mount the folder.",
        )
    return path


def _copy(source: Path, into: Path, most_bytes: int) -> None:
    """Copy plain files below `source`; a link or a device is refused, for it may lead anywhere."""
    if not source.is_dir():
        raise MlflowRefusedError(f"{source} is no folder with a model.", advice="Its artifacts may have been deleted.")
    total = 0
    for number, path in enumerate(sorted(source.rglob("*"))):
        status = path.lstat()
        target = into / path.relative_to(source)
        if stat.S_ISDIR(status.st_mode):
            target.mkdir(parents=True, exist_ok=True)
            continue
        if not stat.S_ISREG(status.st_mode):
            raise MlflowRefusedError(f"{path} is no plain file; models are not followed through links.")
        total += status.st_size
        _refuse_excess(source, total, number, most_bytes)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target, follow_symlinks=False)


def _download(connection: Connection, uri: str, into: Path, most_bytes: int, seconds: float) -> None:
    """Download file by file: MLflow's own pool of threads would hold up our exit when the server hangs."""
    registry = mlflow_module("mlflow.store.artifact.artifact_repository_registry")
    ends = time.monotonic() + seconds

    def left() -> float:
        rest = ends - time.monotonic()
        if rest <= 0:
            raise MlflowUnreachableError(f"The model at {uri} did not arrive within {seconds:g} s.")
        return rest

    repository = within(
        left(),
        connection.uri,
        "open the artifacts",
        lambda: registry.get_artifact_repository(
            uri, tracking_uri=connection.uri, registry_uri=connection.registry_uri
        ),
    )
    files = within(left(), connection.uri, "list a model's files", lambda: list(_listed(repository, uri, most_bytes)))
    for name in files:
        target = into / name
        target.parent.mkdir(parents=True, exist_ok=True)
        # The one method that every artifact repository has and that starts no threads.
        download = functools.partial(repository._download_file, name, str(target))  # noqa: SLF001 - see above
        within(left(), connection.uri, "download a model's file", download)
        if sum(path.stat().st_size for path in into.rglob("*") if path.is_file()) > most_bytes:
            _refuse_excess(uri, most_bytes + 1, 0, most_bytes)


def _listed(repository: Any, uri: str, most_bytes: int) -> Iterator[str]:
    """Yield the names of all files, relative to the model; a name that leads elsewhere is refused."""
    total = number = 0
    folders: list[str | None] = [None]
    while folders:
        for entry in repository.list_artifacts(folders.pop()):
            path = PurePosixPath(entry.path)
            if path.is_absolute() or ".." in path.parts or re.search(r"[\x00-\x1f\\]", entry.path):
                raise MlflowRefusedError(f"The model at {uri} has a file named {entry.path!r}, which leads elsewhere.")
            number += 1
            total += entry.file_size or 0
            _refuse_excess(uri, total, number, most_bytes)
            if entry.is_dir:
                folders.append(entry.path)
            else:
                yield entry.path


def _refuse_excess(source: Any, total: int, files: int, most_bytes: int) -> None:
    if total > most_bytes:
        raise MlflowRefusedError(f"The model at {source} is larger than the {most_bytes:,} bytes allowed.")
    if files > MOST_FILES:
        raise MlflowRefusedError(f"The model at {source} has more than the {MOST_FILES:,} files allowed.")


def _model_folder(into: Path, uri: str) -> Path:
    if (into / MODEL_FILE).is_file():
        return into
    below = [path.parent for path in into.glob(f"*/{MODEL_FILE}")]
    if len(below) == 1:
        return below[0]
    found = "several models" if below else f"no {MODEL_FILE} file"
    raise MlflowRefusedError(
        f"There is {found} at {uri}.", advice="Its artifacts may have been deleted, or it is no model."
    )
