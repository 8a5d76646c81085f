"""What is to be told about a model's health: which alerts are raised, which are resolved, and in which words?"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import get_args

from selector.domain.health import Change, Health, WayBack, since_change
from selector.domain.health_alert import About, Alert, AlertRaised, AlertResolved
from selector.domain.health_explain import Counts, explanation
from selector.domain.health_watch import Patience, Watched
from selector.domain.live import LiveChallenger


def alert_key(model: str, about: About, version: int | None, name: str = "") -> str:
    """Return what names one trouble of one champion; silence is about the model, whoever is champion."""
    of_champion = () if about in ("silent", "way_back") else (version, name)
    return "/".join(str(part) for part in (model, about, *of_champion) if part)


def change_text(model: str, health: Health, change: Change, patience: Patience) -> str:
    """Return what turned, how sure that is, and since when, in one to four sentences."""
    watched = next((w for w in health.watched if w.name == change.name), None)
    if change.turn == "recovered":
        return f"{change.name} of {model} is {_side(watched, up=True)} its floor of {change.floor:.3f} again."
    if change.turn == "calm":
        return f"{change.name} of {model} is not suspicious any more."
    verb = "fell below" if watched is None or watched.kind != "lower" else "rose above"
    lead = f"{change.name} of {model} {verb} {change.floor:.3f}"
    if change.turn == "warning":
        lead = f"{change.name} of {model} may have fallen below {change.floor:.3f}"
    sentences = [f"{lead}{_evidence(health, change)}; {_sureness(health, patience, change)}."]
    why = _why(health, change)
    return " ".join([*sentences, why] if why else sentences)


def change_alert(model: str, health: Health, change: Change, patience: Patience) -> tuple[Alert, ...]:
    """Return what is to be told about one turn."""
    text = change_text(model, health, change, patience)
    degraded = alert_key(model, "degraded", health.version, change.name)
    warning = alert_key(model, "warning", health.version, change.name)
    if change.turn == "warning":
        title = f"{model}: {change.name} may be below its floor"
        return (AlertRaised(warning, model, "warning", title, text, change.at, change.began),)
    if change.turn == "calm":
        return (AlertResolved(warning, model, "warning", text, change.at),)
    if change.turn == "recovered":
        return (AlertResolved(degraded, model, "degraded", text, change.at),)
    title = f"{model}: {change.name} is below its floor"
    raised = AlertRaised(degraded, model, "degraded", title, text, change.at, change.began)
    return (AlertResolved(warning, model, "warning", "It became an alarm.", change.at), raised)


def drift_alert(model: str, health: Health, at: datetime) -> tuple[Alert, ...]:
    """Return what is to be told about inputs that have moved, or have come back."""
    key = alert_key(model, "drift", health.version)
    moved = [d for d in health.drift if d.drifted]
    if not moved:
        return (AlertResolved(key, model, "drift", f"The inputs of {model} look as they did.", at),)
    named = ", ".join(f"{d.name} (PSI {d.psi:.3f}, limit {d.limit:.3f})" for d in moved[:5])
    more = f" and {len(moved) - 5} more" if len(moved) > 5 else ""  # noqa: PLR2004 - as many as are named
    text = f"The inputs of {model} have moved: {named}{more}. Drift alone does not make a model worse."
    return (AlertRaised(key, model, "drift", f"{model}: inputs have moved", text, at),)


def silence_alert(model: str, since: datetime, at: datetime, expect_every: float) -> AlertRaised:
    """Return what is to be told when data stay away."""
    text = (
        f"No production data of {model} since {since:%Y-%m-%d %H:%M} UTC; a batch was expected every"
        f" {duration(expect_every)}. Nobody knows whether the model still works. Look at what delivers the labels."
    )
    return AlertRaised(
        alert_key(model, "silent", None), model, "silent", f"{model}: no production data", text, at, since
    )


def speech_again(model: str, at: datetime) -> AlertResolved:
    """Return what is to be told when data arrive again."""
    text = f"Production data of {model} arrive again."
    return AlertResolved(alert_key(model, "silent", None), model, "silent", text, at)


def better_alert(model: str, health: Health, challenger: LiveChallenger, advice: str, at: datetime) -> Alert:
    """Return what is to be told about a challenger that proved better on production's labels.

    Args:
        model: its name.
        health: with the champion's version.
        challenger: with its lead.
        advice: how it is promoted.
        at: time of the batch that settled it.

    """
    key = alert_key(model, "better", health.version, challenger.uri)
    return AlertRaised(
        key,
        model,
        "better",
        f"{model}: {challenger.title} beats the champion in production",
        f"{better_text(model, health, challenger)} {advice}",
        at,
    )


def better_text(model: str, health: Health, challenger: LiveChallenger) -> str:
    """Say by how much a challenger proved better than the champion, and how sure that is."""
    found, name = challenger.found, health.reference.name
    if found is None:
        return f"{challenger.title} is better than version {health.version} of {model}."
    return (
        f"{challenger.title} answered {found.rows:,} labelled rows of production beside version {health.version} of"
        f" {model}: {name} {found.challenger:.4f} against {found.champion:.4f}, a lead of {found.lead:.4f}, and of"
        f" {found.low:.4f} at least, however often one looks."
    )


def beside_words(one: LiveChallenger) -> str:
    """Say how a challenger does beside the champion, in one sentence without its name."""
    found = one.found
    if one.finding == "out":
        return f"Left out: {one.reason.rstrip('.')}."
    if found is None:
        return "Has answered no batch yet."
    if one.finding == "better":
        return f"Proved better, by {found.low:.4f} at least."
    if one.finding == "worse":
        return f"Not better: {one.reason}."
    if math.isinf(found.low):
        return "Not known yet: the two disagree on too few rows."
    return f"Not known yet: its lead lies between {found.low:+.4f} and {found.high:+.4f}."


def way_back_alert(model: str, way_back: WayBack) -> Alert:
    """Return what is to be told about the version that a rollback would bring back."""
    key = alert_key(model, "way_back", None)
    if way_back.version is None:
        return AlertResolved(key, model, "way_back", f"{model} has no earlier champion any more.", way_back.at)
    if not way_back.reason:
        text = f"Version {way_back.version} of {model} can serve again if it has to."
        return AlertResolved(key, model, "way_back", text, way_back.at)
    title = f"{model}: v{way_back.version} cannot serve again"
    text = (
        f"A rollback of {model} would bring version {way_back.version} back, and that one does not answer:"
        f" {way_back.reason.rstrip('.')}. Look after it, or promote another one, so that there is a way back."
    )
    return AlertRaised(key, model, "way_back", title, text, way_back.at)


def settle(health: Health, alerts: Sequence[Alert]) -> tuple[Health, tuple[Alert, ...]]:
    """Return what is news among these alerts, and the health that remembers which of them are open.

    What is open is not raised again, and what is not open is not resolved.
    """
    still = dict.fromkeys(health.open)
    news: list[Alert] = []
    for alert in alerts:
        if isinstance(alert, AlertRaised) and alert.key not in still:
            still[alert.key] = None
            news.append(alert)
        elif isinstance(alert, AlertResolved) and alert.key in still:
            del still[alert.key]
            news.append(alert)
    return replace(health, open=tuple(still), untold=(*health.untold, *news)), tuple(news)


def leave(model: str, health: Health, at: datetime, *, same: bool = False) -> tuple[Alert, ...]:
    """Return what is resolved because somebody else is champion, or (`same`) because other floors hold for it."""
    ended = [key for key in health.open if key != alert_key(model, "silent", None)]
    gone = f"Version {health.version} is no longer the champion of {model}."
    text = f"Other floors hold for {model} now; its watch starts anew." if same else gone
    return tuple(AlertResolved(key, model, _about(key, model), text, at) for key in ended)


def duration(seconds: float) -> str:
    """Return a duration as people write it: 30s, 5m, 2h, 7d."""
    for unit, size in (("d", 86_400), ("h", 3_600), ("m", 60)):
        if seconds >= size and seconds % size == 0:
            return f"{seconds / size:.0f}{unit}"
    return f"{seconds:g}s"


def _about(key: str, model: str) -> About:
    word = key[len(model) + 1 :].partition("/")[0]
    return next((about for about in get_args(About) if about == word), "degraded")


def _side(watched: Watched | None, *, up: bool) -> str:
    good = "below" if watched is not None and watched.kind == "lower" else "above"
    return good if up else {"below": "above", "above": "below"}[good]


def value_since_change(health: Health, name: str) -> float | None:
    """Return the value of all batches since a metric most likely fell; None where only single batches tell.

    That of the newest batch alone would say more about luck than about the model.
    """
    own = health.watched[0] if health.watched else None
    points = since_change(health, name)
    of = sum(p.of or 0 for p in points)
    if own is None or name != own.name or not of:
        return None
    hits = sum(p.hits or 0 for p in points)
    return 2 * hits / (hits + of) if own.kind == "f1" else hits / of


def _evidence(health: Health, change: Change) -> str:
    """Say what the metric was since the change, and on how many rows, where that is known."""
    value, points = value_since_change(health, change.name), since_change(health, change.name)
    if value is None:
        return f": {change.value:.3f} in the last batch" if change.value is not None else ""
    batches = "batch" if len(points) == 1 else f"{len(points)} batches"
    return f": {value:.3f} in the last {batches}, {sum(p.rows for p in points):,} labelled rows"


def _sureness(health: Health, patience: Patience, change: Change) -> str:
    if patience.plain:
        return f"{patience.in_a_row} in a row, a plain rule" if patience.in_a_row > 1 else "a plain rule, one batch"
    every = patience.false_alarm_every / (10.0 if change.turn == "warning" else 1.0)
    of_all = f" over all {len(health.watched)} monitored metrics" if len(health.watched) > 1 else ""
    return f"by chance this happens at most once in {every:,.0f} batches{of_all}"


def _why(health: Health, change: Change) -> str:
    own = health.watched[0] if health.watched else None
    if own is None or change.name != own.name:
        return ""
    points = since_change(health, change.name)
    since = f" Most likely since {points[0].at:%Y-%m-%d}." if points else ""
    now = sum((p.counts for p in points if p.counts is not None), Counts())
    if own.kind != "f1":
        return since.strip()
    return f"{explanation(now, health.reference.counts, own.floor)}{since}".strip()
