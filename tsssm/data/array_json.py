"""Arrays and attributes of grids as plain Python that JSON can hold, to the last bit, and back."""

from __future__ import annotations

import base64
from typing import Any

import numpy as np

from tsssm.errors import DataError

__all__ = ["array_from_json", "array_to_json", "value_from_json", "value_to_json"]


def array_to_json(array: np.ndarray, what: str) -> dict[str, Any]:
    """Return an array of numbers, times, booleans or text as plain Python.

    Raises
    ------
    DataError
        It holds other objects; `what` says where.

    Examples
    --------
    >>> array_to_json(np.array([1], "int8"), "x")
    {'dtype': '|i1', 'shape': [1], 'base64': 'AQ=='}
    """
    shape = list(array.shape)
    if array.dtype.kind in "fiubcmM":
        raw = np.ascontiguousarray(array).tobytes()
        return {"dtype": array.dtype.str, "shape": shape, "base64": base64.b64encode(raw).decode("ascii")}
    values = array.ravel().tolist()
    odd = next((value for value in values if not isinstance(value, str)), None)
    if odd is not None:
        raise DataError(f"{what} holds {odd!r} ({type(odd).__name__}), which cannot be saved. Make it text or numbers.")
    return {"dtype": array.dtype.str if array.dtype.kind == "U" else "object", "shape": shape, "text": values}


def array_from_json(plain: dict[str, Any]) -> np.ndarray:
    """Return the array that `array_to_json` wrote."""
    if "text" in plain:
        return np.array(plain["text"], dtype=plain["dtype"]).reshape(plain["shape"])
    raw = base64.b64decode(plain["base64"], validate=True)
    return np.frombuffer(raw, dtype=np.dtype(plain["dtype"])).reshape(plain["shape"]).copy()


def value_to_json(value: Any, what: str) -> Any:
    """Return an attribute as plain Python: text, numbers, lists, mappings and arrays of these.

    Examples
    --------
    >>> value_to_json({"units": "K", "range": np.array([1.5])}, "x")["map"][0]
    ['units', 'K']
    """
    if isinstance(value, dict):
        return {"map": [[str(key), value_to_json(part, what)] for key, part in value.items()]}
    if isinstance(value, list | tuple):
        return {"tuple" if isinstance(value, tuple) else "list": [value_to_json(part, what) for part in value]}
    if isinstance(value, np.ndarray | np.generic) and not isinstance(value, str):
        scalar = isinstance(value, np.generic)
        return {"scalar" if scalar else "array": array_to_json(np.asarray(value), what)}
    if value is not None and not isinstance(value, str | int | float):
        raise DataError(f"{what} is {value!r} ({type(value).__name__}), which cannot be saved. Make it text.")
    return str(value) if isinstance(value, str) else value


def value_from_json(plain: Any) -> Any:
    """Return the attribute that `value_to_json` wrote."""
    if not isinstance(plain, dict):
        return plain
    (kind, content), *_ = plain.items()
    if kind == "map":
        return {key: value_from_json(part) for key, part in content}
    if kind in ("list", "tuple"):
        parts = [value_from_json(part) for part in content]
        return tuple(parts) if kind == "tuple" else parts
    array = array_from_json(content)
    return array[()] if kind == "scalar" else array
