"""Fit forecasters on the same data and score them on the same later windows."""

from __future__ import annotations

import dataclasses
import time
from dataclasses import dataclass

import pandas as pd

from tsssm import LinearForecaster, MambaForecaster, SeasonalNaive
from tsssm.cli.demonstration.plan import Plan
from tsssm.cli.fitting import silent_stdout
from tsssm.forecasters import Forecaster
from tsssm.forecasters.backtest import Backtest

__all__ = ["HORIZON", "Entry", "run_contest", "score_table"]

HORIZON = 24


@dataclass(frozen=True)
class Entry:
    """A forecaster in the contest.

    Attributes
    ----------
    title : str
    forecaster : Forecaster
        Fitted.
    seconds : float
        Time of the fit.
    result : Backtest
    """

    title: str
    forecaster: Forecaster
    seconds: float
    result: Backtest


def run_contest(y: pd.Series, n_train: int, plan: Plan) -> list[Entry]:
    """Fit four forecasters on the first `n_train` rows and forecast the rest, a day at a time.

    Parameters
    ----------
    y : Series
        Hourly.
    n_train : int
    plan : Plan

    Returns
    -------
    list of Entry
        The Mamba forecaster first.
    """
    import lightning  # noqa: F401  (seconds of loading that are no part of the fit)

    forecasters = {
        "MambaForecaster": MambaForecaster(HORIZON, max_steps=plan.max_steps, time_budget=plan.time_budget),
        "LinearForecaster": LinearForecaster(HORIZON, verbose=False),
        "SeasonalNaive, as yesterday": SeasonalNaive(HORIZON, season_length=24, verbose=False),
        "SeasonalNaive, as last week": SeasonalNaive(HORIZON, season_length=168, verbose=False),
    }
    windows = plan.windows or (len(y) - n_train) // HORIZON
    entries = []
    for title, forecaster in forecasters.items():
        begin = time.perf_counter()
        with silent_stdout():
            forecaster.fit(y.iloc[:n_train])
        seconds = time.perf_counter() - begin
        result = forecaster.backtest(y, n_windows=windows)
        # One scale for all, that of "as yesterday", so that their scaled errors can be compared.
        entries.append(Entry(title, forecaster, seconds, dataclasses.replace(result, season_length=24)))
    return entries


def score_table(entries: list[Entry]) -> pd.DataFrame:
    """One row a forecaster, and one a part of a forecaster that has two.

    Returns
    -------
    DataFrame
        Columns: forecaster, MASE, RMSSE, MAE (in the units of the series), coverage_80 (a share), fit_seconds; a part
        has no interval and no time of its own.
    """
    rows = []
    for entry in entries:
        metrics = entry.result.metrics.droplevel("series")
        for part, row in metrics.iterrows():
            title = entry.title if part == "both" else f"  its {part} alone"
            scores = {name: row[name] for name in ("MASE", "RMSSE", "MAE", "coverage_80")}
            rows.append({"forecaster": title, **scores, "fit_seconds": entry.seconds if part == "both" else None})
    return pd.DataFrame(rows).astype({"fit_seconds": float})
