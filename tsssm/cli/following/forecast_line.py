"""A stream's forecast as one line of JSON."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from tsssm.cli.following.observed import series_labels
from tsssm.errors import StreamError

if TYPE_CHECKING:
    from tsssm.forecasters.stream import Stream

__all__ = ["forecast_line"]


def forecast_line(stream: Stream, line: int, levels: float | tuple[float, ...] | None, X: pd.DataFrame | None) -> str:
    """Forecast, as JSON without line breaks.

    Parameters
    ----------
    stream : Stream
    line : int
        Number of the input's line that was taken in last.
    levels : float, tuple of float or None
        A coverage adds ``lower`` and ``upper``, a tuple ``q0.1`` and so on.
    X : DataFrame or None
        Covariates of the steps ahead.

    Returns
    -------
    str
        ``line``, ``time`` of the last row, ``times`` of the steps, and ``forecast``: by series, ``median`` and what
        `levels` adds, a list of one number a step each. ``times`` and ``forecast`` are null while a series has no
        observation yet.
    """
    said: dict[str, Any] = {"line": line, "time": _plain(stream.last_time), "times": None, "forecast": None}
    try:
        point = stream.predict(X)
    except StreamError:  # a series has no observation yet: the only one that predict raises
        return json.dumps(said)
    columns = {"median": np.asarray(point, np.float64).reshape(len(point), -1)} | _bounds(stream, levels, X)
    said["times"] = [_plain(stamp) for stamp in _stamps(point, stream)]
    said["forecast"] = {
        label: {name: values[:, i].tolist() for name, values in columns.items()}
        for i, label in enumerate(series_labels(stream.series))
    }
    return json.dumps(said, allow_nan=False, ensure_ascii=False)


def _bounds(stream: Stream, levels: float | tuple[float, ...] | None, X: pd.DataFrame | None) -> dict[str, np.ndarray]:
    """Each (H, S)."""
    if levels is None:
        return {}
    if isinstance(levels, tuple):
        names = [f"q{level:g}" for level in levels]
        values = stream.predict_quantiles(X, levels=levels)
    else:
        names = ["lower", "upper"]
        values = stream.predict_interval(X, coverage=levels)
    # every kind of forecast has its values in the order step, series, level
    each = np.asarray(values, np.float64).reshape(len(values), -1, len(names))
    return {name: each[..., k] for k, name in enumerate(names)}


def _stamps(point: Any, stream: Stream) -> Any:
    if isinstance(point, pd.Series | pd.DataFrame):
        return point.index
    return range(stream.last_time + 1, stream.last_time + 1 + len(point))  # arrays count their rows


def _plain(stamp: Any) -> str | int | None:
    if isinstance(stamp, pd.Timestamp):
        return stamp.isoformat()
    return str(stamp) if isinstance(stamp, pd.Period) else None if stamp is None else int(stamp)
