"""How is a model replaced in an artifact store, where nothing can be renamed and many files never change at once?

s3://models/churn/selector.json     names the folder that holds the champion; written last, one object, at once
s3://models/churn/v7-1f0c92ab/...   the champion's files
s3://models/churn/v6-77d0e1b3/...   the one before, for those who are still reading it

Readers take selector.json first, and then the files below the folder that it names.
"""

from __future__ import annotations

import logging
import secrets
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar

from selector.adapters.exports_record import Record, foreign, parse, sizes
from selector.adapters.mlflow_deadline import within
from selector.adapters.mlflow_import import mlflow_module
from selector.errors import ExportError, MlflowRefusedError, MlflowUnreachableError
from selector.ports_exports import RECORD, Exported

log = logging.getLogger(__name__)

T = TypeVar("T")

UPLOAD_SECONDS = 600.0
"""For all files of a model."""


class MlflowExports:
    """Implements ports_exports.Exports for addresses that MLflow's artifact repositories write to.

    Args:
        tracking_uri: of the MLflow server, which mlflow-artifacts: addresses are about.
        registry_uri: the same for registered models; None: as `tracking_uri`.
        timeout: seconds for one small call.

    """

    def __init__(self, tracking_uri: str, registry_uri: str | None = None, timeout: float = 10.0) -> None:
        self._tracking_uri = tracking_uri
        self._registry_uri = registry_uri or tracking_uri
        self._timeout = timeout

    def read(self, where: str) -> Exported | None:
        """Return what selector.json says there, as `Exports.read` says; the other files are not looked at."""
        with _told():
            record = self._record(where, self._open(where))
            return record.exported if record else None

    def write(self, where: str, folder: Path, exported: Exported) -> None:
        """Put the files into a folder of their own, then let selector.json name it, as `Exports.write` says."""
        with _told():
            self._write(where, folder, exported)

    def _write(self, where: str, folder: Path, exported: Exported) -> None:
        files = sizes(folder, where)
        repository = self._open(where)
        before = self._record(where, repository)
        if before is None:  # files without it would look like somebody else's
            self._put_record(where, repository, Record(None))
        name = f"v{exported.version}-{secrets.token_hex(4)}"
        ends = time.monotonic() + UPLOAD_SECONDS
        for path in files:
            parent = (PurePosixPath(name) / path).parent.as_posix()
            left = max(0.1, ends - time.monotonic())
            self._ask(where, "upload a file", _upload(repository, folder / path, parent), left)
        previous = before.folder if before else ""
        self._put_record(where, repository, Record(exported, files, name, previous))
        if before is not None and before.previous:
            self._forget(where, repository, before.previous)

    def _open(self, where: str) -> Any:
        registry = mlflow_module("mlflow.store.artifact.artifact_repository_registry")

        def opened() -> Any:
            return registry.get_artifact_repository(
                where, tracking_uri=self._tracking_uri, registry_uri=self._registry_uri
            )

        return self._ask(where, "open the artifacts", opened)

    def _record(self, where: str, repository: Any) -> Record | None:
        listed = self._ask(where, "list the artifacts", lambda: list(repository.list_artifacts(None)))
        if not listed:
            return None
        if RECORD not in {entry.path for entry in listed}:
            raise foreign(where)
        with tempfile.TemporaryDirectory(prefix="mlflow-selector-") as folder:
            target = Path(folder, RECORD)
            # The one method that every artifact repository has and that starts no threads.
            self._ask(where, f"read {RECORD}", lambda: repository._download_file(RECORD, str(target)))  # noqa: SLF001 - see above
            return parse(target.read_bytes(), where)

    def _put_record(self, where: str, repository: Any, record: Record) -> None:
        with tempfile.TemporaryDirectory(prefix="mlflow-selector-") as folder:
            file = Path(folder, RECORD)
            file.write_text(record.to_json(), encoding="utf-8")
            self._ask(where, f"write {RECORD}", lambda: repository.log_artifact(str(file)))

    def _forget(self, where: str, repository: Any, folder: str) -> None:
        """Delete the version before the previous one; not every store lets us, and then it stays."""
        try:
            self._ask(where, "delete an old version", lambda: repository.delete_artifacts(folder))
        except ExportError as error:
            log.info("%s was not deleted from %s: %s", folder, where, error.message)

    def _ask(self, where: str, doing: str, call: Callable[[], T], seconds: float | None = None) -> T:
        try:
            return within(seconds or self._timeout, where, doing, call)
        except (MlflowRefusedError, MlflowUnreachableError) as error:
            raise ExportError(error.message.replace("MLflow at ", "", 1), advice=error.advice) from None


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except OSError as error:  # of the temporary files
        raise ExportError(f"{error.filename}: {error.strerror or error}", advice="make room there") from error


def _upload(repository: Any, file: Path, parent: str) -> Callable[[], None]:
    return lambda: repository.log_artifact(str(file), parent)
