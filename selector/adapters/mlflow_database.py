"""How is an MLflow database made whole or not at all, and how is an older one upgraded?"""

from __future__ import annotations

import os
import uuid
from pathlib import Path

from selector.adapters.mlflow_deadline import within
from selector.adapters.mlflow_import import mlflow_module
from selector.adapters.mlflow_schema import sqlite_file

CREATING_SECONDS = 180.0


def create_database(uri: str, artifact_root: Path | None) -> None:
    """Create MLflow's tables. A SQLite file appears complete: a crash leaves none, and of two creators one wins.

    Args:
        uri: the database.
        artifact_root: where its experiment named Default keeps artifacts; MLflow's own choice would be ./mlruns.

    """
    stores = mlflow_module("mlflow.store.tracking.sqlalchemy_store")
    location = artifact_root.as_uri() if artifact_root else "./mlruns"

    def create(address: str) -> None:
        stores.SqlAlchemyStore(address, location).engine.dispose()

    def create_file(file: Path) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        fresh = file.with_name(f".{file.name}.{uuid.uuid4().hex}")
        try:
            create(f"sqlite:///{fresh}")
            _put_in_place(fresh, file)
        finally:
            fresh.unlink(missing_ok=True)

    file = sqlite_file(uri)
    within(CREATING_SECONDS, uri, "create its tables", lambda: create_file(file) if file else create(uri))


def _put_in_place(fresh: Path, file: Path) -> None:
    if file.exists() and file.stat().st_size == 0:
        fresh.replace(file)
        return
    try:
        os.link(fresh, file)
    except FileExistsError:
        return  # another process was faster, and its database is as good as ours
    except OSError:
        fresh.replace(file)  # a file system without hard links


def upgrade_database(uri: str) -> None:
    """Bring an older database to the installed MLflow's schema, in place, as `mlflow db upgrade` does."""
    databases = mlflow_module("mlflow.store.db.utils")

    def upgrade() -> None:
        engine = databases.create_sqlalchemy_engine(uri)
        databases._upgrade_db(engine)  # noqa: SLF001 - what `mlflow db upgrade` calls
        engine.dispose()

    within(CREATING_SECONDS, uri, "upgrade its schema", upgrade)
