"""Numbers of bytes, as people write them."""

from __future__ import annotations

import re
from decimal import Decimal
from numbers import Integral

__all__ = ["read_bytes"]

_UNITS = {"": 1, "b": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "kib": 2**10, "mib": 2**20, "gib": 2**30}


def read_bytes(text: int | str) -> int | None:
    """A number of bytes such as 65536, "64KiB" or "64 kB"; None if it is none.

    Examples
    --------
    >>> read_bytes("64KiB"), read_bytes("1.5 MB"), read_bytes(100), read_bytes("many")
    (65536, 1500000, 100, None)
    """
    if isinstance(text, Integral) and not isinstance(text, bool):
        return int(text) if text > 0 else None
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([a-zA-Z]*)\s*", text) if isinstance(text, str) else None
    if found is None or found[2].lower() not in _UNITS:
        return None
    return int(Decimal(found[1]) * _UNITS[found[2].lower()]) or None
