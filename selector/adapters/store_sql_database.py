"""How do we talk to SQLite and PostgreSQL so that what was confirmed stays, and looking writes nothing?"""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, make_url
from sqlalchemy.engine import URL
from sqlalchemy.exc import ArgumentError
from sqlalchemy.pool import NullPool, QueuePool

from selector.adapters.store_sql_errors import explained
from selector.errors import ConfigurationError
from selector.redaction import redact

BUSY_SECONDS = 10
CONNECT_SECONDS = 10


class Database:
    """An open database: transactions for reading and for writing, with errors explained.

    Attributes:
        where: the file, or the address without its password.
        advice: what to do when it is damaged.

    """

    def __init__(self, engine: Engine, where: str, advice: str, *, writable: bool) -> None:
        self.where = where
        self.advice = advice
        self.writable = writable
        self._writer = engine.execution_options(selector_writing=True)
        self._reader = engine
        if engine.dialect.name == "postgresql":
            self._reader = engine.execution_options(isolation_level="REPEATABLE READ")

    @property
    def dialect(self) -> str:
        """Return "sqlite" or "postgresql"."""
        return self._reader.dialect.name

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Give a connection whose statements all see the same moment."""
        with explained(self.where, self.advice), self._reader.begin() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """Give a connection with the right to write from the start; commit at the end, roll back on any error."""
        with explained(self.where, self.advice), self._writer.begin() as connection:
            yield connection

    def close(self) -> None:
        """Release all connections; safe to call twice."""
        self._reader.dispose()


def database_url(text: str) -> URL:
    """Return the URL of a database that can hold our state: SQLite file or PostgreSQL (through psycopg 3).

    Raises:
        ConfigurationError: another kind of database, or not a URL.

    """
    try:
        url = make_url(text)
    except ArgumentError as error:
        raise ConfigurationError(f"{redact(text)!r} is not a database URL.", advice=_URL_ADVICE) from error
    kind = url.get_backend_name()
    if kind == "sqlite" and url.database and url.database != ":memory:":
        return url
    if kind in {"postgresql", "postgres"}:
        return url.set(drivername="postgresql+psycopg")
    raise ConfigurationError(f"Our own state cannot live in {redact(text)!r}.", advice=_URL_ADVICE)


_URL_ADVICE = "Write postgresql://USER@HOST/DATABASE or sqlite:////FOLDER/FILE, or leave it out."


def open_sqlite(path: Path, *, writable: bool) -> Database:
    """Open a SQLite file; without `writable` neither it nor anything beside it is written or made."""
    advice = (
        f"Move {path.name}, {path.name}-wal and {path.name}-shm away together and start again: "
        "MLflow still knows every champion, only our history is lost."
    )
    connect = _Writer(path) if writable else _Reader(path)
    # A pooled reader would keep looking at a file that it believes nobody changes: a new connection each time.
    engine = create_engine("sqlite://", creator=connect, poolclass=QueuePool if writable else NullPool)
    event.listen(engine, "begin", _begin)
    return Database(engine, str(path), advice, writable=writable)


def _begin(connection: Connection) -> None:
    # IMMEDIATE takes the write lock before the first read: two processes cannot both extend the same head.
    writing = connection.get_execution_options().get("selector_writing")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")


class _Writer:
    def __init__(self, path: Path) -> None:
        self._uri = path.absolute().as_uri() + "?mode=rwc"

    def __call__(self) -> sqlite3.Connection:
        connection = _connected(self._uri)
        try:
            if connection.execute("PRAGMA journal_mode").fetchone() != ("wal",):
                connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
        except BaseException:
            connection.close()
            raise
        return connection


class _Reader:
    """Chooses how to look without leaving a trace.

    Opening a WAL database leaves -wal and -shm files behind, also with mode=ro. `immutable` does not, and is right
    while no -wal file exists, because then nobody has the database open. With both files there nothing new is made.
    A -wal file alone is a copied or crashed state: it is read from a private copy.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def __call__(self) -> sqlite3.Connection:
        wal = Path(f"{self._path}-wal")
        uri = self._path.absolute().as_uri()
        try:
            unfinished = wal.stat().st_size > 0
        except FileNotFoundError:
            unfinished = False
        if not unfinished:
            return _connected(uri + "?mode=ro&immutable=1")
        if Path(f"{self._path}-shm").exists():
            return _connected(uri + "?mode=ro")
        return self._from_copy(wal)

    def _from_copy(self, wal: Path) -> sqlite3.Connection:
        with TemporaryDirectory(prefix="mlflow-selector-") as folder:
            copy = Path(folder) / "state.db"
            shutil.copyfile(self._path, copy)
            shutil.copyfile(wal, f"{copy}-wal")
            memory = _connected("file::memory:")
            try:
                with closing(_connected(copy.as_uri() + "?mode=rw")) as whole:
                    whole.backup(memory)
            except BaseException:
                memory.close()
                raise
            return memory


def _connected(uri: str) -> sqlite3.Connection:
    connection = sqlite3.connect(uri, uri=True, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
    connection.execute("PRAGMA foreign_keys = ON")
    return connection


def open_postgres(url: URL, *, writable: bool) -> Database:
    """Open a PostgreSQL database; without `writable` the server itself refuses writes."""
    where = redact(url.render_as_string(hide_password=True))
    settings: dict[str, Any] = {"connect_timeout": CONNECT_SECONDS}
    if not writable:
        settings["options"] = "-c default_transaction_read_only=on"
    try:
        engine = create_engine(url, connect_args=settings, pool_pre_ping=True)
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            f"The state {where} needs psycopg, which is not installed.",
            advice="pip install 'mlflow-selector[postgres]'",
        ) from error
    advice = "Restore the tables selector_* from a backup, or drop them all: only our history would be lost."
    return Database(engine, where, advice, writable=writable)
