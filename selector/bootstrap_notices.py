"""Which channels does a configuration ask for, and who sends through them: the daemon's threads, or a command's end?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from selector.bootstrap_notify import notifiers
from selector.config import Configuration
from selector.daemon_notices import Deliveries, quick
from selector.workflows.deliver import Delivered
from selector.workflows.house import House

if TYPE_CHECKING:
    from selector.bootstrap_listeners import Listeners


def deliveries(config: Configuration, house: House, listeners: Listeners) -> Deliveries:
    """Return what sends notices while the daemon is at work."""

    def counted(done: Delivered, waiting: int) -> None:
        metrics = listeners.metrics
        if metrics is not None:
            metrics.notifications.labels("sent").inc(done.sent)
            metrics.notifications.labels("failed").inc(done.failed + done.dead)
            metrics.unsent.set(waiting)

    found = notifiers(config)
    return Deliveries(house, found, complete=len(found) == len(config.notify), counted=counted)


def deliver_quickly(config: Configuration, house: House) -> None:
    """Try once to deliver what a command has to tell; come back after five seconds at the latest."""
    found = notifiers(config)
    quick(house, found, complete=len(found) == len(config.notify))
