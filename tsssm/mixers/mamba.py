"""Mamba: a selective state-space mixer."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from tsssm_kernels import mamba_inner, mamba_inner_step

from .counts import check_counts
from .mixer import Mixer
from .residual_projection import residual_projection
from .short_convolution import ShortConvolution
from .step_sizes import step_size_bias
from .weight_decay import without_weight_decay

__all__ = ["Mamba", "MambaState"]

STATE_SIZE = 16


class MambaState(NamedTuple):
    """State of a `Mamba` mixer.

    Parameters
    ----------
    h : Tensor, shape (batch, inner, state_size)
        The scan's state, float32 (float64 in a float64 model).
    tail : Tensor, shape (batch, conv_width - 1, inner)
        The convolution's last inputs.
    """

    h: Tensor
    tail: Tensor


class Mamba(Mixer):
    """Selective state space (S6) behind a short convolution, gated.

    ::

        x, z    = W_in u                                  inner = expand * d_model channels each
        x       = silu(conv(x))
        r, B, C = W_x x                                   widths: rank = ceil(d_model / 16), state_size, state_size
        delta   = softplus(W_delta r + b_delta)
        h_t     = exp(delta_t A) * h_{t-1} + delta_t x_t B_t
        y       = W_out ((C_t . h_t + D x_t) * silu(z))

    A good first choice: it forgets as its inputs say, and its state is small.

    Parameters
    ----------
    d_model : int
        Width of the sequence.
    layer_index, n_layers : int
        Position in the stack and its depth; the output weights are divided by ``sqrt(n_layers)`` at the start.
    state_size : int, default 16
        Numbers of state per channel.
    expand : int, default 2
        Inner width in units of `d_model`.
    conv_width : int, default 4
        Taps of the convolution, at least 2.

    Notes
    -----
    At the start ``A = -(1 .. state_size)`` in each channel and softplus(b_delta) is log-uniform in [1e-3, 1e-1].
    `A_log`, `D` and the bias of `delta_projection` carry the attribute ``_no_weight_decay = True``.

    References
    ----------
    Gu, A. and Dao, T. (2023). Mamba: Linear-time sequence modeling with selective state spaces.

    Examples
    --------
    >>> import torch
    >>> mixer = Mamba(16)
    >>> y, state = mixer(torch.randn(2, 30, 16))
    >>> y.shape, state.h.shape, mixer.state_bytes()
    (torch.Size([2, 30, 16]), torch.Size([2, 32, 16]), 2432)
    """

    name = "mamba"
    state_setting = "state_size"

    def __init__(
        self,
        d_model: int,
        *,
        layer_index: int = 0,
        n_layers: int = 1,
        state_size: int = STATE_SIZE,
        expand: int = 2,
        conv_width: int = 4,
    ):
        super().__init__()
        check_counts(self.name, state_size=state_size, expand=expand)
        inner, rank = expand * d_model, math.ceil(d_model / 16)
        self.in_projection = nn.Linear(d_model, 2 * inner, bias=False)
        self.convolution = ShortConvolution(inner, conv_width)
        self.x_projection = nn.Linear(inner, rank + 2 * state_size, bias=False)
        self.delta_projection = nn.Linear(rank, inner)
        self.A_log = nn.Parameter(torch.log(torch.arange(1.0, state_size + 1)).repeat(inner, 1))
        self.D = nn.Parameter(torch.ones(inner))
        self.out_projection = residual_projection(inner, d_model, n_layers)
        with torch.no_grad():
            self.delta_projection.weight.uniform_(-(rank**-0.5), rank**-0.5)
            self.delta_projection.bias.copy_(step_size_bias(inner))
        without_weight_decay(self.A_log, self.D, self.delta_projection.bias)

    @classmethod
    def size_setting(cls, d_model: int, settings: Mapping[str, Any]) -> tuple[str, int]:
        """The numbers of state, see `Mixer.size_setting`."""
        return "state_size", STATE_SIZE

    def forward(
        self,
        x: Tensor,
        state: MambaState | None = None,
        resets: Tensor | None = None,
        time_gaps: Tensor | None = None,
        shared: dict[str, Any] | None = None,
    ) -> tuple[Tensor, MambaState]:
        """Mix a whole sequence, see `Mixer.forward`; `time_gaps` scale the logarithms of the decays."""
        y, tail, h = mamba_inner(
            self.in_projection(x),
            *self._inner_weights(),
            tail=None if state is None else state.tail,
            initial_state=None if state is None else state.h,
            time_gaps=time_gaps,
            resets=resets,
        )
        return self.out_projection(y), MambaState(h, tail)

    def step(self, x_t: Tensor, state: MambaState, shared: dict[str, Any] | None = None) -> tuple[Tensor, MambaState]:
        """Mix one step, see `Mixer.step`."""
        y, tail, h = mamba_inner_step(self.in_projection(x_t), *self._inner_weights(), tail=state.tail, state=state.h)
        return self.out_projection(y), MambaState(h, tail)

    def initial_state(
        self, batch_size: int, device: torch.device | str | None = None, dtype: torch.dtype | None = None
    ) -> MambaState:
        """Zeros, see `Mixer.initial_state`."""
        device, dtype = self._placement(device, dtype)
        inner, state_size = self.A_log.shape
        taps, state_dtype = self.convolution.weight.shape[0], torch.promote_types(dtype, torch.float32)
        return MambaState(
            h=torch.zeros(batch_size, inner, state_size, device=device, dtype=state_dtype),
            tail=torch.zeros(batch_size, taps - 1, inner, device=device, dtype=dtype),
        )

    def _inner_weights(self) -> tuple[Tensor, ...]:
        """What `mamba_inner` and its step take between the inputs and the state."""
        return (
            self.convolution.weight,
            self.convolution.bias,
            self.x_projection.weight,
            self.delta_projection.weight,
            self.delta_projection.bias,
            -torch.exp(self.A_log),
            self.D,
        )
