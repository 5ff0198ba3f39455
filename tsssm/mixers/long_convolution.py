"""A gated convolution as long as the past that it is to see."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from tsssm.errors import ConfigError
from tsssm_kernels import long_convolution, long_convolution_step

from .counts import check_counts
from .residual_projection import residual_projection
from .swiglu_behind import SwiGLUBehind
from .weight_decay import without_weight_decay

__all__ = ["LongConvolution", "LongConvolutionState"]

TIME_CONSTANTS = 2.0, 60.0  # steps, of the kernels' decays at the start, from the first channel to the last
BANDS = 8  # cosines and sines of the lag that the kernel's network sees


class LongConvolutionState(NamedTuple):
    """State of `LongConvolution`: the last inputs of the convolution, (batch, kernel_length - 1, d_model)."""

    last: Tensor


class LongConvolution(SwiGLUBehind):
    """Causal convolution along time with a kernel for each channel, between two gates (Hyena of order 2).

    ::

        x_1, x_2, v = W_in u
        kernel_s    = filter(s) exp(-s / tau)                  s = 0 .. kernel_length - 1, each channel its own tau
        y_t         = W_out (x_1t * (sum_s kernel_s (x_2 * v)_{t-s} + d (x_2 * v)_t))

    The filter is a small network of the lag (sines of a linear map of the lag and its cosines and sines). A block puts
    a `SwiGLU` behind it.

    Parameters
    ----------
    d_model : int
        Width of the sequence.
    layer_index, n_layers : int
        Position in the stack and its depth; the output weights are divided by ``sqrt(2 n_layers)`` at the start.
    kernel_length : int, default 30
        Steps that a step sees, itself included. In a forecaster it is the training context unless set.
    filter_width : int, default 16
        Hidden units of the filter.
    mlp_width : int, optional
        Hidden units of the block's `SwiGLU`.

    Notes
    -----
    `time_gaps` are ignored. A step costs as many operations as the kernel has taps: of all mixers here but attention it
    alone keeps its inputs.

    References
    ----------
    Poli, M. et al. (2023). Hyena hierarchy: Towards larger convolutional language models. arXiv 2302.10866.

    Examples
    --------
    >>> import torch
    >>> mixer = LongConvolution(16, kernel_length=10)
    >>> y, state = mixer(torch.randn(2, 30, 16))
    >>> y.shape, state.last.shape, mixer.state_bytes()
    (torch.Size([2, 30, 16]), torch.Size([2, 9, 16]), 576)
    """

    name = "long_convolution"
    state_setting = "kernel_length"

    def __init__(
        self,
        d_model: int,
        *,
        layer_index: int = 0,
        n_layers: int = 1,
        kernel_length: int = 30,
        filter_width: int = 16,
        mlp_width: int | None = None,
    ):
        super().__init__(d_model, layer_index, n_layers, mlp_width)
        check_counts(self.name, kernel_length=kernel_length, filter_width=filter_width)
        if kernel_length < 2:
            raise ConfigError(f"long_convolution needs a kernel_length of at least 2; got {kernel_length}")
        self.kernel_length = kernel_length
        self.in_projection = nn.Linear(d_model, 3 * d_model, bias=False)
        self.filter_in = nn.Linear(1 + 2 * BANDS, filter_width)
        self.filter_out = nn.Linear(filter_width, d_model, bias=False)
        low, high = (math.log(bound) for bound in TIME_CONSTANTS)
        self.log_rate = nn.Parameter(-torch.linspace(low, high, d_model))
        self.skip = nn.Parameter(torch.randn(d_model))
        self.out_projection = residual_projection(d_model, d_model, 2 * n_layers)
        without_weight_decay(self.log_rate, self.skip)

    @classmethod
    def settings_for(cls, context_tokens: int) -> dict[str, Any]:
        """The kernel is as long as the training context, see `Mixer.settings_for`."""
        return {"kernel_length": max(2, context_tokens)}

    def forward(
        self,
        x: Tensor,
        state: LongConvolutionState | None = None,
        resets: Tensor | None = None,
        time_gaps: Tensor | None = None,
        shared: dict[str, Any] | None = None,
    ) -> tuple[Tensor, LongConvolutionState]:
        """Mix a whole sequence, see `Mixer.forward`; `time_gaps` are ignored."""
        gate, inputs = self._project(x)
        before = None if state is None else state.last
        y, last = long_convolution(inputs, self._kernel(), self.skip, initial_state=before, resets=resets)
        return self.out_projection(gate * y), LongConvolutionState(last.to(x.dtype if before is None else before.dtype))

    def step(
        self, x_t: Tensor, state: LongConvolutionState, shared: dict[str, Any] | None = None
    ) -> tuple[Tensor, LongConvolutionState]:
        """Mix one step, see `Mixer.step`."""
        gate, inputs = self._project(x_t)
        y, last = long_convolution_step(inputs, self._kernel(), self.skip, state=state.last)
        return self.out_projection(gate * y), LongConvolutionState(last.to(state.last.dtype))

    def initial_state(
        self, batch_size: int, device: torch.device | str | None = None, dtype: torch.dtype | None = None
    ) -> LongConvolutionState:
        """Zeros, see `Mixer.initial_state`."""
        device, dtype = self._placement(device, dtype)
        shape = (batch_size, self.kernel_length - 1, self.d_model)
        return LongConvolutionState(torch.zeros(shape, device=device, dtype=dtype))

    def _project(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The gate behind the convolution, and its inputs behind the other."""
        behind, before, values = self.in_projection(x).chunk(3, dim=-1)
        return behind, before * values

    def _kernel(self) -> Tensor:
        """Weights by lag, (kernel_length, d_model)."""
        lag = torch.arange(self.kernel_length, device=self.log_rate.device, dtype=self.log_rate.dtype).unsqueeze(-1)
        share = lag / self.kernel_length
        turns = 2 * math.pi * share * torch.arange(1, BANDS + 1, device=lag.device)
        seen = torch.cat([share, turns.cos(), turns.sin()], dim=-1)
        return self.filter_out(torch.sin(self.filter_in(seen))) * torch.exp(-lag * self.log_rate.exp())
