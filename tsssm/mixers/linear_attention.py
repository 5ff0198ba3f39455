"""Linear attention: sums of keys and values in place of a window of them."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor
from torch.nn.functional import elu

from .head_mixer import HeadInputs, HeadMixer
from .residual_projection import residual_projection

__all__ = ["LinearAttention", "LinearAttentionState"]


class LinearAttentionState(NamedTuple):
    """State of `LinearAttention` and `Based`.

    Attributes
    ----------
    memory : Tensor, (batch, n_heads, features, V)
        Sum of the products of keys' features and values.
    key_sum : Tensor, (batch, n_heads, features)
        Sum of the keys' features.
    """

    memory: Tensor
    key_sum: Tensor


class LinearAttention(HeadMixer):
    """Attention whose weights are products of positive features, so that sums stand for the past.

    ::

        q, k, v = W_q u + b_q, W_k u + b_k, W_v u + b_v           heads of d_model / n_heads channels
        phi(x)  = elu(x) + 1
        y_t     = W_o (sum_j phi(q_t) . phi(k_j) v_j / (sum_j phi(q_t) . phi(k_j) + 1e-6)) + b_o          j <= t

    Nothing is forgotten, and there are no positions: where all weights are alike it is the mean of the past. A block
    puts a `SwiGLU` behind it.

    Parameters
    ----------
    d_model : int
        Width of the sequence, divisible by `n_heads`.
    layer_index, n_layers : int
        Position in the stack and its depth; the output weights are divided by ``sqrt(2 n_layers)`` at the start.
    n_heads : int, default 4
        Heads.
    mlp_width : int, optional
        Hidden units of the block's `SwiGLU`.

    Notes
    -----
    `time_gaps` are ignored: there is no decay.

    References
    ----------
    Katharopoulos, A. et al. (2020). Transformers are RNNs: Fast autoregressive transformers with linear attention.
    arXiv 2006.16236.

    Examples
    --------
    >>> import torch
    >>> mixer = LinearAttention(16)
    >>> y, state = mixer(torch.randn(2, 30, 16))
    >>> y.shape, state.memory.shape, mixer.state_bytes()
    (torch.Size([2, 30, 16]), torch.Size([2, 4, 4, 4]), 320)
    """

    name = "linear_attention"
    State = LinearAttentionState
    normalizer = "keys"

    def __init__(
        self,
        d_model: int,
        *,
        layer_index: int = 0,
        n_layers: int = 1,
        n_heads: int = 4,
        mlp_width: int | None = None,
    ):
        widths = (d_model, d_model, d_model)
        super().__init__(d_model, layer_index, n_layers, n_heads, mlp_width, widths=widths, bias=True)
        self.out_projection = residual_projection(d_model, d_model, 2 * n_layers, bias=True)

    def _project(self, x: Tensor) -> HeadInputs:
        q, k, v = self._rows(x)
        return HeadInputs(elu(q) + 1, elu(k) + 1, v)
