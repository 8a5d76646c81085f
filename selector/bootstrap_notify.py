"""Which channels does a configuration ask for?"""

from __future__ import annotations

import hashlib
from urllib.parse import urlsplit

from selector.adapters.clock_system import SystemClock
from selector.adapters.notify_apprise import AppriseNotifier
from selector.adapters.notify_chosen import Chosen
from selector.adapters.notify_webhook import WebhookNotifier
from selector.config import Configuration, NotifySettings
from selector.ports import Notifier


def notifiers(config: Configuration) -> tuple[Notifier, ...]:
    """Return the channels that can be told from here, each with a name of its own."""
    clock = SystemClock()
    made: list[Notifier] = []
    taken: set[str] = set()
    for settings in config.channels:
        name = settings.name or _name(settings)
        while name in taken:
            name += "-again"
        taken.add(name)
        chosen = Chosen(frozenset(settings.on), settings.models)
        if settings.webhook is not None:
            made.append(WebhookNotifier(settings.webhook, settings.secret or "", name, chosen, clock))
        else:
            made.append(AppriseNotifier(settings.url or "", name, chosen))
    return tuple(made)


def _name(settings: NotifySettings) -> str:
    """Return a name that is the same at every start, and tells nothing of what may be secret in the address."""
    address = settings.webhook or settings.url or ""
    kind = "webhook" if settings.webhook else urlsplit(address).scheme
    return f"{kind}-{hashlib.sha256(address.encode('utf-8', 'surrogatepass')).hexdigest()[:8]}"
