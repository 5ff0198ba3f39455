"""Bring grids into memory, and say which chunk of which store it was that could not be read."""

from __future__ import annotations

import itertools
from typing import Any

from tsssm.errors import DataError

__all__ = ["in_memory"]


def in_memory(grid: Any, what: str) -> Any:
    """Return the same DataArray or Dataset with its values in memory; the user's own stays as lazy as it was.

    Lazily computed values (dask) are computed once, those of all variables together.

    Raises
    ------
    DataError
        A value cannot be read; names the store, the variable and the chunk. The cause is kept.

    Examples
    --------
    >>> import xarray as xr
    >>> in_memory(xr.DataArray([1.0, 2.0]), "y").values
    array([1., 2.])
    """
    try:
        return grid.compute()
    except MemoryError:
        raise
    except Exception as error:  # a codec raises what it likes
        variables = grid.data_vars.values() if hasattr(grid, "data_vars") else [grid]
        place = next((found for array in variables if (found := _first_unreadable(array))), "")
        store = grid.encoding.get("source") or _store_of(next(iter(variables)))
        raise DataError(
            f"{what} cannot be read{f' from {store}' if store else ''}{place}: {type(error).__name__}: {error}. "
            "Restore the file or chunk, or select a part without it."
        ) from error


def _first_unreadable(array: Any) -> str:
    """Where the first chunk of a variable lies that cannot be read, as text; "" where all can."""
    if _is_readable(array):
        return ""
    place = []
    for dim, length in array.sizes.items():
        for number, part in enumerate(_chunks(array, dim, length)):
            if not _is_readable(array.isel({dim: part})):
                place.append((number, f"{dim} {part.start}:{part.stop}"))
                array = array.isel({dim: part})
                break
    numbers, slices = ", ".join(str(number) for number, _ in place), ", ".join(text for _, text in place)
    return f", variable {array.name!r}, chunk ({numbers}) ({slices})"


def _chunks(array: Any, dim: str, length: int) -> list[slice]:
    axis = array.dims.index(dim)
    if array.chunks is not None:
        ends = list(itertools.accumulate(array.chunks[axis]))
    else:
        stored = array.encoding.get("chunks") or array.encoding.get("chunksizes")
        size = stored[axis] if stored and len(stored) == array.ndim else length
        ends = [*range(size, length, size), length]
    return [slice(first, last) for first, last in itertools.pairwise([0, *ends])]


def _is_readable(array: Any) -> bool:
    try:
        array.compute()
    except Exception:
        return False
    return True


def _store_of(array: Any) -> str | None:
    """The store behind a variable, as far as xarray lets it be seen."""
    if "source" in array.encoding:
        return str(array.encoding["source"])
    layer = array.variable._data
    while hasattr(layer, "array"):
        layer = layer.array
    stored = layer.get_array() if hasattr(layer, "get_array") else None
    return None if stored is None else str(getattr(stored, "store_path", None) or getattr(stored, "store", None))
