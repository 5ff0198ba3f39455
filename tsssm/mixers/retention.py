"""Retention (RetNet): linear attention that turns, with a fixed decay for each head."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import silu

from tsssm_kernels import DecayState, decay_attention, decay_attention_step

from .heads import check_heads, norm_heads, split_heads
from .mixer import Mixer
from .swiglu import SwiGLU

__all__ = ["Retention", "RetentionState"]

NORM_EPS = 1e-5
ROTARY_BASE = 10_000.0


class RetentionState(NamedTuple):
    """State of `Retention`: what the heads have stored, (batch, n_heads, K, V), one row a key, turned as of now."""

    memory: Tensor


class Retention(Mixer):
    """Multi-scale retention.

    ::

        q, k, v = W_q u, W_k u, W_v u                     d_model channels of keys, twice as many of values, by heads
        S_t     = lambda_h R S_{t-1} + k_t v_t' / sqrt(K)            R turns pairs of keys by a fixed angle each step
        y_t     = W_o (RMSNorm(S_t' q_t) silu(W_g u_t))              the norm by heads, without weights

    with ``lambda_h = 1 - 2^(-5 - h)`` and angles ``10000^(-i / (K/2 - 1))``, both fixed. A block puts a `SwiGLU` behind
    it.

    Parameters
    ----------
    d_model : int
        Width of the sequence, divisible by `n_heads` into heads of an even size.
    layer_index, n_layers : int
        Position in the stack and its depth.
    n_heads : int, default 4
        Heads.
    mlp_width : int, optional
        Hidden units of the block's `SwiGLU`.

    Notes
    -----
    Keys i and K/2 + i turn together (published: 2i and 2i + 1, the same up to the order of channels). The projections
    begin as published (Xavier, with gains 2^-2.5 and, for the output, 1/2).

    References
    ----------
    Sun, Y. et al. (2023). Retentive network: A successor to transformer for large language models. arXiv 2307.08621.

    Examples
    --------
    >>> import torch
    >>> mixer = Retention(16)
    >>> y, state = mixer(torch.randn(2, 30, 16))
    >>> y.shape, state.memory.shape, mixer.state_bytes()
    (torch.Size([2, 30, 16]), torch.Size([2, 4, 4, 8]), 512)
    """

    name = "retention"
    log_decay: Tensor
    angles: Tensor

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
        check_heads("retention", d_model, n_heads, multiple=2)
        self.n_heads = n_heads
        self.swiglu: dict[str, Any] = {"layer_index": layer_index, "n_layers": n_layers, "width": mlp_width}
        self.in_projection = nn.Linear(d_model, 6 * d_model, bias=False)  # q, k, v, gate
        self.out_projection = nn.Linear(2 * d_model, d_model, bias=False)
        for part in self.in_projection.weight.detach().split((d_model, d_model, 2 * d_model, 2 * d_model)):
            nn.init.xavier_uniform_(part, gain=2**-2.5)
        nn.init.xavier_uniform_(self.out_projection.weight, gain=0.5)
        exponents = torch.linspace(0, 1, d_model // n_heads // 2)
        log_decay = torch.log1p(-(2.0 ** (-5.0 - torch.arange(n_heads, dtype=torch.float64))))
        self.register_buffer("log_decay", log_decay.to(self.in_projection.weight.dtype), persistent=False)
        self.register_buffer("angles", (ROTARY_BASE**-exponents).repeat(n_heads, 1), persistent=False)

    def channel_mixer(self) -> SwiGLU:
        """The `SwiGLU` behind the retention, see `Mixer.channel_mixer`."""
        return SwiGLU(self.out_projection.out_features, **self.swiglu)

    def forward(
        self,
        x: Tensor,
        state: RetentionState | None = None,
        resets: Tensor | None = None,
        time_gaps: Tensor | None = None,
        shared: dict[str, Any] | None = None,
    ) -> tuple[Tensor, RetentionState]:
        """Mix a whole sequence, see `Mixer.forward`; `time_gaps` scale the logarithms of the decays, and the angles."""
        *inputs, gate = self._project(x)
        before = None if state is None else DecayState(state.memory)
        y, after = decay_attention(
            *inputs, angles=self.angles, time_gaps=time_gaps, initial_state=before, resets=resets
        )
        return self._out(y, gate), RetentionState(after.memory)

    def step(
        self, x_t: Tensor, state: RetentionState, shared: dict[str, Any] | None = None
    ) -> tuple[Tensor, RetentionState]:
        """Mix one step, see `Mixer.step`."""
        q, k, v, log_decay, gate = self._project(x_t)
        y, after = decay_attention_step(q, k, v, DecayState(state.memory), log_decay, angles=self.angles)
        return self._out(y, gate), RetentionState(after.memory)

    def initial_state(
        self, batch_size: int, device: torch.device | str | None = None, dtype: torch.dtype | None = None
    ) -> RetentionState:
        """Zeros, see `Mixer.initial_state`."""
        device, dtype = self._placement(device, dtype)
        keys = 2 * self.angles.shape[1]
        shape = (batch_size, self.n_heads, keys, 2 * keys)
        return RetentionState(torch.zeros(shape, device=device, dtype=torch.promote_types(dtype, torch.float32)))

    def _project(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        """Queries, keys, values and log-decays by heads, and the output gate, (..., 2 d_model)."""
        d_model = x.shape[-1]
        q, k, v, gate = self.in_projection(x).split((d_model, d_model, 2 * d_model, 2 * d_model), dim=-1)
        q, k, v = (split_heads(part, self.n_heads) for part in (q, k, v))
        return q, k * k.shape[-1] ** -0.5, v, self.log_decay.expand(v.shape[:-1]), gate

    def _out(self, y: Tensor, gate: Tensor) -> Tensor:
        return self.out_projection(norm_heads(y, None, NORM_EPS) * silu(gate))
