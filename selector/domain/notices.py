"""In which words are people told: a title that carries everything, and a few lines with what to do?"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from selector.domain.alerts import AlertState, Telling, alert_id

LONGEST_TITLE = 60
MOST_LINES = 6
LONGEST_LINE = 600
SHORTEST_NAME = 12
EVERYTHING = "*"
"""Stands for the service itself where another notice names a model."""

PROGRAM = "mlflow-selector"


@dataclass(frozen=True, slots=True)
class Words:
    """What one notice says.

    Attributes:
        title: at most 60 characters.
        body: at most 6 lines.

    """

    title: str
    body: str


def words(model: str, headline: str, lines: Iterable[str]) -> Words:
    """Return the words of a notice about a model; a long name gives way before the headline does."""
    name = PROGRAM if model == EVERYTHING else _one_line(model)
    headline = _one_line(headline)
    room = max(SHORTEST_NAME, LONGEST_TITLE - len(headline) - 2)
    title = _cut(f"{_cut(name, room)}: {headline}", LONGEST_TITLE)
    kept = [_cut(_one_line(line), LONGEST_LINE) for line in lines if line.strip()]
    return Words(title, "\n".join(kept[:MOST_LINES]))


def promoted(
    model: str,
    version: int | None,
    previous: int | None,
    *,
    actor: str,
    details: Mapping[str, Any],
    foot: Sequence[str],
) -> Words:
    """Return the words for a new champion.

    Args:
        model: its name.
        version: of the new champion.
        previous: that it replaced; None where there was none.
        actor: who decided.
        details: the decision's document; may lack anything.
        foot: the last lines: decision and report.

    """
    instead = f"v{version} replaced v{previous}" if previous else f"v{version} is the first champion"
    undo = f"Undo: {PROGRAM} rollback {model}" if previous else ""
    lines = [f"{instead}, decided by {actor}.", str(details.get("reason") or ""), undo, *foot]
    return words(model, f"v{version} is champion{_score(details)}", lines)


def rolled_back(
    model: str, version: int | None, previous: int | None, *, actor: str, reason: str, foot: Sequence[str]
) -> Words:
    """Return the words for a way back; arguments as for `promoted`."""
    lines = [f"v{version} is champion again and v{previous} is quarantined; done by {actor}.", reason]
    lines += [f"Let v{previous} compete again: {PROGRAM} clear {model} {previous}" if previous else "", *foot]
    return words(model, f"rolled back from v{previous} to v{version}", lines)


def awaiting(model: str, details: Mapping[str, Any], foot: Sequence[str]) -> Words:
    """Return the words for a decision that awaits a person; arguments as for `promoted`."""
    offers = [one for one in details.get("offers") or () if isinstance(one, dict)]
    meant = next((one for one in offers if one.get("proposed")), offers[0] if offers else {})
    answers = [str(command) for command in details.get("answer") or ()][:2]
    verbs = [f"{command.split()[1].capitalize()}: {command}" for command in answers if len(command.split()) > 1]
    lines = [str(details.get("reason") or ""), *verbs, *foot]
    return words(model, f"{meant.get('name') or 'a candidate'} awaits your approval", lines)


def foreign(model: str, version: int | None, previous: int | None, at: datetime) -> Words:
    """Return the words for a champion alias that somebody else has moved."""
    before, after = (f"v{number}" if number else "nothing" for number in (previous, version))
    lines = [
        f"The champion alias pointed at {before} and points at {after}; seen at {moment(at)}.",
        f"Not done by {PROGRAM}. The change is respected.",
        f"Undo: {PROGRAM} promote {model} {previous}" if previous else "",
        f"What happened: {PROGRAM} history {model}",
    ]
    return words(model, f"someone else moved champion ({before} -> {after})", lines)


def not_imported(model: str, failures: Sequence[tuple[str, str]]) -> Words:
    """Return the words for staged models that did not become runs, as (name, reason), at least one."""
    (first, _), more = failures[0], len(failures) - 1
    headline = f"staged {first} was not imported" if not more else f"{len(failures)} staged models were not imported"
    lines = [f"{name}: {reason}" for name, reason in failures[:3]]
    lines += [f"and {len(failures) - 3} more"] if len(failures) > 3 else []  # noqa: PLR2004 - as many as are named
    return words(model, headline, [*lines, f"Which: {PROGRAM} history {model}"])


def not_exported(model: str, version: int | None, *, reason: str, foot: Sequence[str]) -> Words:
    """Return the words for a champion that does not lie where it is exported to; arguments as for `promoted`."""
    lines = [f"{reason}.", "What lay there before is untouched; it is tried again.", *foot]
    return words(model, f"v{version} was not exported", lines)


def of_alert(telling: Telling, now: datetime) -> Words:
    """Return the words of an alert."""
    alert, model = telling.alert, telling.model
    if telling.what == "resolved":
        since = f"It was {_lasted(alert)}." if alert.fired_at else ""
        return words(model, f"resolved: {KINDS.get(alert.kind, alert.kind)}", [alert.ended, since])
    newest = alert.troubles[-1]
    others = [one for one in alert.troubles if one is not newest]
    head = f"still: {newest.title}" if telling.what == "repeat" else newest.title
    begun = newest.since or alert.fired_at or newest.at
    lines = [
        newest.text,
        f"Also: {'; '.join(one.title for one in others[:5])}" if others else "",
        f"Since about {moment(begun)}, for {ago(now - begun)}.",
        f"Look: {PROGRAM} {'doctor' if model == EVERYTHING else f'status {model}'}{_remedy(model, alert)}",
        f"Be told no more of it: {PROGRAM} alerts ack {alert_id(model, alert.kind)}",
        _foot(newest.decision, newest.report),
    ]
    return words(model, head, lines)


KINDS = {
    "degraded": "degraded in production",
    "warning": "may be degraded in production",
    "missing_data": "no production data",
    "drift": "inputs have moved",
    "better_challenger": "a challenger beats the champion",
    "no_way_back": "a rollback would fail",
    "unreachable": "MLflow unreachable",
}
"""What each kind of alert is called once it is over."""


def foot(model: str, decision: str, report: str | None) -> tuple[str, str]:
    """Return the last two lines: which decision it was, and where its report is."""
    return f"Decision: {decision}", f"Report: {report or f'{PROGRAM} report {model} --decision {decision}'}"


def moment(at: datetime) -> str:
    """Return a time as people read it."""
    return f"{at:%Y-%m-%d %H:%M} UTC"


def ago(span: timedelta) -> str:
    """Return how long something has lasted, in its two largest units."""
    minutes = max(0, int(span.total_seconds() // 60))
    days, hours = minutes // 1440, minutes // 60 % 24
    if days:
        return f"{days} d {hours} h"
    return f"{hours} h {minutes % 60} min" if hours else f"{minutes} min"


def _foot(decision: str, report: str) -> str:
    return f"Decision: {decision}{f'; report: {report}' if report else ''}" if decision else ""


def _remedy(model: str, alert: AlertState) -> str:
    acted = any(one.decision for one in alert.troubles)
    return f"; go back: {PROGRAM} rollback {model}" if alert.kind == "degraded" and not acted else ""


def _lasted(alert: AlertState) -> str:
    begun, ended = alert.fired_at, alert.calm_at
    if begun is None or ended is None:
        return "short"
    return f"there from {moment(begun)} to {moment(ended)}, for {ago(ended - begun)}"


def _score(details: Mapping[str, Any]) -> str:
    """Return the champion's score, and what was gained, as far as the decision knows them."""
    after, before = _first_score(details.get("champion")), _first_score(details.get("previous"))
    if after is None:
        return ""
    name, value = after
    gain = f", {value - before[1]:+.3f}" if before is not None and before[0] == name else ""
    return f" ({name} {value:.3f}{gain})"


def _first_score(who: Any) -> tuple[str, float] | None:
    scores = who.get("scores") if isinstance(who, Mapping) else None
    found = next(iter(scores.items()), None) if isinstance(scores, Mapping) else None
    return (str(found[0]), float(found[1])) if found and isinstance(found[1], int | float) else None


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else f"{text[: longest - 1].rstrip()}…"
