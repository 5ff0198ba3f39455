"""A multi-layer perceptron at each step: a channel mixer, without memory."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu

from .counts import check_optional_counts
from .mixer import Mixer
from .residual_projection import residual_projection

__all__ = ["MLP", "MLPState"]


class MLPState(NamedTuple):
    """State of an `MLP`: nothing."""


class MLP(Mixer):
    """Two linear maps with a GELU between, at each step by itself: ``y_t = W_2 gelu(W_1 x_t + b_1) + b_2``.

    It mixes channels, not steps. Blocks of attention have one behind the attention; by itself as a forecaster's mixer
    it makes a network that sees one patch and the scaler's statistics and nothing else.

    Parameters
    ----------
    d_model : int
        Width of the sequence.
    layer_index, n_layers : int
        Position in the stack and its depth; the output weights are divided by ``sqrt(2 n_layers)`` at the start, for
        a stack with a mixer and an MLP in each layer adds up twice as many outputs as it has layers.
    width : int, optional
        Hidden units; 4 * d_model unless given.

    References
    ----------
    Hendrycks, D. and Gimpel, K. (2016). Gaussian error linear units (GELUs). arXiv 1606.08415.

    Examples
    --------
    >>> import torch
    >>> mixer = MLP(16, width=40)
    >>> y, state = mixer(torch.randn(2, 30, 16))
    >>> y.shape, state, mixer.state_bytes()
    (torch.Size([2, 30, 16]), MLPState(), 0)
    """

    name = "mlp"

    def __init__(self, d_model: int, *, layer_index: int = 0, n_layers: int = 1, width: int | None = None):
        super().__init__()
        check_optional_counts(self.name, width=width)
        width = self.size_setting(d_model, {})[1] if width is None else width
        self.expand = nn.Linear(d_model, width)
        self.contract = residual_projection(width, d_model, 2 * n_layers, bias=True)

    @classmethod
    def size_setting(cls, d_model: int, settings: Mapping[str, Any]) -> tuple[str, int]:
        """The hidden units, see `Mixer.size_setting`."""
        return "width", 4 * d_model

    def forward(
        self,
        x: Tensor,
        state: MLPState | None = None,
        resets: Tensor | None = None,
        time_gaps: Tensor | None = None,
        shared: dict[str, Any] | None = None,
    ) -> tuple[Tensor, MLPState]:
        """Map every step, see `Mixer.forward`; resets and time gaps change nothing."""
        return self.contract(gelu(self.expand(x))), MLPState()

    def step(self, x_t: Tensor, state: MLPState, shared: dict[str, Any] | None = None) -> tuple[Tensor, MLPState]:
        """Map one step, see `Mixer.step`."""
        return self.forward(x_t)

    def initial_state(
        self, batch_size: int, device: torch.device | str | None = None, dtype: torch.dtype | None = None
    ) -> MLPState:
        """Nothing, see `Mixer.initial_state`."""
        return MLPState()
