"""Sequences step by step."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import repeat
from typing import Any

from torch import Tensor

__all__ = ["over_time"]


def over_time(*sequences: Tensor | None) -> Iterator[tuple[Any, ...]]:
    """The inputs of each step, (batch, ...) of (batch, length, ...); None stays None. The first one is a tensor.

    Unlike with an index for each step, the backward pass of a loop over them takes time linear in the length.

    Examples
    --------
    >>> import torch
    >>> [(int(x), y) for x, y in over_time(torch.tensor([[3, 4]]), None)]
    [(3, None), (4, None)]
    """
    return zip(*(repeat(None) if x is None else x.unbind(1) for x in sequences))
