"""How does each notice reach each channel at least once and in order, however long a receiver is away?"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from selector.domain.alerts import superseded
from selector.exchange import Delivery, Entry, Waiting
from selector.ports import Clock, Notifier, Store
from selector.redaction import redact

log = logging.getLogger(__name__)

GIVE_UP = timedelta(hours=24)
"""A notice that could not be delivered for so long is put aside."""

CLAIM = timedelta(seconds=60)
"""Nobody else tries a notice that is being sent; whoever was killed while sending it is followed after this time."""

OVERTAKEN_AFTER = timedelta(hours=1)
"""A notice that failed for so long is tried on, but holds up later ones only while these fail too: a receiver that is
away takes nothing, one that never takes this notice takes the others."""

FIRST_WAIT, LONGEST_WAIT, LONGEST_ASKED = 1.0, 900.0, 3600.0
MOST_DOUBLINGS = 10

Lane = tuple[str, str]
"""Notices that follow each other: all of one model, or the one with this key."""


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

    Notices of one model reach a channel in the order in which they were made, but for what the channel refuses for an
    hour while it takes a later one. A channel that fails is left alone for the rest of the round; the other channels
    do not notice. What is given up is in the ledger, as `not_delivered`.

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


def failing_for(attempts: int, key: str, channel: str) -> timedelta:
    """Return for how long a notice has failed at least; longer where the receiver asked for more patience.

    It follows from the attempts, not from the age: after an outage old notices wait that never failed themselves.

    Args:
        attempts: that failed, >= 0.
        key: of the notice.
        channel: its name.

    """
    return timedelta(seconds=sum(wait_after(number, key, channel) for number in range(1, attempts)))


class _Round:
    """One channel's part of a round.

    The rows of a model wait in a queue. One that was overtaken before has a queue of its own, and so has one that fails
    for long: then the row behind it that was tried least is tried at once. Does that arrive, the channel is not what
    is wrong, and the queue moves on.
    """

    def __init__(self, store: Store, notifier: Notifier, clock: Clock) -> None:
        self._store, self._notifier, self._clock = store, notifier, clock
        self._queues: dict[Lane, list[Waiting]] = {}
        self._probe: Waiting | None = None
        self._again = clock.now()
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

    def _sorted(self, rows: Iterable[Waiting]) -> dict[Lane, list[Waiting]]:
        """Return the rows of each model in order, without those that say nothing that others do not say."""
        models: dict[str, list[Waiting]] = {}
        for row in rows:
            models.setdefault(row.notice.model, []).append(row)
        queues: dict[Lane, list[Waiting]] = {}
        for model, queue in models.items():
            needless = set(superseded([row.notice.key for row in queue]))
            if needless:
                self._store.given_up([r for r in queue if r.notice.key in needless], "merged", "others say the same")
            for row in queue:
                if row.notice.key not in needless:
                    alone = _fails_for_long(row) and self._store.overtook(row)
                    queues.setdefault((model, row.notice.key if alone else ""), []).append(row)
        return queues

    def _next(self) -> Waiting | None:
        """Return what is due and was tried least, so that what a receiver never takes does not stand in the way."""
        if self._probe is not None:
            return self._probe
        now = self._clock.now()
        heads = [queue[0] for queue in self._queues.values() if queue and _is_due(queue[0], now)]
        return _tried_least(heads)

    def _try(self, row: Waiting) -> None:
        lane = next(lane for lane, queue in self._queues.items() if row in queue)
        queue, probe, self._probe = self._queues[lane], self._probe, None
        if not self._store.claim(row, self._clock.now() + CLAIM):
            queue.clear()  # another process is sending it
            return
        delivery = self._send(row)
        if delivery.outcome == "sent":
            self._store.sent(row)
            self._sent += 1
            queue.remove(row)
        elif delivery.outcome == "refused" or self._clock.now() - row.made_at >= GIVE_UP:
            self._give_up(row, delivery.why)
            queue.remove(row)
        elif row is probe:
            self._later(row, self._again, delivery.why)
            self._pause = self._again
        else:
            seconds = wait_after(row.attempts + 1, row.notice.key, row.channel, delivery.retry_after)
            self._again = self._clock.now() + timedelta(seconds=seconds)
            self._later(row, self._again, delivery.why)
            self._probe = self._stepped_aside(row, queue)
            self._pause = None if self._probe else self._again

    def _stepped_aside(self, row: Waiting, queue: list[Waiting]) -> Waiting | None:
        """Return what is tried instead of a row that fails for long; None where it goes on holding up the others."""
        now = self._clock.now()
        behind = _tried_least([one for one in queue if one is not row and _is_due(one, now)])
        failed = replace(row, attempts=row.attempts + 1, next_at=self._again)
        if behind is not None and _fails_for_long(failed):
            queue.remove(row)
            self._queues[row.notice.model, row.notice.key] = [failed]
            return behind
        return None

    def _later(self, row: Waiting, again: datetime, why: str) -> None:
        self._store.failed(row, again, why)
        seconds = (again - self._clock.now()).total_seconds()
        log.info("%s is sent to %s again in %.0f s: %s", row.notice.title, row.channel, seconds, why)
        self._failed += 1

    def _give_up(self, row: Waiting, why: str) -> None:
        entry = _not_delivered(row, why, self._store, self._clock.now())
        self._store.given_up([row], "dead", why, [entry])
        log.error("%s was given up for %s: %s", row.notice.title, row.channel, why)
        self._dead += 1

    def _send(self, row: Waiting) -> Delivery:
        try:
            return self._notifier.send(row.notice)
        except Exception as error:
            log.exception("Sending through %s failed in a way that was not foreseen.", row.channel)
            return Delivery("later", f"unexpected {type(error).__name__}")


def _tried_least(rows: Sequence[Waiting]) -> Waiting | None:
    return min(rows, key=lambda row: (row.attempts, row.made_at), default=None)


def _fails_for_long(row: Waiting) -> bool:
    return failing_for(row.attempts, row.notice.key, row.channel) >= OVERTAKEN_AFTER


def _not_delivered(row: Waiting, why: str, store: Store, now: datetime) -> Entry:
    """Return what the ledger keeps of a notice that is given up; keys of decisions end in the decision's id."""
    notice = row.notice
    decision = notice.key.removeprefix(f"{notice.kind}-")
    known = decision != notice.key and bool(store.entries(notice.model, decision=decision, newest=1))
    return Entry(
        at=now,
        model=notice.model,
        kind="not_delivered",
        decision=decision if known else None,
        reason=redact(f"{notice.title} was never delivered to {row.channel}: {why}"),
        details={"notice": notice.key, "about": notice.kind, "channel": row.channel, "attempts": row.attempts + 1},
    )


def _is_due(row: Waiting, now: datetime) -> bool:
    """Tell whether to try; a time further away than any wait comes from a clock that was set back since."""
    return row.next_at <= now or row.next_at - now > timedelta(seconds=LONGEST_ASKED)
