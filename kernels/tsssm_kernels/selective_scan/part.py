"""The inputs of a rectangle of series and steps, and its decays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ..linear_recurrence import CHUNK

__all__ = ["Part"]


@dataclass(frozen=True)
class Part:
    """Inputs of the scan: x, decay_time (rows, steps, channels), B, C (rows, steps, state), resets (rows, steps).

    `A_t`, (state, channels), is the same for all parts.
    """

    x: Tensor
    decay_time: Tensor
    A_t: Tensor
    B: Tensor
    C: Tensor
    resets: Tensor | None

    def __getitem__(self, where: Any) -> Part:
        """The part at some rows and steps, ``part[rows, steps]``."""
        resets = None if self.resets is None else self.resets[where]
        return Part(self.x[where], self.decay_time[where], self.A_t, self.B[where], self.C[where], resets)

    def decay(self, out: Tensor | None = None) -> Tensor:
        """The factor of each step, (rows, steps, state, channels); exactly 0 where a sequence begins."""
        return _decay(self.decay_time, self.A_t, self.resets, out)

    def chunk_decays(self, steps: slice) -> Tensor:
        """The factor of each chunk of `steps`, (rows, chunks, state, channels).

        From the sum of its steps' logarithms: a product would add up the rounding of each factor, always to the same
        side where steps are equal.
        """
        resets = None if self.resets is None else self.resets[:, steps].unflatten(1, (-1, CHUNK)).any(2)
        return _decay(self.decay_time[:, steps].unflatten(1, (-1, CHUNK)).sum(2), self.A_t, resets)


def _decay(time: Tensor, A_t: Tensor, resets: Tensor | None, out: Tensor | None = None) -> Tensor:
    decay = torch.mul(time.unsqueeze(2), A_t, out=out).exp_()
    return decay if resets is None else decay.masked_fill_(resets[:, :, None, None], 0.0)
