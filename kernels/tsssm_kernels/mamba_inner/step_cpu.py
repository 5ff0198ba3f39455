"""Run the compiled step over shares of the series."""

from __future__ import annotations

import torch
from torch import Tensor

from ..thread_pool import count_shares, run_shares

__all__ = ["inner_step_cpu"]

LANES = 16
COST = 1.5  # nanoseconds for each series, channel and number of state


def inner_step_cpu(*tensors: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The step for the tensors of `mamba_inner_step`, in that order, float32 on the CPU, without autograd."""
    from .step_kernel import Addresses, StepSizes, inner_step

    tensors = tuple(tensor.contiguous() for tensor in tensors)
    xz, (taps, channels), rank, tail, state = tensors[0], tensors[1].shape, tensors[4].shape[1], *tensors[-2:]
    batch, n_state = len(xz), state.shape[2]
    made = xz.new_empty(batch, channels), torch.empty_like(tail), torch.empty_like(state)
    at = Addresses(*(tensor.data_ptr() for tensor in (*tensors, *made)))
    sizes = StepSizes(channels, taps, rank, n_state)
    shares = count_shares(COST * state.numel(), batch)
    width = 3 * (channels + max(n_state, rank) + 2 * LANES)
    scratch = xz.new_zeros(shares, -(-width // LANES) * LANES).numpy()
    if shares == 1:
        inner_step(sizes, at, scratch[0], 0, batch)
        return made

    def work(share: int) -> None:
        inner_step(sizes, at, scratch[share], share * batch // shares, (share + 1) * batch // shares)

    run_shares(work, shares)
    return made
