"""The diagonal scan: checks, dtypes and the choice of a backend."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from ..arguments import check_sequence, check_shapes
from ..backends import choose_backend
from .chunked import diagonal_scan_chunked
from .cpu import diagonal_scan_cpu
from .gpu import diagonal_scan_gpu
from .precision import in_one_precision
from .reference import diagonal_scan_reference

__all__ = ["diagonal_scan"]

BACKENDS: dict[str, Callable[..., tuple[Tensor, Tensor]]] = {
    "reference": diagonal_scan_reference,
    "chunked": diagonal_scan_chunked,
    "cpu": diagonal_scan_cpu,
    "triton": diagonal_scan_gpu,
}


def diagonal_scan(
    u: Tensor,
    log_A: Tensor,
    B: Tensor,
    C: Tensor,
    D: Tensor | None = None,
    *,
    time_gaps: Tensor | None = None,
    initial_state: Tensor | None = None,
    resets: Tensor | None = None,
    backend: str | None = None,
) -> tuple[Tensor, Tensor]:
    """The diagonal scan of S4D: for every channel, a few complex numbers that decay and turn.

    For each channel, with a state of complex numbers of which the conjugates are not written down::

        x_t = exp(gap_t * log_A) * x_{t-1} + B * u_t
        y_t = 2 * Re(sum_n C_n x_tn) + D * u_t

    Parameters
    ----------
    u : Tensor, shape (batch, length, channels)
        Input, real, of a floating dtype; batch and length at least 1.
    log_A : Tensor of complex numbers, shape (channels, state)
        Logarithm of a step's transition, the step size times the continuous A: its real part, at most 0, is the
        logarithm of the decay, its imaginary part the angle of the turn in radians.
    B, C : Tensor of complex numbers, shape (channels, state)
        How the input enters the state, discretised, and how the state is read. With S4D's zero-order hold, B is
        ``expm1(log_A) / A`` times the continuous B.
    D : Tensor, shape (channels,), optional
        Weight of the input in the output.
    time_gaps : Tensor, shape (batch, length), optional
        Time since the step before, in steps: scales `log_A`. What enters is not scaled.
    initial_state : Tensor of complex numbers, shape (batch, channels, state), optional
        The state before the first step; zero if left out.
    resets : Tensor of bool, shape (batch, length), optional
        Where true, a new sequence begins: this step starts from the zero state, never from `initial_state`.
    backend : {"reference", "chunked", "cpu", "triton"}, optional
        ``"reference"`` is the loop that defines the operator, ``"chunked"`` a fast form in plain torch for any device,
        ``"cpu"`` compiled loops and ``"triton"`` kernels for GPUs, which compute in float32. If left out, the
        environment variable ``TSSSM_BACKEND`` decides, else ``"cpu"`` or ``"triton"`` runs where it can (CPU or GPU
        tensors, none of them of double precision), ``"chunked"`` elsewhere.

    Returns
    -------
    output : Tensor, shape (batch, length, channels)
        Of `u`'s dtype.
    final_state : Tensor, shape (batch, channels, state)
        The state after the last step, complex64 (complex128 if an input is of that precision).

    Raises
    ------
    ValueError
        If shapes or dtypes do not fit, batch or length is 0, or the backend is unknown or cannot serve the inputs.

    Notes
    -----
    Differentiable in every real and complex input and through the final state; with ``"cpu"`` and ``"triton"`` once and
    in reverse mode. Computed in float32 and complex64 (float64 and complex128 if an input is). Against the loop in
    double precision, relative errors (Frobenius norm) are below 1e-5 forward and 1e-4 in gradients; forward about 1e-5
    for decays and turns of 1e-7 over 32,768 steps: what rounding takes off a transition is added again.

    References
    ----------
    Gu, A., Gupta, A., Goel, K. and Ré, C. (2022). On the parameterization and initialization of diagonal state space
    models. arXiv 2206.11893.

    Examples
    --------
    A quarter of a turn each step, nothing forgotten:

    >>> import torch
    >>> u = torch.tensor([1.0, 0.0, 0.0, 0.0, 0.0]).view(1, 5, 1)
    >>> one = torch.ones(1, 1, dtype=torch.complex64)
    >>> y, state = diagonal_scan(u, 0.5j * torch.pi * one, one, 0.5 * one)
    >>> y.flatten().round(decimals=3) + 0.0
    tensor([ 1.,  0., -1.,  0.,  1.])
    """
    check_sequence("diagonal_scan", "u", u, "batch, length, channels")
    _check(u, {"log_A": log_A, "B": B, "C": C}, D, time_gaps, initial_state, resets)
    if initial_state is None:
        initial_state = torch.zeros(len(u), *log_A.shape, dtype=torch.complex64, device=u.device)
    given = (u, log_A, B, C, D, time_gaps, initial_state)
    dtype, tensors = in_one_precision(given)
    form = choose_backend(backend, BACKENDS, u, dtype, ("diagonal_scan.forward", log_A.shape[1]))
    y, after = BACKENDS[form](*(given if form == "triton" else tensors), resets)
    return y.to(u.dtype), after


def _check(
    u: Tensor,
    parameters: dict[str, Tensor],
    D: Tensor | None,
    time_gaps: Tensor | None,
    initial_state: Tensor | None,
    resets: Tensor | None,
) -> None:
    batch, length, channels = u.shape
    log_A = parameters["log_A"]
    if log_A.ndim != 2 or len(log_A) != channels or log_A.shape[1] == 0:
        raise ValueError(
            f"diagonal_scan: log_A must have shape ({channels}, state), none of them 0, for u of shape "
            f"{tuple(u.shape)}; got {tuple(log_A.shape)}."
        )
    state = log_A.shape[1]
    expected = {
        "B": (parameters["B"], (channels, state)),
        "C": (parameters["C"], (channels, state)),
        "D": (D, (channels,)),
        "time_gaps": (time_gaps, (batch, length)),
        "initial_state": (initial_state, (batch, channels, state)),
        "resets": (resets, (batch, length)),
    }
    given = f"u of shape {tuple(u.shape)} and log_A of shape {tuple(log_A.shape)}"
    check_shapes("diagonal_scan", expected, given, resets)
    for name, x in (parameters | {"initial_state": initial_state}).items():
        if x is not None and not x.is_complex():
            raise ValueError(f"diagonal_scan: {name} must be complex; got {x.dtype}. Pass {name}.to(torch.complex64).")
