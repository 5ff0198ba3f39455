"""Readable names of a grid's cells: ``t2m[latitude=52.5, longitude=13.4]``."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

__all__ = ["cell_names"]


def cell_names(variable: str, labels: Sequence[tuple[str, pd.Index]]) -> list[str]:
    """Name every cell of a variable, the last dimension running fastest.

    Parameters
    ----------
    variable : str
        Its name.
    labels : sequence of (dimension, labels)
        One pair a dimension; labels that are not unique give way to positions.

    Examples
    --------
    >>> cell_names("t2m", [("latitude", pd.Index([52.5, 52.0])), ("longitude", pd.Index([13.25]))])
    ['t2m[latitude=52.5, longitude=13.25]', 't2m[latitude=52.0, longitude=13.25]']
    >>> cell_names("t2m", [])
    ['t2m']
    """
    if not labels:
        return [variable]
    names = [""]
    for dim, index in labels:
        texts = [f"{dim}={text}" for text in _texts(index)]
        names = [f"{name}, {text}" if name else text for name in names for text in texts]
    return [f"{variable}[{name}]" for name in names]


def _texts(index: pd.Index) -> list[str]:
    if not index.is_unique:
        return [str(position) for position in range(len(index))]
    # str of a numpy number is the shortest text of its own precision: 13.4, not 13.399999618530273
    values = index.to_numpy() if isinstance(index.dtype, np.dtype) and index.dtype.kind in "fiub" else list(index)
    return [str(value) for value in values]
