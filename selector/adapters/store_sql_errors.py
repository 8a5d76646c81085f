"""What do a database's errors mean to the person who reads them?"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import DatabaseError, DBAPIError, NoSuchTableError

from selector.errors import DamagedStateError, SelectorError, StateUnavailableError
from selector.redaction import printable, redact

_POSTGRES_DAMAGE = ("XX001", "XX002", "42P01", "42703")
"""data_corrupted, index_corrupted, undefined_table, undefined_column: nothing that this program does by itself."""


@contextmanager
def explained(where: str, advice: str) -> Iterator[None]:
    """Turn whatever the database raises inside into one sentence.

    Args:
        where: the file, or the address without its password.
        advice: what to do about a damaged state.

    Raises:
        DamagedStateError: the state is not readable as what it should be.
        StateUnavailableError: disk full, no permission, busy, not reachable: the same call may succeed later.

    """
    try:
        yield
    except NoSuchTableError as error:
        raise DamagedStateError(f"The state {where} lacks the table {error}.", advice=advice) from error
    except DBAPIError as error:
        raise meaning(error, where, advice) from error
    except OSError as error:
        raise StateUnavailableError(
            f"The state {where} cannot be read: {error.strerror or error}.",
            advice="Let this user read the file and its folder.",
        ) from error


def meaning(error: DBAPIError, where: str, advice: str) -> SelectorError:
    """Return our error for the database's."""
    cause: BaseException | None = error.orig
    if isinstance(cause, sqlite3.Error):
        return _sqlite(cause, where, advice)
    said = _first_line(cause)
    state = getattr(cause, "sqlstate", None) or ""
    if state in _POSTGRES_DAMAGE:
        return DamagedStateError(f"The state {where} is damaged: {said}.", advice=advice)
    if state == "53100":
        return StateUnavailableError(f"The disk of the database {where} is full.", advice="Free some space there.")
    if state in {"42501", "25006"}:
        return StateUnavailableError(
            f"The state {where} must not be written: {said}.", advice="Give this user the right to write to it."
        )
    if isinstance(error, DatabaseError) and not state.startswith(("22", "23", "42")):
        return StateUnavailableError(
            f"The database {where} does not answer: {said}.", advice="Start it, or correct its address and password."
        )
    return DamagedStateError(f"The database {where} refused what we keep there: {said}.", advice=advice)


def _sqlite(cause: sqlite3.Error, where: str, advice: str) -> SelectorError:
    name = getattr(cause, "sqlite_errorname", None) or ""
    said = _first_line(cause)
    if name.startswith("SQLITE_FULL"):
        return StateUnavailableError(
            f"The disk that holds the state {where} is full.",
            advice="Free some space; nothing that was confirmed is lost, and the next start goes on from there.",
        )
    if name.startswith(("SQLITE_READONLY", "SQLITE_CANTOPEN", "SQLITE_PERM", "SQLITE_AUTH")):
        return StateUnavailableError(
            f"The state {where} cannot be opened for writing: {said}.",
            advice="Let this user write to the file and to its folder, or name another state folder.",
        )
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return StateUnavailableError(
            f"Another process keeps the state {where} locked.", advice="Wait for it, or stop it, and try again."
        )
    if name.startswith("SQLITE_IOERR"):
        return StateUnavailableError(
            f"The disk failed while the state {where} was read or written: {said}.",
            advice="Check for free space and the health of the disk, then start again.",
        )
    return DamagedStateError(f"The state {where} is damaged: {said}.", advice=advice)


def _first_line(cause: BaseException | None) -> str:
    lines = str(cause).strip().splitlines()
    return printable(redact(lines[0])).rstrip(".") if lines else type(cause).__name__
