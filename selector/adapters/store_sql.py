"""How is our own state opened, made, brought up to date, or refused?"""

from __future__ import annotations

import uuid
from pathlib import Path

from sqlalchemy import Connection, inspect, select

import selector
from selector.adapters.clock_system import SystemClock
from selector.adapters.predictions_files import PredictionsFiles
from selector.adapters.store_memory import MemoryStore
from selector.adapters.store_read_only import ReadOnlyStore
from selector.adapters.store_sql_alerts import SqlAlerts
from selector.adapters.store_sql_cache import SqlCache, SqlFlags, upsert
from selector.adapters.store_sql_database import Database, database_url, open_postgres, open_sqlite
from selector.adapters.store_sql_errors import explained
from selector.adapters.store_sql_health import SqlHealth
from selector.adapters.store_sql_journal import SqlJournal
from selector.adapters.store_sql_ledger import SqlLedger
from selector.adapters.store_sql_outbox import SqlOutbox
from selector.adapters.store_sql_schema import REVISIONS, about, version
from selector.errors import DamagedStateError, StateUnavailableError
from selector.ports import Clock, Store

STATE_FILE = "state.db"
PREDICTIONS_FOLDER = "predictions"
_MIGRATIONS = Path(__file__).with_name("store_migrations")


class SqlStore(SqlLedger, SqlJournal, SqlCache, SqlFlags, SqlHealth, SqlOutbox, SqlAlerts):
    """The Store port on SQLite or PostgreSQL; make one with `open` or `open_store`."""

    def __init__(self, database: Database, files: PredictionsFiles, clock: Clock) -> None:
        self._database = database
        self._files = files
        self._clock = clock
        self._name = ""

    @classmethod
    def open(
        cls, where: str | Path, *, create: bool = True, folder: Path | None = None, clock: Clock | None = None
    ) -> SqlStore | None:
        """Open the state.

        Args:
            where: a file, `sqlite:///…` or `postgresql://…`.
            create: make what is missing and update older schemas. Without it nothing is written, now or later.
            folder: where the cache's files go; beside the SQLite file where it is left out.
            clock: for the times of rows; the computer's where it is left out.

        Returns:
            None where there is no state yet and `create` is off.

        Raises:
            DamagedStateError: not a database, damaged, or of a newer schema.
            StateUnavailableError: it cannot be opened now.
            ConfigurationError: another kind of database.

        """
        database, home = _opened(where, writable=create)
        if database is None:
            return None
        try:
            ready = _prepared(database)
        except BaseException:
            database.close()
            raise
        if not ready:
            database.close()
            return None
        return cls(database, PredictionsFiles((folder or home) / PREDICTIONS_FOLDER), clock or SystemClock())

    def describe(self) -> str:
        """Return one line on where the state lies."""
        kind = "SQLite file" if self._database.dialect == "sqlite" else "PostgreSQL"
        return f"{kind} {self._database.where}"

    def identity(self) -> str:
        """Return a name that this state alone has, made when it was made or first asked for."""
        if self._name:
            return self._name
        with self._database.reading() as connection:
            found = _identity(connection)
        if found is None and self._database.writable:
            with self._database.writing() as connection:
                found = _identity(connection) or uuid.uuid4().hex[:12]
                upsert(connection, about, {"name": "identity", "value": found})
        self._name = found or ""
        return self._name

    def close(self) -> None:
        """Release connections; safe to call twice."""
        self._database.close()


def open_store(folder: Path, database: str | None, *, writable: bool, clock: Clock | None = None) -> Store:
    """Open the state below `folder`, or in `database` where it is given (the cache's files stay in the folder).

    Without `writable` nothing is made or changed: a missing state looks empty, and what the cache learns is kept in
    memory for as long as this store is open. Errors are those of `SqlStore.open`.
    """
    where = folder / STATE_FILE if database is None else database
    found = SqlStore.open(where, create=writable, folder=folder, clock=clock)
    if writable and found is not None:
        return found
    return ReadOnlyStore(found or MemoryStore())


def _opened(where: str | Path, *, writable: bool) -> tuple[Database | None, Path]:
    if isinstance(where, str) and "://" in where:
        url = database_url(where)
        if url.get_backend_name() != "sqlite":
            return open_postgres(url, writable=writable), Path()
        where = str(url.database)
    path = Path(where)
    if writable:
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise StateUnavailableError(
                f"The state folder {path.parent} cannot be made: {error.strerror}.",
                advice="Make it yourself, or name another state folder.",
            ) from error
    elif not _exists(path):
        return None, path.parent
    return open_sqlite(path, writable=writable), path.parent


def _exists(path: Path) -> bool:
    with explained(str(path), ""):
        return path.exists()


def _prepared(database: Database) -> bool:
    """Return whether there is a state of our schema to work with; make or upgrade it where that is allowed."""
    with database.reading() as connection:
        _check_pages(connection, database)
        found = _revision(connection)
        if found is not None and found not in REVISIONS:
            raise _too_new(connection, found, database)
    if found == REVISIONS[-1]:
        return True
    if not database.writable:
        if found is None:
            return False
        raise StateUnavailableError(
            f"The state {database.where} was left by an older version.",
            advice="Run `mlflow-selector select` or the daemon once: both bring it up to date.",
        )
    _migrate(database)
    return True


def _check_pages(connection: Connection, database: Database) -> None:
    if connection.dialect.name != "sqlite":
        return
    said = connection.exec_driver_sql("PRAGMA quick_check(1)").scalar()
    if said != "ok":
        line = " ".join(str(said).split())
        raise DamagedStateError(f"The state {database.where} is damaged: {line}.", advice=database.advice)


def _identity(connection: Connection) -> str | None:
    return connection.execute(select(about.c.value).where(about.c.name == "identity")).scalar()


def _revision(connection: Connection) -> str | None:
    if not inspect(connection).has_table(version.name):
        return None
    return connection.execute(select(version.c.version_num)).scalar()


def _too_new(connection: Connection, found: str, database: Database) -> DamagedStateError:
    writer = connection.execute(select(about.c.value).where(about.c.name == "program")).scalar()
    return DamagedStateError(
        f"The state {database.where} has schema {found} and this version ({selector.__version__}) "
        f"knows schemas up to {REVISIONS[-1]}.",
        advice=f"Install mlflow-selector {writer or 'newer'} or later; it wrote this state. Nothing was changed.",
    )


def _migrate(database: Database) -> None:
    # Here and not above: Alembic costs half a second, which a state of the right schema never pays.
    from alembic import command  # noqa: PLC0415 - see above
    from alembic.config import Config  # noqa: PLC0415 - see above

    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    with database.writing() as connection:
        if connection.dialect.name == "postgresql":
            # Two first starts at once: the second one waits here and then finds nothing to do.
            connection.exec_driver_sql("SELECT pg_advisory_xact_lock(hashtext('mlflow-selector schema'))")
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
        upsert(connection, about, {"name": "program", "value": selector.__version__})
