"""How much faster is one paired comparison by influences than a bootstrap of the same difference?

Run: python benchmarks/influence_speed.py [--quick]. Prints ratios; SciPy's BCa bootstrap needs n more evaluations of n
rows for its acceleration, so it is timed up to 20,000 rows only, and the percentile bootstrap stands in above that,
with few resamples, scaled up to 2,000 and marked so.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np
from scipy import stats

from selector.domain.comparison import compare
from selector.domain.metric import metric
from selector.domain.model import Predictions, Truth
from selector.domain.multiplicity import Family, correlation, shortlist
from selector.domain.outcomes import Outcome, measure

RESAMPLES = 2_000


def made(rows: int, models: int, seed: int = 0) -> tuple[Truth, list[Predictions]]:
    rng = np.random.default_rng(seed)
    y = (rng.random(rows) < 0.27).astype(np.int64)
    shared = rng.normal(size=rows)
    answers = [
        Predictions((2.2 * y + 0.9 * shared + 0.45 * rng.normal(size=rows) > 1.25).astype(np.int64))
        for _ in range(models)
    ]
    return Truth("d", y, ("No", "Yes"), 1), answers


def scored(truth: Truth, answers: list[Predictions]) -> list[Outcome]:
    return [o for a in answers if isinstance(o := measure(metric("f1"), truth, a), Outcome)]


def lead(y: np.ndarray, a: np.ndarray, b: np.ndarray, axis: int = -1) -> np.ndarray:
    def f1(p: np.ndarray) -> np.ndarray:
        return 2 * np.sum(y & p, axis=axis) / (np.sum(y, axis=axis) + np.sum(p, axis=axis))

    return f1(a) - f1(b)


def seconds(work: Callable[[], object], repeats: int = 1) -> float:
    taken = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        taken.append(time.perf_counter() - start)
    return min(taken)


def versus_bca(rows: int, *, resamples: int) -> None:
    truth, answers = made(rows, 2)
    columns = tuple(np.asarray(x, dtype=bool) for x in (truth.labels, answers[0].labels, answers[1].labels))
    outcomes = scored(truth, answers)
    measured = seconds(lambda: scored(truth, answers), 5)
    ours = measured + seconds(lambda: compare(*outcomes), 5)
    method = "BCa" if rows <= 20_000 else "percentile"
    theirs = seconds(
        lambda: stats.bootstrap(
            columns, lead, paired=True, vectorized=True, n_resamples=resamples, batch=16, method=method, rng=1
        )
    )
    scaled = theirs * RESAMPLES / resamples if resamples != RESAMPLES else theirs
    note = "" if resamples == RESAMPLES else f" (timed with {resamples} resamples, scaled)"
    print(
        f"{rows:>9,} rows: two models measured in {1e3 * measured:.2f} ms, "
        f"compared in {1e3 * (ours - measured):.2f} ms; {method} bootstrap with {RESAMPLES:,} resamples {scaled:.2f} s"
        f"{note}: {scaled / ours:,.0f} times the whole"
    )


def many_models(rows: int, models: int) -> None:
    truth, answers = made(rows, models + 1)
    start = time.perf_counter()
    incumbent, *others = scored(truth, answers)
    measured = time.perf_counter()
    leads = [compare(o, incumbent) for o in others]
    compared = time.perf_counter()
    count = Family(correlation(others, incumbent), 1).effective_count(-float(stats.norm.ppf(min(c.p for c in leads))))
    counted = time.perf_counter()
    kept = shortlist([incumbent, *others], seed=1)
    listed = time.perf_counter()
    print(
        f"{models} challengers on {rows:,} rows: measured {measured - start:.2f} s, "
        f"compared {compared - measured:.2f} s,"
        f" counted as {count:.1f} in {counted - compared:.2f} s, shortlist of {len(kept)} in {listed - counted:.2f} s"
    )


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--quick", action="store_true", help="small sizes only, a few seconds")
    quick = arguments.parse_args().quick
    versus_bca(2_000, resamples=RESAMPLES)
    if not quick:
        versus_bca(20_000, resamples=RESAMPLES)
        versus_bca(1_000_000, resamples=20)
    many_models(20_000 if quick else 200_000, 50 if quick else 200)


if __name__ == "__main__":
    main()
