"""Who is told that the service itself is dead, and that it is back, by whoever looks from outside?"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from selector.domain.service import Outage
from selector.exchange import Notice
from selector.ports import Notifier
from selector.redaction import printable

AGAIN = timedelta(hours=4)
"""People are told again while it lasts."""

KIND, MODEL = "service_down", "*"


def tell(
    trouble: str | None, outage: Outage | None, notifiers: Sequence[Notifier], now: datetime, *, where: str
) -> Outage | None:
    """Tell each channel once that the service is dead, again every four hours, and once that it is back.

    The outbox is not used: it is the service's own, and the service is what is dead. A channel that fails is tried
    again at the next look.

    Args:
        trouble: what is wrong, as one sentence; None where nothing is.
        outage: what this function returned at the last look.
        notifiers: the channels.
        now: the time of day.
        where: which service this is, for people who have several.

    Returns:
        What to remember; None where the service lives and everybody who was worried knows it.

    """
    if trouble is None:
        return _over(outage, notifiers, where) if outage else None
    outage = outage or Outage(now)
    told = dict(outage.told)
    notice = Notice(
        key=f"{_key(outage)}-down-{int((now - outage.since) / AGAIN)}",
        model=MODEL,
        kind=KIND,
        title=printable(f"mlflow-selector does not work: {where}"),
        body=f"{printable(trouble)}\nNothing is promoted and nothing is watched until it works again. "
        "What is served is not affected.",
    )
    for notifier in notifiers:
        last = told.get(notifier.name)
        due = last is None or now - last >= AGAIN or now < last
        if due and notifier.takes(notice) and notifier.send(notice).outcome != "later":
            told[notifier.name] = now
    return Outage(outage.since, told)


def _over(outage: Outage, notifiers: Sequence[Notifier], where: str) -> Outage | None:
    notice = Notice(
        key=f"{_key(outage)}-up",
        model=MODEL,
        kind=KIND,
        title=printable(f"mlflow-selector works again: {where}"),
        body=f"It did not since {outage.since:%Y-%m-%d %H:%M} UTC, as far as could be seen from outside.",
    )
    worried = [notifier for notifier in notifiers if notifier.name in outage.told]
    waiting = {n.name: outage.told[n.name] for n in worried if n.send(notice).outcome == "later"}
    return Outage(outage.since, waiting) if waiting else None


def _key(outage: Outage) -> str:
    return f"service-{outage.since:%Y%m%dT%H%M%S}"
