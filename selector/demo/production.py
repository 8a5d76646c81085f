"""What happens when production degrades while nobody looks?"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path

import numpy as np
import pandas as pd

from selector.demo.customers import CALLS, make_customers
from selector.demo.folder import PRODUCTION
from selector.demo.service import PATIENCE_SECONDS
from selector.demo.stage import MODEL, Stage, Step, Told, expect
from selector.domain.model import STATUS_TAG
from selector.errors import SelectorError
from selector.workflows.kept_health import kept_health

ROWS = 200
GOOD_DAYS = 10
MOST_BAD_DAYS = 10
FIRST_SEED = 1_000
TO_SHOW = ("degraded", "rolled_back")
"""What people are told that the story repeats; see docs/notifications.md for the other kinds."""


def good_days(stage: Stage) -> Told:
    """Drop ten days of labelled customers, as a pipeline would, and wait until the service has judged them."""
    for day in range(GOOD_DAYS):
        _drop(stage, day, make_customers(ROWS, FIRST_SEED + day))
    _until(stage, lambda: kept_health(stage.house, MODEL).state == "healthy", "the service to find production healthy")
    text = f"{GOOD_DAYS} days of {ROWS} customers come in, with what became of them: v{stage.new} is healthy"
    return Told(text, result={"batches": GOOD_DAYS, "rows": GOOD_DAYS * ROWS})


def degrade(stage: Stage) -> Told:
    """Break the count of support calls, and wait until the service has noticed and gone back by itself."""
    random = np.random.default_rng(FIRST_SEED)
    days = 0

    def one_more_day() -> bool:
        nonlocal days
        if stage.champion() == stage.old:
            return True
        health = kept_health(stage.house, MODEL)
        # Once it is degraded, what is left to wait for is the way back.
        if days < MOST_BAD_DAYS and len(health.seen) >= GOOD_DAYS + days and health.state != "degraded":
            broken = make_customers(ROWS, FIRST_SEED + GOOD_DAYS + days)
            broken[CALLS] = random.permutation(broken[CALLS])
            _drop(stage, GOOD_DAYS + days, broken)
            days += 1
        return False

    _until(stage, one_more_day, f"the service to go back to version {stage.old}")
    registered = stage.house.registry.registered_model(MODEL)
    left = registered.version(stage.new) if registered else None
    status = left.tags.get(STATUS_TAG) if left else "gone"
    expect(status == "quarantined", f"version {stage.new} in quarantine", status)
    served, application = stage.served(stage.old)
    text = f"a feed breaks and mixes up the support calls; after {days} such days the service alarms"
    back = f"ROLLED BACK to v{stage.old}; v{stage.new} is in quarantine"
    return Told(text, (back, served), {"days": days, "application": application})


def told(stage: Stage) -> Told:
    """Wait for what the service has sent to the receiver under `notify`, and repeat it word for word."""
    alarm, back = (stage.told(kind) for kind in TO_SHOW)
    expect(f"v{stage.new}" in alarm.title, f"an alarm about version {stage.new}", alarm.title)
    expect(not stage.receiver.refused, "every message to be signed rightly", f"{stage.receiver.refused} that were not")
    text = f'people get signed messages, "{back.title}" and this one; their receiver has checked both:'
    return Told(text, (alarm.title, *alarm.body.splitlines()), {"messages": [asdict(back), asdict(alarm)]})


def _drop(stage: Stage, day: int, rows: pd.DataFrame) -> None:
    """Write a day's file beside its place and move it there, so that nobody reads half of it."""
    folder = Path(stage.folder, PRODUCTION)
    name = f"{stage.today - timedelta(days=GOOD_DAYS + MOST_BAD_DAYS - day):%Y-%m-%d}.csv"
    rows.to_csv(folder / f".{name}", index=False)
    (folder / f".{name}").rename(folder / name)


def _until(stage: Stage, holds: Callable[[], bool], what: str) -> None:
    ends = time.monotonic() + PATIENCE_SECONDS
    while not holds():
        if time.monotonic() > ends or not stage.service.running:
            raise SelectorError(f"expected {what}; the service's last words: {stage.service.last_words()}")
        time.sleep(0.2)


STEPS = (
    Step("production", "let the service watch ten healthy days", good_days),
    Step("production", "break a feed, and see the service go back by itself", degrade),
    Step("notify", "read what people were told", told),
)
