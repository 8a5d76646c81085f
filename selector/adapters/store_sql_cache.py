"""Where do digests and predictions wait until they are needed again, and what operators paused?"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Column, Connection, Table, delete, select
from sqlalchemy.dialects import postgresql, sqlite

from selector.adapters.predictions_files import PredictionsFiles
from selector.adapters.store_records import canonical, index_key, utc_text
from selector.adapters.store_sql_database import Database
from selector.adapters.store_sql_schema import digests, flags, predictions
from selector.adapters.store_sql_schema import facts as facts_table
from selector.domain.model import Predictions, Unscorable
from selector.domain.model_facts import ModelFacts
from selector.errors import StateUnavailableError
from selector.ports import Clock

_LOG = logging.getLogger(__name__)
_URIS_PER_QUERY = 500


class SqlCache:
    """The Cache port. What cannot be kept or read costs time, never an error; damage of the database itself is one."""

    def __init__(self, database: Database, files: PredictionsFiles, clock: Clock) -> None:
        self._database = database
        self._files = files
        self._clock = clock

    def digests(self, uris: Sequence[str]) -> Mapping[str, str]:
        """Return the known content digests of these model URIs; one query per 500 of them."""
        return self._by_uri(digests, digests.c.digest, uris)

    def remember_digest(self, uri: str, digest: str) -> None:
        """Keep the content digest of a logged model (logged models do not change)."""
        self._keep(digests, {"uri": index_key(uri), "digest": digest})

    def facts(self, uris: Sequence[str]) -> Mapping[str, ModelFacts]:
        """Return what is known of these models' folders; one query per 500 of them, damaged records left out."""
        return {
            uri: known
            for uri, record in self._by_uri(facts_table, facts_table.c.record, uris).items()
            if (known := _facts_of(record)) is not None
        }

    def remember_facts(self, uri: str, facts: ModelFacts) -> None:
        """Keep what a model's folder told when it was fetched."""
        self._keep(facts_table, {"uri": index_key(uri), "record": canonical(facts.record())})

    def predictions(self, model_digest: str, holdout_digest: str) -> Predictions | Unscorable | None:
        """Return what this very model answered for these very rows; drop what is damaged and return None."""
        query = select(predictions.c.reason, predictions.c.file_digest).where(*_of(model_digest, holdout_digest))
        with self._database.reading() as connection:
            row = connection.execute(query).one_or_none()
        if row is None:
            return None
        if row.reason is not None:
            return Unscorable(json.loads(row.reason))
        now = self._clock.now() if self._database.writable else None
        found = self._files.read(model_digest, holdout_digest, row.file_digest or "", now)
        if found is None and self._database.writable:
            _LOG.warning("The kept predictions of model %s are damaged; it is scored again.", model_digest)
            self._drop(model_digest, holdout_digest)
        return found

    def remember_predictions(self, model_digest: str, holdout_digest: str, result: Predictions | Unscorable) -> None:
        """Keep an answer; transient failures are not kept."""
        row: dict[str, str | None] = {
            "model_digest": index_key(model_digest),
            "holdout_digest": index_key(holdout_digest),
        }
        if isinstance(result, Unscorable):
            if result.transient:
                return
            row |= {"reason": canonical(result.reason), "file_digest": None}
        else:
            try:
                # The file first: a row without its file would be taken for damage, a file without a row for nothing.
                written = self._files.write(model_digest, holdout_digest, result, self._clock.now())
                row |= {"reason": None, "file_digest": written}
            except (OSError, ValueError) as error:
                _LOG.warning("The predictions of model %s are not kept: %s", model_digest, error)
                return
        self._keep(predictions, row)

    def unread_predictions(self, since: datetime) -> tuple[tuple[str, str], ...]:
        """Return the answers whose file nobody wrote or read since; without such files the database is not asked."""
        unused = self._files.unused(since)
        if not unused:
            return ()
        query = select(predictions.c.model_digest, predictions.c.holdout_digest)
        with self._database.reading() as connection:
            rows = connection.execute(query.where(predictions.c.file_digest.is_not(None)))
            return tuple((model, holdout) for model, holdout in rows if self._files.name(model, holdout) in unused)

    def drop_predictions(self, which: Sequence[tuple[str, str]], since: datetime) -> int:
        """Forget these answers, but none whose file was written or read since."""
        old = [one for one in which if self._files.is_unused(*one, since)]
        with self._database.writing() as connection:
            for model, holdout in old:
                connection.execute(delete(predictions).where(*_of(model, holdout)))
        for model, holdout in old:
            self._files.drop(model, holdout)
        return len(old)

    def _by_uri(self, table: Table, value: Column[str], uris: Sequence[str]) -> dict[str, str]:
        wanted = {index_key(uri): uri for uri in uris}
        keys = list(wanted)
        found: dict[str, str] = {}
        with self._database.reading() as connection:
            for start in range(0, len(keys), _URIS_PER_QUERY):
                some = keys[start : start + _URIS_PER_QUERY]
                rows = connection.execute(select(table.c.uri, value).where(table.c.uri.in_(some)))
                found.update({wanted[uri]: text for uri, text in rows})
        return found

    def _drop(self, model_digest: str, holdout_digest: str) -> None:
        with self._database.writing() as connection:
            connection.execute(delete(predictions).where(*_of(model_digest, holdout_digest)))
        self._files.drop(model_digest, holdout_digest)

    def _keep(self, table: Table, row: Mapping[str, str | None]) -> None:
        try:
            with self._database.writing() as connection:
                upsert(connection, table, {**row, "at": utc_text(self._clock.now())})
        except StateUnavailableError as error:
            _LOG.warning("The cache could not be written: %s", error.message)


def _facts_of(record: str) -> ModelFacts | None:
    try:
        return ModelFacts.of_record(json.loads(record))
    except (ValueError, KeyError, TypeError):
        return None


def _of(model_digest: str, holdout_digest: str) -> tuple[Any, ...]:
    return (
        predictions.c.model_digest == index_key(model_digest),
        predictions.c.holdout_digest == index_key(holdout_digest),
    )


class SqlFlags:
    """The Flags port."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def pause(self, model: str, reason: str) -> None:
        """Decide and report, but write nothing for this model ("*": all)."""
        row = {"key": index_key(model), "record": canonical([model, reason]), "at": utc_text(self._clock.now())}
        with self._database.writing() as connection:
            upsert(connection, flags, row)

    def resume(self, model: str) -> bool:
        """Undo `pause`; return whether it was paused."""
        with self._database.writing() as connection:
            return connection.execute(delete(flags).where(flags.c.key == index_key(model))).rowcount > 0

    def paused(self) -> Mapping[str, str]:
        """Return paused models with the reason; "*" stands for all."""
        with self._database.reading() as connection:
            rows = connection.execute(select(flags.c.record).order_by(flags.c.at)).all()
        return dict(json.loads(row.record) for row in rows)


def upsert(connection: Connection, table: Table, row: Mapping[str, str | None]) -> None:
    """Insert the row, or replace the one with the same primary key."""
    keys = list(table.primary_key.columns)
    changed = {name: value for name, value in row.items() if name not in table.primary_key.columns}
    if connection.dialect.name == "sqlite":
        lite = sqlite.insert(table).values(row)
        connection.execute(lite.on_conflict_do_update(index_elements=keys, set_=changed))
    else:
        post = postgresql.insert(table).values(row)
        connection.execute(post.on_conflict_do_update(index_elements=keys, set_=changed))
