"""Where do notices wait until they are delivered, and where are alerts kept between looks?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

from selector.exchange import Entry, Notice, Waiting


class Outbox(Protocol):
    """Notices on their way: first to be shared out among the channels, then one row for each notice and channel."""

    def put(self, notices: Sequence[Notice], entries: Sequence[Entry] = ()) -> None:
        """Take notices in, with the ledger entries they tell of, in one transaction; a known key stays as it is."""
        ...

    def notices(self) -> tuple[Notice, ...]:
        """Return notices that were not shared out among all channels yet, oldest first."""
        ...

    def share_out(self, takers: Mapping[str, Sequence[str]], *, complete: bool, oldest: datetime) -> None:
        """Make one row for each of these channels, unless there is one.

        Args:
            takers: names of the channels that are to be told, by the notice's key.
            complete: these are all channels there are: the notice is not shared out again.
            oldest: notices from before are put aside and tell nobody any more.

        """
        ...

    def waiting(self, channel: str) -> tuple[Waiting, ...]:
        """Return all rows of a channel that are to be sent, oldest first."""
        ...

    def claim(self, row: Waiting, until: datetime) -> bool:
        """Count an attempt and keep others from the row until then; return False where somebody else was first."""
        ...

    def sent(self, row: Waiting) -> None:
        """Take note that it was sent."""
        ...

    def failed(self, row: Waiting, next_at: datetime, error: str) -> None:
        """Take note that it was not sent, and when to try again."""
        ...

    def given_up(self, rows: Sequence[Waiting], state: str, error: str, entries: Sequence[Entry] = ()) -> None:
        """Take note that rows will never be sent: dead where that is a loss, merged where others say the same.

        Args:
            rows: those that were sent or given up already stay as they are.
            state: dead or merged.
            error: why.
            entries: none, or one for each row. It is appended to the ledger in the same transaction, and only where
                the row was still waiting, so that a row is written down once whoever gives it up.

        """
        ...

    def overtook(self, row: Waiting) -> bool:
        """Tell whether a later notice of the same model was sent through the same channel."""
        ...

    def prune(self, sent_before: datetime, dead_before: datetime, most: int) -> int:
        """Remove rows that ended, and the texts of notices that have no row any more. Their keys stay known for ever.

        Args:
            sent_before: rows of notices made before then go where they were sent or merged.
            dead_before: the same for those that were given up.
            most: so many rows and texts at one go, in one transaction.

        Returns:
            How many were removed; less than `most` where nothing is left to remove.

        """
        ...

    def counts(self) -> Mapping[str, int]:
        """Return how many rows there are in each state: waiting, sent, dead, merged."""
        ...

    def unsent(self) -> tuple[Waiting, ...]:
        """Return rows of all channels that wait or were given up as dead, oldest first, the newest 500."""
        ...


class AlertBox(Protocol):
    """What is known of each model's alerts, as plain JSON."""

    def boards(self, model: str | None = None) -> Mapping[str, Mapping[str, Any]]:
        """Return what is kept, by model; damage counts as nothing."""
        ...

    def keep_board(
        self,
        model: str,
        document: Mapping[str, Any],
        before: Mapping[str, Any] | None,
        notices: Sequence[Notice] = (),
        entries: Sequence[Entry] = (),
    ) -> bool:
        """Replace what is kept of this model, take notices in and append to the ledger, in one transaction.

        Returns:
            False, and nothing is written, where what is kept is not `before` any more.

        """
        ...
