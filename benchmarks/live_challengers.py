"""How often is a challenger that is no better promoted on production's labels, and how soon is a better one noticed?

Two models of equal or known F1 answer the same rows of production; their errors overlap as those of real models do.
Somebody looks after every batch. Beside the confidence sequence stands what people do: promote when the challenger's F1
is higher, when it was higher in seven batches in a row, and when a 5 % test says so.

    python benchmarks/live_challengers.py [--paths 200] [--batches 365]
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from selector.domain.live import LiveChallenger, LiveLead
from selector.domain.live_lead import live_lead, reach_at, with_cells
from selector.domain.metric import Metric, metric

PREVALENCE = 0.27
HEALTHY = 0.80
SHARED = 0.72
"""How far the errors of the two models are the same; that of re-trained tree models on real data."""

F1: Metric = metric("f1", average="binary")
ALPHA = 0.05


@dataclass(frozen=True)
class Pair:
    """Chances of each (label, champion, challenger) cell; shape (8,), in the order of the bits."""

    cells: np.ndarray


def pair(champion: float, challenger: float) -> Pair:
    """Return two models with these F1 values, precision equal to recall in each."""
    cells = np.zeros(8)
    for label, share in ((1, PREVALENCE), (0, 1.0 - PREVALENCE)):
        wrong = [_wrong(f1, label) for f1 in (champion, challenger)]
        both = SHARED * min(wrong) + (1.0 - SHARED) * wrong[0] * wrong[1]
        chances = {(1, 1): both, (1, 0): wrong[0] - both, (0, 1): wrong[1] - both}
        chances[0, 0] = 1.0 - sum(chances.values())
        for (a, b), chance in chances.items():
            answers = (label ^ a, label ^ b)
            cells[4 * label + 2 * answers[0] + answers[1]] = share * chance
    return Pair(cells)


def _wrong(f1: float, label: int) -> float:
    missed = 1.0 - f1
    return missed if label else missed * PREVALENCE / (1.0 - PREVALENCE)


Rule = Callable[[list[LiveLead]], bool]


def by_sequence(leads: list[LiveLead]) -> bool:
    """Promote when the interval that holds at all looks lies above 0, and the lead is worth a change."""
    return leads[-1].low > 0.0 and leads[-1].lead >= 0.005


def by_test(leads: list[LiveLead]) -> bool:
    """Promote when a one-sided 5 % test on all rows so far says so; made for one look, used at each."""
    now = leads[-1]
    if math.isinf(now.low):
        return False
    return now.lead > 1.645 * _standard_error(now)


def by_value(leads: list[LiveLead]) -> bool:
    """Promote when the F1 of all rows so far is higher by 0.005, from the tenth batch on."""
    return len(leads) >= 10 and leads[-1].lead >= 0.005


def _standard_error(found: LiveLead) -> float:
    return (found.lead - found.low) / reach_at(found.rows, 1.0, ALPHA) / math.sqrt(found.rows)


def first_look(
    rows: int, models: Pair, batches: int, rules: dict[str, Rule], rng: np.random.Generator
) -> dict[str, int]:
    """Return after how many batches each rule promotes; -1 for never."""
    found = dict.fromkeys(rules, -1)
    one = LiveChallenger("", "", 1)
    leads: list[LiveLead] = []
    for batch in range(1, batches + 1):
        counts = rng.multinomial(rows, models.cells)
        one = with_cells(one, tuple((i >> 2, i >> 1 & 1, i & 1, int(n)) for i, n in enumerate(counts) if n))
        lead = live_lead(one, F1, classes=2, positive=1, alpha=ALPHA)
        if lead is None:
            continue
        leads.append(lead)
        for name, rule in rules.items():
            if found[name] < 0 and rule(leads):
                found[name] = batch
        if min(found.values()) > 0:
            break
    return found


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--paths", type=int, default=200)
    parser.add_argument("--batches", type=int, default=365)
    asked = parser.parse_args()
    rules: dict[str, Rule] = {"ours": by_sequence, "5 % test at every look": by_test, "higher F1": by_value}
    rng = np.random.default_rng(20260801)
    print(f"{asked.paths} paths of {asked.batches} batches; champion F1 {HEALTHY}")
    print(f"{'rows':>6} {'true lead':>9}  {'rule':<24} {'promoted':>8}  median rows")
    for rows in (50, 100, 500):
        for lead in (0.0, 0.01, 0.02, 0.04):
            models = pair(HEALTHY, HEALTHY + lead)
            found = [first_look(rows, models, asked.batches, rules, rng) for _ in range(asked.paths)]
            for name in rules:
                took = [f[name] for f in found if f[name] > 0]
                median = f"{int(np.median(took)) * rows:,}" if took else "-"
                print(f"{rows:>6} {lead:>9.2f}  {name:<24} {len(took) / asked.paths:>8.1%}  {median}")


if __name__ == "__main__":
    main()
