"""What a grid given as y was, so that forecasts go out as grids of the same dimensions, coordinates and attributes."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from math import prod
from typing import Any

import numpy as np
import pandas as pd

from tsssm.data.array_json import array_from_json, array_to_json, value_from_json, value_to_json
from tsssm.data.cell_names import cell_names
from tsssm.data.kind import Kind
from tsssm.data.labels import label_from_json, label_to_json

__all__ = ["GridKind", "GridVariable", "kind_from_json"]


@dataclass(frozen=True, eq=False)
class GridVariable:
    """One variable of a grid: its name, dimensions (time among them), forecast dtype, attributes and grid mapping."""

    name: Hashable
    dims: tuple[str, ...]
    dtype: str
    attrs: dict[str, Any] = field(default_factory=dict)
    mapping: str | None = None


@dataclass(frozen=True, eq=False)
class GridKind:
    """A DataArray or Dataset whose cells are series; made by `read_table`.

    Axes of the arguments below: H steps, S series, Q quantiles. A series is a cell of a variable that was observed at
    some time; the others (land, in a field of the sea) are NaN in every forecast.

    Attributes
    ----------
    form : str
        "array" or "dataset".
    time : str
        The time dimension.
    stamps : dict or None
        Attributes of the time coordinate; None where there is none.
    variables : tuple of GridVariable
    coords : Dataset
        Coordinates without the time dimension, and the Dataset's attributes.
    sizes : dict of str to int
        Lengths of the dimensions beside time.
    observed : ndarray, (cells,) bool
        Which cells are series, variable by variable, the last dimension running fastest.

    Examples
    --------
    >>> import xarray as xr
    >>> from tsssm.data import read_table
    >>> coords, attrs = {"x": [10, 20]}, {"units": "K"}
    >>> grid = xr.DataArray(np.ones((3, 2)), dims=("time", "x"), coords=coords, name="sst", attrs=attrs)
    >>> kind = read_table(grid).kind
    >>> kind.names
    ('sst[x=10]', 'sst[x=20]')
    >>> forecast = kind.point(np.zeros((5, 2)), pd.RangeIndex(3, 8))
    >>> dict(forecast.sizes), forecast.name, forecast.attrs
    ({'time': 5, 'x': 2}, 'sst', {'units': 'K'})
    """

    form: str
    time: str
    stamps: dict[str, Any] | None
    variables: tuple[GridVariable, ...]
    coords: Any
    sizes: dict[str, int]
    observed: np.ndarray

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The series' names: variable and coordinates of the cell."""
        every = [name for variable in self.variables for name in self.cells(variable)]
        return tuple(name for name, observed in zip(every, self.observed) if observed)

    def cells(self, variable: GridVariable) -> list[str]:
        """Names of all cells of a variable, land included."""
        indexes = self.coords.indexes
        labels = [(d, indexes.get(d, pd.RangeIndex(self.sizes[d]))) for d in self.cell_dims(variable)]
        return cell_names("y" if variable.name is None else str(variable.name), labels)

    def cell_dims(self, variable: GridVariable) -> tuple[str, ...]:
        """The dimensions of a variable beside time."""
        return tuple(dim for dim in variable.dims if dim != self.time)

    def n_cells(self, variable: GridVariable) -> int:
        """How many cells a variable has, land included."""
        return prod(self.sizes[dim] for dim in self.cell_dims(variable))

    def point(self, values: np.ndarray, index: pd.Index) -> Any:
        """Return one forecast a step and series, (H, S), as a grid over the stamps of `index`."""
        return self._grid(values, index, None, None)

    def quantiles(self, values: np.ndarray, levels: Sequence[float], index: pd.Index) -> Any:
        """Return quantiles, (H, S, Q), as a grid with `quantile` as its last dimension."""
        return self._grid(values, index, "quantile", np.array([float(level) for level in levels]))

    def interval(self, lower: np.ndarray, upper: np.ndarray, index: pd.Index) -> Any:
        """Return the bounds, each (H, S), as a grid with `bound` ("lower", "upper") as its last dimension."""
        # text of a fixed length has no place in Zarr's third format
        labels = np.array(["lower", "upper"], dtype=object)
        return self._grid(np.stack([lower, upper], axis=-1), index, "bound", labels)

    def samples(self, values: np.ndarray, index: pd.Index) -> Any:
        """Return sampled paths, (H, S, n), as a grid with `sample` as its last dimension."""
        return self._grid(values, index, "sample", np.arange(values.shape[2]))

    def _grid(self, values: np.ndarray, index: pd.Index, axis: str | None, labels: np.ndarray | None) -> Any:
        import xarray

        coords = self.coords
        if self.stamps is not None:
            coords = coords.assign_coords({self.time: (self.time, index, self.stamps)})
        if axis is not None:
            coords = coords.assign_coords({axis: (axis, labels)})
        arrays, cell, series = {}, 0, 0
        for variable in self.variables:
            observed = self.observed[cell : cell + self.n_cells(variable)]
            cell, last = cell + len(observed), series + int(observed.sum())
            full = np.full((len(values), len(observed), *values.shape[2:]), np.nan, dtype=variable.dtype)
            full[:, observed] = values[:, series:last]
            arrays[variable.name], series = self._variable(variable, full, axis), last
        if self.form == "dataset":
            return coords.assign(arrays)
        ((name, array),) = arrays.items()
        grid = xarray.DataArray(array.data, coords.coords, array.dims, name, array.attrs)
        grid.encoding = array.encoding
        return grid

    def _variable(self, variable: GridVariable, full: np.ndarray, axis: str | None) -> Any:
        """A variable of (H, cells[, labels]) values in its own order of dimensions."""
        import xarray

        dims = self.cell_dims(variable)
        shaped = full.reshape(len(full), *(self.sizes[dim] for dim in dims), *full.shape[2:])
        extra = () if axis is None else (axis,)
        result = xarray.Variable((self.time, *dims, *extra), shaped, dict(variable.attrs))
        result = result.transpose(*variable.dims, *extra)
        if variable.mapping is not None:
            result.encoding = {"grid_mapping": variable.mapping}
        return result

    def to_json(self) -> dict[str, Any]:
        """Return the kind as plain Python that `json` can write; arrays to the last bit.

        Raises
        ------
        DataError
            For attributes and coordinates that are neither text nor numbers nor times.
        """
        return {
            "form": self.form,
            "time": self.time,
            "stamps": None if self.stamps is None else value_to_json(self.stamps, f"an attribute of {self.time!r}"),
            "variables": [
                {
                    "name": label_to_json(v.name, "the name of y"),
                    "dims": list(v.dims),
                    "dtype": v.dtype,
                    "attrs": value_to_json(v.attrs, f"an attribute of {v.name!r}"),
                    "mapping": v.mapping,
                }
                for v in self.variables
            ],
            "coords": [
                {
                    "name": label_to_json(name, "the name of a coordinate"),
                    "dims": list(coord.dims),
                    "values": array_to_json(coord.to_numpy(), f"the coordinate {name!r}"),
                    "attrs": value_to_json(coord.attrs, f"an attribute of {name!r}"),
                }
                for name, coord in self.coords.coords.items()
            ],
            "attrs": value_to_json(self.coords.attrs, "an attribute of y"),
            "sizes": dict(self.sizes),
            "observed": array_to_json(np.packbits(self.observed), "the mask"),
        }

    @classmethod
    def from_json(cls, plain: dict[str, Any]) -> GridKind:
        """Return the kind that `to_json` wrote."""
        import xarray

        coords = {
            label_from_json(coord["name"]): (
                tuple(coord["dims"]),
                array_from_json(coord["values"]),
                value_from_json(coord["attrs"]),
            )
            for coord in plain["coords"]
        }
        variables = tuple(
            GridVariable(
                label_from_json(v["name"]), tuple(v["dims"]), v["dtype"], value_from_json(v["attrs"]), v["mapping"]
            )
            for v in plain["variables"]
        )
        stamps = None if plain["stamps"] is None else value_from_json(plain["stamps"])
        frame = xarray.Dataset(coords=coords, attrs=value_from_json(plain["attrs"]))
        bare = cls(plain["form"], plain["time"], stamps, variables, frame, dict(plain["sizes"]), np.zeros(0, bool))
        n_cells = sum(bare.n_cells(variable) for variable in variables)
        observed = np.unpackbits(array_from_json(plain["observed"]), count=n_cells).astype(bool)
        return cls(bare.form, bare.time, stamps, variables, frame, bare.sizes, observed)


def kind_from_json(plain: dict[str, Any]) -> Kind | GridKind:
    """Return the kind, of a table or of a grid, that its `to_json` wrote.

    Examples
    --------
    >>> kind = Kind("vector", pd.RangeIndex(1), ("float64",))
    >>> kind_from_json(kind.to_json()) == kind
    True
    """
    return GridKind.from_json(plain) if plain["form"] in ("array", "dataset") else Kind.from_json(plain)
