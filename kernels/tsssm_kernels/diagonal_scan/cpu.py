"""The diagonal scan on the CPU: compiled loops, registered as an operator of torch."""

from __future__ import annotations

import torch
from torch import Tensor

from ..addresses import addresses
from ..registered import differentiable
from ..selective_scan.cpu_launch import pack
from ..thread_pool import count_groups, count_shares, run_ranges
from .cpu_arrays import CHUNK, OF_CONSTANTS, Gradients, Inputs, Outputs, Sizes
from .cpu_layout import constants_of_gaps, constants_of_steps, even, times_of_steps, unpack_constants

__all__ = ["ARGUMENTS", "diagonal_scan_cpu"]

ARGUMENTS = {
    "u": "Tensor",
    "log_A": "Tensor",
    "B": "Tensor",
    "C": "Tensor",
    "D": "Tensor?",
    "gaps": "Tensor?",
    "state": "Tensor",
    "resets": "Tensor?",
}

LANES = 16
FORWARD, BACKWARD = 0.3, 0.85  # nanoseconds for each step, channel and number of the state
WITH_GAPS = 4  # times as much


def _lay_out(u, log_A, B, C, D, gaps, state, resets) -> tuple[Sizes, Inputs]:
    channels, given = log_A.shape[:2]
    packed = pack(u)
    blocks = packed.shape[2] // LANES
    sizes = Sizes(u.shape[1], blocks, count_groups(len(u), blocks), channels, even(given), given)
    inputs = Inputs(
        u=packed,
        constants=constants_of_steps(log_A, B, C, sizes.length) if gaps is None else constants_of_gaps(log_A, B, C),
        D=u.new_zeros(blocks * LANES) if D is None else pack(D),
        state=state.contiguous(),
        resets=None if resets is None else resets.float().contiguous(),
        gaps=None if gaps is None else gaps.contiguous(),
        times=None if gaps is None else times_of_steps(gaps),
    )
    return sizes, inputs


def _room(sizes: Sizes) -> int:
    """For the states of one series."""
    return sizes.blocks * sizes.state * 2 * LANES


def _shares(sizes: Sizes, inputs: Inputs, nanoseconds: float, items: int) -> int:
    slower = 1 if inputs.gaps is None else WITH_GAPS
    return count_shares(nanoseconds * slower * inputs.u.numel() * sizes.state, items)


def _shapes(u, log_A, B, C, D, gaps, state, resets, keep) -> list[tuple[int, ...]]:
    batch, length, channels = u.shape
    numbers = even(log_A.shape[1])
    checkpoints = batch, -(-length // CHUNK), -(-channels // LANES), numbers * 2, LANES
    return [u.shape, state.shape, checkpoints if keep else (0,)]


def _forward(u, log_A, B, C, D, gaps, state, resets, keep) -> list[Tensor]:
    from . import cpu_kernels, gap_kernels

    forward = cpu_kernels.forward if gaps is None else gap_kernels.forward
    sizes, inputs = _lay_out(u, log_A, B, C, D, gaps, state, resets)
    checkpoints = u.new_empty(_shapes(u, log_A, B, C, D, gaps, state, resets, keep)[2])
    y, after = torch.empty_like(inputs.u), torch.empty_like(inputs.state)
    at, into = addresses(inputs), addresses(Outputs(y, after, checkpoints if keep else None))
    items = len(u) * sizes.groups
    shares = _shares(sizes, inputs, FORWARD, items)

    def work(_: int, *states_and_bounds: int) -> None:
        forward(sizes, at, into, *states_and_bounds)

    run_ranges(work, items, shares, _room(sizes))
    return [y[..., : u.shape[2]].contiguous(), after, checkpoints]


def _backward(gradients, kept, u, log_A, B, C, D, gaps, state, resets) -> list[Tensor | None]:
    from . import cpu_kernels, gap_kernels

    channels, numbers = log_A.shape[:2]
    sizes, inputs = _lay_out(u, log_A, B, C, D, gaps, state, resets)
    grad_y, grad_state = gradients
    grad_y = torch.zeros_like(inputs.u) if grad_y is None else pack(grad_y)
    items = len(u) * sizes.groups
    shares = _shares(sizes, inputs, BACKWARD, items)
    grads = Gradients(
        u=torch.empty_like(inputs.u),
        constants=u.new_zeros(shares, sizes.blocks, sizes.state * OF_CONSTANTS, LANES),
        D=u.new_zeros(shares, sizes.blocks * LANES),
        gaps=None if gaps is None else u.new_empty(sizes.groups, *gaps.shape),
        state=torch.zeros_like(inputs.state) if grad_state is None else grad_state.contiguous().clone(),
    )
    at, into = addresses(inputs), addresses(grads)
    checkpoints, grad_y_at = addresses((kept[0], grad_y))

    def work(share: int, states: int, *bounds: int) -> None:
        if gaps is None:
            cpu_kernels.backward(sizes, at, checkpoints, grad_y_at, into, states, share, *bounds)
        else:
            gap_kernels.backward(sizes, at, checkpoints, grad_y_at, into, states, gaps.numel(), share, *bounds)

    run_ranges(work, items, shares, _room(sizes))
    of_A, of_B, read = unpack_constants(grads.constants.sum(0), channels, numbers).unbind(-1)
    if gaps is None:  # of the transition, not yet of its logarithm
        of_A = of_A * torch.view_as_complex(log_A).exp().conj()
    return [
        grads.u[..., :channels].contiguous(),
        torch.view_as_real(of_A).contiguous(),
        torch.view_as_real(of_B).contiguous(),
        torch.view_as_real((2 * read).conj().resolve_conj()).contiguous(),
        None if D is None else grads.D.sum(0)[:channels].contiguous(),
        None if grads.gaps is None else grads.gaps.sum(0),
        grads.state,
        None,
    ]


_scan = differentiable(
    "diagonal_scan",
    ARGUMENTS,
    2,
    1,
    forward=_forward,
    backward=_backward,
    shapes=_shapes,
)


def diagonal_scan_cpu(
    u: Tensor,
    log_A: Tensor,
    B: Tensor,
    C: Tensor,
    D: Tensor | None,
    time_gaps: Tensor | None,
    state: Tensor,
    resets: Tensor | None,
) -> tuple[Tensor, Tensor]:
    """The diagonal scan, all of single precision; as `diagonal_scan_reference`."""
    log_A, B, C, state = (torch.view_as_real(x.resolve_conj()) for x in (log_A, B, C, state))
    y, after = _scan(u, log_A, B, C, D, time_gaps, state, resets)
    return y, torch.view_as_complex(after)
