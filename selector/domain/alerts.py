"""What is said of an alert, and when: once, repeated rarely, resolved once, not while acknowledged or silenced?"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Literal

from selector.domain.plain import plain, read

State = Literal["firing", "acknowledged", "silenced", "resolved"]
What = Literal["fired", "worse", "repeat", "resolved"]

_PREFIX = "alert:"
_SHORT_ID = 8


@dataclass(frozen=True, slots=True)
class AlertRules:
    """How often people are told of one alert.

    Attributes:
        repeat_every: between two notices of an alert that nobody has acknowledged.
        settle: an alert has to stay calm for so long before it counts as resolved.
        most: notices of one alert within `window`; what is more waits, so that flapping costs little attention.

    """

    repeat_every: timedelta = timedelta(hours=4)
    settle: timedelta = timedelta(minutes=5)
    most: int = 3
    window: timedelta = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Trouble:
    """One thing that is wrong; several of one kind make one alert.

    Attributes:
        key: the same trouble has the same key.
        since: when it most likely began.
        at: when it was found.
        decision: what was done about it; "" where nothing was.
        report: path of the page about that; "" where there is none.

    """

    key: str
    title: str
    text: str
    at: datetime
    since: datetime | None = None
    decision: str = ""
    report: str = ""


@dataclass(frozen=True, slots=True)
class Silence:
    """Nobody is told anything of a model until then."""

    until: datetime
    by: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class AlertState:
    """One alert: all that is known of one kind of trouble with one model.

    Attributes:
        troubles: those that are there now, oldest first.
        fired_at: when this alert began; None once it is over, which is `settle` after it became calm.
        calm_at: since when there is no trouble; None while there is one.
        ended: what the last one that ended said.
        owed: it was told that it fired, and not yet that it is resolved.
        known: keys of the troubles that people know of, told or acknowledged.
        told_at: the newest notice.
        recent: notices within the window of the rules.
        made: how many notices were ever made; numbers them.

    """

    kind: str
    troubles: tuple[Trouble, ...] = ()
    fired_at: datetime | None = None
    calm_at: datetime | None = None
    ended: str = ""
    owed: bool = False
    known: tuple[str, ...] = ()
    acknowledged_by: str = ""
    acknowledged_at: datetime | None = None
    told_at: datetime | None = None
    recent: tuple[datetime, ...] = ()
    made: int = 0


@dataclass(frozen=True, slots=True)
class Board:
    """Every alert of one model, and whether it is silenced."""

    model: str
    alerts: tuple[AlertState, ...] = ()
    silence: Silence | None = None

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values, from which `from_json` makes an equal board."""
        found: dict[str, Any] = plain(self)
        return found

    @staticmethod
    def from_json(document: Mapping[str, Any]) -> Board:
        """Read what `to_json` wrote; raise ValueError where it is something else."""
        found: Board = read(Board, document)
        return found

    def alert(self, kind: str) -> AlertState:
        """Return the alert of this kind, a calm one where there never was any."""
        return next((one for one in self.alerts if one.kind == kind), AlertState(kind))

    def silent(self, now: datetime) -> bool:
        """Return whether the model is silenced now."""
        return self.silence is not None and now < self.silence.until

    def state(self, alert: AlertState, now: datetime) -> State:
        """Return in one word how an alert of this board stands."""
        if not alert.troubles:
            return "resolved"
        if self.silent(now):
            return "silenced"
        return "acknowledged" if alert.acknowledged_by else "firing"


@dataclass(frozen=True, slots=True)
class Telling:
    """What people are to be told now.

    Attributes:
        key: the same at every attempt; unlike that of every other notice.
        alert: as it stands; of a resolved one `ended` says why, and `fired_at` when it had begun.

    """

    key: str
    model: str
    what: What
    alert: AlertState


def alert_id(model: str, kind: str) -> str:
    """Return the short name under which people acknowledge an alert; the same for every return of it."""
    text = f"{model}\n{kind}".encode("utf-8", "surrogatepass")
    return hashlib.sha256(text).hexdigest()[:_SHORT_ID]


def fire(board: Board, kind: str, trouble: Trouble) -> Board:
    """Return the board with this trouble; one that is there already is replaced, which tells nobody anything."""
    alert = board.alert(kind)
    others = tuple(one for one in alert.troubles if one.key != trouble.key)
    before = next((one for one in alert.troubles if one.key == trouble.key), None)
    kept = replace(trouble, at=before.at) if before else trouble
    fired = replace(alert, troubles=(*others, kept), fired_at=alert.fired_at or trouble.at, calm_at=None)
    return _with(board, fired)


