"""Is this database of the installed MLflow's schema? Asked without MLflow, whose mere opening would upgrade it."""

from __future__ import annotations

import ast
import functools
import importlib.util
import re
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Literal

from selector.adapters.mlflow_deadline import UNREACHABLE_ADVICE, redacted, within
from selector.errors import MlflowRefusedError, MlflowUnreachableError, SchemaMismatchError

State = Literal["absent", "current", "outdated"]

DATABASES = ("sqlite", "postgresql", "mysql", "mssql", "postgres")

_ASSIGNMENT = re.compile(r"^(revision|down_revision)\s*(?::[^=]+)?=\s*(.+?)\s*(?:#.*)?$", re.MULTILINE)
_SQLITE = re.compile(r"^sqlite(?:\+\w+)?://(?P<path>/[^?]*)?(?P<query>\?.*)?$")


def is_database(uri: str) -> bool:
    """Tell whether the URI names a database store (sqlite:///…, postgresql+psycopg://…)."""
    return uri.split(":", 1)[0].split("+", 1)[0] in DATABASES


def sqlite_file(uri: str) -> Path | None:
    """Return the absolute path of a SQLite store, or None where the URI is of another kind.

    Raises:
        MlflowRefusedError: a SQLite URI without a plain file (in memory, or SQLite's own file: form).

    """
    if not uri.startswith("sqlite"):
        return None
    match = _SQLITE.match(uri)
    path = (match["path"] or "")[1:] if match else ""
    if not path or path == ":memory:" or path.startswith("file:"):
        raise MlflowRefusedError(
            f"{uri} names no database file.", advice="Write sqlite:///relative/path.db or sqlite:////absolute/path.db."
        )
    return Path(path).absolute()


@functools.cache
def installed_revisions() -> tuple[str, frozenset[str]]:
    """Return the newest schema revision of the installed MLflow, and all that it knows.

    They are read from the text of MLflow's migration scripts: importing MLflow would take seconds.
    """
    spec = importlib.util.find_spec("mlflow")
    if spec is None or not spec.submodule_search_locations:
        raise MlflowRefusedError("MLflow is not installed.", advice="pip install mlflow")
    folder = Path(next(iter(spec.submodule_search_locations))) / "store" / "db_migrations" / "versions"
    known: set[str] = set()
    replaced: set[str] = set()
    for script in folder.glob("*.py"):
        assigned = {name: ast.literal_eval(value) for name, value in _ASSIGNMENT.findall(script.read_text("utf-8"))}
        if "revision" in assigned:
            known.add(assigned["revision"])
            down = assigned.get("down_revision")
            replaced.update(down if isinstance(down, tuple) else [down] if down else [])
    heads = known - replaced
    if len(heads) != 1:
        raise MlflowRefusedError(f"The installed MLflow has {len(heads)} newest schema revisions; expected one.")
    return heads.pop(), frozenset(known)


def database_state(uri: str, seconds: float, *, upgrade: bool = False) -> State:
    """Say whether the database is there and whether MLflow may open it.

    Args:
        uri: a SQLAlchemy URL.
        seconds: how long a connection may take.
        upgrade: the user agreed to an upgrade in place.

    Returns:
        "absent": no file, or a database without tables; MLflow would create its own on the first write.
        "current": it has the installed MLflow's schema.
        "outdated": older than the installed MLflow, and `upgrade` is set.

    Raises:
        SchemaMismatchError: the schema is older (and `upgrade` is not set), or newer than the installed MLflow.
        MlflowRefusedError: it is no MLflow database.
        MlflowUnreachableError: no connection in time.

    """
    file = sqlite_file(uri)
    tables, revision = _sqlite_revision(file, seconds) if file else _server_revision(uri, seconds)
    if not tables:
        return "absent"
    if "experiments" not in tables:
        raise MlflowRefusedError(
            f"The database at {redacted(uri)} is not MLflow's: it has no table named experiments.",
            advice="Give MLflow a database of its own.",
        )
    head, known = installed_revisions()
    if revision == head:
        return "current"
    shown = revision or "no revision"
    if revision is not None and revision not in known:
        raise SchemaMismatchError(
            f"The MLflow database at {redacted(uri)} has schema {shown}, newer than the installed MLflow's {head}.",
            advice="Install the MLflow version that wrote it.",
        )
    if not upgrade:
        raise SchemaMismatchError(
            f"The MLflow database at {redacted(uri)} has schema {shown}; the installed MLflow would upgrade it to "
            f"{head} in place, and older servers could not open it any more.",
            advice="Make a backup, upgrade every MLflow that uses it, then repeat with --upgrade-database; "
            "or install the MLflow version that wrote it.",
        )
    return "outdated"


def _sqlite_revision(file: Path, seconds: float) -> tuple[frozenset[str], str | None]:
    """Read table names and revision through a read-only connection, which creates nothing."""
    try:
        if not file.exists() or file.stat().st_size == 0:
            return frozenset(), None
        with closing(sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True, timeout=min(seconds, 5))) as connection:
            rows = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
            tables = frozenset(str(name) for (name,) in rows)
            found = connection.execute("SELECT version_num FROM alembic_version") if "alembic_version" in tables else ()
            revision = next((str(number) for (number,) in found), None)
    except (sqlite3.DatabaseError, OSError) as error:
        if "locked" in str(error):
            raise MlflowUnreachableError(f"{file} is locked by another process.", advice=UNREACHABLE_ADVICE) from None
        raise MlflowRefusedError(
            f"{file} cannot be read as an MLflow database: {error}.",
            advice="Check the path in mlflow.tracking_uri and the file's permissions.",
        ) from None
    return tables - {"alembic_version"}, revision


def _server_revision(uri: str, seconds: float) -> tuple[frozenset[str], str | None]:
    """Read table names and revision from PostgreSQL, MySQL or SQL Server."""

    def read() -> tuple[frozenset[str], str | None]:
        import sqlalchemy  # noqa: PLC0415 - costs 0.2 s that a user of an HTTP server need not pay

        engine = sqlalchemy.create_engine(uri, poolclass=sqlalchemy.NullPool)
        with engine.connect() as connection:
            tables = frozenset(sqlalchemy.inspect(connection).get_table_names())
            if "alembic_version" not in tables:
                return tables, None
            revision = connection.execute(sqlalchemy.text("SELECT version_num FROM alembic_version")).scalar()
        return tables - {"alembic_version"}, str(revision) if revision else None

    return within(seconds, uri, "read the schema's revision", read)
