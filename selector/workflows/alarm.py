"""How do findings about production become alerts that people can live with: raised, told, repeated, resolved?"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

from selector.domain.alerts import AlertRules, Board, Telling, Trouble, fire, resolve, tell
from selector.domain.health import Health
from selector.domain.health_alert import AlertRaised
from selector.domain.health_words import value_since_change
from selector.domain.notices import EVERYTHING, of_alert
from selector.errors import StateUnavailableError
from selector.exchange import Entry, Notice
from selector.workflows.announce import notice
from selector.workflows.house import House
from selector.workflows.monitor import Monitored, told

KIND = {"silent": "missing_data", "better": "better_challenger", "way_back": "no_way_back"}
"""What an alert is about, in the words of notices, where they differ."""

UNREACHABLE = "unreachable"
PATIENCE = timedelta(minutes=10)
"""MLflow may be restarted without anybody being told."""

TRIES = 5


def raise_alerts(house: House, monitored: Monitored, rules: AlertRules | None = None) -> tuple[Notice, ...]:
    """Take over what a look at production has to tell: alerts are kept, and notices put into the outbox, together.

    Call it after each look that was no dry run. Calling it twice with the same findings tells nothing twice.

    Args:
        house: the ports.
        monitored: what came of the look.
        rules: how often people are told; those of the house where they are left out.

    Returns:
        The notices that wait for delivery now because of it.

    """
    if monitored.document.get("dry_run"):
        return ()
    made = change(house, monitored.model, lambda board: _with_findings(house, board, monitored), rules)
    if monitored.alerts:
        told(house, monitored.model, monitored.alerts)
    return made


def tick(house: House, rules: AlertRules | None = None) -> tuple[Notice, ...]:
    """Tell what is due by the clock alone: repeats, the end of silences, alerts that have stayed calm."""
    made: list[Notice] = []
    for model, document in house.store.boards().items():
        board = _board(model, document)
        if tell(board, house.clock.now(), rules or house.alert_rules)[0] != board:
            made += change(house, model, lambda present: present, rules)
    return tuple(made)


def mlflow_away(house: House, away: timedelta | None, why: str, rules: AlertRules | None = None) -> tuple[Notice, ...]:
    """Raise an alert where MLflow has not answered for ten minutes, and end it where it does.

    Args:
        house: the ports.
        away: for how long it has not answered; None where it does.
        why: what is wrong, as one sentence.
        rules: as for `raise_alerts`.

    """
    now = house.clock.now()
    if away is None:
        if not board_of(house, EVERYTHING).alert(UNREACHABLE).troubles:
            return ()
        over = "MLflow answers again."
        return change(house, EVERYTHING, lambda b: resolve(b, UNREACHABLE, UNREACHABLE, over, now), rules)
    if away < PATIENCE:
        return ()
    text = f"{why} Serving is not affected; it is tried again all the time."
    trouble = Trouble(UNREACHABLE, "MLflow unreachable for 10 min", text, now, now - away)
    return change(house, EVERYTHING, lambda b: fire(b, UNREACHABLE, trouble), rules)


def change(
    house: House,
    model: str,
    how: Callable[[Board], Board],
    rules: AlertRules | None = None,
    *,
    entries: tuple[Entry, ...] = (),
) -> tuple[Notice, ...]:
    """Change the alerts of one model, and put what is to be told into the outbox, in one transaction.

    Args:
        house: the ports.
        model: its name.
        how: makes the new board out of the present one; called again where somebody else was faster.
        rules: as for `raise_alerts`.
        entries: for the ledger.

    Raises:
        StateUnavailableError: others kept changing the same alerts.

    """
    for _ in range(TRIES):
        document = house.store.boards(model).get(model)
        before = _board(model, document)
        now = house.clock.now()
        board, tellings = tell(how(before), now, rules or house.alert_rules)
        if board == before and not entries:
            return ()
        notices = tuple(_notice(house, telling) for telling in tellings)
        if house.store.keep_board(model, board.to_json(), document, notices, entries):
            return notices
    raise StateUnavailableError(f"The alerts of {model!r} kept changing.", advice="Try again.")


def board_of(house: House, model: str) -> Board:
    """Return the alerts of one model; none where nothing is kept, or what is kept cannot be read."""
    return _board(model, house.store.boards(model).get(model))


def _board(model: str, document: object) -> Board:
    try:
        return Board.from_json(document) if isinstance(document, dict) else Board(model)
    except (ValueError, TypeError, KeyError):
        return Board(model)


def _notice(house: House, telling: Telling) -> Notice:
    # Its end has the alert's own kind: a channel that takes the one takes the other.
    return notice(telling.key, telling.model, telling.alert.kind, of_alert(telling, house.clock.now()))


def _with_findings(house: House, board: Board, monitored: Monitored) -> Board:
    for alert in monitored.alerts:
        kind = KIND.get(alert.about, alert.about)
        key = hashlib.sha256(alert.key.encode("utf-8", "surrogatepass")).hexdigest()[:16]
        if isinstance(alert, AlertRaised):
            board = fire(board, kind, _trouble(house, alert, key, monitored))
        else:
            board = resolve(board, kind, key, alert.text, alert.at)
    return board


def _trouble(house: House, alert: AlertRaised, key: str, monitored: Monitored) -> Trouble:
    page = monitored.document.get("report")
    acted = monitored.acts[-1].decision if monitored.acts and alert.about == "degraded" else ""
    return Trouble(
        key=key,
        title=_headline(alert, monitored.health),
        text=alert.text,
        at=alert.at,
        since=alert.since,
        decision=acted,
        report=house.report_link(Path(str(page))) if acted and page else "",
    )


def _headline(alert: AlertRaised, health: Health) -> str:
    """Return what the title says besides the model's name."""
    said = alert.title.removeprefix(f"{alert.model}: ")
    name, newest = health.reference.name, health.points[-1] if health.points else None
    if alert.about != "degraded" or newest is None or newest.value is None or not said.startswith(f"{name} is "):
        return said
    floor = f", floor {newest.floor:.3f}" if newest.floor is not None else ""
    value = value_since_change(health, name)
    return f"champion v{newest.version} degraded ({name} {newest.value if value is None else value:.3f}{floor})"
