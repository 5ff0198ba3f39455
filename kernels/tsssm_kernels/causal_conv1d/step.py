"""One step of the causal convolution, for streams."""

from __future__ import annotations

from torch import Tensor

from ..arguments import check_shapes, computed_dtype, converted
from .parameters import check_parameters
from .reference import advance

__all__ = ["causal_conv1d_step"]


def causal_conv1d_step(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    *,
    state: Tensor,
    activation: str | None = None,
) -> tuple[Tensor, Tensor]:
    """Advance the causal convolution by one step; equals `causal_conv1d` on a sequence of length 1.

    Parameters
    ----------
    x : Tensor, shape (batch, channels)
        The input.
    weight, bias, activation
        As in `causal_conv1d`.
    state : Tensor, shape (batch, width - 1, channels)
        The inputs before the step; left as it is.

    Returns
    -------
    output : Tensor, shape (batch, channels)
        Of `x`'s dtype.
    state : Tensor, shape (batch, width - 1, channels)
        The last inputs, float32 (float64 for float64 inputs).

    Raises
    ------
    ValueError
        If shapes do not fit, or the activation is unknown.

    Examples
    --------
    >>> import torch
    >>> y, state = causal_conv1d_step(torch.ones(1, 1), torch.ones(2, 1), state=torch.ones(1, 1, 1))
    >>> y, state.flatten()
    (tensor([[2.]]), tensor([1.]))
    """
    check_parameters("causal_conv1d_step", x, weight, bias, activation)
    expected = {"state": (state, (len(x), len(weight) - 1, x.shape[-1]))}
    given = f"x of shape {tuple(x.shape)} and weight of shape {tuple(weight.shape)}"
    check_shapes("causal_conv1d_step", expected, given, None)
    x_t, weight, bias, before = converted((x, weight, bias, state), computed_dtype((x, weight, bias, state)))
    y, after = advance(before, x_t, weight, bias, activation)
    return y.to(x.dtype), after
