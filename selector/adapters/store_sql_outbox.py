"""Where do notices wait for each channel, so that none is lost and none is sent twice at once?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, Table, and_, delete, exists, func, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite

from selector.adapters.store_records import index_key, notice_of, notice_record, utc_text
from selector.adapters.store_sql_database import Database
from selector.adapters.store_sql_ledger import append_within
from selector.adapters.store_sql_schema import deliveries, outbox
from selector.exchange import Waiting
from selector.ports import Clock, Entry, Notice

MOST_SHOWN = 500

_ROW = (
    outbox.c.record,
    deliveries.c.channel,
    deliveries.c.attempts,
    deliveries.c.created_at,
    deliveries.c.next_at,
    deliveries.c.last_error,
    deliveries.c.state,
)


class SqlOutbox:
    """The Outbox port."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def put(self, notices: Sequence[Notice], entries: Sequence[Entry] = ()) -> None:
        """Take notices in, with the ledger entries they tell of, in one transaction."""
        with self._database.writing() as connection:
            append_within(connection, entries, self._database)
            put_within(connection, notices, utc_text(self._clock.now()))

    def notices(self) -> tuple[Notice, ...]:
        """Return notices that were not shared out among all channels yet, oldest first."""
        query = select(outbox.c.record).where(outbox.c.state == "waiting").order_by(outbox.c.seq)
        with self._database.reading() as connection:
            return tuple(notice_of(row.record) for row in connection.execute(query))

    def share_out(self, takers: Mapping[str, Sequence[str]], *, complete: bool, oldest: datetime) -> None:
        """Make one row for each of these channels, unless there is one; put aside what is too old."""
        wanted = {index_key(key): channels for key, channels in takers.items()}
        with self._database.writing() as connection:
            old = and_(outbox.c.state == "waiting", outbox.c.created_at < utc_text(oldest))
            connection.execute(update(outbox).where(old).values(state="old"))
            open_now = select(outbox.c.key, outbox.c.created_at).where(outbox.c.state == "waiting")
            for key, made_at in connection.execute(open_now.order_by(outbox.c.seq)).all():
                if key not in wanted:
                    continue
                for channel in wanted[key]:
                    _insert_new(connection, deliveries, _delivery(key, channel, made_at))
                if complete:
                    connection.execute(update(outbox).where(outbox.c.key == key).values(state="shared"))

    def waiting(self, channel: str) -> tuple[Waiting, ...]:
        """Return all rows of a channel that are to be sent, oldest first."""
        return self._rows(deliveries.c.state == "waiting", deliveries.c.channel == index_key(channel))

    def unsent(self) -> tuple[Waiting, ...]:
        """Return rows of all channels that wait or were given up as dead, oldest first, the newest 500."""
        return self._rows(deliveries.c.state.in_(("waiting", "dead")), most=MOST_SHOWN)

    def claim(self, row: Waiting, until: datetime) -> bool:
        """Count an attempt and keep others from the row until then; return False where somebody else was first."""
        unchanged = (deliveries.c.attempts == row.attempts, deliveries.c.next_at == utc_text(row.next_at))
        values = {"attempts": row.attempts + 1, "next_at": utc_text(until)}
        return self._update(row, values, *unchanged) == 1

    def sent(self, row: Waiting) -> None:
        """Take note that it was sent."""
        self._update(row, {"state": "sent", "next_at": utc_text(self._clock.now()), "last_error": None})

    def failed(self, row: Waiting, next_at: datetime, error: str) -> None:
        """Take note that it was not sent, and when to try again."""
        self._update(row, {"next_at": utc_text(next_at), "last_error": _text(error)})

    def given_up(self, rows: Sequence[Waiting], state: str, error: str, entries: Sequence[Entry] = ()) -> None:
        """Take note that rows will never be sent, with the ledger entry of each that still waited."""
        values = {"state": state, "last_error": _text(error)}
        with self._database.writing() as connection:
            ended = [_changed(connection, row, values) == 1 for row in rows]
            append_within(connection, [e for e, done in zip(entries, ended, strict=False) if done], self._database)

    def overtook(self, row: Waiting) -> bool:
        """Tell whether a later notice of the same model was sent through the same channel."""
        mine = select(outbox.c.seq).where(outbox.c.key == index_key(row.notice.key)).scalar_subquery()
        later = select(deliveries.c.seq).join(outbox, outbox.c.key == deliveries.c.key)
        later = later.where(deliveries.c.state == "sent", deliveries.c.channel == index_key(row.channel))
        later = later.where(outbox.c.model == index_key(row.notice.model), outbox.c.seq > mine).limit(1)
        with self._database.reading() as connection:
            return connection.execute(later).first() is not None

    def prune(self, sent_before: datetime, dead_before: datetime, most: int) -> int:
        """Remove rows that ended, and the texts of notices that have no row any more; the keys stay."""
        sent, dead = utc_text(sent_before), utc_text(dead_before)
        with self._database.writing() as connection:
            # First: what still waited to be shared out would go a second time to a channel whose row is gone.
            forgotten = and_(outbox.c.state == "waiting", outbox.c.created_at < sent)
            connection.execute(update(outbox).where(forgotten).values(state="old"))
            gone = connection.execute(delete(deliveries).where(deliveries.c.seq.in_(_ended(sent, dead, most)))).rowcount
            bare = outbox.c.seq.in_(_bare(sent, most - gone))
            emptied = update(outbox).where(bare).values(state="pruned", record="", model="", kind="")
            return gone + connection.execute(emptied).rowcount

    def counts(self) -> Mapping[str, int]:
        """Return how many rows there are in each state."""
        query = select(deliveries.c.state, func.count()).group_by(deliveries.c.state)
        with self._database.reading() as connection:
            return {state: int(count) for state, count in connection.execute(query)}

    def _update(self, row: Waiting, values: Mapping[str, Any], *more: ColumnElement[bool]) -> int:
        with self._database.writing() as connection:
            return _changed(connection, row, values, *more)

    def _rows(self, *which: ColumnElement[bool], most: int | None = None) -> tuple[Waiting, ...]:
        joined = select(*_ROW).join(outbox, outbox.c.key == deliveries.c.key).where(*which)
        with self._database.reading() as connection:
            newest_first = joined.order_by(outbox.c.seq.desc(), deliveries.c.seq.desc()).limit(most)
            rows = connection.execute(newest_first).all()[::-1]
        return tuple(
            Waiting(
                notice=notice_of(row.record),
                channel=row.channel,
                attempts=row.attempts,
                made_at=datetime.fromisoformat(row.created_at),
                next_at=datetime.fromisoformat(row.next_at),
                error=row.last_error or "",
                dead=row.state == "dead",
            )
            for row in rows
        )


