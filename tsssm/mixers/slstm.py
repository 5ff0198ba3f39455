"""sLSTM: an LSTM with an exponential input gate, whose gates see the output of the step before."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import layer_norm

from tsssm.errors import ConfigError
from tsssm_kernels import SLSTMState as CellState
from tsssm_kernels import slstm, slstm_step

from .counts import check_counts
from .short_convolution import ShortConvolution
from .swiglu_behind import SwiGLUBehind
from .weight_decay import without_weight_decay

__all__ = ["SLSTM", "SLSTMLayerState"]

NORM_EPS = 1e-5


class SLSTMLayerState(NamedTuple):
    """State of `SLSTM`: that of the operator `tsssm_kernels.slstm`, and the convolution's.

    Attributes
    ----------
    y, c, n, m : Tensor, (batch, n_heads, width)
        Output, cell, normalizer and stabilizer, float32 (float64 in a float64 model); m is minus infinity at rest.
    tail : Tensor, (batch, conv_width - 1, d_model)
        The convolution's last inputs.
    """

    y: Tensor
    c: Tensor
    n: Tensor
    m: Tensor
    tail: Tensor


class SLSTM(SwiGLUBehind):
    """The sLSTM of xLSTM, its input and forget gate behind a short convolution.

    ::

        x       = silu(conv(u))
        i, f    = W_i x + R_i y_{t-1} + b_i, W_f x + R_f y_{t-1} + b_f
        z, o    = W_z u + R_z y_{t-1} + b_z, W_o u + R_o y_{t-1} + b_o
        c_t     = sigmoid(f_t) c_{t-1} + exp(i_t) tanh(z_t)
        n_t     = sigmoid(f_t) n_{t-1} + exp(i_t)
        y_t     = sigmoid(o_t) c_t / n_t                  kept with a stabilizer, so that no exponential overflows
        out_t   = LayerNorm(y_t)                          by heads

    W and R are matrices of each head: heads see none but themselves until the `SwiGLU` that a block puts behind. Since
    gates see the output before, a state can do what no parallel form can, such as keep count; steps of a sequence are
    computed one after another for it.

    Parameters
    ----------
    d_model : int
        Width of the sequence, divisible by `n_heads` into heads of at least 2 channels.
    layer_index, n_layers : int
        Position in the stack and its depth, on which the forget gate's bias depends at the start.
    n_heads : int, default 4
        Heads.
    conv_width : int, default 4
        Taps of the convolution, at least 2.
    mlp_width : int, optional
        Hidden units of the block's `SwiGLU`; by default about 1.3 `d_model`, as published, with a GELU there.

    Notes
    -----
    `time_gaps` are ignored: the forget gate depends on the output before, and is that of one step. At the start R is
    zero, b_f runs over each head's channels from 5, which forgets within some 150 steps, to -7, which forgets at once,
    and other biases are zero. The norm's weight and the biases carry the attribute ``_no_weight_decay = True``.

    References
    ----------
    Beck, M. et al. (2024). xLSTM: Extended long short-term memory. arXiv 2405.04517.

    Examples
    --------
    >>> import torch
    >>> mixer = SLSTM(16)
    >>> y, state = mixer(torch.randn(2, 30, 16))
    >>> y.shape, state.c.shape, mixer.state_bytes()
    (torch.Size([2, 30, 16]), torch.Size([2, 4, 4]), 448)
    """

    name = "slstm"

    def __init__(
        self,
        d_model: int,
        *,
        layer_index: int = 0,
        n_layers: int = 1,
        n_heads: int = 4,
        conv_width: int = 4,
        mlp_width: int | None = None,
    ):
        super().__init__(d_model, layer_index, n_layers, mlp_width)
        check_counts(self.name, n_heads=n_heads)
        if d_model % n_heads or d_model // n_heads < 2:
            raise ConfigError(
                f"sLSTM needs heads of whole channels, two at least, which it norms: d_model={d_model} over "
                f"n_heads={n_heads}. Choose d_model as a multiple of n_heads, twice it at least."
            )
        self.n_heads, width = n_heads, d_model // n_heads
        self.convolution = ShortConvolution(d_model, conv_width, activation="silu")
        # both [head, gate, from, to], gates in the order i, f, z, o
        self.weight, self.recurrent = (nn.Parameter(torch.empty(n_heads, 4, width, width)) for _ in range(2))
        self.bias = nn.Parameter(torch.zeros(n_heads, 4, width))
        self.norm_weight = nn.Parameter(torch.ones(d_model))
        self._initialise(layer_index, n_layers)

    @torch.no_grad()
    def _initialise(self, layer_index: int, n_layers: int) -> None:
        width = self.bias.shape[2]
        self.weight.normal_(std=math.sqrt(2 / (5 * self.n_heads * width)))
        self.recurrent.zero_()
        exponent = 0.3 + 1.3 * layer_index / max(n_layers - 1, 1)
        self.bias[:, 1] = 5 - 12 * torch.linspace(0, 1, width) ** exponent
        without_weight_decay(self.bias, self.norm_weight, self.convolution.bias)

    def forward(
        self,
        x: Tensor,
        state: SLSTMLayerState | None = None,
        resets: Tensor | None = None,
        time_gaps: Tensor | None = None,
        shared: dict[str, Any] | None = None,
    ) -> tuple[Tensor, SLSTMLayerState]:
        """Mix a whole sequence, see `Mixer.forward`; `time_gaps` are ignored."""
        convolved, tail = self.convolution(x, None if state is None else state.tail, resets)
        before = None if state is None else CellState(*state[:4])
        y, after = slstm(self._gates(convolved, x), self.recurrent, initial_state=before, resets=resets)
        return self._out(y), SLSTMLayerState(*after, tail)

    def step(
        self, x_t: Tensor, state: SLSTMLayerState, shared: dict[str, Any] | None = None
    ) -> tuple[Tensor, SLSTMLayerState]:
        """Mix one step, see `Mixer.step`."""
        convolved, tail = self.convolution.step(x_t, state.tail)
        y, after = slstm_step(self._gates(convolved, x_t), self.recurrent, CellState(*state[:4]))
        return self._out(y), SLSTMLayerState(*after, tail)

    def initial_state(
        self, batch_size: int, device: torch.device | str | None = None, dtype: torch.dtype | None = None
    ) -> SLSTMLayerState:
        """Zeros, and minus infinity for m, see `Mixer.initial_state`."""
        device, dtype = self._placement(device, dtype)
        wide = torch.promote_types(dtype, torch.float32)
        y, c, n = (
            torch.zeros(batch_size, self.n_heads, self.bias.shape[2], device=device, dtype=wide) for _ in range(3)
        )
        taps = len(self.convolution.weight)
        tail = torch.zeros(batch_size, taps - 1, self.d_model, device=device, dtype=dtype)
        return SLSTMLayerState(y, c, n, torch.full_like(y, -math.inf), tail)

    def _gates(self, convolved: Tensor, u: Tensor) -> Tensor:
        """The input's share of the raw gates, (..., n_heads, 4, width)."""
        parts = [
            torch.einsum("...hi,hgij->...hgj", x.unflatten(-1, (self.n_heads, -1)), weight)
            for x, weight in zip((convolved, u), self.weight.chunk(2, dim=1))
        ]
        return torch.cat(parts, dim=-2) + self.bias

    def _out(self, y: Tensor) -> Tensor:
        return layer_norm(y, y.shape[-1:], eps=NORM_EPS).flatten(-2) * self.norm_weight
