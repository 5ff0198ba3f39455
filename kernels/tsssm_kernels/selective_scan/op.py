"""The selective scan of Mamba: checks, dtypes and the choice of a backend."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from ..backends import choose_backend, prepared
from .chunked import selective_scan_chunked
from .cpu import selective_scan_cpu
from .gpu import selective_scan_gpu
from .reference import selective_scan_reference
from .shapes import check_shapes

__all__ = ["selective_scan"]

BACKENDS: dict[str, Callable[..., tuple[Tensor, Tensor]]] = {
    "reference": selective_scan_reference,
    "chunked": selective_scan_chunked,
    "cpu": selective_scan_cpu,
    "triton": selective_scan_gpu,
}


def selective_scan(
    u: Tensor,
    delta: Tensor,
    A: Tensor,
    B: Tensor,
    C: Tensor,
    D: Tensor | None = None,
    z: Tensor | None = None,
    delta_bias: Tensor | None = None,
    delta_softplus: bool = False,
    *,
    time_gaps: Tensor | None = None,
    initial_state: Tensor | None = None,
    resets: Tensor | None = None,
    backend: str | None = None,
) -> tuple[Tensor, Tensor]:
    """Selective scan: a diagonal linear recurrence whose decay, input and output vary with time.

    For every channel, with a state of `state` numbers::

        d_t = softplus(delta_t + delta_bias)                      softplus only with delta_softplus
        h_t = exp(d_t * gap_t * A) * h_{t-1} + d_t * u_t * B_t
        y_t = (C_t . h_t + D * u_t) * silu(z_t)

    Parameters
    ----------
    u, delta : Tensor, shape (batch, length, channels)
        Inputs and step sizes. A floating dtype; batch and length at least 1.
    A : Tensor, shape (channels, state)
        Decay rates, negative (the scan grows without bound where ``d_t * A > 0``).
    B, C : Tensor, shape (batch, length, state)
        How an input enters the state, and how the state is read.
    D : Tensor, shape (channels,), optional
        Weight of the input in the output.
    z : Tensor, shape (batch, length, channels), optional
        Gate: the output is multiplied by ``silu(z)``.
    delta_bias : Tensor, shape (channels,), optional
        Added to `delta`.
    delta_softplus : bool, default False
        Whether step sizes pass through a softplus.
    time_gaps : Tensor, shape (batch, length), optional
        Time since the step before, in steps: scales the logarithm of the decay. The input's weight is not scaled.
    initial_state : Tensor, shape (batch, channels, state), optional
        The state before the first step; zero if left out.
    resets : Tensor of bool, shape (batch, length), optional
        Where true, a new sequence begins: this step starts from the zero state, never from `initial_state`.
    backend : {"reference", "chunked", "cpu", "triton"}, optional
        ``"reference"`` is the loop that defines the operator, ``"chunked"`` a fast form in plain torch for any device,
        ``"cpu"`` compiled loops and ``"triton"`` kernels for GPUs, which compute in float32. If left out, the
        environment variable ``TSSSM_BACKEND`` decides, else ``"cpu"`` or ``"triton"`` runs where it can (CPU tensors;
        GPU tensors, where Triton is installed; none of them float64), ``"chunked"`` elsewhere.

    Returns
    -------
    output : Tensor, shape (batch, length, channels)
        Of `u`'s dtype.
    final_state : Tensor, shape (batch, channels, state)
        The state after the last step, float32 (float64 for float64 inputs).

    Raises
    ------
    ValueError
        If shapes or dtypes do not fit, batch or length is 0, or the backend is unknown or cannot serve the inputs.

    Notes
    -----
    Differentiable once in every floating-point input, through `final_state` too. Computed in float32 (float64 if
    any input is), whatever the input's dtype; inputs must be finite, a NaN may pass a reset. Against the loop in
    float64, relative errors (Frobenius norm) are below 1e-5 forward and 1e-4 in gradients. With decay so weak that
    float32 can hardly hold it (1e-7 a step over 32,768 steps) they are below 2e-5 and 5e-4. ``"cpu"`` keeps denormal
    numbers out: a factor below 2^-126 is 0, and so is a state below 2^-100. For the backward pass only the states
    between segments of time are kept (``"cpu"``: every eighth).

    The input enters as ``d_t * u_t * B_t``, as in the authors' code; the paper's text has the zero-order hold
    instead, which differs where ``d_t * |A|`` is not small.

    References
    ----------
    Gu, A. and Dao, T. (2023). Mamba: Linear-time sequence modeling with selective state spaces.

    Examples
    --------
    Without decay and with steps of 1 the scan is a running sum:

    >>> import torch
    >>> u = torch.tensor([[[1.0], [2.0], [3.0]]])
    >>> ones = torch.ones(1, 3, 1)
    >>> y, state = selective_scan(u, delta=ones, A=torch.zeros(1, 1), B=ones, C=ones)
    >>> y.flatten(), state.shape
    (tensor([1., 3., 6.]), torch.Size([1, 1, 1]))
    """
    check_shapes(u, delta, A, B, C, D, z, delta_bias, time_gaps, initial_state, resets)
    tensors = (u, delta, A, B, C, D, z, delta_bias, time_gaps, initial_state)
    double = any(tensor is not None and tensor.dtype == torch.float64 for tensor in tensors)
    dtype = torch.float64 if double else torch.float32
    form = choose_backend(backend, BACKENDS, u, dtype, ("selective_scan.forward", A.shape[1]))
    scan = BACKENDS[form]
    *inputs, gaps, initial = prepared(form, tensors, dtype)
    y, state = scan(*inputs, delta_softplus, time_gaps=gaps, initial_state=initial, resets=resets)
    return y.to(u.dtype), state
