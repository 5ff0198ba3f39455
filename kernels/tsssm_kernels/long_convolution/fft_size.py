"""How long the transforms are that cost least, and what they cost."""

from __future__ import annotations

import math

__all__ = ["fft_size", "transform_cost"]


def fft_size(length: int, taps: int) -> int:
    """Numbers of each transform of a sequence cut into pieces that overlap by all taps but one.

    A product of powers of 2, 3 and 5, which transforms fast, at least `taps`; one piece, or as many as cost least.

    Examples
    --------
    >>> fft_size(length=100, taps=100), fft_size(length=100_000, taps=100)
    (200, 800)
    """
    best, *others = _smooth(taps, length + taps - 1)
    for size in others:  # torch.compile does not know min with a key
        if transform_cost(length, taps, size) < transform_cost(length, taps, best):
            best = size
    return best


def transform_cost(length: int, taps: int, size: int) -> float:
    """Numbers of all pieces times the logarithm of their size.

    Examples
    --------
    >>> transform_cost(length=3, taps=2, size=4)
    8.0
    """
    pieces = -(-length // (size - taps + 1))
    return pieces * size * math.log2(size)


def _smooth(at_least: int, enough: int) -> list[int]:
    """Sizes that are a power of 2, even, times 1, 3, 5, 9, 15 or 25, up to the first that is enough."""
    sizes = sorted(odd << k for odd in (1, 3, 5, 9, 15, 25) for k in range(1, enough.bit_length() + 1))
    last = next(size for size in sizes if size >= enough)
    return [size for size in sizes if at_least <= size <= last]
