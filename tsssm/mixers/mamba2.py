"""Mamba-2: heads with a matrix of state each and one decay, after a short convolution, gated and normed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import rms_norm, silu, softplus

from tsssm_kernels import DecayState, decay_attention, decay_attention_step

from .counts import check_counts
from .inner_heads import count_inner_heads
from .mixer import Mixer
from .residual_projection import residual_projection
from .short_convolution import ShortConvolution
from .step_sizes import step_size_bias
from .weight_decay import without_weight_decay

__all__ = ["Mamba2", "Mamba2State"]

STATE_SIZE = 32
NORM_EPS = 1e-5
DECAY_RATES = (1.0, 16.0)  # -A at the start, uniform


class Mamba2State(NamedTuple):
    """State of `Mamba2`.

    Attributes
    ----------
    memory : Tensor, (batch, heads, state_size, head_size)
        The heads' states, float32 (float64 in a float64 model).
    tail : Tensor, (batch, conv_width - 1, inner + 2 * n_groups * state_size)
        The convolution's last inputs.
    """

    memory: Tensor
    tail: Tensor


class Mamba2(Mixer):
    """State-space duality (SSD) behind a short convolution, gated and normed.

    ::

        z, x, B, C, r = W_in u                            inner = expand * d_model channels of z and x
        x, B, C = silu(conv([x, B, C]))
        delta   = softplus(r + b_delta)                   one of each head
        S_t     = exp(delta_t A) S_{t-1} + B_t (delta_t x_t)'
        y_t     = S_t' C_t + D x_t                        by heads of head_size channels
        out_t   = W_out RMSNorm(y_t * silu(z_t))

    Of `Mamba` it keeps the block and gives up that channels and numbers of state forget at rates of their own: a head
    has one rate. What it gets for it are matrix products over time and a larger state. The mixer is a whole block:
    nothing is put behind it.

    Parameters
    ----------
    d_model : int
        Width of the sequence.
    layer_index, n_layers : int
        Position in the stack and its depth; the output weights are divided by ``sqrt(n_layers)`` at the start.
    state_size : int, default 32
        Numbers of state per channel.
    head_size : int, default 16
        Channels of a head.
    expand : int, default 2
        Inner width in units of `d_model`; in fact it is the multiple of `head_size`, at least one, that comes nearest.
    n_groups : int, default 1
        Groups of neighbouring heads that share B and C, and parts that are normed each by itself; divides the number
        of heads.
    conv_width : int, default 4
        Taps of the convolution, at least 2.

    Notes
    -----
    The defaults are for widths of some 64, where a series has twice the state of `Mamba`; as published, for language,
    `state_size` is 128 and `head_size` 64. At the start ``-A`` is uniform in [1, 16], as in the authors' code
    (elsewhere it is found as 1, 2, .. over the heads), and softplus(b_delta) is log-uniform in [1e-3, 1e-1]. The gate
    comes before the norm. `A_log`, `D`, `delta_bias` and `norm_weight` carry the attribute ``_no_weight_decay = True``.

    References
    ----------
    Dao, T. and Gu, A. (2024). Transformers are SSMs. arXiv 2405.21060.

    Examples
    --------
    >>> import torch
    >>> mixer = Mamba2(16)
    >>> y, state = mixer(torch.randn(2, 30, 16))
    >>> y.shape, state.memory.shape, mixer.state_bytes()
    (torch.Size([2, 30, 16]), torch.Size([2, 2, 32, 16]), 5248)
    """

    name = "mamba2"
    state_setting = "state_size"

    def __init__(
        self,
        d_model: int,
        *,
        layer_index: int = 0,
        n_layers: int = 1,
        state_size: int = STATE_SIZE,
        head_size: int = 16,
        expand: int = 2,
        n_groups: int = 1,
        conv_width: int = 4,
    ):
        super().__init__()
        check_counts(self.name, state_size=state_size)
        heads = count_inner_heads(self.name, d_model, expand, head_size, n_groups)
        inner = heads * head_size
        self.n_groups, self.state_size = n_groups, state_size
        convolved = inner + 2 * n_groups * state_size
        self.in_projection = nn.Linear(d_model, inner + convolved + heads, bias=False)
        self.convolution = ShortConvolution(convolved, conv_width, activation="silu")
        self.A_log, self.D, self.delta_bias = (nn.Parameter(torch.empty(heads)) for _ in range(3))
        self.norm_weight = nn.Parameter(torch.ones(inner))
        self.out_projection = residual_projection(inner, d_model, n_layers)
        with torch.no_grad():
            self.A_log.uniform_(*DECAY_RATES).log_()
            self.D.fill_(1.0)
            self.delta_bias.copy_(step_size_bias(heads))
        without_weight_decay(self.A_log, self.D, self.delta_bias, self.norm_weight)

    @classmethod
    def size_setting(cls, d_model: int, settings: Mapping[str, Any]) -> tuple[str, int]:
        """The numbers of state, see `Mixer.size_setting`."""
        return "state_size", STATE_SIZE

    def forward(
        self,
        x: Tensor,
        state: Mamba2State | None = None,
        resets: Tensor | None = None,
        time_gaps: Tensor | None = None,
        shared: dict[str, Any] | None = None,
    ) -> tuple[Tensor, Mamba2State]:
        """Mix a whole sequence, see `Mixer.forward`; `time_gaps` scale the logarithms of the decays."""
        z, convolved, r = self._project(x)
        convolved, tail = self.convolution(convolved, None if state is None else state.tail, resets)
        q, k, values, delta = self._heads(convolved, r)
        y, after = decay_attention(
            q,
            k,
            delta.unsqueeze(-1) * values,
            self._log_decay(delta),
            time_gaps=time_gaps,
            initial_state=None if state is None else DecayState(state.memory),
            resets=resets,
        )
        return self._out(y, values, z), Mamba2State(after.memory, tail)

    def step(self, x_t: Tensor, state: Mamba2State, shared: dict[str, Any] | None = None) -> tuple[Tensor, Mamba2State]:
        """Mix one step, see `Mixer.step`."""
        z, convolved, r = self._project(x_t)
        convolved, tail = self.convolution.step(convolved, state.tail)
        q, k, values, delta = self._heads(convolved, r)
        y, after = decay_attention_step(
            q, k, delta.unsqueeze(-1) * values, DecayState(state.memory), self._log_decay(delta)
        )
        return self._out(y, values, z), Mamba2State(after.memory, tail)

    def initial_state(
        self, batch_size: int, device: torch.device | str | None = None, dtype: torch.dtype | None = None
    ) -> Mamba2State:
        """Zeros, see `Mixer.initial_state`."""
        device, dtype = self._placement(device, dtype)
        heads, inner = len(self.D), self.out_projection.in_features
        taps, convolved = self.convolution.weight.shape
        wide = torch.promote_types(dtype, torch.float32)
        return Mamba2State(
            torch.zeros(batch_size, heads, self.state_size, inner // heads, device=device, dtype=wide),
            torch.zeros(batch_size, taps - 1, convolved, device=device, dtype=dtype),
        )

    def _project(self, u: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The gate, what is convolved (x, B and C), and the raw step sizes."""
        sizes = [self.out_projection.in_features, self.convolution.weight.shape[1], len(self.D)]
        z, convolved, r = self.in_projection(u).split(sizes, dim=-1)
        return z, convolved, r

    def _heads(self, convolved: Tensor, r: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """C and B, (..., groups, state_size), x, (..., heads, head_size), and the step sizes, (..., heads)."""
        shared = self.n_groups * self.state_size
        x, B, C = convolved.split([self.out_projection.in_features, shared, shared], dim=-1)
        B, C = (part.unflatten(-1, (self.n_groups, -1)) for part in (B, C))
        return C, B, x.unflatten(-1, (len(self.D), -1)), softplus(r + self.delta_bias)

    def _log_decay(self, delta: Tensor) -> Tensor:
        return -torch.exp(self.A_log) * delta

    def _out(self, y: Tensor, values: Tensor, z: Tensor) -> Tensor:
        gated = (y + self.D.unsqueeze(-1) * values).flatten(-2) * silu(z)
        parts = gated.unflatten(-1, (self.n_groups, -1))
        normed = rms_norm(parts, parts.shape[-1:], eps=NORM_EPS).flatten(-2)
        return self.out_projection(normed * self.norm_weight)
