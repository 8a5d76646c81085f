"""How do the files of a carried run get into MLflow, when some of them cannot be read or the disk is full?"""

from __future__ import annotations

import errno
import functools
import posixpath
from collections.abc import Callable

from selector.adapters.mlflow_connection import Connection
from selector.adapters.mlflow_deadline import within
from selector.adapters.mlflow_import import mlflow_module
from selector.adapters.registry_mlflow_import import UPLOAD_SECONDS
from selector.adapters.store_values_mlflow import Said
from selector.errors import MlflowRefusedError, MlflowUnreachableError
from selector.ports_store import StoredFiles


def upload_files(connection: Connection, files: StoredFiles, location: str, said: Said) -> None:
    """Copy plain files one by one; MLflow would follow links in a folder. A file that cannot be read is named.

    Raises:
        MlflowUnreachableError: there is no room: the run stays unfinished, and the next import writes it anew.

    """
    registry = mlflow_module("mlflow.store.artifact.artifact_repository_registry")
    repository = registry.get_artifact_repository(location, tracking_uri=connection.uri)
    for name in files.names:
        file, folder = str(files.root / name), posixpath.dirname(name) or None
        try:
            with (files.root / name).open("rb"):
                pass
        except OSError as error:
            said.lost.append(f"its file {name}: {error.strerror or error}")
            continue
        upload = functools.partial(_into_room, functools.partial(repository.log_artifact, file, folder))
        try:
            within(UPLOAD_SECONDS, connection.uri, "upload a file", upload)
        except MlflowRefusedError as error:
            said.lost.append(f"its file {name}: {error.message}")


def _into_room(upload: Callable[[], None]) -> None:
    """Upload; a full disk concerns every later write too, so it is MLflow that is away, and not one bad file."""
    try:
        upload()
    except OSError as error:
        if error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EROFS}:
            raise MlflowUnreachableError(
                f"There is no room for artifacts: {error.strerror}.",
                advice="Make room and import again; what is there is kept.",
            ) from None
        raise
