"""Run the network along whole histories, in pieces, and collect what is asked for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from tsssm.data import Panel
from tsssm.forecasters.model import Track
from tsssm.linear import Cutoffs
from tsssm.network import ForecastNetwork, token_features

__all__ = ["Piece", "encode", "hidden_at"]

_TOKENS_AT_ONCE = 8192  # rows times tokens of one call (one token a row at least): length does not cost memory


@dataclass(frozen=True)
class Piece:
    """Some tokens of every row: the first one's position, features (rows, k, d_model), and the state after them."""

    first: int
    hidden: Tensor
    state: tuple


@torch.no_grad()
def encode(
    network: ForecastNetwork, panel: Panel, track: Track, series: np.ndarray, last_ends: np.ndarray
) -> Iterator[Piece]:
    """Run rows of tokens from the beginning of their series.

    Row r reads series ``series[r]`` in tokens whose last one ends with value ``last_ends[r]`` (at least 1). Rows are
    aligned at their last token; a row with fewer tokens starts, by a reset, at its first real one.

    Parameters
    ----------
    network : ForecastNetwork
    panel : Panel
    track : Track
        Of this panel.
    series, last_ends : ndarray, (rows,) int64

    Yields
    ------
    Piece
        Consecutive pieces; token t of a row ends with value ``last_ends - (n_tokens - 1 - t) * patch_length``.
    """
    patch = network.patch_length
    n_tokens = count_tokens(last_ends, patch)
    first_token = n_tokens - -(-last_ends // patch)
    size = max(1, _TOKENS_AT_ONCE // len(series))
    state = None
    for first in range(0, n_tokens, size):
        position = np.arange(first, min(first + size, n_tokens))
        token_ends = last_ends[:, None] - (n_tokens - 1 - position) * patch
        ends, length = token_ends[:, -1], len(position) * patch
        location, scale = track.at(panel, np.broadcast_to(series[:, None], token_ends.shape), token_ends)
        tokens = token_features(
            torch.from_numpy(panel.windows(series, ends, length)),
            torch.from_numpy(panel.covariate_windows(series, ends, length)),
            torch.from_numpy(location),
            torch.from_numpy(scale),
        )
        resets = torch.from_numpy(position[None, :] == first_token[:, None])
        hidden, state = network(tokens, state, resets)
        yield Piece(first, hidden, state)


def count_tokens(last_ends: np.ndarray, patch_length: int) -> int:
    """Tokens of the longest row."""
    return int(-(-last_ends.max() // patch_length))


def hidden_at(network: ForecastNetwork, panel: Panel, track: Track, cutoffs: Cutoffs) -> Tensor:
    """Features at cutoffs (each with one value or more), (n_cutoffs, d_model).

    All cutoffs of one series and phase (end modulo patch length) are served by one pass along the series.
    """
    patch = network.patch_length
    keys, row = np.unique(cutoffs.series * patch + cutoffs.ends % patch, return_inverse=True)
    last = np.zeros(len(keys), dtype=np.int64)
    np.maximum.at(last, row, cutoffs.ends)
    token = count_tokens(last, patch) - 1 - (last[row] - cutoffs.ends) // patch
    found = torch.empty(len(row), network.norm.weight.shape[0], dtype=torch.float32)
    for piece in encode(network, panel, track, keys // patch, last):
        here = np.flatnonzero((token >= piece.first) & (token < piece.first + piece.hidden.shape[1]))
        found[here] = piece.hidden[row[here], token[here] - piece.first]
    return found
