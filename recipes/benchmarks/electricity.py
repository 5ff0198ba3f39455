"""The demo's data: the default forecaster's error on the last fifth, beside linear regression and seasonal naive.

    python recipes/benchmarks/electricity.py

The last 20% of the rows are used once, after every choice: the forecaster chooses its schedule by the error on the
validation part, the last tenth of the first 80%.
"""

from __future__ import annotations

import time

import pandas as pd

import tsssm_datasets
from report import write_report
from tsssm import LinearForecaster, MambaForecaster, SeasonalNaive

HORIZON, SEED = 24, 0


def main() -> None:
    y = tsssm_datasets.load("electricity")
    train = y.iloc[: int(0.8 * len(y))]
    windows = (len(y) - len(train)) // HORIZON

    begin = time.perf_counter()
    model = MambaForecaster(HORIZON, random_state=SEED, verbose=False).fit(train)
    chosen = {
        "fit_seconds": round(time.perf_counter() - begin, 1),
        "schedules": model.schedules_.round(4).to_dict(orient="records"),
        "steps": len(model.history_),
        "validation_mase": model.validation_["mase"].round(4).to_dict(),
    }
    print(chosen)

    models = {
        "MambaForecaster": model,
        "LinearForecaster": LinearForecaster(HORIZON, verbose=False).fit(train),
        "SeasonalNaive 24": SeasonalNaive(HORIZON, season_length=24, verbose=False).fit(train),
        "SeasonalNaive 168": SeasonalNaive(HORIZON, season_length=168, verbose=False).fit(train),
    }
    rows = {}
    for name, fitted in models.items():
        backtest = fitted.backtest(y, n_windows=windows)
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
            "chosen_by_validation": chosen,
            "test": rows,
            "below_better_seasonal_naive": round(gain, 4),
        },
    )


def daily_scale(train: pd.Series) -> float:
    """Mean absolute error of repeating the day before, in the training data."""
    return float((train - train.shift(24)).abs().mean())


if __name__ == "__main__":
    main()
