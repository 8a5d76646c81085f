"""How often is a challenger promoted for nothing by logged counts alone, and how large must its lead be?

Run: python benchmarks/unpaired.py [--quick]. Pairs of models that are exactly as good as each other log their counts.
Each is judged on rows of its own, or both on the same rows without anybody knowing who was right on which. Models are
latent normal scores with 81 % shared luck; true F1 about 0.80 at 27 % positives and about 0.6 at 5 %.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass

import numpy as np

from selector.domain.metric import metric
from selector.domain.tables import Table, rebuild
from selector.domain.unpaired import unpaired

F1 = metric("f1", average="binary")
SHARED_LUCK = 0.9
MINIMUM_GAIN = 0.005
SIZES = {0.27: (500, 2_000, 10_000), 0.05: (2_000, 10_000)}


class Rows:
    """Labelled rows and the luck that all models share on them."""

    def __init__(self, random: np.random.Generator, rows: int, prevalence: float) -> None:
        self.random = random
        self.positive = random.random(rows) < prevalence
        self.luck = random.normal(size=rows)

    def model(self) -> Table:
        """Return the counts of one more model of the same quality."""
        own = self.random.normal(size=len(self.luck))
        score = 2.3 * self.positive + SHARED_LUCK * self.luck + (1 - SHARED_LUCK**2) ** 0.5 * own
        cut = 1.4 if self.positive.mean() > 0.15 else 1.85
        said = score > cut
        tp = int(np.sum(said & self.positive))
        fp, fn = int(said.sum()) - tp, int(self.positive.sum()) - tp
        return Table(tp, fp, fn, len(said) - tp - fp - fn, exact=True, note="simulated")


@dataclass(frozen=True)
class Rates:
    """Of pairs of equal models: how often the challenger is promoted, and the median lead that counts demand."""

    counted: float
    plain: float
    needed: float


def rates(rows: int, prevalence: float, *, same: bool, pairs: int, k: float, seed: int) -> Rates:
    random = np.random.default_rng(seed)
    counted = plain = 0
    needed = []
    for _ in range(pairs):
        there = Rows(random, rows, prevalence)
        incumbent = there.model()
        challenger = (there if same else Rows(random, rows, prevalence)).model()
        found = unpaired(challenger, incumbent, F1, 0.95, k)
        if found is not None:
            counted += found.low > 0 and found.lead >= MINIMUM_GAIN
            plain += found.lead >= MINIMUM_GAIN
            needed.append(found.needed)
    return Rates(counted / pairs, plain / pairs, float(np.median(needed)))


def rebuilt(*, rows_known: bool, tables: int, seed: int = 3) -> tuple[float, float]:
    """Return how many of random tables come back exactly from logged quotients, and how many are refused."""
    random = np.random.default_rng(seed)
    exact = refused = 0
    for _ in range(tables):
        n = round(10 ** random.uniform(np.log10(200), np.log10(200_000)))
        positives = int(random.binomial(n, random.uniform(0.02, 0.6)))
        tp = max(1, int(random.binomial(positives, random.uniform(0.3, 0.98))))
        fp = int(random.binomial(n - positives, random.uniform(0.002, 0.3)))
        fn, tn = max(0, positives - tp), n - positives - fp
        metrics = {"precision": tp / (tp + fp), "recall": tp / (tp + fn), "accuracy": (tp + tn) / (tp + fp + fn + tn)}
        metrics["f1"] = 2 * tp / (2 * tp + fp + fn)
        found = rebuild(F1, metrics | ({"example_count": float(tp + fp + fn + tn)} if rows_known else {}), "f1")
        if isinstance(found, Table):
            exact += (found.tp, found.fp, found.fn, found.tn) == (tp, fp, fn, tn)
        else:
            refused += 1
    return exact / tables, refused / tables


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--quick", action="store_true", help="few pairs, about ten seconds")
    pairs = 1_000 if arguments.parse_args().quick else 10_000
    print(f"Promotions for nothing, in % of {pairs} equal challengers, and the lead that counts demand")
    print("  rows positives tries | other rows: by counts, by the value alone | same rows: both | needed lead")
    for prevalence, sizes in SIZES.items():
        for rows in sizes:
            for k in (1.0, 10.0):
                other = rates(rows, prevalence, same=False, pairs=pairs, k=k, seed=1)
                same = rates(rows, prevalence, same=True, pairs=pairs, k=k, seed=2)
                print(
                    f"{rows:6d} {prevalence:9.0%} {k:5.0f} | {other.counted:6.2%} {other.plain:6.1%} |"
                    f" {same.counted:6.2%} {same.plain:6.1%} | {other.needed:.4f}"
                )
    for known in (True, False):
        exact, refused = rebuilt(rows_known=known, tables=pairs)
        words = "with" if known else "without"
        print(f"tables rebuilt from quotients {words} the number of rows: {exact:.1%} exact, {refused:.1%} refused")


if __name__ == "__main__":
    main()
