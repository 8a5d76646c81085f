"""Can every source of production metrics be opened and read now, without taking anything out of it?"""

from __future__ import annotations

import difflib
import fnmatch
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from itertools import islice
from pathlib import Path

from selector.domain.health import Health
from selector.errors import ProductionError, SelectorError
from selector.ports_production import ProductionMetrics, SourceSpec, Unusable
from selector.redaction import redact
from selector.workflows.check import Check
from selector.workflows.house import House, Setup
from selector.workflows.kept_health import kept_health, read_so_far

SLACK = 2.0
"""Seconds beyond a source's own timeout, in which it can say itself what is wrong."""

MOST_LOOKED_AT = 20
"""Where so many batches in a row cannot be used, the rest will hardly be better."""

WORDS = {"mlflow": "experiment"}
"""What a kind of source is called in the configuration, where that differs."""


def sources(house: House, setup: Setup, existing: Sequence[str], *, reached: bool) -> Iterator[Check]:
    """Yield one finding for each source of a model that is watched; one that hangs or fails stops no other.

    What is new is looked at and neither measured nor remembered: the next look at production still finds it new.

    Args:
        house: the ports.
        setup: the model.
        existing: names of the active experiments.
        reached: whether MLflow answers.

    """
    if setup.monitor is None or house.production is None:
        return
    health = kept_health(house, setup.model)
    metric = setup.monitor.metric or setup.policy.metric
    for source in setup.sources:
        name = f"{setup.model}: {WORDS.get(source.kind, source.kind)} {redact(source.where)}"
        if source.kind == "mlflow" and not reached:
            yield Check(name, ok=None, detail="not looked at, because MLflow does not answer")
            continue
        opened = partial(house.production, source, metric)
        yield _bounded(_Look(name, source, opened, health, tuple(existing), house.clock.now()))


@dataclass(frozen=True, slots=True, eq=False)
class _Look:
    """A look at one source."""

    name: str
    source: SourceSpec
    opened: Callable[[], ProductionMetrics]
    health: Health
    existing: tuple[str, ...]
    now: datetime

    def told(self) -> Check:
        """Look; what goes wrong is the finding."""
        advice = "correct monitor.sources; see docs/monitoring.md"
        try:
            _is_there(self.source, self.existing)
            return self._read()
        except SelectorError as error:
            return Check(self.name, ok=False, detail=redact(error.message), advice=error.advice or advice)
        except Exception as error:  # noqa: BLE001 - told as the finding about this one source
            detail = redact(f"unexpected {type(error).__name__}: {error}")
            return Check(self.name, ok=False, detail=detail, advice=advice)

    def _read(self) -> Check:
        """Read until something can be used."""
        seen, cursor = read_so_far(self.health, self.source)
        since = cursor.until
        if self.source.kind == "prometheus" and since is not None:
            # Where nothing can be new it is not asked at all, and would seem to answer.
            since = min(since, self.now - 2 * timedelta(seconds=self.source.step))
        useless: list[Unusable] = []
        for batch in islice(self.opened().batches(seen, since, self.now), MOST_LOOKED_AT):
            if not isinstance(batch, Unusable):
                left_out = f"; {_why(useless[0])}" if useless else ""
                return Check(self.name, ok=True, detail=f"can be read, {batch.id} is new{left_out}")
            useless.append(batch)
        if useless:
            ok = None if all(one.later for one in useless) else False
            detail = f"nothing that is new can be used; {_why(useless[0])}"
            return Check(self.name, ok=ok, detail=detail, advice="correct it, or monitor.sources")
        if cursor.until is not None:
            detail = f"can be read, nothing new since {cursor.until:%Y-%m-%d %H:%M} UTC"
            return Check(self.name, ok=True, detail=detail)
        detail = "can be read, but nothing is in it yet"
        return Check(self.name, ok=None, detail=detail, advice="see docs/monitoring.md for what is expected there")


def _bounded(look: _Look) -> Check:
    """Return what a look finds; where it hangs, that. A file system that is away hangs without any deadline."""
    found: list[Check] = []
    thread = threading.Thread(target=lambda: found.append(look.told()), name=look.name, daemon=True)
    thread.start()
    thread.join(look.source.timeout + SLACK)
    if found:
        return found[0]
    advice = "look whether it is there at all, or give the source a longer timeout"
    return Check(look.name, ok=False, detail=f"it does not answer within {look.source.timeout:g} s", advice=advice)


def _is_there(source: SourceSpec, existing: Sequence[str]) -> None:
    """Raise ProductionError where a source would merely look empty: no such experiment, or no such folder."""
    if source.kind == "mlflow" and not any(fnmatch.fnmatchcase(one, source.where) for one in existing):
        near = difflib.get_close_matches(source.where, existing, n=1, cutoff=0.6)
        advice = f"did you mean {near[0]!r}?" if near else "log a monitoring run, or correct monitor.sources"
        raise ProductionError("the experiment does not exist", advice=advice)
    for folder in (source.where, source.labels) if source.kind == "folder" else ():
        if folder and not Path(folder).is_dir():
            advice = f"mkdir -p {folder}, or correct monitor.sources"
            raise ProductionError(f"there is no folder {folder}", advice=advice)
        if folder and not os.access(folder, os.R_OK | os.X_OK):
            raise ProductionError(f"the folder {folder} cannot be read", advice=f"let this user read {folder}")


def _why(batch: Unusable) -> str:
    return f"{batch.id}: {redact(batch.reason)}"
