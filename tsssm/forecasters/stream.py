"""Forecasts of live series: one observation in, a fresh forecast out, in time and memory that do not grow."""

from __future__ import annotations

import threading
from collections.abc import Hashable, Mapping, Sequence
from os import PathLike
from typing import Any

import numpy as np
import pandas as pd

from tsssm.data import (
    Clock,
    Covariates,
    GridKind,
    Kind,
    Timeline,
    calendar_row,
    is_xarray,
    read_future_covariates,
)
from tsssm.errors import ConfigError, DataError, StreamError
from tsssm.forecasters.levels import at_levels, interval_levels, read_levels
from tsssm.forecasters.model import Model
from tsssm.forecasters.observation import read_grid_observation, read_observation, read_row, refuse_other_row
from tsssm.forecasters.stream_forecast import stream_forecast
from tsssm.forecasters.stream_state import StreamState

__all__ = ["Stream"]


_MOST_SKIPPED = 10_000  # rows that one update may skip: more are a wrong stamp, and would take minutes


class Stream:
    """A fitted forecaster that follows live series; made by ``forecaster.stream()``.

    Its forecasts equal `predict` on the same history: with ``refresh="step"`` after every observation, with
    ``refresh="patch"`` once a patch (in between, the base stays fresh). One stream may be shared by threads.

    Parameters
    ----------
    model : Model
        The forecaster's parts.
    state : StreamState
    timeline : Timeline
        The rows taken in so far; only its end is kept.
    kind : Kind or GridKind
        What forecasts come back as.
    settings : mapping
        ``refresh``, ``gaps`` and the forecaster's ``quantiles``.

    Examples
    --------
    >>> import numpy as np
    >>> from tsssm import LinearForecaster
    >>> model = LinearForecaster(horizon=2, verbose=False).fit(np.sin(np.arange(200.0)))
    >>> stream = model.stream()
    >>> stream.update(float(np.sin(200.0)))
    >>> stream.predict().round(2)
    array([-0.06,  0.81])
    """

    def __init__(
        self,
        model: Model,
        state: StreamState,
        timeline: Timeline,
        kind: Kind | GridKind,
        settings: Mapping[str, Any],
    ):
        self._model, self._state, self._kind, self._settings = model, state, kind, dict(settings)
        self._empty = timeline.slice(len(timeline), None)
        self._clock: Clock | None = timeline.clock() if len(timeline) or _says_its_start(timeline) else None
        self._lock = threading.Lock()

    @property
    def refresh(self) -> str:
        """ "step" or "patch"."""
        return self._settings["refresh"]

    @property
    def series(self) -> tuple[Hashable, ...]:
        """Names of the series."""
        return self._state.names

    @property
    def last_time(self):
        """Stamp of the last row; None before the first."""
        return None if self._clock is None or self._state.rows == 0 else self._clock.last

    def state_bytes(self) -> int:
        """Bytes of the state of all series."""
        return self._state.nbytes()

    def update(self, value: Any, time: Any = None, X: Any = None) -> None:
        """Take in one row of observations. A refused update leaves the stream as it was.

        Parameters
        ----------
        value : number, array, mapping, Series, DataArray or Dataset
            One value; or several in the order of the columns, or by series name (a series left out is unobserved); or
            one step of a grid like the history's. NaN is unobserved.
        time : stamp, optional
            Of this row; the next one after the last if left out. A grid's own stamp serves as well.
        X : mapping, Series, array or frame of one row, optional
            Covariates of this row, if the forecaster was fitted with any.

        Raises
        ------
        StreamError
            A late, repeated or off-frequency stamp; skipped rows unless ``gaps="mask"``; a name that is not one of
            the stream's; infinite values or anything that is no number; missing covariates.
        """
        if is_xarray(value):
            values, time = read_grid_observation(value, time, self._kind)
        else:
            values = read_observation(value, self.series)
        x = read_row(X, self._model.spec.covariates)
        with self._lock:
            clock, skipped = self._clock_at(time)
            refuse_other_row(X, clock.last)
            state = self._state
            for k in range(skipped):
                assert self._clock is not None
                missing = np.full(len(self.series), np.nan)
                state = self._advanced(state, missing, self._clock.advance(k + 1), np.full_like(x, np.nan))
            self._state = self._advanced(state, values, clock, x)
            self._clock = clock

    def predict(self, X: Any = None):
        """Median forecast of the next `horizon` steps, the same kind of object as the forecaster was fitted on.

        Parameters
        ----------
        X : optional
            Covariates of the steps ahead, if the forecaster was fitted with any.

        Raises
        ------
        StreamError
            A series has no observation yet.
        DataError
            X is missing, or does not cover the steps ahead.
        """
        point, _, index = self._forecast(X)
        return self._kind.point(point, index)

    def predict_quantiles(self, X: Any = None, *, levels: Sequence[float] | None = None):
        """Quantiles of the next steps; levels between the trained ones are interpolated."""
        wanted = read_levels(self._settings["quantiles"] if levels is None else levels)
        _, quantiles, index = self._forecast(X)
        return self._kind.quantiles(at_levels(quantiles, self._model.spec.levels, wanted), wanted, index)

    def predict_interval(self, X: Any = None, *, coverage: float = 0.9):
        """Central interval of the next steps: `lower` and `upper`."""
        _, quantiles, index = self._forecast(X)
        bounds = at_levels(quantiles, self._model.spec.levels, interval_levels(coverage))
        return self._kind.interval(bounds[..., 0], bounds[..., 1], index)

    def save(self, path: str | PathLike) -> None:
        """Write the stream and its model to a folder; ``tsssm.load(path)`` gives the stream back."""
        from tsssm.forecasters.files import save_stream

        with self._lock:
            save_stream(self, path)

    def _forecast(self, X: Any) -> tuple[np.ndarray, np.ndarray, pd.Index]:
        """Medians (H, S), quantiles (H, S, Q) and their stamps."""
        with self._lock:
            state, clock = self._state, self._clock
        silent = [name for name, age in zip(state.names, state.age) if age == 0]
        if isinstance(self._kind, GridKind) and len(silent) < len(state.names):
            silent = []  # cells without any observation yet are NaN in the forecast, as land is
        if silent or clock is None:
            raise StreamError(
                f"nothing can be forecast before the first observation; none yet of series {silent[:5]!r}. "
                "Call update with a value first."
            )
        spec, horizon = self._model.spec, self._model.spec.horizon
        index = clock.stamps(horizon)
        future = Covariates(np.zeros((horizon, 0)), ())
        if spec.covariates:
            if X is None:
                raise DataError(f"X must give {', '.join(spec.covariates)} for the {horizon} steps from {index[0]} on")
            future = read_future_covariates(X, index, spec.covariates)
        rows = self._model.covariate_rows(Timeline(index, clock.freq), future.values)
        forecasts = stream_forecast(self._model, state, rows).moved(state.origins)
        return forecasts.point.T, forecasts.quantiles.transpose(1, 0, 2), index

    def _clock_at(self, time: Any) -> tuple[Clock, int]:
        """The clock at the new row, and how many rows were skipped before it."""
        try:
            if self._clock is None:
                if time is None:
                    raise DataError("The stream has no stamp yet. Give the time of the first row: update(value, time).")
                return self._empty.start_at(time).clock(), 0
            following = self._clock.advance()
            if time is None or time is following.last:
                return following, 0
            steps = self._clock.steps_to(time)
        except DataError as error:
            raise StreamError(str(error)) from error
        if steps > _MOST_SKIPPED:
            raise StreamError(
                f"{time} lies {steps} rows after {self._clock.last}, more than {_MOST_SKIPPED:,}. Check the stamp, or "
                "start a new stream from recent data."
            )
        if steps > 1 and self._settings["gaps"] != "mask":
            raise StreamError(
                f"{steps - 1} rows are missing before {time}: the next expected stamp is {following.last}. "
                'Send them (NaN for unobserved), or use a forecaster with gaps="mask".'
            )
        return (following if steps == 1 else self._clock.advance(steps)), steps - 1

    def _advanced(self, state: StreamState, values: np.ndarray, clock: Clock, x: np.ndarray) -> StreamState:
        model = self._model
        parts = [model.covariate_scale.apply(x)] if model.network is not None and len(x) else []
        if model.spec.cycles:
            parts.insert(0, calendar_row(_local(clock), model.spec.cycles))
        covariates = np.concatenate(parts).astype(np.float32) if parts else np.zeros(0, np.float32)
        return state.advance(model, values, covariates)

    def __getstate__(self) -> dict:
        return {name: value for name, value in vars(self).items() if name != "_lock"}

    def __setstate__(self, state: dict) -> None:
        vars(self).update(state, _lock=threading.Lock())

    def __repr__(self) -> str:
        return (
            f"Stream: {len(self.series)} series, {self._state.rows} rows so far, last {self.last_time}, "
            f'refresh="{self.refresh}", {self.state_bytes():,} bytes'
        )


def _says_its_start(timeline: Timeline) -> bool:
    return isinstance(timeline.index, pd.RangeIndex)


def _local(clock: Clock):
    """The clock's stamp as naive local time, as `Timeline.calendar_stamps` has it."""
    if isinstance(clock.last, pd.Period):
        return clock.last.start_time
    return clock.last if getattr(clock.last, "tz", None) is None else clock.last.tz_localize(None)


def check_refresh(refresh: str, model: Model) -> None:
    """Refuse a mode that does not exist or that this model cannot serve."""
    if refresh not in ("step", "patch"):
        raise ConfigError(f'refresh must be "step" or "patch"; got {refresh!r}')
    if refresh == "patch" and model.base is None:
        raise ConfigError(
            'refresh="patch" needs the base for the steps that the network has not forecast yet; this forecaster has '
            'base=None. Use refresh="step", or fit with base="ridge".'
        )
