"""How many challengers do these count as, and which of them may be the best?

Trying many challengers makes luck likely, but challengers that answer alike do not each add a full try. The number
they count as comes from the correlation of their differences to the incumbent (single-step max-T; Naiman & Priebe 2001
for the importance sampler, Westphal & Brannath 2020 for its use on model selection).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import scipy

from selector.domain.comparison import compare, group_sums, oriented
from selector.domain.outcomes import Outcome

Floats = npt.NDArray[np.float64]
Groups = npt.NDArray[np.int64] | None

_BLOCK = 16_384
"""Rows taken at a time, so that 200 models need 26 MB and not another copy of everything."""

_SHORTLIST_DRAWS = 2_048
"""Half as many as for a decision: who may be the best is shown, not acted upon."""

_FARTHEST = 37.0
"""Beyond this critical value the normal tail is not a float any more."""


def effective_count(
    challengers: Sequence[Outcome],
    incumbent: Outcome,
    z: float,
    *,
    seed: int,
    groups: Groups = None,
    draws: int = 4096,
    matrix: Floats | None = None,
) -> float:
    """Return K_eff(z), between 1 and the number of challengers: p * K_eff is the p-value after looking at them all.

    K_eff(z) = K * E[1 / #{j: Z_j > z} | Z of a random challenger exceeds z], Z normal with the challengers'
    correlation. The relative error of 4,096 draws is a few per cent at any z, however rare.

    Args:
        challengers: everyone judged now, the incumbent left out.
        incumbent: whom they are compared with.
        z: the normal critical value, -ndtri(p).
        seed: makes the draws, and so the decision, repeatable.
        groups: as in `compare`.
        draws: more draws, less noise.
        matrix: `correlation(challengers, incumbent, groups=groups)`, where it is at hand; computing it is the costly
            part.

    """
    if not challengers:
        return 1.0
    if matrix is None:
        matrix = correlation(challengers, incumbent, groups=groups)
    return Family(matrix, seed, draws=draws).effective_count(z)


def correlation(outcomes: Sequence[Outcome], incumbent: Outcome | None = None, *, groups: Groups = None) -> Floats:
    """Return the correlation, shape (K, K), of the models' influences, or of their differences to the incumbent.

    A model that never differs from the incumbent has no correlation; its row and column are NaN.
    """
    covariance = _covariance(outcomes, incumbent, groups)
    spread = np.sqrt(np.diag(covariance))
    # What float arithmetic leaves of an exact zero must not be blown up to a correlation of 1.
    spread[spread <= 1e-13 * max(_scale(outcomes), np.finfo(np.float64).tiny)] = np.nan
    return np.asarray(np.clip(covariance / np.outer(spread, spread), -1.0, 1.0))


def max_t_critical(
    of: Sequence[Outcome] | Floats, alpha: float, seed: int, *, groups: Groups = None, draws: int = 4096
) -> float:
    """Return the z that the luckiest of these models exceeds with probability alpha, by luck alone (one-sided).

    It lies between the z of one test (all answer alike) and that of Bonferroni's K tests.

    Args:
        of: the models, or their correlation, shape (K, K), from `correlation`.
        alpha: between 0 and 1.
        seed: makes the result repeatable.
        groups: as in `compare`; used with models alone.
        draws: more draws, less noise.

    """
    if len(of) == 0:
        return _critical(alpha)
    matrix = of if isinstance(of, np.ndarray) else correlation(of, groups=groups)
    return Family(matrix, seed, draws=draws).critical(alpha)


def shortlist(outcomes: Sequence[Outcome], *, alpha: float = 0.05, seed: int, groups: Groups = None) -> tuple[int, ...]:
    """Return the positions of the models that may be the best, in the order given.

    A model stays unless the max-T test of "somebody beats it" rejects at `alpha` (Hsu's multiple comparisons with the
    best). The best one always stays; the truly best one is missed with probability alpha at most.

    Args:
        outcomes: of the same metric on the same rows.
        alpha: between 0 and 1.
        seed: makes the result repeatable.
        groups: as in `compare`.

    """
    if not outcomes:
        return ()
    metric = outcomes[0].metric
    best = max(range(len(outcomes)), key=lambda i: metric.lead(outcomes[i].value, outcomes[0].value))
    field = _Field(outcomes, best, alpha, seed, groups)
    return tuple(i for i in range(len(outcomes)) if i == best or not field.beats(i))


class _Field:
    """Models of which each is tested against all its rivals; covariance and draws are shared by all the tests."""

    def __init__(self, outcomes: Sequence[Outcome], best: int, alpha: float, seed: int, groups: Groups) -> None:
        self._outcomes, self._alpha, self._seed, self._groups = outcomes, alpha, seed, groups
        # Over the best one, because differences of differences lose fewer digits than those of whole influences.
        self._covariance = _covariance(outcomes, outcomes[best], groups)
        self._values = np.array([outcomes[best].metric.lead(o.value, outcomes[best].value) for o in outcomes])
        self._free = _normal_draws(self._covariance, seed, _SHORTLIST_DRAWS)

    def beats(self, loser: int) -> bool:
        """Tell whether some rival beats `loser` by more than luck explains, given how many rivals there are."""
        spread = self._spread(loser)
        rivals = np.flatnonzero(spread)
        if not len(rivals):
            return False
        rival = int(rivals[np.argmax((self._values[rivals] - self._values[loser]) / spread[rivals])])
        p = compare(self._outcomes[rival], self._outcomes[loser], groups=self._groups).p
        if p > self._alpha or p * len(rivals) <= self._alpha:
            return p <= self._alpha
        return p * self.family(loser).effective_count(_critical(p)) <= self._alpha

    def family(self, loser: int) -> Family:
        """Return the rivals of `loser` with the correlation of their leads over it."""
        spread = self._spread(loser)
        rivals = np.flatnonzero(spread)
        matrix = self._against(loser)[np.ix_(rivals, rivals)] / np.outer(spread[rivals], spread[rivals])
        free = (self._free[:, rivals] - self._free[:, [loser]]) / spread[rivals]
        return Family(np.clip(matrix, -1.0, 1.0), self._seed, free=free)

    def _against(self, loser: int) -> Floats:
        own = self._covariance[loser]
        return np.asarray(self._covariance - own - own[:, np.newaxis] + own[loser])

    def _spread(self, loser: int) -> Floats:
        """Return the standard error of each lead over `loser`; 0 for itself and its copies, who are no rivals."""
        spread = np.sqrt(np.maximum(np.diag(self._against(loser)), 0.0))
        # Float arithmetic leaves noise of this size where the difference is exactly 0.
        spread[spread <= 1e-6 * math.sqrt(float(np.diag(self._covariance).max()))] = 0.0
        return np.asarray(spread)


class Family:
    """Challengers that are judged together: seeded normal draws with their correlation.

    Drawn once; the same draws serve every critical value, so asking for many of them is cheap.

    Args:
        matrix: shape (K, K), from `correlation`; models without one (NaN) are left out.
        seed: makes the draws repeatable.
        draws: more draws, less noise.
        free: shape (draws, K), normal draws with this correlation, where they are at hand.

    """

    def __init__(self, matrix: Floats, seed: int, *, draws: int = 4096, free: Floats | None = None) -> None:
        real = np.isfinite(np.diag(matrix))
        matrix = matrix[np.ix_(real, real)]
        self.size = len(matrix)
        if self.size < 2:  # noqa: PLR2004 - one test needs no correction
            return
        self._free = _normal_draws(matrix, seed, draws) if free is None else free
        draws = len(self._free)
        random = np.random.default_rng([seed, 1])
        self._chosen = np.arange(draws) % self.size
        # Stratified, so that the rare far tail is always represented alike.
        self._uniform = (random.permutation(draws) + random.random(draws)) / draws
        self._pull = matrix[self._chosen]

    def critical(self, alpha: float) -> float:
        """Return the z at which p * K_eff is alpha."""
        low, high = _critical(alpha), _critical(alpha / max(self.size, 1))
        while high - low > 1e-6:  # noqa: PLR2004 - far below what the draws resolve
            middle = (low + high) / 2.0
            if self.effective_count(middle) * float(scipy.special.ndtr(-middle)) > alpha:
                low = middle
            else:
                high = middle
        return high

    def effective_count(self, z: float) -> float:
        """Return K_eff at this critical value, between 1 and K."""
        if self.size < 2:  # noqa: PLR2004 - one test needs no correction
            return 1.0
        z = min(max(z, -_FARTHEST), _FARTHEST)
        tail = float(scipy.special.ndtr(-z))
        rows = np.arange(len(self._chosen))
        exceeding = np.maximum(-scipy.special.ndtri(np.maximum(self._uniform * tail, np.finfo(np.float64).tiny)), z)
        shift = exceeding - self._free[rows, self._chosen]
        above = (self._free + self._pull * shift[:, np.newaxis]) > z - 1e-9
        above[rows, self._chosen] = True
        share = float(np.mean(1.0 / above.sum(axis=1)))
        return min(max(self.size * share, 1.0), float(self.size))


def _normal_draws(covariance: Floats, seed: int, draws: int) -> Floats:
    """Return seeded normal draws with this covariance, shape (draws, K), at least one per model."""
    values, vectors = np.linalg.eigh((covariance + covariance.T) / 2.0)
    root = vectors * np.sqrt(np.maximum(values, 0.0))
    shape = (max(draws, len(covariance)), len(covariance))
    return np.asarray(np.random.default_rng([seed, 0]).standard_normal(shape) @ root.T)


def _critical(tail: float) -> float:
    return min(max(-float(scipy.special.ndtri(tail)), -_FARTHEST), _FARTHEST)


def _covariance(outcomes: Sequence[Outcome], reference: Outcome | None, groups: Groups) -> Floats:
    """Return the covariance of the values (of the leads over `reference`), block by block of rows."""
    rows = outcomes[0].rows
    total = np.zeros((len(outcomes), len(outcomes)))
    if groups is not None:
        base = 0.0 if reference is None else oriented(reference)
        sums = np.stack([group_sums(oriented(o) - base, groups) for o in outcomes])
        return np.asarray(sums @ sums.T / rows / rows)
    for start in range(0, rows, _BLOCK):
        part = slice(start, start + _BLOCK)
        block = np.stack([_oriented_part(o, part) for o in outcomes])
        if reference is not None:
            block -= _oriented_part(reference, part)
        total += block @ block.T
    return np.asarray(total / rows / rows)


def _oriented_part(outcome: Outcome, part: slice) -> Floats:
    return outcome.influence[part] if outcome.metric.target is None else oriented(outcome)[part]


def _scale(outcomes: Sequence[Outcome]) -> float:
    return max(o.standard_error for o in outcomes) if all(math.isfinite(o.standard_error) for o in outcomes) else 1.0
