"""How does the champion do in production: read what is new, judge it, remember it, and act where the policy says so?"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from selector.domain.health import Act, Change, Cursor, Health, begun, silent_since, skipped, take
from selector.domain.health_alert import Alert, AlertRaised
from selector.domain.health_policy import MonitorPolicy, to_do
from selector.domain.health_words import (
    change_alert,
    change_text,
    drift_alert,
    leave,
    settle,
    silence_alert,
    speech_again,
    way_back_alert,
)
from selector.domain.model import Candidate, RegisteredModel, Unscorable
from selector.errors import SelectorError, UsageError
from selector.ports import Entry
from selector.ports_production import Batch, SourceSpec, Unusable
from selector.workflows.carry_out import recover
from selector.workflows.exports import bring_in_step
from selector.workflows.house import House, Setup
from selector.workflows.kept_health import kept_health, mark_of, read_so_far
from selector.workflows.monitor_act import Acted, act, collect
from selector.workflows.monitor_challengers import Challengers, due, looked, told_better
from selector.workflows.monitor_document import health_document, health_text
from selector.workflows.monitor_measure import Watching, fetching, measure_batch
from selector.workflows.monitor_reference import champion_candidate, refer, rules_digest
from selector.workflows.monitor_way_back import check_due, check_way_back, turned
from selector.workflows.observe import REIGN_ENDS
from selector.workflows.select_champion import Look, select

KINDS = {"degraded": "degraded", "recovered": "recovered", "warning": "warning", "calm": "calm"}
"""The ledger's kind for each turn."""


@dataclass(frozen=True, slots=True)
class Monitored:
    """What came of one look at production.

    Attributes:
        health: after it.
        text: for people.
        document: for scripts.
        alerts: what is to be told and was not taken over for delivery yet; see `told`.
        actions: what was done about a degraded champion, one sentence each.
        acts: the same, as it is kept.
        news: whether anything was read, turned or done.
        looks: at all candidates, where one was due because of what was found.

    """

    model: str
    health: Health
    text: str
    document: dict[str, Any]
    alerts: tuple[Alert, ...] = ()
    actions: tuple[str, ...] = ()
    acts: tuple[Act, ...] = ()
    news: bool = False
    looks: tuple[Look, ...] = ()


@dataclass(slots=True, eq=False)
class _Look:
    """One look while it goes on."""

    house: House
    setup: Setup
    policy: MonitorPolicy
    now: datetime
    health: Health
    entries: list[Entry] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    batches: int = 0
    beside: Challengers | None = None


def monitor(house: House, setup: Setup, *, dry_run: bool, actor: str) -> Monitored:
    """Look at production once.

    The state and the ledger entries are kept before anything is done, so that whoever looks next after a crash does
    what is still to be done. A batch counts once, whatever happens.

    Raises:
        UsageError: nothing says how this model is watched.
        MlflowUnreachableError: MLflow does not answer.

    """
    policy = setup.monitor
    if policy is None or house.production is None:
        advice = f"add models.{setup.model}.monitor: FOLDER; see docs/monitoring.md"
        raise UsageError(f"nothing says where production metrics of {setup.model!r} come from", advice=advice)
    with nullcontext() if dry_run else house.lease.hold():
        found = _looked(house, setup, policy, dry_run=dry_run, actor=actor)
    if not dry_run and any(one.what == "rollback" and one.done for one in found.acts):
        exported = bring_in_step(house, setup, None, actor=actor)
        text = "\n  ".join(filter(None, (found.text, exported.text)))
        found = replace(found, text=text, document={**exported.document, **found.document})
    better = () if dry_run else due(found.health, policy)
    if better or any(one.what == "reselect" for one in found.acts):
        again = select(house, [setup.model], dry_run=False, actor=actor)
        lines = [look.text if look.error is None else f"{look.model}: {look.error.message}" for look in again]
        if better and all(look.error is None for look in again):
            with house.lease.hold():
                house.store.keep_health(setup.model, looked(kept_health(house, setup.model)).to_json())
        return replace(found, text="\n".join([found.text, *lines]), looks=again)
    return found


