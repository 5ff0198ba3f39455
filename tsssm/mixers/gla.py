"""Gated linear attention: a decay for each key, from the input."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import logsigmoid, silu

from tsssm_kernels import DecayState, decay_attention, decay_attention_step

from .heads import check_heads, norm_heads, split_heads
from .mixer import Mixer
from .swiglu import SwiGLU

__all__ = ["GLA", "GLAState"]

GATE_RANK = 16
GATE_TEMPERATURE = 16.0  # logarithms of the decays are divided by it: at the start half the memory lasts 16 tokens
NORM_EPS = 1e-5


class GLAState(NamedTuple):
    """State of `GLA`: what the heads have stored, (batch, n_heads, K, V), one row a key."""

    memory: Tensor


class GLA(Mixer):
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
        check_heads("gated linear attention", d_model, n_heads, multiple=2)
        self.n_heads = n_heads
        self.swiglu: dict[str, Any] = {"layer_index": layer_index, "n_layers": n_layers, "width": mlp_width}
        keys = d_model // 2
        self.in_projection = nn.Linear(d_model, 2 * keys + 2 * d_model, bias=False)  # q, k, v, gate
        self.decay_in = nn.Linear(d_model, GATE_RANK, bias=False)
        self.decay_out = nn.Linear(GATE_RANK, keys)
        self.norm_weight = nn.Parameter(torch.ones(d_model // n_heads))
        self.out_projection = nn.Linear(d_model, d_model, bias=False)
        with torch.no_grad():
            self.out_projection.weight.div_(math.sqrt(2 * n_layers))
        for parameter in (self.decay_out.bias, self.norm_weight):
            parameter._no_weight_decay = True  # type: ignore[attr-defined]

    def channel_mixer(self) -> SwiGLU:
        """The `SwiGLU` behind the attention, see `Mixer.channel_mixer`."""
        return SwiGLU(self.out_projection.out_features, **self.swiglu)

    def forward(
        self,
        x: Tensor,
        state: GLAState | None = None,
        resets: Tensor | None = None,
        time_gaps: Tensor | None = None,
        shared: dict[str, Any] | None = None,
    ) -> tuple[Tensor, GLAState]:
        """Mix a whole sequence, see `Mixer.forward`; `time_gaps` scale the logarithms of the decays."""
        *inputs, gate = self._project(x)
        before = None if state is None else DecayState(state.memory)
        y, after = decay_attention(*inputs, time_gaps=time_gaps, initial_state=before, resets=resets)
        return self._out(y, gate), GLAState(after.memory)

    def step(self, x_t: Tensor, state: GLAState, shared: dict[str, Any] | None = None) -> tuple[Tensor, GLAState]:
        """Mix one step, see `Mixer.step`."""
        q, k, v, g, gate = self._project(x_t)
        y, after = decay_attention_step(q, k, v, DecayState(state.memory), g)
        return self._out(y, gate), GLAState(after.memory)

    def initial_state(
        self, batch_size: int, device: torch.device | str | None = None, dtype: torch.dtype | None = None
    ) -> GLAState:
        """Zeros, see `Mixer.initial_state`."""
        device, dtype = self._placement(device, dtype)
        size = len(self.norm_weight)
        shape = (batch_size, self.n_heads, size // 2, size)
        return GLAState(torch.zeros(shape, device=device, dtype=torch.promote_types(dtype, torch.float32)))

    def _project(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        """Queries, keys, values and log-decays by heads, and the output gate, (..., d_model)."""
        d_model = x.shape[-1]
        q, k, v, gate = self.in_projection(x).split((d_model // 2, d_model // 2, d_model, d_model), dim=-1)
        g = logsigmoid(self.decay_out(self.decay_in(x))) / GATE_TEMPERATURE
        q, k, v, g = (split_heads(part, self.n_heads) for part in (q, k, v, g))
        return q * q.shape[-1] ** -0.5, k, v, g, gate

    def _out(self, y: Tensor, gate: Tensor) -> Tensor:
        return self.out_projection(norm_heads(y, self.norm_weight, NORM_EPS) * silu(gate))
