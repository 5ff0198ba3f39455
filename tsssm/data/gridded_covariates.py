"""Covariates given as xarray objects: columns along time alone."""

from __future__ import annotations

from typing import Any

import pandas as pd

from tsssm.data.chunk_reading import in_memory
from tsssm.data.time_dimension import find_time, time_index
from tsssm.errors import DataError

__all__ = ["shared_columns"]


def shared_columns(X: Any) -> pd.DataFrame:
    """Return a DataArray or Dataset that has no dimension but time as a frame, one column a variable.

    Raises
    ------
    DataError
        A variable has other dimensions (covariates by cell come with a later version) or lacks time.

    Examples
    --------
    >>> import xarray as xr
    >>> shared_columns(xr.DataArray([1.0, 2.0], dims="time", name="solar"))["solar"].tolist()
    [1.0, 2.0]
    """
    time = find_time(X, "X")
    is_dataset = hasattr(X, "data_vars")
    arrays = dict(X.data_vars) if is_dataset else {"0" if X.name is None else X.name: X}
    for name, array in arrays.items():
        if array.dims != (time,):
            raise DataError(
                f"X's variable {name!r} has the dimensions {array.dims}; covariates are shared by all cells and have "
                f"({time!r},) alone. Average it over the others, or leave it out: covariates of each cell come with a "
                "later version."
            )
    read = in_memory(X.reset_coords(drop=True), "X")
    columns = {name: (read[name] if is_dataset else read).to_numpy() for name in arrays}
    return pd.DataFrame(columns, index=time_index(X, time))
