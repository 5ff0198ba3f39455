"""Names of series, columns and indexes as plain Python that JSON can hold, and back."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from tsssm.errors import DataError

__all__ = ["columns_from_json", "columns_to_json", "label_from_json", "label_to_json"]


def label_to_json(label: Any, what: str) -> Any:
    """Return one label as plain Python: str, int, float, bool and None, or a tuple of them (written as a list).

    Examples
    --------
    >>> label_to_json(("shop", 7), "the series name")
    ['shop', 7]
    """
    if isinstance(label, tuple):
        return [label_to_json(part, what) for part in label]
    plain = label.item() if isinstance(label, np.generic) else label
    if plain is not None and (not isinstance(plain, (str, int, float)) or plain != plain):
        raise DataError(
            f"{what[0].upper()}{what[1:]} {label!r} ({type(label).__name__}) cannot be saved. Rename it to text."
        )
    return plain


def label_from_json(plain: Any) -> Any:
    """Return the label that `label_to_json` wrote."""
    return tuple(label_from_json(part) for part in plain) if isinstance(plain, list) else plain


def columns_to_json(columns: pd.Index) -> dict[str, Any]:
    """Return column labels as plain Python: ranges, text, numbers and MultiIndexes of these.

    Raises
    ------
    DataError
        For labels that JSON cannot hold, such as timestamps and categories.

    Examples
    --------
    >>> import pandas as pd
    >>> columns_to_json(pd.RangeIndex(3))
    {'type': 'range', 'start': 0, 'stop': 3, 'step': 1, 'name': None}
    """
    if isinstance(columns, pd.MultiIndex):
        return {
            "type": "levels",
            "levels": [columns_to_json(columns.get_level_values(i)) for i in range(columns.nlevels)],
        }
    name = label_to_json(columns.name, "the name of the columns")
    if isinstance(columns, pd.RangeIndex):
        return {"type": "range", "start": columns.start, "stop": columns.stop, "step": columns.step, "name": name}
    if isinstance(
        columns, (pd.DatetimeIndex, pd.PeriodIndex, pd.TimedeltaIndex, pd.CategoricalIndex, pd.IntervalIndex)
    ):
        raise DataError(
            f"Columns of dtype {columns.dtype} (the first is {columns[0]!r}) cannot be saved. Rename them to text."
        )
    values = [label_to_json(label, "the column") for label in columns.tolist()]
    return {"type": "labels", "values": values, "dtype": str(columns.dtype), "name": name}


def columns_from_json(plain: dict[str, Any]) -> pd.Index:
    """Return the columns that `columns_to_json` wrote."""
    if plain["type"] == "levels":
        levels = [columns_from_json(level) for level in plain["levels"]]
        return pd.MultiIndex.from_arrays(levels, names=[level.name for level in levels])
    name = label_from_json(plain["name"])
    if plain["type"] == "range":
        return pd.RangeIndex(plain["start"], plain["stop"], plain["step"], name=name)
    return pd.Index(
        [label_from_json(value) for value in plain["values"]], dtype=plain["dtype"], name=name, tupleize_cols=False
    )
