"""The diagonal scan on the CPU: compiled loops, registered as an operator of torch."""

from __future__ import annotations

import torch
from torch import Tensor

from ..addresses import addresses
from ..registered import differentiable
from ..selective_scan.cpu_launch import pack
from ..thread_pool import count_groups, count_shares, run_shares
from .cpu_arrays import CHUNK, OF_CONSTANTS, Gradients, Inputs, Outputs, Sizes
from .cpu_layout import (
    constants_of_gaps,
    constants_of_steps,
    even,
    pack_states,
    times_of_steps,
    unpack_constants,
    unpack_states,
)

__all__ = ["diagonal_scan_cpu"]

LANES = 16
FORWARD, BACKWARD = 0.25, 0.7  # nanoseconds for each step, channel and number of the state
WITH_GAPS = 2.5  # times as much


def _lay_out(u, log_A, B, C, D, gaps, state, resets) -> tuple[Sizes, Inputs, Tensor | None]:
    """Sizes, inputs, and with gaps how far states have turned at the end, (batch, channels, state) complex."""
    length = u.shape[1]
    packed = pack(u)
    blocks = packed.shape[2] // LANES
    sizes = Sizes(length, blocks, count_groups(len(u), blocks), even(log_A.shape[1]))
    times = turn = None
    if gaps is None:
        constants = constants_of_steps(log_A, B, C, length)
    else:
        constants = constants_of_gaps(log_A, B, C)
        times, exact = times_of_steps(gaps)
        angle = exact[:, -1, None, None] * log_A[..., 1].double()
        turn = torch.polar(torch.ones_like(angle), angle)
    inputs = Inputs(
        u=packed,
        constants=constants,
        D=u.new_zeros(blocks * LANES) if D is None else pack(D),
        resets=None if resets is None else resets.float().contiguous(),
        gaps=None if gaps is None else gaps.contiguous(),
        times=times,
    )
    return sizes, inputs, turn


def _turned(states: Tensor, turn: Tensor | None) -> Tensor:
    """States (batch, channels, state, 2) times complex numbers, where there are any."""
    if turn is None:
        return states
    return torch.view_as_real(torch.view_as_complex(states.double()) * turn).to(states.dtype)


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
    sizes, inputs, turn = _lay_out(u, log_A, B, C, D, gaps, state, resets)
    packed = pack_states(state)
    checkpoints = u.new_empty(_shapes(u, log_A, B, C, D, gaps, state, resets, keep)[2])
    y = torch.empty_like(inputs.u)
    at, into = addresses(inputs), addresses(Outputs(y, packed, checkpoints if keep else None))
    items = len(u) * sizes.groups
    shares = _shares(sizes, inputs, FORWARD, items)

    def work(share: int) -> None:
        forward(sizes, at, into, share * items // shares, (share + 1) * items // shares)

    run_shares(work, shares)
    after = _turned(unpack_states(packed, u.shape[2], log_A.shape[1]), turn)
    return [y[..., : u.shape[2]].contiguous(), after, checkpoints]


def _backward(gradients, kept, u, log_A, B, C, D, gaps, state, resets) -> list[Tensor | None]:
    from . import cpu_kernels, gap_kernels

    channels, numbers = log_A.shape[:2]
    sizes, inputs, turn = _lay_out(u, log_A, B, C, D, gaps, state, resets)
    grad_y, grad_state = gradients
    grad_y = torch.zeros_like(inputs.u) if grad_y is None else pack(grad_y)
    grad_state = torch.zeros_like(state) if grad_state is None else grad_state
    items = len(u) * sizes.groups
    shares = _shares(sizes, inputs, BACKWARD, items)
    grads = Gradients(
        u=torch.empty_like(inputs.u),
        constants=u.new_zeros(shares, sizes.blocks, sizes.state * OF_CONSTANTS, LANES),
        D=u.new_zeros(shares, sizes.blocks * LANES),
        gaps=None if gaps is None else u.new_empty(sizes.groups, *gaps.shape),
        state=pack_states(_turned(grad_state, None if turn is None else turn.conj())),
    )
    at, into = addresses(inputs), addresses(grads)
    checkpoints, grad_y_at = addresses((kept[0], grad_y))

    def work(share: int) -> None:
        bounds = share * items // shares, (share + 1) * items // shares
        if gaps is None:
            cpu_kernels.backward(sizes, at, checkpoints, grad_y_at, into, share, *bounds)
        else:
            gap_kernels.backward(sizes, at, checkpoints, grad_y_at, into, gaps.numel(), share, *bounds)

    run_shares(work, shares)
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
        unpack_states(grads.state, channels, numbers),
        None,
    ]


_scan = differentiable(
    "diagonal_scan",
    {
        "u": "Tensor",
        "log_A": "Tensor",
        "B": "Tensor",
        "C": "Tensor",
        "D": "Tensor?",
        "gaps": "Tensor?",
        "state": "Tensor",
        "resets": "Tensor?",
    },
    2,
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
