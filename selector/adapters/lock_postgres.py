"""Who may write, where writers on several computers share a PostgreSQL database?"""

from __future__ import annotations

import hashlib
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, create_engine, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from selector.adapters.store_sql_database import CONNECT_SECONDS, database_url
from selector.adapters.store_sql_errors import explained
from selector.errors import LeaseHeldError
from selector.redaction import printable

_LONGEST_NAME = 63
"""PostgreSQL cuts application names there (NAMEDATALEN - 1)."""

_HOLDER = text(
    "SELECT a.application_name, a.client_addr::text AS address, a.backend_start::text AS since "
    "FROM pg_locks l JOIN pg_stat_activity a USING (pid) WHERE l.locktype = 'advisory' AND l.granted "
    "AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database()) "
    "AND l.classid = ((CAST(:key AS bigint) >> 32) & 4294967295)::oid "
    "AND l.objid = (CAST(:key AS bigint) & 4294967295)::oid "
    "AND l.objsubid = 1"
)


class PostgresLease:
    """A session advisory lock; the server drops it with the connection, so also after kill -9 or a dead computer.

    A connection pooler in transaction mode breaks session locks: connect past it. A connection that is lost while the
    lease is held loses the lease; `still_held` tells, and every step reads before it writes.

    Args:
        url: of the database that holds our state.
        name: stands for the registry; two names are two leases.

    """

    def __init__(self, url: str, name: str = "registry") -> None:
        self._url = database_url(url)
        digest = hashlib.sha256(f"mlflow-selector lease {name}".encode("utf-8", "surrogatepass")).digest()
        self._key = int.from_bytes(digest[:8], "big", signed=True)
        self._where = self._url.render_as_string(hide_password=True)
        self._connection: Connection | None = None

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Hold the lease within the context.

        Raises:
            LeaseHeldError: at once, where another holder has it.
            StateUnavailableError: the database does not answer.

        """
        me = f"mlflow-selector pid {os.getpid()} on {socket.gethostname()}"[:_LONGEST_NAME]
        settings = {
            "connect_timeout": CONNECT_SECONDS,
            "application_name": me,
            # A computer that vanished is noticed within about a minute, on both ends.
            "keepalives_idle": 30,
            "keepalives_interval": 10,
            "keepalives_count": 3,
            "options": "-c tcp_keepalives_idle=30 -c tcp_keepalives_interval=10 -c tcp_keepalives_count=3",
        }
        engine = create_engine(self._url, connect_args=settings, poolclass=NullPool, isolation_level="AUTOCOMMIT")
        with explained(self._where, ""):
            connection = engine.connect()
        try:
            self._take(connection)
            self._connection = connection
            yield
        finally:
            self._connection = None
            # Closing the session drops the lock, whatever state the session is in.
            connection.invalidate()
            connection.close()

    def still_held(self) -> bool:
        """Return whether the session that owns the lock is alive."""
        if self._connection is None:
            return False
        try:
            return self._connection.execute(text("SELECT 1")).scalar() == 1
        except DBAPIError:
            return False

    def _take(self, connection: Connection) -> None:
        with explained(self._where, ""):
            if connection.execute(text("SELECT pg_try_advisory_lock(:key)"), {"key": self._key}).scalar():
                return
            holder = connection.execute(_HOLDER, {"key": self._key}).first()
        named = f"{holder.application_name}, since {holder.since}" if holder else "gone by now"
        raise LeaseHeldError(
            f"Another instance ({printable(named)}) holds the lease in {self._where}.",
            advice="Let it work, or stop it first: two writers would undo each other's promotions.",
        )
