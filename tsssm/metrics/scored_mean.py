"""What all metrics share: arrays of one shape, and means over the entries that can be scored."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tsssm.errors import DataError

__all__ = ["Axis", "Score", "as_number", "as_pair", "scored_mean"]

Axis: TypeAlias = int | tuple[int, ...] | None
Score: TypeAlias = float | NDArray[np.float64]


def as_pair(actual: ArrayLike, other: ArrayLike, name: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Both as float64 arrays of one shape.

    Parameters
    ----------
    actual, other : array_like
        The observations, and what is compared with them.
    name : str
        What the second is called in an error.

    Returns
    -------
    tuple of two arrays

    Raises
    ------
    DataError
        The shapes differ. They are not broadcast: (n,) against (n, 1) would score n x n pairs.

    Examples
    --------
    >>> as_pair([1, 2], [1, 3], "point")[1]
    array([1., 3.])
    """
    left, right = np.asarray(actual, dtype=np.float64), np.asarray(other, dtype=np.float64)
    if left.shape != right.shape:
        raise DataError(f"actual has shape {left.shape}, {name} has {right.shape}: give both the same shape.")
    return left, right


def scored_mean(
    losses: NDArray[np.float64], scored: NDArray[np.bool_], axis: Axis = None, weights: ArrayLike | None = None
) -> Score:
    """Mean of the losses over the scored entries; NaN where nothing is scored.

    A NaN loss that is scored (a forecast that is NaN where the series is observed) makes the mean NaN.

    Parameters
    ----------
    losses : array
        One loss an entry.
    scored : array of bool, same shape
        The entries that count.
    axis : int, tuple of int or None
        The axes to average over; None averages over all.
    weights : array_like, optional
        How much each entry counts; broadcast to the shape of `losses`. None: all the same.

    Returns
    -------
    float or array

    Raises
    ------
    DataError
        Weights are negative, no numbers, or of a shape that does not fit.

    Examples
    --------
    >>> scored_mean(np.array([1.0, 2.0, 9.0]), np.array([True, True, False]))
    1.5
    >>> scored_mean(np.array([1.0, 2.0, 9.0]), np.array([True, True, False]), weights=[3.0, 1.0, 1.0])
    1.25
    """
    share = scored if weights is None else np.where(scored, _fitting_weights(weights, losses.shape), 0.0)
    total = (np.where(scored, losses, 0.0) * share).sum(axis=axis)
    with np.errstate(invalid="ignore"):  # 0 / 0: nothing is scored, and the answer is NaN
        return as_number(total / share.sum(axis=axis))


def _fitting_weights(weights: ArrayLike, shape: tuple[int, ...]) -> NDArray[np.float64]:
    given = np.asarray(weights, dtype=np.float64)
    if not np.all(given >= 0.0) or np.isinf(given).any():
        raise DataError(f"weights must be finite numbers of 0 or more, not {given}.")
    try:
        return np.broadcast_to(given, shape)
    except ValueError:
        raise DataError(f"weights have shape {given.shape}, which does not broadcast to {shape}.") from None


def as_number(score: NDArray[np.float64] | np.float64) -> Score:
    """A plain float in place of an array without axes.

    Parameters
    ----------
    score : array or numpy scalar

    Returns
    -------
    float or array

    Examples
    --------
    >>> as_number(np.array(2.5))
    2.5
    """
    return float(score) if np.ndim(score) == 0 else np.asarray(score)
