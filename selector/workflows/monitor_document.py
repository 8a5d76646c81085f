"""How does a model's health look as JSON, and as a few lines of text?"""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Any

from selector.domain.health import Health, Point, silent_since
from selector.domain.health_picture import sparkline
from selector.domain.health_policy import MonitorPolicy
from selector.domain.health_rules import plain_rule, spread
from selector.domain.health_watch import Watched
from selector.domain.health_words import alert_key, beside_words
from selector.domain.live import LiveChallenger
from selector.domain.report_parts import BesideLine, ProductionLine, ProductionPoint
from selector.workflows.documents import SCHEMA_VERSION, finite
from selector.workflows.house import House, Setup
from selector.workflows.kept_health import kept_health

SHOWN_POINTS = 90


def production(house: House, setup: Setup, champion: int | None) -> dict[str, Any]:
    """Return the keys of the status document that speak of production."""
    if setup.monitor is None:
        return {"health": "unknown", "production": None}
    health, now = kept_health(house, setup.model), house.clock.now()
    if champion is None or health.version != champion:
        return {"health": "unknown", "production": None}
    found = health_document(setup.model, health, setup.monitor, now)
    keys = ["metric", "value", "floor", "promoted_with", "since", "silent_since", "last_batch", "alerts"]
    keys += ["challengers", "way_back"]
    own = health.watched[0] if health.watched else None
    drawn = sparkline(health.points, own.floor if own else None)
    return {"health": found["health"], "production": {**{key: found[key] for key in keys}, "drawn": drawn}}


def production_line(house: House, setup: Setup) -> ProductionLine | None:
    """Return what a report shows of production; None where it is not watched, or nothing was measured yet."""
    if setup.monitor is None:
        return None
    health = kept_health(house, setup.model)
    if not health.points:
        return None
    points = tuple(
        ProductionPoint(p.at.isoformat(), finite(p.value), finite(p.floor), p.rows, p.state, p.version)
        for p in health.points
    )
    state = shown_health(health, silent_since(health, house.clock.now(), setup.monitor.expect_every))
    rule = rule_words(health, setup.monitor)
    return ProductionLine(health.reference.name, state, rule, points, tuple(map(beside_line, health.challengers)))


def beside_line(one: LiveChallenger) -> BesideLine:
    """Return what is known of a challenger that answers production's rows too."""
    found = one.found
    return BesideLine(
        name=one.name,
        version=one.version,
        finding=one.finding,
        rows=one.rows,
        value=finite(found.challenger) if found else None,
        champion=finite(found.champion) if found else None,
        lead=finite(found.lead) if found else None,
        low=finite(found.low) if found else None,
        high=finite(found.high) if found else None,
        words=beside_words(one),
    )


def health_document(model: str, health: Health, policy: MonitorPolicy, now: datetime) -> dict[str, Any]:
    """Return what is known of production, for scripts; times in ISO 8601."""
    silent = silent_since(health, now, policy.expect_every)
    own = health.watched[0] if health.watched else None
    return {
        "schema_version": SCHEMA_VERSION,
        "model": model,
        "version": health.version,
        "health": shown_health(health, silent),
        "metric": health.reference.name or None,
        "value": finite(own.last) if own else None,
        "floor": finite(health.reference.floors.get(health.reference.name)),
        "promoted_with": finite(health.reference.scores.get(health.reference.name)),
        "since": own.since.isoformat() if own and own.since else None,
        "silent_since": silent.isoformat() if silent else None,
        "last_batch": health.last_at.isoformat() if health.last_at else None,
        "rule": rule_words(health, policy),
        "on_degraded": policy.on_degraded,
        "monitors": [_monitor(w) for w in health.watched],
        "drift": [
            {"feature": d.name, "psi": finite(d.psi), "limit": finite(d.limit), "drifted": d.drifted}
            for d in health.drift
        ],
        "points": [_point(p) for p in health.points[-SHOWN_POINTS:]],
        "challengers": [asdict(beside_line(one)) for one in health.challengers],
        "way_back": _way_back(health),
        "alerts": list(health.open),
    }


def _way_back(health: Health) -> dict[str, Any] | None:
    way = health.way_back
    if way is None:
        return None
    return {"version": way.version, "checked_at": way.at.isoformat(), "ready": not way.reason, "reason": way.reason}


