"""The same default settings on several sets: Mamba beside linear regression and seasonal naive, several seeds.

    TSSSM_DATA_HOME=<folder of sets> python recipes/benchmarks/defaults.py [--sets bike ...] [--seeds 0 1 2]

70% train, 10% validation, 20% test by rows; every column standardised by its training part; forecasts by the public
`backtest` at every row of the test part; what is forecast (network, base or their mean)
was chosen on the validation part.
"""

from __future__ import annotations

import argparse
import time

import pandas as pd

import tsssm_datasets
from report import write_report
from tsssm import LinearForecaster, MambaForecaster, SeasonalNaive

SETS = {
    "bike": ("bike_sharing_hourly", ["users"], 48),
    "vic": ("vic_electricity", ["Demand"], 48),
    "ili": ("ili", None, 24),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sets", nargs="+", choices=SETS, default=list(SETS))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    options = parser.parse_args()
    for name in options.sets:
        figures = run(*SETS[name], options.seeds)
        write_report(f"defaults_{name}", figures)


def run(dataset: str, columns: list[str] | None, horizon: int, seeds: list[int]) -> dict:
    y, train, held_out = standardised(dataset, columns)
    models = {f"mamba_seed_{seed}": MambaForecaster(horizon, random_state=seed, verbose=False) for seed in seeds}
    models |= {
        name: cls(horizon, verbose=False) for name, cls in (("linear", LinearForecaster), ("naive", SeasonalNaive))
    }
    results = {}
    for name, model in models.items():
        model.set_params(validation_size=held_out)
        begin = time.perf_counter()
        model.fit(y.iloc[: train + held_out])
        seconds = time.perf_counter() - begin
        windows = len(y) - train - held_out - horizon + 1
        scored = "all" if y.shape[1] > 1 else y.columns[0]
        metrics = model.backtest(y, n_windows=windows, step=1).metrics.xs(scored, level="series")
        results[name] = {
            "fit_seconds": round(seconds, 1),
            "network_share": model.model_.spec.network_share,
            "schedules": model.schedules_.round(5).to_dict(orient="records"),
            "steps": len(model.history_),
            "mse_mae": {part: mse_mae(row) for part, row in metrics.iterrows()},
        }
        print(dataset, name, results[name], flush=True)
    return {"dataset": dataset, "columns": list(y.columns), "horizon": horizon, "rows": [train, held_out], **results}


def standardised(dataset: str, columns: list[str] | None) -> tuple[pd.DataFrame, int, int]:
    """The table in deviations of its training part; rows of the training part and of the validation part."""
    y = tsssm_datasets.load(dataset)
    y = (y if columns is None else y[columns]).astype(float)
    train, held_out = int(0.7 * len(y)), int(0.1 * len(y))
    return (y - y.iloc[:train].mean()) / y.iloc[:train].std(ddof=0), train, held_out


def mse_mae(row: pd.Series) -> list[float]:
    return [round(float(row["RMSE"]) ** 2, 4), round(float(row["MAE"]), 4)]


if __name__ == "__main__":
    main()
