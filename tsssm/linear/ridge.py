"""One ridge regression for all series: the last values minus their mean -> the next steps, in closed form."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from tsssm.data.panel import Panel
from tsssm.linear.cutoffs import Cutoffs, training_cutoffs, validation_cutoffs

__all__ = ["PENALTIES", "Ridge", "fit_ridge"]

PENALTIES = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)  # relative to the mean diagonal of the Gram matrix
_MAX_ROWS = 20_000  # rows of the regression; more than these change the fit by less than its noise
_MAX_VALIDATION_ROWS = 4_000
_STEPS_TO_CHOOSE_BY = 32


@dataclass(frozen=True)
class Ridge:
    """A linear map from the last `lags` values, minus their mean, to the next `horizon` steps, minus the same mean.

    The map is homogeneous and unchanged by adding a constant, so it serves series of any level and scale. Unobserved
    values count as the mean of the observed ones.

    Attributes
    ----------
    weights : Tensor, (lags, horizon) float64
    penalty : float
        Chosen by validation, relative to the mean diagonal.
    """

    weights: Tensor
    penalty: float

    @property
    def lags(self) -> int:
        """Values that a forecast looks back on."""
        return self.weights.shape[0]

    def forecast(self, windows: np.ndarray, level: np.ndarray) -> np.ndarray:
        """Forecast from windows of the last values.

        Parameters
        ----------
        windows : ndarray, (n, lags)
            NaN is unobserved.
        level : ndarray, (n,)
            Stands for the mean where a window holds no observation at all.

        Returns
        -------
        ndarray, (n, horizon) float64
        """
        centred, mean = _centre(windows, level)
        return (torch.from_numpy(centred) @ self.weights).numpy() + mean[:, None]


def _centre(windows: np.ndarray, level: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    windows = windows.astype(np.float64)
    observed = ~np.isnan(windows)
    count = observed.sum(axis=1)
    total = np.where(observed, windows, 0.0).sum(axis=1)
    mean = np.where(count > 0, total / np.maximum(count, 1), level)
    return np.where(observed, windows - mean[:, None], 0.0), mean


def fit_ridge(panel: Panel, train_lengths: np.ndarray, deviation: np.ndarray, *, lags: int, horizon: int) -> Ridge:
    """Fit the map on the training part and choose its penalty on the rest.

    Each step is fitted on the rows whose target is observed; a step that no row reaches takes the last fitted step's
    weights. Each series is divided by its training deviation in the fit only. Without a validation part the penalty
    is 0.01.

    Parameters
    ----------
    panel : Panel
    train_lengths : ndarray, (n_series,) int64
        Rows of each series that may be learned from; what follows is the validation part.
    deviation : ndarray, (n_series,) float64
    lags, horizon : int

    References
    ----------
    Hoerl and Kennard 1970, Ridge regression, Technometrics 12(1).
    """
    cutoffs = training_cutoffs(train_lengths, lags, _MAX_ROWS)
    x, y = _rows(panel, cutoffs, train_lengths, deviation, lags, horizon)
    held_out = validation_cutoffs(panel.lengths, train_lengths, horizon, _MAX_VALIDATION_ROWS)
    x_val, y_val = _rows(panel, held_out, panel.lengths, deviation, lags, horizon, first_target=train_lengths)
    if bool(torch.isnan(y_val).all() or torch.isnan(y).all()):
        return Ridge(_solve_all(x, y, 1e-2), 1e-2)
    penalty = _choose_penalty(x, y, x_val, y_val)
    return Ridge(_solve_all(x, y, penalty), penalty)


def _rows(panel, cutoffs: Cutoffs, last, deviation, lags, horizon, first_target=None) -> tuple[Tensor, Tensor]:
    """Centred and scaled rows (n, lags) and targets (n, horizon); targets outside the given part are NaN."""
    series, ends = cutoffs.series, cutoffs.ends
    unit = deviation[series][:, None]
    centred, mean = _centre(panel.windows(series, ends, lags), np.zeros(len(series)))
    targets = panel.windows(series, ends + horizon, horizon).astype(np.float64)
    positions = ends[:, None] + np.arange(horizon)
    targets[positions >= last[series][:, None]] = np.nan
    if first_target is not None:
        targets[positions < first_target[series][:, None]] = np.nan
    return torch.from_numpy(centred / unit), torch.from_numpy((targets - mean[:, None]) / unit)


def _normal_equations(x: Tensor, y: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """Gram matrix and right-hand side of each step, over the rows whose target of that step is observed.

    From one step to the next few rows come and go, so the Gram matrix is updated rather than built anew.
    """
    observed = ~torch.isnan(y)
    right = x.T @ torch.nan_to_num(y)
    gram = x[observed[:, 0]].T @ x[observed[:, 0]]
    for h in range(y.shape[1]):
        if h:
            gone, back = x[observed[:, h - 1] & ~observed[:, h]], x[~observed[:, h - 1] & observed[:, h]]
            gram = gram - gone.T @ gone + back.T @ back
        yield gram, right[:, h]


def _solve(gram: Tensor, right: Tensor, penalty: float) -> Tensor:
    # the tiny constant keeps a constant series (gram = 0) solvable: its weights are zero
    ridge = penalty * gram.diagonal().mean() + 1e-9
    factor = torch.linalg.cholesky(gram + ridge * torch.eye(len(gram), dtype=gram.dtype))
    return torch.cholesky_solve(right[:, None], factor)[:, 0]


def _solve_all(x: Tensor, y: Tensor, penalty: float) -> Tensor:
    weights = torch.zeros(x.shape[1], y.shape[1], dtype=x.dtype)  # of a step before any fitted one: the mean
    reached = (~torch.isnan(y)).any(dim=0)
    for h, (gram, right) in enumerate(_normal_equations(x, y)):
        weights[:, h] = _solve(gram, right, penalty) if reached[h] else weights[:, max(h - 1, 0)]
    return weights


def _choose_penalty(x: Tensor, y: Tensor, x_val: Tensor, y_val: Tensor) -> float:
    """The penalty with the smallest mean absolute error on the validation rows, over up to 32 steps."""
    reached = np.flatnonzero((~torch.isnan(y)).any(dim=0).numpy())
    chosen = np.unique(np.linspace(0, len(reached) - 1, min(len(reached), _STEPS_TO_CHOOSE_BY)).astype(int))
    steps = reached[chosen]
    error = torch.zeros(len(PENALTIES), dtype=torch.float64)
    for h, (gram, right) in zip(steps, _normal_equations(x, y[:, steps])):
        actual = y_val[:, h]
        seen = ~torch.isnan(actual)
        for k, penalty in enumerate(PENALTIES):
            error[k] += (x_val[seen] @ _solve(gram, right, penalty) - actual[seen]).abs().sum()
    return PENALTIES[int(error.argmin())]
