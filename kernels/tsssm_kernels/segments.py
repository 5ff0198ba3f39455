"""Long sequences in segments that are computed again for the backward pass, so that what it keeps stays small."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

__all__ = ["run_segments"]

Tensors = tuple[Tensor | None, ...]


def run_segments(
    function: Callable[..., tuple[Tensor, ...]], sequences: Sequence[Tensor | None], state: Tensors, steps: int
) -> tuple[Tensor, ...]:
    """Run a recurrence segment by segment.

    Between segments only the state is kept; in between the backward pass computes again. Unlike the compiled
    operators, this is differentiable as often, and in whatever mode, as what the function is made of.

    Parameters
    ----------
    function : Callable
        ``function(*sequences, *state)`` gives an output, (batch, steps, ...), and the state after it.
    sequences : sequence of Tensor or None, shape (batch, length, ...)
        Inputs, cut along their second axis.
    state : tuple of Tensor or None
        Before the first step.
    steps : int
        Length of a segment.

    Returns
    -------
    tuple of Tensor
        The whole output, and the state after the last step.

    Examples
    --------
    >>> def running_sum(x, total):
    ...     sums = total[:, None] + x.cumsum(1)
    ...     return sums, sums[:, -1]
    >>> run_segments(running_sum, [torch.ones(1, 5)], (torch.zeros(1),), steps=2)[0]
    tensor([[1., 2., 3., 4., 5.]])
    """
    length = next(x for x in sequences if x is not None).shape[1]
    outputs: list[Tensor] = []
    after: list[Any] = list(state)
    for start in range(0, length, steps):
        cut = [None if x is None else x[:, start : start + steps] for x in sequences]
        if length > steps and torch.is_grad_enabled():
            y, *after = checkpoint(function, *cut, *after, use_reentrant=False, preserve_rng_state=False)
        else:
            y, *after = function(*cut, *after)
        outputs.append(y)
    return (torch.cat(outputs, dim=1) if len(outputs) > 1 else outputs[0], *after)
