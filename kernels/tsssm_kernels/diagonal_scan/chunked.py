"""The diagonal scan in plain torch, without a loop over steps; any device and floating dtype."""

from __future__ import annotations

import torch
from torch import Tensor

from ..linear_recurrence import linear_recurrence
from ..segments import run_segments

__all__ = ["diagonal_scan_chunked"]

CHUNK = 64  # steps of a convolution
NUMBERS = 2**20  # of the states that are there at once


def diagonal_scan_chunked(
    u: Tensor,
    log_A: Tensor,
    B: Tensor,
    C: Tensor,
    D: Tensor | None,
    time_gaps: Tensor | None,
    state: Tensor,
    resets: Tensor | None,
) -> tuple[Tensor, Tensor]:
    """Arguments as in `diagonal_scan`, all of one precision, none left out.

    States are handed on in double precision: a transition close to 1 is raised to the power of a whole sequence.
    """
    wide = log_A.to(torch.complex128)
    if time_gaps is None and resets is None:
        y, after = _convolve(u, wide, B, C, state.to(wide.dtype))
    else:
        y, after = _recur(u, wide, B, C, time_gaps, state.to(wide.dtype), resets)
    return (y if D is None else y + D * u), after.to(state.dtype)


def _convolve(u: Tensor, log_A: Tensor, B: Tensor, C: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
    """All steps alike: chunk by chunk a convolution, and what the state before the chunk adds."""
    lags = torch.arange(CHUNK + 1, device=u.device)
    powers = (log_A.unsqueeze(-1) * lags).exp()  # (channels, state, lags)
    kernel = 2 * (powers[..., :-1] * (C * B).unsqueeze(-1)).real.sum(1).to(u.dtype)
    lag = lags[:-1, None] - lags[:-1]
    products = torch.where(lag < 0, 0.0, kernel[:, lag.clamp(min=0)])  # (channels, to step, from step)
    body = u.shape[1] // CHUNK * CHUNK
    outputs = []
    for part, size in ((u[:, :body], CHUNK), (u[:, body:], u.shape[1] - body)):
        if part.shape[1] == 0:
            continue
        x = part.unflatten(1, (-1, size))  # (batch, chunks, steps, channels)
        y = torch.einsum("cij,bkjc->bkic", products[:, :size, :size], x)
        enter = (B.unsqueeze(-1) * powers[..., :size].flip(-1)).to(B.dtype)
        added = torch.einsum("cnj,bkjc->bkcn", enter, x.to(B.dtype))
        before = []
        for k in range(added.shape[1]):
            before.append(state)
            state = powers[..., size] * state + added[:, k]
        read = (2 * C.unsqueeze(-1) * powers[..., 1 : size + 1]).to(C.dtype)
        earlier = torch.einsum("cni,bkcn->bkic", read, torch.stack(before, dim=1).to(C.dtype))
        outputs.append((y + earlier.real).flatten(1, 2))
    return torch.cat(outputs, dim=1), state


def _recur(
    u: Tensor, log_A: Tensor, B: Tensor, C: Tensor, time_gaps: Tensor | None, state: Tensor, resets: Tensor | None
) -> tuple[Tensor, Tensor]:
    """Every step with a transition of its own."""
    ones = torch.ones_like(u[..., 0], dtype=torch.float64)
    gaps = ones if time_gaps is None else time_gaps.to(ones.dtype)

    def run(u: Tensor, gaps: Tensor, resets: Tensor | None, state: Tensor) -> tuple[Tensor, Tensor]:
        transitions = (gaps[..., None, None] * log_A).exp()  # (batch, steps, channels, state)
        if resets is not None:
            transitions = torch.where(resets[..., None, None], 0.0, transitions)
        states = linear_recurrence(transitions, B * u.unsqueeze(-1).to(state.dtype), state)
        after = states[:, -1].clone()  # a view would keep all of them
        return 2 * (C * states).real.sum(-1).to(u.dtype), after

    y, after = run_segments(run, (u, gaps, resets), (state,), max(1, NUMBERS // state.numel()))
    return y, after
