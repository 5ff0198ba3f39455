"""Based: linear attention with the exponential's Taylor polynomial for weights."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from .counts import check_counts
from .head_mixer import HeadInputs, HeadMixer
from .linear_attention import LinearAttentionState
from .residual_projection import residual_projection

__all__ = ["Based", "taylor_features"]


class Based(HeadMixer):
    """`LinearAttention` with ``1 + s + s^2 / 2`` of the scores for weights: close to softmax where scores are small.

    ::

        q, k = W_q u, W_k u                               n_heads times feature_size channels
        v    = W_v u                                      heads of d_model / n_heads channels
        s_tj = q_t . k_j / sqrt(feature_size)
        y_t  = W_o sum_j (1 + s_tj + s_tj^2 / 2) v_j / sum_j (1 + s_tj + s_tj^2 / 2)              j <= t

    The published model alternates it with attention over a short window: ``"based+attention"`` as a pattern. A block
    puts a `SwiGLU` behind it.

    Parameters
    ----------
    d_model : int
        Width of the sequence, divisible by `n_heads`.
    layer_index, n_layers : int
        Position in the stack and its depth; the output weights are divided by ``sqrt(2 n_layers)`` at the start.
    n_heads : int, default 4
        Heads.
    feature_size : int, default 8
        Channels f of a query; a head's state has ``1 + f + f (f + 1) / 2`` rows, so 45. The paper takes 16: 153 rows.
    mlp_width : int, optional
        Hidden units of the block's `SwiGLU`.

    References
    ----------
    Arora, S. et al. (2024). Simple linear attention language models balance the recall-throughput tradeoff.
    arXiv 2402.18668.

    Examples
    --------
    >>> import torch
    >>> mixer = Based(16, feature_size=4)
    >>> y, state = mixer(torch.randn(2, 30, 16))
    >>> y.shape, state.memory.shape
    (torch.Size([2, 30, 16]), torch.Size([2, 4, 15, 4]))
    """

    name = "based"
    state_setting = "feature_size"
    State = LinearAttentionState
    normalizer = "keys"
    eps = 1e-12  # weights are at least 1/2

    def __init__(
        self,
        d_model: int,
        *,
        layer_index: int = 0,
        n_layers: int = 1,
        n_heads: int = 4,
        feature_size: int = 8,
        mlp_width: int | None = None,
    ):
        check_counts(self.name, feature_size=feature_size)
        widths = (n_heads * feature_size, n_heads * feature_size, d_model)
        super().__init__(d_model, layer_index, n_layers, n_heads, mlp_width, widths=widths)
        self.feature_size = feature_size
        self.out_projection = residual_projection(d_model, d_model, 2 * n_layers)

    def _project(self, x: Tensor) -> HeadInputs:
        q, k, v = self._rows(x)
        return HeadInputs(taylor_features(q), taylor_features(k), v)

    def _memory_shape(self) -> tuple[int, int]:
        return 1 + self.feature_size + self.feature_size * (self.feature_size + 1) // 2, self.head_size


def taylor_features(x: Tensor) -> Tensor:
    """Features whose product is ``1 + s + s^2 / 2``, with s the product of the vectors over the root of their size.

    Parameters
    ----------
    x : Tensor, shape (..., f)

    Returns
    -------
    Tensor, shape (..., 1 + f + f (f + 1) / 2)
        Of the squares, each product of two different numbers once, times the root of 2.

    Examples
    --------
    >>> q, k = torch.tensor([1.0, 2.0]), torch.tensor([3.0, -1.0])
    >>> s = (q @ k) / 2**0.5
    >>> torch.allclose(taylor_features(q) @ taylor_features(k), 1 + s + s**2 / 2)
    True
    """
    size = x.shape[-1]
    rows, columns = torch.triu_indices(size, size, device=x.device)
    once, twice = (x.new_full((), weight / math.sqrt(2.0 * size)) for weight in (1.0, math.sqrt(2.0)))
    weights = torch.where(rows == columns, once, twice)
    squares = x[..., rows] * x[..., columns] * weights
    return torch.cat([torch.ones_like(x[..., :1]), x * size**-0.25, squares], dim=-1)
