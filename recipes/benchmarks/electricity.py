"""The demo's data: how many steps to train (by validation), and the errors on the untouched last fifth.

    python recipes/benchmarks/electricity.py

The last 20% of the rows are used once, after every choice: the number of steps is chosen by the error on the
validation part, the last tenth of the first 80%.
"""

from __future__ import annotations

import time

import pandas as pd

import tsssm_datasets
from report import write_report
from tsssm import LinearForecaster, MambaForecaster, SeasonalNaive

HORIZON, SEED = 24, 0
PROBED_STEPS = (300, 1500)


def main() -> None:
    y = tsssm_datasets.load("electricity")
    train = y.iloc[: int(0.8 * len(y))]
    windows = (len(y) - len(train)) // HORIZON

    probes, fitted = {}, {}
    for steps in PROBED_STEPS:
        begin = time.perf_counter()
        fitted[steps] = MambaForecaster(HORIZON, max_steps=steps, random_state=SEED, verbose=False).fit(train)
        probes[steps] = {
            "validation_mase": fitted[steps].validation_["mase"].round(4).to_dict(),
            "fit_seconds": round(time.perf_counter() - begin, 1),
        }
        print(steps, probes[steps])
    chosen = min(probes, key=lambda steps: probes[steps]["validation_mase"]["both"])

    models = {
        "MambaForecaster": fitted[chosen],
        "LinearForecaster": LinearForecaster(HORIZON, verbose=False).fit(train),
        "SeasonalNaive 24": SeasonalNaive(HORIZON, season_length=24, verbose=False).fit(train),
        "SeasonalNaive 168": SeasonalNaive(HORIZON, season_length=168, verbose=False).fit(train),
    }
    rows = {}
    for name, model in models.items():
        backtest = model.backtest(y, n_windows=windows)
        season = backtest.season_length
        for part, metrics in backtest.metrics.groupby(level="part"):
            row = metrics.iloc[0]
            # MASE of all in the same unit: the seasonal naive error of one day
            rows[name if part == "both" else f"{name}, {part} alone"] = {
                "MAE": round(float(row["MAE"]), 3),
                "RMSE": round(float(row["RMSE"]), 3),
                "MASE": round(float(row["MAE"]) / daily_scale(train), 4),
                "coverage_80": None if pd.isna(row["coverage_80"]) else round(float(row["coverage_80"]), 4),
                "season_length": season,
            }
    naive = min(rows["SeasonalNaive 24"]["MASE"], rows["SeasonalNaive 168"]["MASE"])
    gain = 1 - rows["MambaForecaster"]["MASE"] / naive
    print(pd.DataFrame.from_dict(rows, orient="index").to_string())
    print(f"MASE {gain:.1%} below the better seasonal naive")
    write_report(
        "electricity",
        {
            "horizon": HORIZON,
            "seed": SEED,
            "test_windows": windows,
            "probes_by_validation": probes,
            "chosen_max_steps": chosen,
            "test": rows,
            "below_better_seasonal_naive": round(gain, 4),
        },
    )


def daily_scale(train: pd.Series) -> float:
    """Mean absolute error of repeating the day before, in the training data."""
    return float((train - train.shift(24)).abs().mean())


if __name__ == "__main__":
    main()
