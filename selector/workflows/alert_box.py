"""What may a person see of the alerts, and how are they acknowledged and silenced?"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from selector.domain.alerts import AlertState, Board, acknowledge, alert_id
from selector.domain.alerts import silence as silenced
from selector.domain.notices import EVERYTHING, ago, moment
from selector.errors import UsageError
from selector.exchange import Entry, Waiting
from selector.workflows.alarm import board_of, change
from selector.workflows.by_hand import Done, said
from selector.workflows.documents import SCHEMA_VERSION
from selector.workflows.house import House

LONGEST_SILENCE = timedelta(days=365)
DEAD_SHOWN = timedelta(days=7)
"""What was never delivered is shown for so long."""


def listing(house: House) -> Done:
    """Return every alert that is open, every silence, and every notice that is not delivered."""
    now = house.clock.now()
    boards = [board_of(house, model) for model in house.store.boards()]
    alerts = [_alert(board, one, now) for board in boards for one in board.alerts if one.troubles]
    silences = [
        {"model": b.model, "until": b.silence.until.isoformat(), "by": b.silence.by, "reason": b.silence.reason}
        for b in boards
        if b.silence is not None and b.silent(now)
    ]
    unsent = [row for row in house.store.unsent() if not row.dead or now - row.made_at < DEAD_SHOWN]
    document = {
        "schema_version": SCHEMA_VERSION,
        "alerts": alerts,
        "silences": silences,
        "undelivered": [_undelivered(row) for row in unsent],
    }
    lines = [line for one in alerts for line in _lines(one, now)]
    lines += [f"{s['model']}: silenced until {s['until'][:16]} UTC by {s['by']}. {s['reason']}" for s in silences]
    for dead, text in ((False, "waits for"), (True, "was never delivered to")):
        lines += [
            f"{row.notice.title}: {text} {row.channel}{f' ({row.error})' if row.error else ''}"
            for row in unsent
            if row.dead == dead
        ]
    return Done(document, "\n".join(lines or ["no alerts"]))


def ack(house: House, what: str, *, dry_run: bool, actor: str) -> Done:
    """Acknowledge one alert by its id, or all that fire of a model: no repeats until it is resolved or gets worse.

    Raises:
        UsageError: neither an alert nor a model.

    """
    model, kinds = _meant(house, what)
    board = board_of(house, model)
    firing = [k for k in kinds if board.alert(k).troubles and not board.alert(k).acknowledged_by]
    if firing and not dry_run:
        reason = f"{', '.join(firing)} acknowledged by {actor}"
        entry = Entry(at=house.clock.now(), model=model, kind="acknowledged", actor=actor, reason=reason)
        now = house.clock.now()
        change(house, model, lambda present: acknowledge(present, firing, actor, now), entries=(entry,))
    verb = "would be acknowledged" if dry_run else "acknowledged"
    text = f"{', '.join(firing)} {verb}; no repeats until it is over or gets worse"
    if not firing:
        text = "nothing to acknowledge"
    return said(model, text, changed=bool(firing), dry_run=dry_run)


def silence(house: House, model: str, span: timedelta, *, reason: str, dry_run: bool, actor: str) -> Done:
    """Tell nobody anything of a model for some time; what still holds then is told then.

    Raises:
        UsageError: the model is not known, or the time is longer than a year.

    """
    if span > LONGEST_SILENCE:
        raise UsageError("a silence may last a year at most", advice="--for 4h")
    if model != EVERYTHING and not house.store.boards(model):
        house.setup(model)
    until = house.clock.now() + span
    if not dry_run:
        why = f"silenced until {moment(until)} by {actor}{f': {reason}' if reason else ''}"
        entry = Entry(at=house.clock.now(), model=model, kind="silenced", actor=actor, reason=why)
        change(house, model, lambda present: silenced(present, until, actor, reason), entries=(entry,))
    text = f"{'would be ' if dry_run else ''}silenced until {moment(until)}"
    return said(model, text, changed=True, dry_run=dry_run)


def _meant(house: House, what: str) -> tuple[str, tuple[str, ...]]:
    """Return the model and the kinds of alert that an id or a name stands for."""
    boards = [board_of(house, model) for model in house.store.boards()]
    for board in boards:
        if board.model == what:
            return what, tuple(one.kind for one in board.alerts)
    for board in boards:
        for one in board.alerts:
            if alert_id(board.model, one.kind) == what:
                return board.model, (one.kind,)
    if what in house.setups:
        return what, ()
    known = ", ".join(_ids(boards)) or "none"
    raise UsageError(f"{what!r} is neither a model nor the id of an alert", advice=f"open alerts: {known}")


def _ids(boards: Iterable[Board]) -> list[str]:
    return [
        f"{alert_id(b.model, one.kind)} ({b.model}: {one.kind})" for b in boards for one in b.alerts if one.troubles
    ]


def _alert(board: Board, alert: AlertState, now: datetime) -> dict[str, Any]:
    newest = alert.troubles[-1]
    return {
        "id": alert_id(board.model, alert.kind),
        "model": board.model,
        "kind": alert.kind,
        "state": board.state(alert, now),
        "since": (newest.since or alert.fired_at or newest.at).isoformat(),
        "fired_at": alert.fired_at.isoformat() if alert.fired_at else None,
        "told_at": alert.told_at.isoformat() if alert.told_at else None,
        "acknowledged_by": alert.acknowledged_by or None,
        "troubles": [
            {"title": one.title, "text": one.text, "decision": one.decision or None} for one in alert.troubles
        ],
    }


def _lines(alert: dict[str, Any], now: datetime) -> list[str]:
    since = datetime.fromisoformat(alert["since"])
    name = "mlflow-selector" if alert["model"] == EVERYTHING else alert["model"]
    by = f" by {alert['acknowledged_by']}" if alert["acknowledged_by"] else ""
    head = f"{alert['id']}  {name}: {alert['kind']}, {alert['state']}{by}, for {ago(now - since)}"
    return [head, *(f"  {one['title']}. {one['text']}" for one in alert["troubles"])]


def _undelivered(row: Waiting) -> dict[str, Any]:
    return {
        "key": row.notice.key,
        "model": row.notice.model,
        "title": row.notice.title,
        "channel": row.channel,
        "attempts": row.attempts,
        "next_at": None if row.dead else row.next_at.isoformat(),
        "error": row.error or None,
        "given_up": row.dead,
    }
