"""One step of the diagonal scan, for streams."""

from __future__ import annotations

from torch import Tensor

from ..arguments import check_shapes
from .precision import in_one_precision
from .reference import advance

__all__ = ["diagonal_scan_step"]


def diagonal_scan_step(
    u: Tensor,
    log_A: Tensor,
    B: Tensor,
    C: Tensor,
    state: Tensor,
    D: Tensor | None = None,
    *,
    time_gap: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Advance the diagonal scan by one step; equals `diagonal_scan` on a sequence of length 1.

    Parameters
    ----------
    u : Tensor, shape (batch, channels)
        Input.
    log_A, B, C : Tensor of complex numbers, shape (channels, state)
        As in `diagonal_scan`.
    state : Tensor of complex numbers, shape (batch, channels, state)
        The state before the step; left as it is.
    D : Tensor, shape (channels,), optional
        Weight of the input in the output.
    time_gap : Tensor, shape (batch,), optional
        Time since the step before, in steps: scales `log_A`.

    Returns
    -------
    output : Tensor, shape (batch, channels)
        Of `u`'s dtype.
    state : Tensor, shape (batch, channels, state)
        The state after the step, complex64 (complex128 if an input is of that precision).

    Raises
    ------
    ValueError
        If the state's shape does not fit the inputs.

    Examples
    --------
    >>> import torch
    >>> one = torch.ones(1, 1, dtype=torch.complex64)
    >>> y, state = diagonal_scan_step(torch.ones(1, 1), 0 * one, one, one, 2 * one.unsqueeze(0))
    >>> y
    tensor([[6.]])
    """
    expected = {"state": (state, (*u.shape, log_A.shape[-1]))}
    check_shapes("diagonal_scan_step", expected, f"u of shape {tuple(u.shape)}", None)
    _, (x, log_A, B, C, D, time_gap, before) = in_one_precision((u, log_A, B, C, D, time_gap, state))
    y, after = advance(x, log_A, B, C, D, time_gap, before)
    return y.to(u.dtype), after
