"""A field on a map."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from tsssm.errors import DataError
from tsssm.plotting.palette import RULE

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["plot_map"]

_ACROSS = ("longitude", "lon", "x", "projection_x_coordinate", "grid_longitude")
_UP = ("latitude", "lat", "y", "projection_y_coordinate", "grid_latitude")


def plot_map(
    field: Any,
    *,
    title: str | None = None,
    limits: tuple[float, float] | None = None,
    centre: float | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw one field, such as one step of a forecast, with a colour bar in its units; NaN cells are grey.

    Parameters
    ----------
    field : DataArray, two dimensions
        Longitude (or x) is drawn across, latitude (or y) upwards, whatever their order; degrees keep their true
        proportion at the middle latitude. The colour bar is named by the attributes `long_name` and `units`.
    title : str, optional
        Written above the map.
    limits : (low, high), optional
        Ends of the colour bar; give maps that are compared the same. Default: the field's own.
    centre : float, optional
        Where two colours meet, 0 for an error: the colours then say the sign.
    ax : Axes, optional
        Where to draw; None makes a new figure.

    Returns
    -------
    Axes
        Nothing is shown or saved.

    Raises
    ------
    DataError
        The field is no DataArray, or has other than two dimensions.

    Examples
    --------
    >>> import matplotlib.pyplot as plt
    >>> import xarray as xr
    >>> ax = plot_map(xr.DataArray(np.eye(3), dims=("latitude", "longitude"), attrs={"units": "K"}), title="now")
    >>> ax.get_xlabel(), ax.get_title(loc="left")
    ('longitude', 'now')
    >>> plt.close(ax.figure)
    """
    across, up = _axes_of(field)
    if ax is None:
        import matplotlib.pyplot as plt

        _, ax = plt.subplots(figsize=(6.0, 4.5), layout="constrained")
    ordered = field.transpose(up, across)
    low, high = _limits(ordered.to_numpy(), limits, centre)
    x, y = (_labels(field, dim) for dim in (across, up))
    colours = "viridis" if centre is None else "RdBu_r"
    mesh = ax.pcolormesh(
        x, y, ordered.to_numpy(), vmin=low, vmax=high, cmap=colours, shading="nearest", rasterized=True
    )
    ax.set_facecolor(RULE)
    if str(field[up].attrs.get("units", "")).startswith("degree") or up in ("latitude", "lat"):
        ax.set_aspect(1.0 / max(np.cos(np.deg2rad(float(np.mean(y)))), 0.1))
    ax.set_xlabel(_axis_text(field, across))
    ax.set_ylabel(_axis_text(field, up))
    if title is not None:
        ax.set_title(title, loc="left", fontweight="bold")
    ax.figure.colorbar(mesh, ax=ax, label=_name(field), shrink=0.85, extend=_beyond(ordered.to_numpy(), low, high))
    return ax


def _axes_of(field: Any) -> tuple[str, str]:
    if type(field).__name__ != "DataArray":
        raise DataError(
            f"a map is drawn of a DataArray, such as one variable of a Dataset; got a {type(field).__name__}"
        )
    if field.ndim != 2:
        raise DataError(
            f"a map needs two dimensions; the field has {dict(field.sizes)}. Select one of the others: .isel()."
        )

    def kinds(dim: str) -> set:
        attrs = field[dim].attrs if dim in field.coords else {}
        return {str(dim).lower(), attrs.get("standard_name")}

    first, second = field.dims
    turned = kinds(first) & set(_ACROSS) or kinds(second) & set(_UP)
    return (first, second) if turned else (second, first)


def _labels(field: Any, dim: str) -> np.ndarray:
    values = field[dim].to_numpy()
    return values if values.dtype.kind in "fiu" else np.arange(len(values))


def _limits(values: np.ndarray, limits: tuple[float, float] | None, centre: float | None) -> tuple[float, float]:
    if limits is not None:
        return limits
    seen = values[np.isfinite(values)]
    low, high = (float(seen.min()), float(seen.max())) if len(seen) else (0.0, 1.0)
    if centre is None:
        return low, high
    reach = max(abs(low - centre), abs(high - centre)) or 1.0
    return centre - reach, centre + reach


def _beyond(values: np.ndarray, low: float, high: float) -> str:
    """At which ends values lie beyond the colours."""
    below, above = bool(np.nanmin(values, initial=low) < low), bool(np.nanmax(values, initial=high) > high)
    return {(True, True): "both", (True, False): "min", (False, True): "max", (False, False): "neither"}[below, above]


def _name(field: Any) -> str:
    name, units = field.attrs.get("long_name", field.name or ""), field.attrs.get("units")
    return f"{name} ({units})" if units else str(name)


def _axis_text(field: Any, dim: str) -> str:
    units = field[dim].attrs.get("units", "") if dim in field.coords else ""
    signs = {"degrees_north": "°N", "degrees_east": "°E"}
    return f"{dim} ({signs.get(units, units)})" if units else str(dim)