def put_within(connection: Connection, notices: Sequence[Notice], now: str) -> None:
    """Put notices into the outbox within the caller's transaction; a key that is there already stays as it is."""
    for notice in notices:
        row = {
            "key": index_key(notice.key),
            "model": index_key(notice.model),
            "kind": index_key(notice.kind),
            "record": notice_record(notice),
            "state": "waiting",
            "attempts": 0,
            "next_at": now,
            "created_at": now,
        }
        _insert_new(connection, outbox, row)


def _changed(connection: Connection, row: Waiting, values: Mapping[str, Any], *more: ColumnElement[bool]) -> int:
    """Change a row that still waits; return how many that were, 0 or 1."""
    mine = (deliveries.c.key == index_key(row.notice.key), deliveries.c.channel == index_key(row.channel))
    query = update(deliveries).where(*mine, deliveries.c.state == "waiting", *more).values(**values)
    return connection.execute(query).rowcount


def _ended(sent: str, dead: str, most: int) -> Select[Any]:
    """Return which rows can go: those that were sent or given up long ago."""
    old = or_(
        and_(deliveries.c.state.in_(("sent", "merged")), deliveries.c.created_at < sent),
        and_(deliveries.c.state == "dead", deliveries.c.created_at < dead),
    )
    return select(deliveries.c.seq).where(old).order_by(deliveries.c.seq).limit(most)


def _bare(sent: str, most: int) -> Select[Any]:
    """Return which notices have no row any more; `next_at` is when a notice was made, and is in the index."""
    done = (outbox.c.state.in_(("shared", "old")), outbox.c.next_at < sent)
    used = exists().where(deliveries.c.key == outbox.c.key)
    return select(outbox.c.seq).where(*done, ~used).limit(most)


def _delivery(key: str, channel: str, made_at: str) -> dict[str, Any]:
    return {
        "key": key,
        "channel": index_key(channel),
        "state": "waiting",
        "attempts": 0,
        "next_at": made_at,
        "created_at": made_at,
    }


def _insert_new(connection: Connection, table: Table, row: Mapping[str, Any]) -> None:
    make = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
    connection.execute(make(table).values(row).on_conflict_do_nothing())


def _text(error: str) -> str:
    """Return what a database can hold of any text."""
    return error.replace("\x00", "").encode("utf-8", "replace").decode()
