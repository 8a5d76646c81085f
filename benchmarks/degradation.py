"""How soon does a fallen F1 raise an alarm, and how often does a healthy one? The detector beside plain rules.

Run: python benchmarks/degradation.py [--quick]. Batches of a model at 27 % positives with precision near recall; the
floor is F1 0.75, a healthy model has 0.80. Printed per rule: batches to an alarm exactly at the floor (the average run
length; paths end at ten times the promise), the chance of a false alarm within 365 healthy batches, and the batches
that pass until a model of F1 0.70, 0.65 or 0.55 is noticed. The detectors of river read the errors row by row.
"""

from __future__ import annotations

import argparse
import importlib
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import numpy as np

from selector.domain.health_evidence import as_share
from selector.domain.health_watch import Patience, Reading, Watched, step

FLOOR, HEALTHY, PROMISE, YEAR = 0.75, 0.80, 365, 365
FALLEN = (0.70, 0.65, 0.55)
PREVALENCE = 0.27
AT = datetime(2026, 1, 1, tzinfo=UTC)

Batch = tuple[int, int, int]
"""Rows, right ones among the relevant, relevant ones."""

Alarm = Callable[[Iterator[Batch]], int]
"""Takes batches and returns at which one the rule alarms, from 1 on; 0 if never."""


def batches(f1: float, rows: int, number: int, random: np.random.Generator) -> Iterator[Batch]:
    relevant = random.binomial(rows, PREVALENCE * (2.0 - f1), number)
    right = random.binomial(relevant, as_share(f1, f1=True))
    yield from ((rows, int(h), int(m)) for h, m in zip(right, relevant, strict=True))


def f1_of(hits: int, of: int) -> float:
    return 2 * hits / (hits + of) if hits + of else 1.0


def detector(stream: Iterator[Batch]) -> int:
    watched, patience = Watched("F1", "f1", FLOOR), Patience(false_alarm_every=PROMISE)
    for number, (rows, hits, of) in enumerate(stream, 1):
        watched = step(watched, Reading("F1", "f1", f1_of(hits, of), rows, hits, of), patience, AT)
        if watched.state == "degraded":
            return number
    return 0


def in_a_row(k: int) -> Alarm:
    def alarm(stream: Iterator[Batch]) -> int:
        run = 0
        for number, (_, hits, of) in enumerate(stream, 1):
            run = run + 1 if f1_of(hits, of) < FLOOR else 0
            if run == k:
                return number
        return 0

    return alarm


def rolling(stream: Iterator[Batch]) -> int:
    last: list[float] = []
    for number, (_, hits, of) in enumerate(stream, 1):
        last = [*last, f1_of(hits, of)][-7:]
        if len(last) == 7 and sum(last) / 7 < FLOOR:
            return number
    return 0


def shewhart(stream: Iterator[Batch]) -> int:
    for number, (_, hits, of) in enumerate(stream, 1):
        null = as_share(FLOOR, f1=True)
        if of and hits / of < null - 3.0 * (null * (1.0 - null) / of) ** 0.5:
            return number
    return 0


def river(module: str, name: str) -> Alarm:
    make = getattr(importlib.import_module(module), name)

    def alarm(stream: Iterator[Batch]) -> int:
        found, random = make(), np.random.default_rng(0)
        for number, (rows, hits, of) in enumerate(stream, 1):
            errors = np.zeros(rows, dtype=int)
            errors[: of - hits] = 1
            for error in random.permutation(errors):
                found.update(int(error))
                if found.drift_detected:
                    return number
        return 0

    return alarm


def rules() -> dict[str, Alarm]:
    return {
        "e-detector (ours)": detector,
        "one batch below": in_a_row(1),
        "3 below in a row": in_a_row(3),
        "rolling 7 below": rolling,
        "Shewhart 3 sigma": shewhart,
    }


def river_rules() -> dict[str, Alarm]:
    drift, binary = "river.drift", "river.drift.binary"
    names = [(drift, "PageHinkley"), (drift, "ADWIN"), (binary, "DDM"), (binary, "HDDMA"), (binary, "HDDMW")]
    try:
        return {f"river {name}": river(module, name) for module, name in names}  # names as of river 0.26
    except ImportError as error:
        print(f"SKIPPED: river's detectors, because river is not installed ({error}); pip install river\n")
        return {}


def row(alarm: Alarm, rows: int, paths: int, seed: int, *, healthy_first: int = 0) -> list[str]:
    random = np.random.default_rng(seed)
    most = 10 * PROMISE
    at_floor = [alarm(batches(FLOOR, rows, most, random)) or most for _ in range(max(paths // 4, 10))]
    false = [alarm(batches(HEALTHY, rows, YEAR, random)) > 0 for _ in range(paths)]
    cells = [f"{np.mean(at_floor):8,.0f}", f"{np.mean(false):8.3f}"]
    for f1 in FALLEN:
        waits = []
        for _ in range(paths):
            found = alarm(_then(batches(HEALTHY, rows, healthy_first, random), batches(f1, rows, most, random)))
            waits.append((found or most) - healthy_first)
        cells.append(f"{np.mean([w for w in waits if w > 0] or [np.nan]):8.1f}")
    return cells


def _then(first: Iterator[Batch], second: Iterator[Batch]) -> Iterator[Batch]:
    yield from first
    yield from second


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer paths")
    quick = parser.parse_args().quick
    paths = 40 if quick else 300
    head = f"{'rows':>6}  {'rule':<20} {'at floor':>8} {'P(false)':>8} " + " ".join(
        f"to {f:.2f}".rjust(8) for f in FALLEN
    )
    others = river_rules()
    print(head)
    for rows in (50, 100, 500, 2_000):
        for number, (name, alarm) in enumerate(rules().items()):
            print(f"{rows:>6}  {name:<20} {' '.join(row(alarm, rows, paths, number))}", flush=True)
        for name, alarm in others.items() if rows == 500 else ():
            print(f"{rows:>6}  {name:<20} {' '.join(row(alarm, rows, 10, 9, healthy_first=50))}", flush=True)


if __name__ == "__main__":
    main()