def resolve(board: Board, kind: str, key: str, text: str, now: datetime) -> Board:
    """Return the board without this trouble; one that is not there changes nothing."""
    alert = board.alert(kind)
    left = tuple(one for one in alert.troubles if one.key != key)
    if left == alert.troubles:
        return board
    return _with(board, replace(alert, troubles=left, ended=text, calm_at=None if left else now))


def acknowledge(board: Board, kinds: Iterable[str], by: str, now: datetime) -> Board:
    """Return the board with these alerts acknowledged, as far as they fire: no repeats until they end or get worse."""
    for kind in kinds:
        alert = board.alert(kind)
        if alert.troubles:
            known = tuple(dict.fromkeys((*alert.known, *(one.key for one in alert.troubles))))
            board = _with(board, replace(alert, known=known, acknowledged_by=by, acknowledged_at=now))
    return board


def silence(board: Board, until: datetime, by: str, reason: str) -> Board:
    """Return the board silenced until then; an earlier silence is replaced."""
    return replace(board, silence=Silence(until, by, reason))


def tell(board: Board, now: datetime, rules: AlertRules) -> tuple[Board, tuple[Telling, ...]]:
    """Return what is to be told now, and the board that remembers that it was."""
    if board.silence is not None and not board.silent(now):
        board = replace(board, silence=None)
    tellings: list[Telling] = []
    for alert in board.alerts:
        after, what = _next(board, alert, now, rules)
        if what is not None:
            after = replace(after, made=alert.made + 1, told_at=now, recent=(*_recent(alert, now, rules), now))
            key = f"{_PREFIX}{board.model}:{alert.kind}:{after.made}:{what}"
            tellings.append(Telling(key, board.model, what, replace(after, fired_at=alert.fired_at)))
        board = _with(board, after)
    return board, tuple(tellings)


def _next(board: Board, alert: AlertState, now: datetime, rules: AlertRules) -> tuple[AlertState, What | None]:
    """Return what is next to be said of one alert, and the alert once it was said."""
    may = not board.silent(now) and len(_recent(alert, now, rules)) < rules.most
    if alert.troubles:
        what = _of_firing(alert, now, rules) if may else None
        if what in {None, "repeat"}:
            return alert, what
        known = tuple(dict.fromkeys((*alert.known, *(one.key for one in alert.troubles))))
        return replace(alert, owed=True, known=known, acknowledged_by="", acknowledged_at=None), what
    if alert.fired_at is None or alert.calm_at is None or now - alert.calm_at < rules.settle:
        return alert, None
    if alert.owed and not may:
        return alert, None
    over = AlertState(
        alert.kind,
        ended=alert.ended,
        calm_at=alert.calm_at,
        told_at=alert.told_at,
        recent=alert.recent,
        made=alert.made,
    )
    return over, "resolved" if alert.owed else None


def _of_firing(alert: AlertState, now: datetime, rules: AlertRules) -> What | None:
    if any(one.key not in alert.known for one in alert.troubles):
        return "worse" if alert.owed else "fired"
    if alert.acknowledged_by or (alert.told_at is not None and now - alert.told_at < rules.repeat_every):
        return None
    return "repeat" if alert.owed else None


def _recent(alert: AlertState, now: datetime, rules: AlertRules) -> tuple[datetime, ...]:
    """Return the notices within the window; those of a future that a clock set back has undone do not count."""
    return tuple(at for at in alert.recent if timedelta(0) <= now - at < rules.window)


def superseded(keys: Sequence[str]) -> tuple[str, ...]:
    """Return which of the notices that wait for one receiver say nothing that the others do not say.

    After hours in which a receiver was away it is told of each alert that fired and of each that was resolved; a
    repeat is worth sending only where nothing else of the same alert waits, and then the newest one is enough.

    Args:
        keys: of the waiting notices, oldest first.

    """
    groups: dict[str, list[str]] = {}
    for key in keys:
        if key.startswith(_PREFIX):
            groups.setdefault(key.rsplit(":", 2)[0], []).append(key)
    found: list[str] = []
    for group in groups.values():
        repeats = [key for key in group if key.endswith(":repeat")]
        found += repeats if len(repeats) < len(group) else repeats[:-1]
    return tuple(found)


def _with(board: Board, alert: AlertState) -> Board:
    if alert == board.alert(alert.kind):
        return board
    if any(one.kind == alert.kind for one in board.alerts):
        return replace(board, alerts=tuple(alert if one.kind == alert.kind else one for one in board.alerts))
    return replace(board, alerts=(*board.alerts, alert))