def _looked(house: House, setup: Setup, policy: MonitorPolicy, *, dry_run: bool, actor: str) -> Monitored:
    if not dry_run:
        recover(house, setup.model)
    before = kept_health(house, setup.model)
    look = _Look(house, setup, policy, house.clock.now(), before)
    registered = house.registry.registered_model(setup.model)
    number = registered.aliases.get(setup.policy.aliases.champion) if registered else None
    champion = registered.version(number) if registered else None
    if registered is None or champion is None:
        look.notes.append("there is no champion to watch yet")
        return _done(look, before, Acted(), dry_run=dry_run)
    candidate = champion_candidate(house, setup.model, champion)
    _begin(look, candidate, champion.version)
    collected = collect(house, setup.model, look.health, dry_run=dry_run)
    look.health, look.entries = collected.health, [*look.entries, *collected.entries]
    with fetching(house, candidate) as fetched:
        look.beside = Challengers(house, setup, policy, fetched.spool)
        _read(look, Watching(setup, policy, look.health.reference, fetched))
        look.notes += look.beside.notes
        _look_back(look, registered, fetched.spool)
    _silence(look)
    if not dry_run and look.health != before:
        house.store.keep_health(setup.model, look.health.to_json(), look.entries)
    acted = _act(look, dry_run=dry_run, actor=actor)
    return _done(look, before, acted, dry_run=dry_run)


def told(house: House, model: str, alerts: Sequence[Alert]) -> None:
    """Forget alerts that were taken over for delivery. Until then every look returns them again."""
    health = kept_health(house, model)
    left = tuple(one for one in health.untold if one not in alerts)
    if left != health.untold:
        house.store.keep_health(model, replace(health, untold=left).to_json())


def _begin(look: _Look, candidate: Candidate, version: int) -> None:
    """Start a new watch where somebody else is champion than before, or where other floors are configured."""
    setup = look.setup
    same = look.health.version == version
    if same and look.health.reference.rules == rules_digest(setup, look.policy):
        return
    if same:
        referred = refer(look.house, setup, look.policy, candidate)
        look.notes += [*referred.notes, "other floors are configured; the watch starts anew"]
        anew = begun(look.health, version, referred.reference, look.now)
        look.health = replace(anew, began=look.health.began, after=look.health.after)
        look.health, _ = settle(look.health, leave(setup.model, look.health, look.now, same=True))
        return
    news = leave(setup.model, look.health, look.now) if look.health.version is not None else ()
    look.health, _ = settle(look.health, news)
    referred = refer(look.house, setup, look.policy, candidate)
    look.notes += referred.notes
    reigns = look.house.store.entries(setup.model, kinds=tuple(REIGN_ENDS), newest=1)
    since = reigns[-1].at if reigns and reigns[-1].version == version else look.now
    look.health = begun(look.health, version, referred.reference, since)


def _read(look: _Look, watching: Watching) -> None:
    """Read every source; one that fails costs only itself. Stop where a rollback is due: the rest is for its successor.

    What a champion did not answer is not held against it; see `_about_another`.
    """
    for source in look.setup.sources:
        if look.policy.on_degraded == "rollback" and look.health.state == "degraded":
            return
        try:
            _read_source(look, watching, source)
        except SelectorError as error:
            look.notes.append(f"{error.message} {error.advice}".strip())


def _read_source(look: _Look, watching: Watching, source: SourceSpec) -> None:
    if look.house.production is None:
        return
    mark, (seen, cursor) = mark_of(source), read_so_far(look.health, source)
    opened = look.house.production(source, watching.metric)
    for batch in opened.batches(seen, cursor.until, look.now):
        name = f"{mark}:{batch.id}"
        if isinstance(batch, Unusable):
            look.notes.append(f"{batch.id}: {batch.reason}")
            if not batch.later:
                look.health = skipped(look.health, name, look.now)
            continue
        cursor = replace(cursor, until=max(batch.at, cursor.until) if cursor.until else batch.at)
        counts = cursor.skipped is None or cursor.skipped + 1 >= source.window
        cursor = replace(cursor, skipped=0 if counts else (cursor.skipped or 0) + 1)
        if not counts or _about_another(look, batch):
            look.health = skipped(look.health, name, look.now)
        else:
            _take(look, watching, batch, name, source.key)
        look.health = _with_cursor(look.health, cursor)
        if look.policy.on_degraded == "rollback" and look.health.state == "degraded":
            return


def _about_another(look: _Look, batch: Batch) -> bool:
    """Tell whether a batch was answered by another model than the champion: by its version, else by its time."""
    if batch.version is not None:
        return batch.version != look.health.version
    if batch.features is not None and batch.predictions is None:
        return False  # the champion answers it now
    return look.health.after is not None and batch.arrived <= look.health.after


