"""How often is a model promoted for nothing, by the naive rule and by ours?

Run: python benchmarks/error_rates.py [--quick]. Challengers that are exactly as good as production arrive one after
another, on one holdout that stays and on a fresh one for each decision; then weekly sweeps of seven. Every promotion is
a mistake. Models are latent normal scores with 81 % shared luck, 2,000 rows, 27 % positives, true F1 about 0.80.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Sequence

import numpy as np
from scipy import special

from selector.domain.comparison import compare
from selector.domain.metric import metric
from selector.domain.model import Predictions, Truth
from selector.domain.multiplicity import effective_count
from selector.domain.outcomes import Outcome, measure

ROWS = 2_000
PREVALENCE = 0.27
ALPHA = 0.05
MINIMUM_GAIN = 0.005
MINIMUM_EFFECTIVE_ROWS = 10
F1 = metric("f1", average="binary")

Rule = Callable[[Sequence[Outcome], Outcome, int], int | None]


class World:
    """Holdouts, and models that are equally good on average and differ by luck alone."""

    def __init__(self, seed: int) -> None:
        self.random = np.random.default_rng(seed)
        self.fresh_rows()

    def fresh_rows(self) -> None:
        """Draw a new holdout."""
        y = (self.random.random(ROWS) < PREVALENCE).astype(np.int64)
        self.truth = Truth("d", y, ("No", "Yes"), 1)
        self.luck = self.random.normal(size=ROWS)

    def model(self) -> Outcome:
        """Draw one more model of the same quality and measure it."""
        y = self.truth.labels
        score = 2.3 * y + 0.9 * self.luck + math.sqrt(0.19) * self.random.normal(size=ROWS)
        found = measure(F1, self.truth, Predictions((score > 1.4).astype(np.int64)))
        assert isinstance(found, Outcome)
        return found


def naive(challengers: Sequence[Outcome], incumbent: Outcome, refused: int) -> int | None:  # noqa: ARG001 - a Rule
    best = max(range(len(challengers)), key=lambda i: challengers[i].value)
    return best if challengers[best].value > incumbent.value else None


def tested(challengers: Sequence[Outcome], incumbent: Outcome, refused: int) -> int | None:  # noqa: ARG001 - a Rule
    """Test at 5 % each time, as if each challenger were the only one ever."""
    best = max(range(len(challengers)), key=lambda i: challengers[i].value)
    return best if compare(challengers[best], incumbent).p <= ALPHA else None


def recommended(challengers: Sequence[Outcome], incumbent: Outcome, refused: int) -> int | None:
    """Demand p * K <= 5 %, K the effective number judged now plus those that this incumbent has refused."""
    for i in sorted(range(len(challengers)), key=lambda i: -challengers[i].value):
        found = compare(challengers[i], incumbent)
        if found.p > ALPHA or found.lead < MINIMUM_GAIN or found.n_eff < MINIMUM_EFFECTIVE_ROWS:
            continue
        z = -float(special.ndtri(max(found.p, 1e-300)))
        if found.p * (effective_count(challengers, incumbent, z, seed=1) + refused) <= ALPHA:
            return i
    return None


RULES: dict[str, Rule] = {"naive maximum": naive, "5 % test each time": tested, "recommended": recommended}


def stream(rule: Rule, seed: int, *, fresh: bool, decisions: int, at_once: int = 1) -> int:
    """Return the number of promotions, all of them mistakes."""
    world = World(seed)
    incumbent = world.model()
    refused = promotions = 0
    for _ in range(decisions):
        if fresh:
            # Equal models are exchangeable: on new rows production is one more draw of the same quality.
            world.fresh_rows()
            incumbent = world.model()
        challengers = [world.model() for _ in range(at_once)]
        chosen = rule(challengers, incumbent, refused)
        if chosen is None:
            refused += at_once
        else:
            promotions, refused, incumbent = promotions + 1, 0, challengers[chosen]
    return promotions


def table(title: str, streams: int, decisions: int, at_once: int, unit: float) -> None:
    print(title)
    for name, rule in RULES.items():
        cells = []
        for fresh in (False, True):
            counts = [stream(rule, seed, fresh=fresh, decisions=decisions, at_once=at_once) for seed in range(streams)]
            scale = unit / decisions
            error = np.std(counts, ddof=1) / math.sqrt(streams) * scale
            cells.append(f"{np.mean(counts) * scale:7.2f} +- {error:.2f}")
        print(f"  {name:20s} same holdout {cells[0]:>16s}   fresh holdout {cells[1]:>16s}")


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--quick", action="store_true", help="few streams, about ten seconds")
    quick = arguments.parse_args().quick
    sizes = [World(seed).model().value for seed in range(50)]
    print(f"mean F1 of a model {np.mean(sizes):.3f}, its standard deviation over holdouts {np.std(sizes):.4f}")
    table("Promotions for nothing per 100 equal challengers", 6 if quick else 200, 100, 1, 100.0)
    table(
        "Weekly sweeps of 7 equal challengers: weeks with a promotion for nothing, in %",
        2 if quick else 40,
        52,
        7,
        100.0,
    )


if __name__ == "__main__":
    main()
