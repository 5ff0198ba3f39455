"""Linear attention: sums of keys and values in place of a window of them."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import elu

from tsssm_kernels import DecayState, decay_attention, decay_attention_step

from .heads import check_heads, split_heads
from .mixer import Mixer
from .swiglu import SwiGLU

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


class LinearAttention(Mixer):
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
    eps = 1e-6

    def __init__(
        self,
        d_model: int,
        *,
        layer_index: int = 0,
        n_layers: int = 1,
        n_heads: int = 4,
        mlp_width: int | None = None,
    ):
        super().__init__()
        check_heads("linear attention", d_model, n_heads)
        self.n_heads = n_heads
        self.swiglu: dict[str, Any] = {"layer_index": layer_index, "n_layers": n_layers, "width": mlp_width}
        self._project_by(d_model, query_width=d_model, bias=True, n_layers=n_layers)

    def _project_by(self, d_model: int, *, query_width: int, bias: bool, n_layers: int) -> None:
        """Make the projections."""
        self.in_projection = nn.Linear(d_model, 2 * query_width + d_model, bias=bias)
        self.out_projection = nn.Linear(d_model, d_model, bias=bias)
        with torch.no_grad():
            self.out_projection.weight.div_(math.sqrt(2 * n_layers))

    def channel_mixer(self) -> SwiGLU:
        """The `SwiGLU` behind the attention, see `Mixer.channel_mixer`."""
        return SwiGLU(self.out_projection.out_features, **self.swiglu)

    def forward(
        self,
        x: Tensor,
        state: LinearAttentionState | None = None,
        resets: Tensor | None = None,
        time_gaps: Tensor | None = None,
        shared: dict[str, Any] | None = None,
    ) -> tuple[Tensor, LinearAttentionState]:
        """Mix a whole sequence, see `Mixer.forward`; `time_gaps` are ignored."""
        y, after = decay_attention(
            *self._project(x),
            normalizer="keys",
            eps=self.eps,
            initial_state=None if state is None else DecayState(state.memory, state.key_sum),
            resets=resets,
        )
        return self.out_projection(y.flatten(-2)), _own_state(after)

    def step(
        self, x_t: Tensor, state: LinearAttentionState, shared: dict[str, Any] | None = None
    ) -> tuple[Tensor, LinearAttentionState]:
        """Mix one step, see `Mixer.step`."""
        before = DecayState(state.memory, state.key_sum)
        y, after = decay_attention_step(*self._project(x_t), before, normalizer="keys", eps=self.eps)
        return self.out_projection(y.flatten(-2)), _own_state(after)

    def initial_state(
        self, batch_size: int, device: torch.device | str | None = None, dtype: torch.dtype | None = None
    ) -> LinearAttentionState:
        """Zeros, see `Mixer.initial_state`."""
        device, dtype = self._placement(device, dtype)
        size = self.out_projection.in_features // self.n_heads
        shape = (batch_size, self.n_heads, self._n_features(), size)
        memory = torch.zeros(shape, device=device, dtype=torch.promote_types(dtype, torch.float32))
        return LinearAttentionState(memory, memory[..., 0].clone())

    def _n_features(self) -> int:
        return self.out_projection.in_features // self.n_heads

    def _project(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Features of queries and keys, and values, by heads."""
        q, k, v = (split_heads(part, self.n_heads) for part in self.in_projection(x).chunk(3, dim=-1))
        return elu(q) + 1, elu(k) + 1, v


def _own_state(state: DecayState) -> LinearAttentionState:
    assert state.key_sum is not None
    return LinearAttentionState(state.memory, state.key_sum)
