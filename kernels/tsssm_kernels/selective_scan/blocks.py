"""How a scan is cut into blocks of batch rows and segments of time, and the memory the blocks share."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from torch import Tensor

from ..linear_recurrence import CHUNK

__all__ = ["Blocks", "Workspace"]

CPU_BLOCK = 1 << 18  # elements (rows, steps, state, channels) of a block: two float32 buffers fill a 2 MiB cache
DEVICE_BLOCK = 1 << 24  # elsewhere memory is the only limit, and large operations are the fast ones


@dataclass(frozen=True)
class Blocks:
    """A cut of (batch, length) into rectangles of `n_rows` series and `n_steps` steps, the last ones smaller."""

    batch: int
    length: int
    n_rows: int
    n_steps: int

    @classmethod
    def plan(cls, x: Tensor, A: Tensor) -> Blocks:
        """Fill a block with rows first, so that a segment stays one chunk long where the batch is large."""
        batch, length, _ = x.shape
        positions = max(1, (CPU_BLOCK if x.device.type == "cpu" else DEVICE_BLOCK) // A.numel())
        n_rows = min(batch, max(1, positions // min(length, CHUNK)))
        n_steps = min(length, max(CHUNK, positions // n_rows))
        return cls(batch, length, n_rows, n_steps)

    @property
    def n_segments(self) -> int:
        """The number of segments of time."""
        return math.ceil(self.length / self.n_steps)

    def rows(self) -> Iterator[slice]:
        """Slices of the batch."""
        return _slices(self.batch, self.n_rows)

    def segments(self) -> list[tuple[int, slice]]:
        """Slices of the time axis, numbered."""
        return list(enumerate(_slices(self.length, self.n_steps)))


def _slices(total: int, size: int) -> Iterator[slice]:
    return (slice(start, min(start + size, total)) for start in range(0, total, size))


class Workspace:
    """Uninitialised memory for some tensors (rows, steps, state, channels), used over and over so it stays in cache."""

    def __init__(self, like: Tensor, blocks: Blocks, A: Tensor, count: int):
        self._inner = (A.shape[1], A.shape[0])
        size = blocks.n_rows * blocks.n_steps * A.numel()
        self._flat = [like.new_empty(size) for _ in range(count)]

    def views(self, n_rows: int, n_steps: int) -> list[Tensor]:
        """Contiguous tensors (n_rows, n_steps, state, channels) in the same memory at every call."""
        shape = (n_rows, n_steps, *self._inner)
        return [flat[: math.prod(shape)].view(shape) for flat in self._flat]
