"""The windows of a backtest as grids: what was forecast, or observed, at every cutoff and step."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from tsssm.data import GridKind
from tsssm.errors import ConfigError, DataError

if TYPE_CHECKING:
    from tsssm.forecasters.backtest import Backtest

__all__ = ["backtest_grid"]


def backtest_grid(backtest: Backtest, part: str) -> Any:
    """See `Backtest.grid`."""
    kind, known = backtest.table.kind, backtest._parts | {"actual": backtest.actual}
    if not isinstance(kind, GridKind):
        raise DataError("these are forecasts of a table, not of a grid; they are in `forecasts`, a long frame")
    if part not in known:
        raise ConfigError(f"part={part!r} is not known; this backtest has {', '.join(map(repr, known))}")
    taken = [name for name in ("cutoff", "step") if name in kind.sizes or name in kind.coords.coords]
    if taken:
        raise DataError(f"y has a coordinate {taken[0]!r}, which the windows need for themselves. Rename it.")
    import xarray

    steps = pd.RangeIndex(1, backtest.horizon + 1)
    windows = [kind.point(values.T, steps).rename({kind.time: "step"}) for values in known[part]]
    result = xarray.concat(
        windows, pd.Index(range(len(windows)), name="cutoff"), join="exact", coords="minimal", compat="override"
    )
    index = backtest.table.timeline.index
    known_until = index[backtest.cutoffs - 1]
    rows = backtest.cutoffs[:, None] + np.arange(backtest.horizon)
    valid = np.stack([np.asarray(index[row]) for row in rows])
    result = result.assign_coords(
        step=("step", np.asarray(steps), {"long_name": "steps ahead"}),
        cutoff=("cutoff", known_until, {"long_name": "last known time", "standard_name": "forecast_reference_time"}),
        valid_time=(("cutoff", "step"), valid, {"standard_name": "time"}),
    )
    leads = _lead_times(valid, np.asarray(known_until))
    return (
        result
        if leads is None
        else result.assign_coords(lead_time=("step", leads, {"standard_name": "forecast_period"}))
    )


def _lead_times(valid: np.ndarray, cutoffs: np.ndarray) -> np.ndarray | None:
    """How far ahead each step lies, where that is the same from every cutoff (it is not for months)."""
    if valid.dtype.kind != "M":
        return None
    leads = valid - cutoffs[:, None]
    return leads[0] if (leads == leads[0]).all() else None
