"""One step of the selective scan, for streams."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import silu, softplus

__all__ = ["selective_scan_step"]


def selective_scan_step(
    u: Tensor,
    delta: Tensor,
    A: Tensor,
    B: Tensor,
    C: Tensor,
    state: Tensor,
    D: Tensor | None = None,
    z: Tensor | None = None,
    delta_bias: Tensor | None = None,
    delta_softplus: bool = False,
    *,
    time_gap: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Advance the selective scan by one step; equals `selective_scan` on a sequence of length 1.

    Parameters
    ----------
    u, delta : Tensor, shape (batch, channels)
        Input and step size.
    A : Tensor, shape (channels, state)
        Decay rates, negative.
    B, C : Tensor, shape (batch, state)
        How the input enters the state, and how the state is read.
    state : Tensor, shape (batch, channels, state)
        The state before the step, float32 (float64 for float64 inputs); left as it is.
    D : Tensor, shape (channels,), optional
        Weight of the input in the output.
    z : Tensor, shape (batch, channels), optional
        Gate: the output is multiplied by ``silu(z)``.
    delta_bias : Tensor, shape (channels,), optional
        Added to `delta`.
    delta_softplus : bool, default False
        Whether the step size passes through a softplus.
    time_gap : Tensor, shape (batch,), optional
        Time since the step before, in steps: scales the logarithm of the decay.

    Returns
    -------
    output : Tensor, shape (batch, channels)
        Of `u`'s dtype.
    state : Tensor, shape (batch, channels, state)
        The state after the step, of the dtype of the state before.

    Raises
    ------
    ValueError
        If the state's shape does not fit the inputs.

    References
    ----------
    Gu, A. and Dao, T. (2023). Mamba: Linear-time sequence modeling with selective state spaces.

    Examples
    --------
    >>> import torch
    >>> one = torch.ones(1, 1)
    >>> state = torch.zeros(1, 1, 1)
    >>> for value in (1.0, 2.0, 3.0):
    ...     y, state = selective_scan_step(value * one, one, A=0 * one, B=one, C=one, state=state)
    >>> y
    tensor([[6.]])
    """
    if state.shape != (*u.shape, B.shape[-1]):
        raise ValueError(
            f"selective_scan_step: state must have shape (batch, channels, state) = {(*u.shape, B.shape[-1])} for u of "
            f"shape {tuple(u.shape)} and B of shape {tuple(B.shape)}; got {tuple(state.shape)}."
        )
    dtype = u.dtype
    if dtype != state.dtype:
        u, delta, B, C = u.to(state.dtype), delta.to(state.dtype), B.to(state.dtype), C.to(state.dtype)
    if delta_bias is not None:
        delta = delta + delta_bias
    if delta_softplus:
        delta = softplus(delta)
    decay_time = delta if time_gap is None else delta * time_gap.unsqueeze(-1)
    decay = (decay_time.unsqueeze(-1) * A).exp_()  # (batch, channels, state)
    # in place where autograd allows it: with thousands of series, fresh memory is the cost
    kept = decay * state if torch.is_grad_enabled() else decay.mul_(state)
    state = kept.addcmul_((delta * u).unsqueeze(-1), B.unsqueeze(1))
    y = torch.bmm(state, C.unsqueeze(-1)).squeeze(-1)
    if D is not None:
        y = torch.addcmul(y, D, u)
    if z is not None:
        y = y * silu(z)
    return y.to(dtype), state