def _take(look: _Look, watching: Watching, batch: Batch, name: str, key: str) -> None:
    found = measure_batch(watching, batch, key)
    if isinstance(found, Unscorable):
        look.notes.append(f"{batch.id}: {found.reason}")
        if not found.transient:
            look.health = skipped(look.health, name, look.now)
        return
    look.batches += 1
    look.notes += [f"{batch.id}: {note}" for note in found.notes]
    look.health, changes = take(
        look.health, name, found.measured, at=batch.at, patience=look.policy.patience, now=look.now
    )
    alerts = [a for c in changes for a in change_alert(look.setup.model, look.health, c, look.policy.patience)]
    if found.drift is not None:
        look.health = replace(look.health, drift=found.drift)
        alerts += drift_alert(look.setup.model, look.health, batch.at)
    look.entries += [_entry(look, change) for change in changes]
    look.health, _ = settle(look.health, alerts)
    if look.beside is not None and found.judged is not None:
        look.health, better = look.beside.judge(look.health, batch, found.judged)
        for one in better:
            entry, alert = told_better(look.setup.model, look.health, look.policy, one, look.now)
            look.entries.append(entry)
            look.health, _ = settle(look.health, (alert,))


def _entry(look: _Look, change: Change) -> Entry:
    details = {
        "metric": change.name,
        "value": change.value,
        "floor": change.floor,
        "batch": change.batch.partition(":")[2],
        "batch_at": change.at.isoformat(),
        "began": change.began.isoformat() if change.began else None,
    }
    return Entry(
        at=look.now,
        model=look.setup.model,
        kind=KINDS[change.turn],
        version=look.health.version,
        reason=change_text(look.setup.model, look.health, change, look.policy.patience),
        details=details,
    )


def _look_back(look: _Look, registered: RegisteredModel, spool: Path) -> None:
    if look.policy.on_degraded != "rollback" or not check_due(look.health.way_back, look.now):
        return
    found = check_way_back(look.house, look.setup, registered, spool)
    look.entries += turned(look.setup.model, look.health.way_back, found)
    look.health, _ = settle(replace(look.health, way_back=found), (way_back_alert(look.setup.model, found),))


def _silence(look: _Look) -> None:
    since = silent_since(look.health, look.now, look.policy.expect_every)
    if since is not None and look.policy.expect_every is not None:
        alert: Alert = silence_alert(look.setup.model, since, look.now, look.policy.expect_every)
        look.notes.append(f"no production data since {since:%Y-%m-%d %H:%M} UTC")
    else:
        alert = speech_again(look.setup.model, look.now)
    look.health, _ = settle(look.health, (alert,))


def _with_cursor(health: Health, cursor: Cursor) -> Health:
    others = tuple(c for c in health.cursors if c.source != cursor.source)
    return replace(health, cursors=(*others, cursor))


def _act(look: _Look, *, dry_run: bool, actor: str) -> Acted:
    """Do what the policy says about a degraded champion, keep that it was done, and say so in the alert."""
    todo = to_do(look.health, look.policy, look.now)
    acted = act(look.house, look.setup, look.health, todo, dry_run=dry_run, actor=actor)
    if acted.acts and not dry_run:
        look.health = replace(look.health, acts=(*look.health.acts, *acted.acts))
    if acted.sentences and not dry_run:
        untold = tuple(_amended(alert, acted.sentences) for alert in look.health.untold)
        if acted.acts or untold != look.health.untold:
            look.health = replace(look.health, untold=untold)
            look.house.store.keep_health(look.setup.model, look.health.to_json(), acted.entries)
    return acted


def _amended(alert: Alert, sentences: Sequence[str]) -> Alert:
    """Add what was done to the alert that it was done about."""
    new = " ".join(s for s in sentences if s not in alert.text)
    if not isinstance(alert, AlertRaised) or alert.about != "degraded" or not new:
        return alert
    return replace(alert, text=f"{alert.text} {new}")


def _done(look: _Look, before: Health, acted: Acted, *, dry_run: bool) -> Monitored:
    notes = tuple(dict.fromkeys(look.notes))
    document = health_document(look.setup.model, look.health, look.policy, look.now)
    document |= {
        "batches_read": look.batches,
        "turns": [e.reason for e in look.entries],
        "actions": list(acted.sentences),
        "report": acted.report,
        "notes": list(notes),
        "dry_run": dry_run,
    }
    lines = [health_text(look.setup.model, look.health, look.policy, look.now)]
    lines += [f"  {e.reason}" for e in look.entries]
    lines += [f"  {sentence}" for sentence in acted.sentences]
    lines += [f"  note: {note}" for note in notes]
    return Monitored(
        model=look.setup.model,
        health=look.health,
        text="\n".join(lines),
        document=document,
        alerts=look.health.untold,
        actions=acted.sentences,
        acts=acted.acts,
        news=look.health != before,
    )
