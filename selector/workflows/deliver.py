"""How does each notice reach each channel at least once and in order, however long a receiver is away?"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from selector.domain.alerts import superseded
from selector.exchange import Delivery, Waiting
from selector.ports import Clock, Notifier, Store

log = logging.getLogger(__name__)

GIVE_UP = timedelta(hours=24)
"""A notice that could not be delivered for so long is put aside."""

CLAIM = timedelta(seconds=60)
"""Nobody else tries a notice that is being sent; whoever was killed while sending it is followed after this time."""

FIRST_WAIT, LONGEST_WAIT, LONGEST_ASKED = 1.0, 900.0, 3600.0
MOST_DOUBLINGS = 10


@dataclass(frozen=True, slots=True)
class Delivered:
    """What one round came to.

    Attributes:
        sent: notices that arrived.
        failed: attempts that did not succeed and are repeated.
        waiting: notices that are still to be sent.
        dead: notices that were given up.
        next_at: when something is to be tried again; None where nothing waits.

    """

    sent: int = 0
    failed: int = 0
    waiting: int = 0
    dead: int = 0
    next_at: datetime | None = None


def share_out(store: Store, notifiers: Sequence[Notifier], clock: Clock, *, complete: bool) -> None:
    """Make one row for each new notice and each channel that takes it; what is older than a day tells nobody any more.

    Args:
        store: our own state.
        notifiers: the channels.
        clock: the time of day.
        complete: these are all channels that are configured; otherwise whoever knows the others shares out again.

    """
    waiting = store.notices()
    takers = {notice.key: [one.name for one in notifiers if one.takes(notice)] for notice in waiting}
    if takers and (complete or any(takers.values())):
        store.share_out(takers, complete=complete, oldest=clock.now() - GIVE_UP)


def deliver(
    store: Store,
    notifiers: Sequence[Notifier],
    clock: Clock,
    *,
    limit: int = 100,
    stop: Callable[[], bool] = lambda: False,
) -> Delivered:
    """Send what is due, and mark it; at least once, each time under the same key.

    Notices of one model reach a channel in the order in which they were made. A channel that fails is left alone for
    the rest of the round; the other channels do not notice.

    Args:
        store: our own state; see `share_out` for what comes before.
        notifiers: the channels to send through.
        clock: the time of day.
        limit: attempts for each channel, > 0.
        stop: asked before each attempt.

    """
    rounds = [_Round(store, one, clock).run(limit, stop) for one in notifiers]
    due = [one.next_at for one in rounds if one.next_at is not None]
    return Delivered(
        sent=sum(one.sent for one in rounds),
        failed=sum(one.failed for one in rounds),
        waiting=sum(one.waiting for one in rounds),
        dead=sum(one.dead for one in rounds),
        next_at=min(due, default=None),
    )


def wait_after(attempts: int, key: str, channel: str, asked: float | None = None) -> float:
    """Return after how many seconds to try again.

    From about one second to fifteen minutes, doubling. The jitter follows from the key and the attempt: many notices
    that failed together do not come back together, and a test knows what to expect.

    Args:
        attempts: that failed so far, >= 1.
        key: of the notice.
        channel: its name.
        asked: seconds that the receiver asked for; honoured up to an hour.

    """
    digest = hashlib.sha256(f"{key}\n{channel}\n{attempts}".encode("utf-8", "surrogatepass")).digest()
    spread = 0.75 + 0.5 * int.from_bytes(digest[:4]) / 2**32
    own = min(max(FIRST_WAIT, FIRST_WAIT * 2.0 ** min(attempts - 1, MOST_DOUBLINGS) * spread), LONGEST_WAIT)
    return max(own, min(asked or 0.0, LONGEST_ASKED))


class _Round:
    """One channel's part of a round."""

    def __init__(self, store: Store, notifier: Notifier, clock: Clock) -> None:
        self._store, self._notifier, self._clock = store, notifier, clock
        self._queues: dict[str, list[Waiting]] = {}
        self._sent = self._failed = self._dead = 0
        self._pause: datetime | None = None

    def run(self, limit: int, stop: Callable[[], bool]) -> Delivered:
        """Send until nothing is due, an attempt fails, or the limit is reached."""
        self._queues = self._sorted(self._store.waiting(self._notifier.name))
        for _ in range(limit):
            row = self._next()
            if row is None or self._pause is not None or stop():
                break
            self._try(row)
        heads = [queue[0].next_at for queue in self._queues.values() if queue]
        next_at = self._pause or min(heads, default=None)
        return Delivered(self._sent, self._failed, sum(map(len, self._queues.values())), self._dead, next_at)

    def _sorted(self, rows: Iterable[Waiting]) -> dict[str, list[Waiting]]:
        """Return the rows of each model in order, without those that say nothing that others do not say."""
        queues: dict[str, list[Waiting]] = {}
        for row in rows:
            queues.setdefault(row.notice.model, []).append(row)
        for model, queue in queues.items():
            needless = set(superseded([row.notice.key for row in queue]))
            if needless:
                self._store.given_up([r for r in queue if r.notice.key in needless], "merged", "others say the same")
                queues[model] = [row for row in queue if row.notice.key not in needless]
        return queues

    def _next(self) -> Waiting | None:
        """Return what is due and was tried least, so that what a receiver never takes does not stand in the way."""
        now = self._clock.now()
        heads = [queue[0] for queue in self._queues.values() if queue and _is_due(queue[0], now)]
        return min(heads, key=lambda row: (row.attempts, row.made_at), default=None)

    def _try(self, row: Waiting) -> None:
        queue = self._queues[row.notice.model]
        if not self._store.claim(row, self._clock.now() + CLAIM):
            self._queues[row.notice.model] = []  # another process is sending it
            return
        delivery = self._send(row)
        if delivery.outcome == "sent":
            self._store.sent(row)
            self._sent += 1
            queue.pop(0)
        elif delivery.outcome == "refused" or self._clock.now() - row.made_at >= GIVE_UP:
            self._store.given_up([row], "dead", delivery.why)
            log.error("%s was given up for %s: %s", row.notice.title, row.channel, delivery.why)
            self._dead += 1
            queue.pop(0)
        else:
            seconds = wait_after(row.attempts + 1, row.notice.key, row.channel, delivery.retry_after)
            self._pause = self._clock.now() + timedelta(seconds=seconds)
            self._store.failed(row, self._pause, delivery.why)
            log.info("%s is sent to %s again in %.0f s: %s", row.notice.title, row.channel, seconds, delivery.why)
            self._failed += 1

    def _send(self, row: Waiting) -> Delivery:
        try:
            return self._notifier.send(row.notice)
        except Exception as error:
            log.exception("Sending through %s failed in a way that was not foreseen.", row.channel)
            return Delivery("later", f"unexpected {type(error).__name__}")


def _is_due(row: Waiting, now: datetime) -> bool:
    """Tell whether to try; a time further away than any wait comes from a clock that was set back since."""
    return row.next_at <= now or row.next_at - now > timedelta(seconds=LONGEST_ASKED)
