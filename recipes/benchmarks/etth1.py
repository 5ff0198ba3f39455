"""ETTh1 with default settings: one model of horizon 720, scored at 96, 192, 336 and 720 on every window.

    TSSSM_DATA_HOME=<folder with ETTh1/card.json> python recipes/benchmarks/etth1.py

Rows 0-8639 train, 8640-11519 validation, 11520-14399 test; all columns standardised by the training part; windows at
every row; forecasts by the public `backtest`.
"""

from __future__ import annotations

import time

import numpy as np
import pandas as pd

import tsssm_datasets
from report import write_report
from tsssm import MambaForecaster

TRAIN, VALIDATION, END, SEED = 8640, 2880, 14400, 0
HORIZONS = (96, 192, 336, 720)


def main() -> None:
    y = tsssm_datasets.load("ETTh1").iloc[:END]
    y = (y - y.iloc[:TRAIN].mean()) / y.iloc[:TRAIN].std(ddof=0)

    begin = time.perf_counter()
    model = MambaForecaster(max(HORIZONS), validation_size=VALIDATION, random_state=SEED, verbose=False)
    model.fit(y.iloc[: TRAIN + VALIDATION])
    fit_seconds = time.perf_counter() - begin
    print(model.summary())

    errors: dict[str, dict] = {}
    for horizon in HORIZONS:
        windows = END - TRAIN - VALIDATION - horizon + 1
        begin = time.perf_counter()
        backtest = model.backtest(y, horizon=horizon, n_windows=windows, step=1)
        seconds = time.perf_counter() - begin
        metrics = backtest.metrics.xs("all", level="series")
        errors[str(horizon)] = {
            "windows": windows,
            "backtest_seconds": round(seconds, 1),
            **{part: mse_mae(row) for part, row in metrics.iterrows()},
        }
        print(horizon, errors[str(horizon)])
    average = {
        part: np.mean([errors[str(h)][part] for h in HORIZONS], axis=0).round(4).tolist()
        for part in ("both", "base", "network")
    }
    print("average MSE, MAE:", average, f"fit {fit_seconds:.0f} s")
    write_report(
        "etth1",
        {
            "seed": SEED,
            "settings": "defaults, validation_size=2880",
            "fit_seconds": round(fit_seconds, 1),
            "parameters": model.n_parameters_,
            "mse_mae_by_horizon": errors,
            "mse_mae_average": average,
        },
    )


def mse_mae(row: pd.Series) -> list[float]:
    return [round(float(row["RMSE"]) ** 2, 4), round(float(row["MAE"]), 4)]


if __name__ == "__main__":
    main()
