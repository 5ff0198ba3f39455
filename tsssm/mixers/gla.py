"""Gated linear attention: a decay for each key, from the input."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import logsigmoid, silu

from .head_mixer import HeadInputs, HeadMixer
from .heads import norm_heads, split_heads
from .residual_projection import residual_projection
from .weight_decay import without_weight_decay

__all__ = ["GLA", "GLAState"]

GATE_RANK = 16
GATE_TEMPERATURE = 16.0  # logarithms of the decays are divided by it: at the start half the memory lasts 16 tokens
NORM_EPS = 1e-5


class GLAState(NamedTuple):
    """State of `GLA`: what the heads have stored, (batch, n_heads, K, V), one row a key."""

    memory: Tensor


class GLA(HeadMixer):
    """Linear attention that forgets, key by key, as the input says.

    ::

        q, k, v = W_q u, W_k u, W_v u                     d_model / 2 channels of keys, d_model of values, by heads
        g_t     = logsigmoid(W_2 W_1 u_t + b) / 16        logarithm of the decay, of each key
        S_t     = diag(exp(g_t)) S_{t-1} + k_t v_t'
        y_t     = W_o (RMSNorm(S_t' q_t / sqrt(K)) silu(W_g u_t))                     the norm by heads

    A block puts a `SwiGLU` behind it.

    Parameters
    ----------
    d_model : int
        Width of the sequence, divisible by twice `n_heads`.
    layer_index, n_layers : int
        Position in the stack and its depth; the output weights are divided by ``sqrt(2 n_layers)`` at the start.
    n_heads : int, default 4
        Heads.
    mlp_width : int, optional
        Hidden units of the block's `SwiGLU`.

    References
    ----------
    Yang, S. et al. (2023). Gated linear attention transformers with hardware-efficient training. arXiv 2312.06635.

    Examples
    --------
    >>> import torch
    >>> mixer = GLA(16)
    >>> y, state = mixer(torch.randn(2, 30, 16))
    >>> y.shape, state.memory.shape, mixer.state_bytes()
    (torch.Size([2, 30, 16]), torch.Size([2, 4, 2, 4]), 128)
    """

    name = "gla"
    State = GLAState

    def __init__(
        self,
        d_model: int,
        *,
        layer_index: int = 0,
        n_layers: int = 1,
        n_heads: int = 4,
        mlp_width: int | None = None,
    ):
        keys = d_model // 2
        widths = (keys, keys, d_model, d_model)  # the last is the output gate's
        super().__init__(d_model, layer_index, n_layers, n_heads, mlp_width, widths=widths, even=True)
        self.decay_in = nn.Linear(d_model, GATE_RANK, bias=False)
        self.decay_out = nn.Linear(GATE_RANK, keys)
        self.norm_weight = nn.Parameter(torch.ones(self.head_size))
        self.out_projection = residual_projection(d_model, d_model, 2 * n_layers)
        without_weight_decay(self.decay_out.bias, self.norm_weight)

    def _project(self, x: Tensor) -> HeadInputs:
        q, k, v, gate = self._rows(x)
        log_decay = logsigmoid(self.decay_out(self.decay_in(x))) / GATE_TEMPERATURE
        return HeadInputs(q * q.shape[-1] ** -0.5, k, v, split_heads(log_decay, self.n_heads), output_gate=gate)

    def _out(self, y: Tensor, output_gate: Tensor) -> Tensor:
        return self.out_projection(norm_heads(y, self.norm_weight, NORM_EPS) * silu(output_gate))
