"""Chunks of time in the kernels whose states are matrices of keys and values."""

from __future__ import annotations

__all__ = ["CHUNK", "up"]

CHUNK = 16  # steps that a kernel takes at once, and between two checkpoints; as many as a vector has lanes


def up(count: int) -> int:
    """The numbers of whole vectors that hold so many.

    Examples
    --------
    >>> up(1), up(16)
    (16, 16)
    """
    return -(-count // CHUNK) * CHUNK