def shown_health(health: Health, silent: datetime | None) -> str:
    """Return the state for people: data that stay away are a warning of their own."""
    return "warning" if silent is not None and health.state in ("unknown", "healthy") else health.state


def health_text(model: str, health: Health, policy: MonitorPolicy, now: datetime) -> str:
    """Return the health in one to three lines."""
    state = shown_health(health, silent_since(health, now, policy.expect_every))
    if health.version is None:
        return f"{model}: {state}; nobody is watched."
    own = health.watched[0] if health.watched else None
    head = (
        f"{model}: version {health.version} is {state} in production"
        if state != "unknown"
        else (f"{model}: too little is known of version {health.version} in production")
    )
    if own is None:
        return f"{head}."
    value = f"{own.last:.3f}" if own.last is not None else "no value"
    batches = "1 batch" if own.batches == 1 else f"{own.batches} batches"
    newest = f"{own.name} {value} in the newest batch, floor {own.floor:.3f}"
    lines = [f"{head}: {newest}, {own.rows:,} labelled rows in {batches}."]
    bars = sparkline(health.points, own.floor)
    if bars:
        lines.append(f"  {bars}")
    lines.append(f"  {rule_words(health, policy)}")
    estimate = next((p.estimate for p in reversed(health.points) if p.version == health.version), None)
    if estimate is not None:
        lines.append(f"  F1 as its own probabilities expect it: {estimate:.3f} (an estimate that assumes calibration).")
    lines += [f"  Beside it, {_beside(one)}" for one in health.challengers]
    if health.way_back is not None and health.way_back.reason and policy.on_degraded == "rollback":
        who = f"version {health.way_back.version} does not answer: " if health.way_back.version else ""
        lines.append(f"  No way back: {who}{health.way_back.reason.rstrip('.')}.")
    for key in health.open:
        if key.startswith(alert_key(model, "drift", None)):
            moved = ", ".join(d.name for d in health.drift if d.drifted)
            lines.append(f"  Inputs that have moved: {moved}.")
    return "\n".join(lines)


def _beside(one: LiveChallenger) -> str:
    found = one.found
    scores = f" {found.challenger:.4f} against {found.champion:.4f} on {found.rows:,} rows." if found else ""
    return f"{one.title}:{scores} {beside_words(one)}"


def rule_words(health: Health, policy: MonitorPolicy) -> str:
    """Say when there is an alarm, and how often there would be one for nothing."""
    patience = policy.patience
    own = health.watched[0] if health.watched else None
    if not patience.plain:
        every = f"at most one false alarm in {patience.false_alarm_every:,.0f} batches on average, at the floor itself"
        several = f", over all {len(health.watched)} monitored metrics" if len(health.watched) > 1 else ""
        return f"Alarm when it is more than chance: {every}{several}."
    run = f"{patience.in_a_row} batches in a row lie" if patience.in_a_row > 1 else "a batch lies"
    rule = f"Alarm when {run} below the floor"
    if own is None or own.reference is None or not own.batches:
        return f"{rule}, a plain rule."
    rows = round((own.of or own.rows) / own.batches)
    if own.share and rows:
        price = plain_rule(own.kind, own.floor, own.reference, rows, patience.in_a_row)
        return f"{rule}, a plain rule: {price.words}, as it was promoted."
    healthy = [p.value for p in health.points if p.value is not None and p.version == health.version]
    sign = -1.0 if own.kind == "lower" else 1.0
    error = spread([v for v in healthy if sign * (v - own.floor) >= 0.0])
    if error is None:
        return f"{rule}, a plain rule; how often it alarms for nothing can be said after eight batches."
    price = plain_rule(own.kind, own.floor, own.reference, 0, patience.in_a_row, error=error)
    return f"{rule}, a plain rule: {price.words}, as it was promoted."


def _monitor(watched: Watched) -> dict[str, Any]:
    return {
        "name": watched.name,
        "health": watched.state,
        "value": finite(watched.last),
        "floor": finite(watched.floor),
        "reference": finite(watched.reference),
        "rows": watched.rows,
        "batches": watched.batches,
        "since": watched.since.isoformat() if watched.since else None,
    }


def _point(point: Point) -> dict[str, Any]:
    return {
        "at": point.at.isoformat(),
        "batch": point.batch.partition(":")[2] or point.batch,
        "version": point.version,
        "value": finite(point.value),
        "floor": finite(point.floor),
        "rows": point.rows,
        "health": point.state,
        "estimate": finite(point.estimate),
    }
