"""How often is a challenger promoted for nothing by logged counts alone, and how large must its lead be?

Run: python benchmarks/unpaired.py [--quick]. Pairs of models that are exactly as good as each other log their counts.
Each is judged on rows of its own, or both on the same rows without anybody knowing who was right on which. Models are
latent normal scores with 81 % shared luck; true F1 about 0.80 at 27 % positives and about 0.6 at 5 %.
"""

from __future__ import annotations

import argparse

import numpy as np

from selector.domain.metric import metric
from selector.domain.tables import Table
from selector.domain.unpaired import unpaired

F1 = metric("f1", average="binary")
SHARED_LUCK = 0.9
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


def error_rate(
    rows: int, prevalence: float, *, same: bool, pairs: int, confidence: float = 0.95, k: float = 1.0, seed: int = 1
) -> tuple[float, float]:
    """Return the share of equal challengers whose lead counts as shown, and the median lead that was needed."""
    random = np.random.default_rng(seed)
    shown, needed = 0, []
    for _ in range(pairs):
        there = Rows(random, rows, prevalence)
        incumbent = there.model()
        challenger = (there if same else Rows(random, rows, prevalence)).model()
        found = unpaired(challenger, incumbent, F1, confidence, k)
        if found is not None:
            shown += found.low > 0
            needed.append(found.needed)
    return shown / pairs, float(np.median(needed))


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--quick", action="store_true", help="few pairs, about ten seconds")
    pairs = 1_000 if arguments.parse_args().quick else 10_000
    print(f"Equal challengers whose lead counts as shown at 95 % confidence, of {pairs} pairs each")
    print(f"{'rows':>7s} {'positives':>9s} {'tries':>5s} {'other rows':>11s} {'same rows':>10s} {'needed lead':>12s}")
    for prevalence, sizes in SIZES.items():
        for rows in sizes:
            for k in (1.0, 10.0):
                other, needed = error_rate(rows, prevalence, same=False, pairs=pairs, k=k)
                same, _ = error_rate(rows, prevalence, same=True, pairs=pairs, k=k, seed=2)
                print(f"{rows:7d} {prevalence:9.0%} {k:5.0f} {other:11.4f} {same:10.4f} {needed:12.4f}")


if __name__ == "__main__":
    main()
