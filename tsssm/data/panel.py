"""What every input becomes: many series in one contiguous array."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass

import numpy as np

__all__ = ["Panel"]


@dataclass(frozen=True)
class Panel:
    """Many series in one contiguous array, each from its first observed value on.

    Rows before a series' first observation are not part of it, so leading gaps, unequal starts and padding are one
    case: `windows` gives them back as unobserved.

    Attributes
    ----------
    values : ndarray, (n_values,) float64
        All series one after another, each with its origin removed. NaN is unobserved. In float32 a first value far
        from the level, a counter's zero for example, would take the digits of all that follows.
    offsets : ndarray, (n_series + 1,) int64
        Series i is ``values[offsets[i]:offsets[i + 1]]``.
    origins : ndarray, (n_series,) float64
        The first observed value of each series.
    covariates : ndarray, (n_rows, n_covariates) float32
        Inputs known in the future (calendar among them), by row of the time axis; rows past the last value are the
        future as far as it is known.
    covariate_rows : ndarray, (n_series,) int64
        The row of `covariates` that belongs to the first value of each series.
    names : tuple
        The series' names.
    """

    values: np.ndarray
    offsets: np.ndarray
    origins: np.ndarray
    covariates: np.ndarray
    covariate_rows: np.ndarray
    names: tuple[Hashable, ...]

    @classmethod
    def from_columns(cls, columns: np.ndarray, covariates: np.ndarray, names: tuple[Hashable, ...]) -> Panel:
        """Build a panel from columns on one time axis.

        Parameters
        ----------
        columns : ndarray, (rows, n_series) float64
            NaN is unobserved; a column without any observation becomes a series of length zero.
        covariates : ndarray, (rows or more, n_covariates)
            Shared by all series.
        names : tuple
            One name a column.

        Examples
        --------
        >>> import numpy as np
        >>> panel = Panel.from_columns(np.array([[np.nan], [5.0], [7.0]]), np.zeros((3, 0)), ("load",))
        >>> panel.values, panel.origins, panel.lengths
        (array([0., 2.]), array([5.]), array([2]))
        """
        rows, n_series = columns.shape
        observed = ~np.isnan(columns)
        first = np.where(observed.any(axis=0), observed.argmax(axis=0), rows) if rows else np.zeros(n_series, np.int64)
        origins = np.array([columns[f, i] if f < rows else 0.0 for i, f in enumerate(first)], dtype=np.float64)
        parts = [columns[f:, i] - origins[i] for i, f in enumerate(first)]
        return cls(
            values=np.concatenate(parts) if parts else np.zeros(0),
            offsets=np.concatenate([[0], np.cumsum(rows - first)]).astype(np.int64),
            origins=origins,
            covariates=np.ascontiguousarray(covariates, dtype=np.float32),
            covariate_rows=first.astype(np.int64),
            names=tuple(names),
        )

    @property
    def n_series(self) -> int:
        """Number of series."""
        return len(self.origins)

    @property
    def n_covariates(self) -> int:
        """Number of covariates."""
        return self.covariates.shape[1]

    @property
    def lengths(self) -> np.ndarray:
        """Length of each series from its first observation on, (n_series,)."""
        return np.diff(self.offsets)

    def series(self, index: int) -> np.ndarray:
        """Values of one series, origin removed (a view)."""
        return self.values[self.offsets[index] : self.offsets[index + 1]]

    def windows(self, series: np.ndarray, ends: np.ndarray, length: int) -> np.ndarray:
        """Cut windows of values; rows outside the series are NaN.

        Parameters
        ----------
        series, ends : ndarray, (n_windows,) int64
            Window i covers the positions ``ends[i] - length`` up to and without ``ends[i]`` of its series.
        length : int
            Rows of a window.

        Returns
        -------
        ndarray, (n_windows, length) float64
        """
        positions = ends[:, None] + np.arange(-length, 0)
        inside = (positions >= 0) & (positions < self.lengths[series][:, None])
        result = np.full(positions.shape, np.nan)
        flat = self.offsets[series][:, None] + positions
        result[inside] = self.values[flat[inside]]
        return result

    def covariate_windows(self, series: np.ndarray, ends: np.ndarray, length: int) -> np.ndarray:
        """Cut windows of covariates; rows before the series and beyond what is known are zero.

        Returns
        -------
        ndarray, (n_windows, length, n_covariates) float32
        """
        positions = ends[:, None] + np.arange(-length, 0)
        rows = self.covariate_rows[series][:, None] + positions
        inside = (positions >= 0) & (rows < len(self.covariates))
        cut = self.covariates[np.where(inside, rows, 0)] if len(self.covariates) else np.zeros((*rows.shape, 0))
        return np.where(inside[..., None], cut, np.float32(0.0)).astype(np.float32, copy=False)
