"""Sequences cut at their resets and laid side by side, each from its own start: nothing reaches across."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

__all__ = ["convolve_sequences"]

Convolve = Callable[[Tensor, Tensor, Tensor | None], Tensor]


def convolve_sequences(convolve: Convolve, u: Tensor, kernel: Tensor, state: Tensor | None, resets: Tensor) -> Tensor:
    """Run `convolve` on the parts between resets, those of about equal length together, and put them back.

    Parts are filled up to the longest beside them, which has less than twice their length; those that `state` reaches
    run together whatever their lengths. So the cost is at most about twice that of the whole, or three times with a
    state, however many resets there are and wherever they are in the series.
    """
    batch, length, channels = u.shape
    given, steps, found = u.flatten(0, 1), [], []
    for first, lengths, before in _parts(resets, state):
        step = torch.arange(int(lengths.max()), device=u.device)
        valid = step < lengths.unsqueeze(1)
        at = (first.unsqueeze(1) + step).clamp(max=batch * length - 1)  # (parts, longest)
        part = torch.where(valid.unsqueeze(-1), given[at], 0.0)
        steps.append(at[valid])
        found.append(convolve(part, kernel, before)[valid])
    order = torch.cat(steps).argsort()
    return torch.cat(found)[order].view(batch, length, channels)


def _parts(resets: Tensor, state: Tensor | None) -> Iterator[tuple[Tensor, Tensor, Tensor | None]]:
    """Groups of parts: their first steps, counted through all series, their lengths, and the states before them."""
    batch, length = resets.shape
    begins = resets.clone()
    begins[:, 0] = True
    first = begins.flatten().nonzero().squeeze(1)
    lengths = torch.diff(first, append=first.new_tensor([batch * length]))
    series = first // length
    carried = (first % length == 0) & ~resets[series, 0]
    if state is not None and bool(carried.any()):
        yield first[carried], lengths[carried], state[series[carried]]
        first, lengths = first[~carried], lengths[~carried]
    size = torch.frexp(lengths.double()).exponent
    for exponent in size.unique().tolist():
        chosen = size == exponent
        yield first[chosen], lengths[chosen], None
