"""The selective scan in plain torch, in blocks that stay in the processor's cache; any device."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn.functional import silu, softplus

from ..linear_recurrence import linear_recurrence_
from .blocks import Blocks, Workspace
from .part import Part

__all__ = ["selective_scan_chunked"]


def selective_scan_chunked(
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
) -> tuple[Tensor, Tensor]:
    """Compute the scan in blocks; arguments as in `selective_scan`, all of one floating dtype."""
    if delta_bias is not None:
        delta = delta + delta_bias
    if delta_softplus:
        delta = softplus(delta)
    decay_time = delta if time_gaps is None else delta * time_gaps.unsqueeze(-1)
    if initial_state is None:
        initial_state = u.new_zeros(u.shape[0], *A.shape)
    y, state = _Scan.apply(delta * u, decay_time, A, B, C, initial_state, resets)
    if D is not None:
        y = torch.addcmul(y, D, u)
    if z is not None:
        y = y * silu(z)
    return y, state


class _Scan(torch.autograd.Function):
    """``h_t = exp(decay_time_t A) h_{t-1} + x_t B_t``, ``y_t = C_t h_t``.

    Only the state before each segment of time is kept for the backward pass, which computes the others again.
    Inside, a state is (state, channels): the long axis last, for vector instructions.
    """

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        decay_time: Tensor,
        A: Tensor,
        B: Tensor,
        C: Tensor,
        initial: Tensor,
        resets: Tensor | None,
    ) -> tuple[Tensor, Tensor]:
        whole = Part(x, decay_time, A.t().contiguous(), B, C, resets)
        blocks = Blocks.plan(x, A)
        work = Workspace(x, blocks, A, count=2)
        states = x.new_empty(blocks.n_segments + 1, x.shape[0], *whole.A_t.shape)  # before each segment, and the last
        states[0] = initial.transpose(1, 2)
        y = torch.empty_like(x, memory_format=torch.contiguous_format)
        # autocast would run the products in half precision
        with torch.autocast(x.device.type, enabled=False):
            for rows in blocks.rows():
                for index, steps in blocks.segments():
                    part = whole[rows, steps]
                    _, h = _run(part, states[index, rows], work)
                    y[rows, steps] = torch.matmul(part.C.unsqueeze(2), h).squeeze(2)
                    states[index + 1, rows] = h[:, -1]
        ctx.save_for_backward(x, decay_time, A, B, C, resets, states[:-1])
        return y, _copy(states[-1].transpose(1, 2))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_y: Tensor, grad_final: Tensor) -> tuple[Tensor | None, ...]:
        x, decay_time, A, B, C, resets, states = ctx.saved_tensors
        whole = Part(x, decay_time, A.t().contiguous(), B, C, resets)
        blocks = Blocks.plan(x, A)
        work = Workspace(x, blocks, A, count=3)
        grad_x, grad_decay_time, grad_B, grad_C = (torch.empty_like(tensor) for tensor in (x, decay_time, B, C))
        grad_A_t = torch.zeros_like(whole.A_t)
        grad_state = _copy(grad_final.transpose(1, 2))
        with torch.autocast(x.device.type, enabled=False):
            for rows in blocks.rows():
                for index, steps in reversed(blocks.segments()):
                    where = (rows, steps)
                    part, before = whole[where], states[index, rows]
                    decay, h = _run(part, before, work)
                    grad_C[where] = torch.matmul(h, grad_y[where].unsqueeze(3)).squeeze(3)
                    g = _run_back(part, grad_y[where], decay, grad_state[rows], work)
                    grad_x[where] = torch.matmul(part.B.unsqueeze(2), g).squeeze(2)
                    grad_B[where] = torch.matmul(g, part.x.unsqueeze(3)).squeeze(3)
                    _into_log_decay(g, decay, h, before)
                    grad_decay_time[where] = torch.mul(g, part.A_t, out=h).sum(2)
                    grad_A_t += torch.mul(g, part.decay_time.unsqueeze(2), out=h).sum((0, 1))
        return grad_x, grad_decay_time, grad_A_t.t(), grad_B, grad_C, grad_state.transpose(1, 2), None


def _copy(tensor: Tensor) -> Tensor:
    return tensor.clone(memory_format=torch.contiguous_format)


def _run(part: Part, before: Tensor, work: Workspace) -> tuple[Tensor, Tensor]:
    """Decays and states of one block, both (rows, steps, state, channels), in the first two buffers."""
    decay, h = work.views(*part.x.shape[:2])[:2]
    part.decay(out=decay)
    torch.mul(part.B.unsqueeze(3), part.x.unsqueeze(2), out=h)
    linear_recurrence_(decay, h, before, products=part.chunk_decays)
    return decay, h


def _run_back(part: Part, grad_y: Tensor, decay: Tensor, grad_state: Tensor, work: Workspace) -> Tensor:
    """Gradients of the states, in the third buffer; `grad_state`, of the state after the block, becomes that before."""
    g = work.views(*part.x.shape[:2])[2]
    torch.mul(part.C.unsqueeze(3), grad_y.unsqueeze(2), out=g)
    g[:, -1] += grad_state
    later = part[:, 1:]  # a state's gradient passes through the decay of the step after it
    linear_recurrence_(decay[:, 1:], g[:, :-1], g[:, -1], reverse=True, products=later.chunk_decays)
    torch.mul(decay[:, 0], g[:, 0], out=grad_state)
    return g


def _into_log_decay(g: Tensor, decay: Tensor, h: Tensor, before: Tensor) -> None:
    """Turn gradients of the states into gradients of the log-decays, in place."""
    g.mul_(decay)
    g[:, 1:].mul_(h[:, :-1])
    g[:, 0].mul_(before)
