"""What does each row cost: log loss, Brier, MAE, RMSE, MAPE, pinball, all of them means of a loss per row."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

_EPSILON = float(np.finfo(np.float64).eps)
"""Probabilities are kept this far from 0 and 1 in the log loss, as scikit-learn does."""


def log_loss(codes: npt.NDArray[np.int64], probability: Floats) -> Floats:
    """Return -log of the probability given to the true class, shape (n,), at most 36.04.

    Args:
        codes: shape (n,), the true class as a column of `probability`.
        probability: shape (n, k).

    """
    own = np.take_along_axis(probability, codes[:, np.newaxis], axis=1)[:, 0]
    return np.asarray(-np.log(np.clip(own, _EPSILON, 1.0 - _EPSILON)))


def brier(codes: npt.NDArray[np.int64], probability: Floats) -> Floats:
    """Return the squared distance to the true class, shape (n,): 0 to 1 for two classes, 0 to 2 for more.

    With two classes that is (p - y)^2, half of the sum over both columns; scikit-learn's convention.

    """
    own = np.take_along_axis(probability, codes[:, np.newaxis], axis=1)[:, 0]
    total = np.einsum("ij,ij->i", probability, probability) - 2.0 * own + 1.0
    return np.asarray(total / 2.0 if probability.shape[1] == 2 else total)  # noqa: PLR2004 - two classes


def number_loss(name: str, target: Floats, answer: Floats, quantile: float) -> Floats:
    """Return the loss per row, shape (n,): squared for rmse, absolute for mae, relative for mape, tilted for pinball.

    Raises:
        KeyError: no such loss.

    """
    error = target - answer
    if name == "rmse":
        return error * error
    if name == "mape":
        return np.abs(error) / np.abs(target)
    if name == "pinball":
        return np.maximum(quantile * error, (quantile - 1.0) * error)
    if name == "mae":
        return np.abs(error)
    raise KeyError(name)


def mean_loss(loss: Floats, weight: Floats, *, root: bool = False) -> tuple[float, Floats]:
    """Return the weighted mean of the loss (or its square root) and the influence per row, weighted mean 0."""
    mean = float(loss @ weight / weight.sum())
    if not root:
        return mean, loss - mean
    value = mean**0.5
    return value, (loss - mean) / (2.0 * value) if value > 0.0 else np.zeros_like(loss)
