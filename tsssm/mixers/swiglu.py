"""A gated multi-layer perceptron at each step: a channel mixer, without memory."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import silu

from .counts import check_optional_counts
from .mixer import Mixer
from .mlp import MLPState
from .residual_projection import residual_projection

__all__ = ["SwiGLU", "swiglu_width"]


class SwiGLU(Mixer):
    """Two linear maps, one the other's gate, and a third behind them: ``y_t = W_3 (silu(W_1 x_t) * W_2 x_t)``.

    It mixes channels, not steps; most mixers of heads, and some others, have one behind them.

    Parameters
    ----------
    d_model : int
        Width of the sequence.
    layer_index, n_layers : int
        Position in the stack and its depth; the output weights are divided by ``sqrt(2 n_layers)`` at the start, for
        a stack with a mixer and a channel mixer in each layer adds up twice as many outputs as it has layers.
    width : int, optional
        Hidden units; 3/4 d_model + 36, rounded down to a multiple of 4, unless given.

    References
    ----------
    Shazeer, N. (2020). GLU variants improve transformer. arXiv 2002.05202.

    Examples
    --------
    >>> import torch
    >>> mixer = SwiGLU(16, width=40)
    >>> y, state = mixer(torch.randn(2, 30, 16))
    >>> y.shape, mixer.state_bytes()
    (torch.Size([2, 30, 16]), 0)
    """

    name = "swiglu"

    def __init__(self, d_model: int, *, layer_index: int = 0, n_layers: int = 1, width: int | None = None):
        super().__init__()
        check_optional_counts(self.name, width=width)
        width = swiglu_width(d_model) if width is None else width
        self.expand = nn.Linear(d_model, 2 * width, bias=False)
        self.contract = residual_projection(width, d_model, 2 * n_layers)

    @classmethod
    def size_setting(cls, d_model: int, settings: Mapping[str, Any]) -> tuple[str, int]:
        """The hidden units, see `Mixer.size_setting`."""
        return "width", swiglu_width(d_model)

    def forward(
        self,
        x: Tensor,
        state: MLPState | None = None,
        resets: Tensor | None = None,
        time_gaps: Tensor | None = None,
        shared: dict[str, Any] | None = None,
    ) -> tuple[Tensor, MLPState]:
        """Map every step, see `Mixer.forward`; resets and time gaps change nothing."""
        gate, value = self.expand(x).chunk(2, dim=-1)
        return self.contract(silu(gate) * value), MLPState()

    def step(self, x_t: Tensor, state: MLPState, shared: dict[str, Any] | None = None) -> tuple[Tensor, MLPState]:
        """Map one step, see `Mixer.step`."""
        return self.forward(x_t)

    def initial_state(
        self, batch_size: int, device: torch.device | str | None = None, dtype: torch.dtype | None = None
    ) -> MLPState:
        """Nothing, see `Mixer.initial_state`."""
        return MLPState()


def swiglu_width(d_model: int) -> int:
    """Hidden units of a `SwiGLU` unless set: 3/4 d_model + 36, rounded down to a multiple of 4.

    Examples
    --------
    >>> swiglu_width(64)
    84
    """
    return (3 * d_model // 4 + 36) // 4 * 4
