"""Training windows of a panel, drawn by index."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch

from tsssm.data.batch import Batch
from tsssm.data.panel import Panel

__all__ = ["WindowSource"]


@dataclass(frozen=True)
class WindowSource:
    """Every window of a panel's training part, as something with a length that can be sampled by index.

    Window k ends after some observation of some series; it may begin before the series does, so that the network
    also learns short histories. Its targets run ``horizon`` steps past the end of each token; those beyond the
    series' training part are NaN.

    Parameters
    ----------
    panel : Panel
        All series.
    train_lengths : ndarray, (n_series,) int64
        Rows of each series that may be learned from.
    location, scale : ndarray, (n_values,) float64
        The causal scaler's track along ``panel.values``.
    deviation : ndarray, (n_series,) float64
        Unit of the loss for each series.
    n_tokens, patch_length, horizon : int
        Tokens of a window, observations of a token, steps ahead.
    """

    panel: Panel
    train_lengths: np.ndarray
    location: np.ndarray
    scale: np.ndarray
    deviation: np.ndarray
    n_tokens: int
    patch_length: int
    horizon: int

    def __post_init__(self):
        # a window needs one observation before its end and one target after it
        ends = np.maximum(self.train_lengths - 1, 0)
        object.__setattr__(self, "_last", np.cumsum(ends))

    def __len__(self) -> int:
        return int(self._last[-1])  # type: ignore[attr-defined]

    def stretched(self, factor: int) -> WindowSource:
        """The same windows with `factor` times the tokens, each beginning so much earlier."""
        return replace(self, n_tokens=self.n_tokens * factor)

    @property
    def contexts_in_longest(self) -> int:
        """Whole windows that the longest training part holds."""
        return int(self.train_lengths.max()) // (self.n_tokens * self.patch_length)

    def sample(self, indices: np.ndarray) -> Batch:
        """Cut the windows with these indices, (B,) int64 below ``len(self)``, into one `Batch`."""
        last = self._last  # type: ignore[attr-defined]
        series = np.searchsorted(last, indices, side="right")
        ends = indices - np.where(series > 0, last[series - 1], 0) + 1
        context = self.n_tokens * self.patch_length
        length = context + self.horizon
        values = self.panel.windows(series, ends + self.horizon, length)
        positions = (ends - context)[:, None] + np.arange(length)
        values[positions >= self.train_lengths[series][:, None]] = np.nan
        token_ends = (ends - context)[:, None] + self.patch_length * np.arange(1, self.n_tokens + 1)
        rows = self.panel.offsets[series][:, None] + token_ends - 1
        real = token_ends > 0
        return Batch(
            values=torch.from_numpy(values),
            covariates=torch.from_numpy(self.panel.covariate_windows(series, ends + self.horizon, length)),
            location=torch.from_numpy(np.where(real, self.location[np.where(real, rows, 0)], 0.0)),
            scale=torch.from_numpy(np.where(real, self.scale[np.where(real, rows, 0)], 1.0)),
            first_token=torch.from_numpy(np.maximum(context - ends, 0) // self.patch_length),
            deviation=torch.from_numpy(self.deviation[series].astype(np.float32)),
        )
