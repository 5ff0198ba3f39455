"""Rolling-origin evaluation in one pass of the network."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from tsssm.data import Panel, Table, drawable, is_cftime
from tsssm.errors import ConfigError, DataError
from tsssm.forecasters.forecast import forecast_chunks
from tsssm.forecasters.levels import at_levels
from tsssm.forecasters.model import Model
from tsssm.linear import Cutoffs
from tsssm.metrics import coverage, mae, mase, rmse, rmsse, seasonal_scale, smape, weighted_quantile_loss

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["Backtest", "Windows", "choose_cutoffs", "forecast_windows"]


@dataclass(frozen=True)
class Windows:
    """Forecasts of every window and series; NaN where a series has not begun.

    Axes: W windows, S series, H steps, Q levels. `base` and `network` are None where the forecaster has no such part.
    """

    point: np.ndarray  # (W, S, H)
    base: np.ndarray | None
    network: np.ndarray | None
    spread: np.ndarray  # (W, S, H, Q) float32: quantiles minus point, most of the memory

    @classmethod
    def joined(cls, parts: list[Windows]) -> Windows:
        """Windows one after another."""

        def join(name: str):
            arrays = [getattr(part, name) for part in parts]
            return None if arrays[0] is None else np.concatenate(arrays)

        return cls(join("point"), join("base"), join("network"), join("spread"))


def choose_cutoffs(rows: int, horizon: int, n_windows: int, step: int | None) -> np.ndarray:
    """Rows known at each window, (n_windows,) int64; the last window ends with the last row.

    Raises
    ------
    ConfigError
        A setting is no positive integer.
    DataError
        There are not rows enough.
    """
    for name, value in (("n_windows", n_windows), ("step", 1 if step is None else step)):
        if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 1:
            raise ConfigError(f"{name} must be an integer of at least 1; got {value!r}")
    stride = horizon if step is None else int(step)
    cutoffs = rows - horizon - stride * np.arange(n_windows - 1, -1, -1)
    if cutoffs[0] < 1:
        possible = max(0, (rows - horizon - 1) // stride + 1)
        raise DataError(
            f"y has {rows} rows, which is enough for {possible} windows of horizon {horizon} and step {stride}, "
            f"not for n_windows={n_windows}. Lower n_windows, step or horizon, or pass more rows."
        )
    return cutoffs


def forecast_windows(model: Model, panel: Panel, rows: np.ndarray, horizon: int) -> Windows:
    """Forecast every series of `panel` at each cutoff row, in one pass a phase."""
    n_windows, n_series = len(rows), panel.n_series
    ends = rows[:, None] - panel.covariate_rows[None, :]  # (W, S): values of each series before the cutoff
    window, series = np.nonzero(ends > 0)
    cutoffs = Cutoffs(series, ends[window, series])

    def empty(*last: int, dtype: type = np.float64) -> np.ndarray:
        return np.full((n_windows, n_series, horizon, *last), np.nan, dtype)

    has_base, has_network = model.base is not None, model.network is not None
    result = Windows(
        point=empty(),
        base=empty() if has_base else None,
        network=empty() if has_network else None,
        spread=empty(len(model.spec.levels), dtype=np.float32),
    )
    if not len(window):
        return result
    for chunk, forecasts in forecast_chunks(model, panel, model.track(panel), cutoffs):
        where = window[chunk], series[chunk]
        result.spread[where] = (forecasts.quantiles - forecasts.point[..., None])[:, :horizon]
        absolute = forecasts.moved(panel.origins[series[chunk]])
        for name in ("point", "base", "network"):
            target = getattr(result, name)
            if target is not None:
                target[where] = getattr(absolute, name)[:, :horizon]
    return result


@dataclass(frozen=True)
class Backtest:
    """Forecasts and errors of a rolling-origin evaluation.

    Attributes
    ----------
    table : Table
        The data that were forecast.
    cutoffs : ndarray, (n_windows,) int64
        Rows known at each window.
    windows : Windows
    levels : tuple of float
        Levels of the windows' quantiles.
    season_length : int
        For the scaled errors.
    fitted_on : str
        "the whole of fit's data", "what precedes the first cutoff" or "what precedes each cutoff".
    """

    table: Table
    cutoffs: np.ndarray
    windows: Windows
    levels: tuple[float, ...]
    season_length: int
    fitted_on: str

    @property
    def horizon(self) -> int:
        """Steps of each window."""
        return self.windows.point.shape[2]

    @cached_property
    def actual(self) -> np.ndarray:
        """What was observed, (n_windows, n_series, horizon) float64; NaN is unobserved."""
        rows = self.cutoffs[:, None] + np.arange(self.horizon)
        return self.table.values[rows].transpose(0, 2, 1)

    @property
    def _quantiles(self) -> np.ndarray:
        return self.windows.point[..., None] + self.windows.spread

    @property
    def _parts(self) -> dict[str, np.ndarray]:
        windows = self.windows
        named = {"both": windows.point, "base": windows.base, "network": windows.network}
        if windows.base is None or windows.network is None:
            named = {"both": windows.point}
        return {name: values for name, values in named.items() if values is not None}

    @cached_property
    def metrics(self) -> pd.DataFrame:
        """Errors by part and series.

        Returns
        -------
        DataFrame
            Rows: (part, series); parts are "both", "base" and "network" (only "both" for a forecaster of one part),
            series the names and, with several series, "all": over all values for MAE, RMSE, sMAPE, the quantile loss
            and coverage, the mean over series for the scaled errors. Columns: MASE, RMSSE, MAE, RMSE, sMAPE (percent),
            WQL (weighted quantile loss) and coverage_80 or the widest trained pair; the last two for "both" only.
        """
        known = self.table.values[: self.cutoffs[0]]
        season = min(self.season_length, max(1, len(known) - 1))
        scales = [np.atleast_1d(seasonal_scale(known, season, power=power))[None, :, None] for power in (1, 2)]
        names = [str(name) if isinstance(name, tuple) else name for name in _series_labels(self.table)]
        total = "all" if "all" not in names else "all series"
        frames = []
        for part, point in self._parts.items():
            by_series = self._errors(point, scales, part, (0, 2))
            frames.append(pd.DataFrame(by_series, index=_index(part, names)))
            if len(names) > 1:
                overall = self._errors(point, scales, part, None)
                overall |= {name: _mean(by_series[name]) for name in ("MASE", "RMSSE")}
                frames.append(pd.DataFrame(overall, index=_index(part, [total])))
        return pd.concat(frames)

    def _errors(self, point: np.ndarray, scales: list[np.ndarray], part: str, axis: Any) -> dict[str, Any]:
        """Errors over windows and steps (axis=(0, 2): one a series) or over all (None)."""
        actual = self.actual
        errors: dict[str, Any] = {
            "MASE": mase(actual, point, scales[0], axis=axis),
            "RMSSE": rmsse(actual, point, scales[1], axis=axis),
            "MAE": mae(actual, point, axis=axis),
            "RMSE": rmse(actual, point, axis=axis),
            "sMAPE": smape(actual, point, axis=axis),
        }
        if part == "both":
            quantiles, (low, high) = self._quantiles, _interval(self.levels)
            errors["WQL"] = weighted_quantile_loss(actual, quantiles, self.levels, axis=axis)
            bounds = at_levels(quantiles, self.levels, (low, high))
            errors[f"coverage_{100 * (high - low):.0f}"] = coverage(actual, bounds[..., 0], bounds[..., 1], axis=axis)
        return errors

    @property
    def forecasts(self) -> pd.DataFrame:
        """One long frame, built when asked for.

        Returns
        -------
        DataFrame
            Columns series, cutoff (the last known stamp), time, step (from 1), y, point, base and network (where the
            forecaster has them) and one a level, named q0.05 and so on.
        """
        n_windows, n_series, horizon = self.windows.point.shape
        index, names = self.table.timeline.index, _series_labels(self.table)
        rows = (self.cutoffs[:, None, None] + np.arange(horizon)).repeat(n_series, axis=1).ravel()
        columns: dict[str, object] = {
            "series": np.tile(np.repeat(_labels(names), horizon), n_windows),
            "cutoff": index[np.repeat(self.cutoffs - 1, n_series * horizon)],
            "time": index[rows],
            "step": np.tile(np.arange(1, horizon + 1), n_windows * n_series),
            "y": self.actual.ravel(),
            "point": self.windows.point.ravel(),
        }
        for part in ("base", "network"):
            values = getattr(self.windows, part)
            if values is not None:
                columns[part] = values.ravel()
        quantiles = self._quantiles
        for k, level in enumerate(self.levels):
            columns[f"q{level!r}"] = quantiles[..., k].ravel()
        return pd.DataFrame(columns)

    def grid(self, part: str = "both") -> Any:
        """The windows of a grid as a grid: `time` gives way to `cutoff` and `step`.

        Parameters
        ----------
        part : {"both", "base", "network", "actual"}
            The forecast, one of its parts where there are two, or what was observed.

        Returns
        -------
        DataArray or Dataset
            As y was, with the dimension `cutoff` (the last known stamp) in front and `step` (from 1) in time's place;
            `valid_time` is the stamp of each, `lead_time` how far ahead it lies.

        Raises
        ------
        DataError
            y was no grid.
        ConfigError
            There is no such part.
        """
        from tsssm.forecasters.backtest_grid import backtest_grid

        return backtest_grid(self, part)

    def plot(self, series=None, *, ax: Axes | None = None) -> Axes:
        """Draw each window's forecast and interval over the observations of one series (the first unless named)."""
        from tsssm.plotting import plot_backtest

        chosen = _series_labels(self.table)[0] if series is None else series
        forecasts = self.forecasts
        if is_cftime(self.table.timeline.index):
            forecasts = forecasts.assign(**{name: drawable(forecasts[name].tolist()) for name in ("time", "cutoff")})
        return plot_backtest(forecasts, series=chosen, ax=ax)

    def __repr__(self) -> str:
        n_windows, n_series, horizon = self.windows.point.shape
        best = self.metrics.loc["both"].iloc[-1]
        return (
            f"Backtest: {n_windows} windows of {horizon} steps, {n_series} series, fitted on {self.fitted_on}; "
            + ", ".join(f"{name} {value:.4g}" for name, value in best.items())
        )


def _series_labels(table: Table) -> list:
    return ["y" if name is None else name for name in table.names]


def _index(part: str, names: list) -> pd.MultiIndex:
    return pd.MultiIndex.from_arrays([[part] * len(names), names], names=["part", "series"])


def _labels(names: list) -> np.ndarray:
    """Names as one array, also where they are tuples."""
    labels = np.empty(len(names), dtype=object)
    for i, name in enumerate(names):
        labels[i] = name
    return labels


def _mean(values) -> float:
    values = np.atleast_1d(values)
    finite = values[np.isfinite(values)]
    return float(finite.mean()) if len(finite) else float("nan")


def _interval(levels: tuple[float, ...]) -> tuple[float, float]:
    """The central 80% where it was trained, else the widest pair."""
    return (0.1, 0.9) if levels[0] <= 0.1 and levels[-1] >= 0.9 else (levels[0], levels[-1])
