"""One step of the inside of a Mamba block, for streams."""

from __future__ import annotations

from torch import Tensor
from torch.nn.functional import linear

from ..causal_conv1d import causal_conv1d_step
from ..selective_scan import selective_scan_step
from .shapes import check_shapes

__all__ = ["mamba_inner_step"]


def mamba_inner_step(
    xz: Tensor,
    conv_weight: Tensor,
    conv_bias: Tensor,
    x_projection_weight: Tensor,
    delta_projection_weight: Tensor,
    delta_projection_bias: Tensor,
    A: Tensor,
    D: Tensor,
    *,
    tail: Tensor,
    state: Tensor,
) -> tuple[Tensor, Tensor, Tensor]:
    """Advance `mamba_inner` by one step; equals it on a sequence of length 1.

    Parameters
    ----------
    xz : Tensor, shape (batch, 2 * channels)
        Inputs and gates.
    conv_weight, conv_bias, x_projection_weight, delta_projection_weight, delta_projection_bias, A, D : Tensor
        As in `mamba_inner`.
    tail : Tensor, shape (batch, taps - 1, channels)
        The inputs before the step; left as it is.
    state : Tensor, shape (batch, channels, state)
        The scan's state before the step, float32 (float64 for float64 inputs); left as it is.

    Returns
    -------
    output : Tensor, shape (batch, channels)
        Of `xz`'s dtype.
    tail : Tensor, shape (batch, taps - 1, channels)
        The last inputs.
    state : Tensor, shape (batch, channels, state)
        The state after the step.

    Raises
    ------
    ValueError
        If shapes do not fit.

    Examples
    --------
    >>> import torch
    >>> weights = {"conv_weight": torch.ones(4, 8), "conv_bias": torch.zeros(8), "D": torch.ones(8)}
    >>> weights |= {"x_projection_weight": torch.ones(1 + 2 * 3, 8), "A": -torch.ones(8, 3)}
    >>> weights |= {"delta_projection_weight": torch.ones(8, 1), "delta_projection_bias": torch.zeros(8)}
    >>> rest = {"tail": torch.zeros(2, 3, 8), "state": torch.zeros(2, 8, 3)}
    >>> y, tail, state = mamba_inner_step(torch.ones(2, 16), **weights, **rest)
    >>> y.shape, tail.shape, state.shape
    (torch.Size([2, 8]), torch.Size([2, 3, 8]), torch.Size([2, 8, 3]))
    """
    projections = x_projection_weight, delta_projection_weight, delta_projection_bias
    tensors = xz, conv_weight, conv_bias, *projections, A, D, tail, state
    check_shapes(_NAMES, tensors, (xz.shape[0],))
    x, z = xz.chunk(2, dim=-1)
    x, last = causal_conv1d_step(x, conv_weight, conv_bias, state=tail, activation="silu")
    (_, rank), n_state = delta_projection_weight.shape, A.shape[1]
    low, B, C = linear(x, x_projection_weight).split((rank, n_state, n_state), dim=-1)
    delta = linear(low, delta_projection_weight, delta_projection_bias)
    y, state = selective_scan_step(x, delta, A, B, C, state, D, z, delta_softplus=True)
    return y, last.to(tail.dtype), state


_NAMES = (
    "xz",
    "conv_weight",
    "conv_bias",
    "x_projection_weight",
    "delta_projection_weight",
    "delta_projection_bias",
    "A",
    "D",
    "tail",
    "state",
)
