"""One step of the long convolution, for streams."""

from __future__ import annotations

from torch import Tensor

from ..arguments import check_shapes, computed_dtype, converted
from .parameters import check_parameters
from .reference import advance

__all__ = ["long_convolution_step"]


def long_convolution_step(
    u: Tensor, kernel: Tensor, skip: Tensor | None = None, *, state: Tensor
) -> tuple[Tensor, Tensor]:
    """Advance the long convolution by one step; equals `long_convolution` on a sequence of length 1.

    Parameters
    ----------
    u : Tensor, shape (batch, channels)
        The input.
    kernel, skip
        As in `long_convolution`.
    state : Tensor, shape (batch, taps - 1, channels)
        The inputs before the step; left as it is.

    Returns
    -------
    output : Tensor, shape (batch, channels)
        Of `u`'s dtype.
    state : Tensor, shape (batch, taps - 1, channels)
        The last inputs, float32 (float64 for float64 inputs).

    Raises
    ------
    ValueError
        If shapes do not fit.

    Notes
    -----
    A step reads all the taps and all of the state, and writes the new state: time in proportion to the taps. Where
    outputs may wait, feed `long_convolution` blocks of steps instead, each with the final state of the one before.

    Examples
    --------
    >>> import torch
    >>> y, state = long_convolution_step(torch.ones(1, 1), torch.tensor([[1.0], [0.5]]), state=torch.ones(1, 1, 1))
    >>> y, state.flatten()
    (tensor([[1.5000]]), tensor([1.]))
    """
    check_parameters("long_convolution_step", u, kernel, skip)
    expected = {"state": (state, (len(u), len(kernel) - 1, u.shape[-1]))}
    given = f"u of shape {tuple(u.shape)} and kernel of shape {tuple(kernel.shape)}"
    check_shapes("long_convolution_step", expected, given, None)
    tensors = (u, kernel, skip, state)
    u_t, kernel, skip, before = converted(tensors, computed_dtype(tensors))
    y, after = advance(before, u_t, kernel, skip)
    return y.to(u.dtype), after
