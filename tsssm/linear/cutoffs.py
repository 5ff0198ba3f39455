"""Which cutoffs (series, end of history) a fit learns from and is judged by."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

__all__ = ["Cutoffs", "training_cutoffs", "validation_cutoffs"]


@dataclass(frozen=True)
class Cutoffs:
    """Cutoff i: the first ``ends[i]`` values of series ``series[i]`` are known."""

    series: np.ndarray
    ends: np.ndarray

    def of_few_phases(self, patch_length: int, max_passes: int) -> Cutoffs:
        """Those of so few phases (end modulo `patch_length`) a series that a network passes over it `max_passes` times.

        A network that forecasts from every phase passes over a series once for each. Every series keeps one at least;
        which ones differ from series to series, so that together they still visit every hour of a day.
        """
        n_series = int(self.series.max(initial=0)) + 1
        kept = max(1, max_passes // n_series)
        turned = (self.ends - self.series * kept) % patch_length  # each series begins where the last one stopped
        passes, of_cutoff = np.unique(self.series * patch_length + turned, return_inverse=True)
        if len(passes) <= max_passes:
            return self
        series = passes // patch_length
        rank = np.arange(len(passes)) - np.searchsorted(series, series)
        chosen = (rank < kept)[of_cutoff]
        return Cutoffs(self.series[chosen], self.ends[chosen])


def _ranges(first: np.ndarray, last: np.ndarray, limit: int, coprime_to: int = 1) -> Cutoffs:
    """Ends first..last (inclusive) of each series, thinned evenly to about `limit` in all.

    The stride shares no factor with `coprime_to`, so that thinning visits every hour of a day.
    """
    counts = np.maximum(last - first + 1, 0)
    stride = max(1, math.ceil(counts.sum() / limit))
    while math.gcd(stride, coprime_to) > 1:
        stride += 1
    flat = np.arange(0, counts.sum(), stride)
    series = np.searchsorted(np.cumsum(counts), flat, side="right")
    before = np.cumsum(counts) - counts
    return Cutoffs(series, first[series] + flat - before[series])


def training_cutoffs(train_lengths: np.ndarray, lags: int, limit: int) -> Cutoffs:
    """Cutoffs with one target or more in the training part; they begin where a series can fill the lags.

    A series too short for that begins at half of its length.
    """
    first = np.minimum(lags, np.maximum(train_lengths // 2, 1))
    return _ranges(first, train_lengths - 1, limit)


def validation_cutoffs(
    lengths: np.ndarray, train_lengths: np.ndarray, horizon: int, limit: int, coprime_to: int = 1
) -> Cutoffs:
    """Cutoffs with one target or more in the validation part: from `horizon` steps before it on."""
    first = np.maximum(train_lengths - horizon + 1, 1)
    last = np.where(lengths > train_lengths, lengths - 1, 0)
    return _ranges(first, last, limit, coprime_to)
