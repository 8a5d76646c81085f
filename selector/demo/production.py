"""What happens when production degrades while nobody looks?"""

from __future__ import annotations

import time
from collections.abc import Callable
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
MOST_BAD_DAYS = 15
FIRST_SEED = 1_000
FIRST_DAY = pd.Timestamp("2025-10-01")


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
        seen = len(kept_health(stage.house, MODEL).seen)
        if days < MOST_BAD_DAYS and seen >= GOOD_DAYS + days:
            broken = make_customers(ROWS, FIRST_SEED + GOOD_DAYS + days)
            broken[CALLS] = random.permutation(broken[CALLS])
            _drop(stage, GOOD_DAYS + days, broken)
            days += 1
        return False

    _until(stage, one_more_day, f"the service to go back to version {stage.old}")
    entry = stage.house.store.entries(MODEL, kinds=("degraded",), newest=1)
    expect(entry, "the alarm in the ledger", "none")
    registered = stage.house.registry.registered_model(MODEL)
    left = registered.version(stage.new) if registered else None
    status = left.tags.get(STATUS_TAG) if left else "gone"
    expect(status == "quarantined", f"version {stage.new} in quarantine", status)
    served, application = stage.served(stage.old)
    alarm = f'after {days} such days the service alarms: "{entry[-1].reason.partition(";")[0]}"'
    what = "a feed breaks and mixes up the support calls"
    text = f"{what}: ROLLED BACK to v{stage.old}, v{stage.new} in quarantine"
    return Told(text, (alarm, served), {"days": days, "alarm": entry[-1].reason, "application": application})


def _drop(stage: Stage, day: int, rows: pd.DataFrame) -> None:
    """Write a day's file beside its place and move it there, so that nobody reads half of it."""
    folder = Path(stage.folder, PRODUCTION)
    name = f"{FIRST_DAY + pd.Timedelta(days=day):%Y-%m-%d}.csv"
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
)
