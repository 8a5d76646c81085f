"""What does caution cost: how much of the real improvement on offer does each rule take?

Run: python benchmarks/gain_kept.py [--quick]. Two hundred challengers arrive one after another. Five times the training
gets really better by 0.02 F1, so that 0.100 is to be had; in between, challengers are as good as the latest training,
and half of them as good as the training before. Whoever is promoted stays until somebody else is. A promotion is false
when the new model is not truly better than the one it replaces.
"""

from __future__ import annotations

import argparse
import math
import sys
from pathlib import Path

import numpy as np
from scipy.stats import norm

sys.path.insert(0, str(Path(__file__).parent))

from error_rates import F1, PREVALENCE, ROWS, RULES, Rule

from selector.domain.model import Predictions, Truth
from selector.domain.outcomes import Outcome, measure

CHALLENGERS = 200
STEPS = 5
STEP = 0.02
START = 0.80
CUT = 0.61
"""Where a score counts as positive, in units of the signal."""


def true_f1(signal: float) -> float:
    """Return the F1 of a latent normal model with this much signal."""
    hit, false = 1 - norm.cdf(CUT * signal - signal), 1 - norm.cdf(CUT * signal)
    return float(2 * PREVALENCE * hit / (PREVALENCE * (1 + hit) + (1 - PREVALENCE) * false))


def signal_for(f1: float) -> float:
    """Return the signal that gives this F1, by bisection."""
    low, high = 0.5, 6.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if true_f1(middle) < f1 else (low, middle)
    return low


SIGNALS = [signal_for(START + STEP * level) for level in range(STEPS + 1)]


class Models:
    """Holdouts, and models of a given quality that share 81 % of their luck."""

    def __init__(self, seed: int) -> None:
        self.random = np.random.default_rng(seed)
        self.fresh_rows()

    def fresh_rows(self) -> None:
        """Draw a new holdout."""
        y = (self.random.random(ROWS) < PREVALENCE).astype(np.int64)
        self.truth = Truth("d", y, ("No", "Yes"), 1)
        self.luck = self.random.normal(size=ROWS)

    def draw(self) -> np.ndarray:
        """Draw a model's own luck; with it the model answers any holdout of this size."""
        return self.random.normal(size=ROWS)

    def measured(self, level: int, own: np.ndarray) -> Outcome:
        """Measure a model of this level."""
        signal = SIGNALS[level]
        score = signal * self.truth.labels + 0.9 * self.luck + math.sqrt(0.19) * own
        found = measure(F1, self.truth, Predictions((score > CUT * signal).astype(np.int64)))
        assert isinstance(found, Outcome)
        return found


def stream(rule: Rule, seed: int, *, fresh: bool) -> tuple[float, int]:
    """Return the true F1 gained, and how many promotions were false."""
    models = Models(seed)
    level, own = 0, models.draw()
    refused = false = 0
    for number in range(CHALLENGERS):
        if fresh:
            models.fresh_rows()
            own = models.draw()
        latest = min(STEPS, number * (STEPS + 1) // CHALLENGERS)
        challenger = max(0, latest - int(models.random.random() < 0.5))
        luck = models.draw()
        chosen = rule([models.measured(challenger, luck)], models.measured(level, own), refused)
        if chosen is None:
            refused += 1
        else:
            false += challenger <= level
            level, own, refused = challenger, luck, 0
    return STEP * level, false


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--quick", action="store_true", help="few streams, about ten seconds")
    streams = 5 if arguments.parse_args().quick else 60
    print(f"True F1 gained of {STEP * STEPS:.3f} on offer, and false promotions, in {CHALLENGERS} challengers")
    for name, rule in RULES.items():
        cells = []
        for fresh in (False, True):
            found = [stream(rule, seed, fresh=fresh) for seed in range(streams)]
            gains, false = np.array([f[0] for f in found]), np.array([f[1] for f in found])
            error = gains.std(ddof=1) / math.sqrt(streams)
            cells.append(f"{gains.mean():.4f} +- {error:.4f}, false {false.mean():6.2f}")
        print(f"  {name:20s} same holdout {cells[0]}   fresh holdout {cells[1]}")


if __name__ == "__main__":
    main()
