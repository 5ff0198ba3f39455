"""The same default settings on several sets: Mamba, its transformer twin, linear regression, seasonal naive.

    TSSSM_DATA_HOME=<folder of sets> python recipes/benchmarks/defaults.py [--sets ETTh1 bike ...] [--seeds 0 1 2]

Every column is standardised by the training part; forecasts are those of the public `backtest` at every row of the test
part; schedule, and what is forecast (network, base or their mean), are chosen by each forecaster on the validation
part. ETTh1 has the usual parts of 12, 4 and 4 months and one model for its four horizons, the others 70, 10 and 20%
of their rows. p-values: Diebold-Mariano over the squared error of each window, mean of the seeds, against Mamba.

Each result is kept in the folder `--work` as soon as it is there; the same command goes on after an end.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

import tsssm_datasets
from report import write_report
from tsssm import Forecaster, LinearForecaster, MambaForecaster, SeasonalNaive, TransformerForecaster
from tsssm.comparison import diebold_mariano

NETWORKS: dict[str, Callable[[int], Forecaster]] = {
    "mamba": MambaForecaster,
    "transformer": lambda horizon: TransformerForecaster.matched_to(MambaForecaster(horizon)),
}
OTHERS: dict[str, Callable[[int], Forecaster]] = {"linear": LinearForecaster, "naive": SeasonalNaive}


@dataclass(frozen=True)
class Contest:
    """Columns of a set, standardised; rows of its training and validation parts; the horizons that are scored."""

    y: pd.DataFrame
    train: int
    held_out: int
    horizons: tuple[int, ...]

    @classmethod
    def of(cls, dataset: str, columns: list[str] | None, horizons: tuple[int, ...], rows: list[int] | None) -> Contest:
        """`rows`: of training, validation and test part; None: 70, 10 and 20%."""
        y = tsssm_datasets.load(dataset)
        y = (y if columns is None else y[columns]).astype(float)
        train, held_out, test = rows or (int(0.7 * len(y)), int(0.1 * len(y)), len(y))
        y = y.iloc[: train + held_out + test]
        return cls((y - y.iloc[:train].mean()) / y.iloc[:train].std(ddof=0), train, held_out, horizons)


SETS = {
    "ETTh1": ("ETTh1", None, (96, 192, 336, 720), [8640, 2880, 2880]),
    "bike": ("bike_sharing_hourly", ["users"], (48,), None),
    "vic": ("vic_electricity", ["Demand"], (48,), None),
    "ili": ("ili", None, (24,), None),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sets", nargs="+", choices=SETS, default=list(SETS))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--work", type=Path, default=Path(tempfile.gettempdir()) / "tsssm-defaults")
    options = parser.parse_args()
    for name in options.sets:
        contest, folder = Contest.of(*SETS[name]), options.work / name
        folder.mkdir(parents=True, exist_ok=True)
        runs: dict[str, list[str]] = {}
        for seed in options.seeds:
            for model in NETWORKS:
                runs.setdefault(model, []).append(f"{model}-{seed}")
                run(contest, NETWORKS[model], seed, folder / runs[model][-1])
        for model in OTHERS:
            runs[model] = [model]
            run(contest, OTHERS[model], 0, folder / model)
        write_report(f"defaults_{name}", report(name, contest, runs, folder))


def run(contest: Contest, build: Callable[[int], Forecaster], seed: int, path: Path) -> None:
    """Fit and score, unless that has been done: ``<path>.json`` has the figures, ``<path>.npz`` the window losses."""
    if path.with_suffix(".json").exists():
        return
    before_test = contest.train + contest.held_out
    model = build(max(contest.horizons)).set_params(validation_size=contest.held_out, random_state=seed, verbose=False)
    begin = time.process_time()
    model.fit(contest.y.iloc[:before_test])
    facts = {
        "fit_cpu_seconds": round(time.process_time() - begin, 1),
        "parameters": model.summary().facts.get("parameters", ""),
        "state_bytes": model.state_bytes(),
        "network_share": model.model_.spec.network_share if model.n_parameters_ else None,
        "schedules": model.schedules_.round(5).to_dict(orient="records"),
        "steps": len(model.history_),
        "mse_mae": {},
    }
    losses = {}
    for horizon in contest.horizons:
        windows = len(contest.y) - before_test - horizon + 1
        backtest = model.backtest(contest.y, horizon=horizon, n_windows=windows, step=1)
        forecasts = {"both": backtest.windows.point}
        if backtest.windows.network is not None:
            forecasts |= {"base": backtest.windows.base, "network": backtest.windows.network}
        errors = {part: forecast - backtest.actual for part, forecast in forecasts.items()}
        facts["mse_mae"][str(horizon)] = {
            part: [round(float(np.nanmean(error**2)), 4), round(float(np.nanmean(abs(error))), 4)]
            for part, error in errors.items()
        }
        losses |= {f"{part}-{horizon}": np.nanmean(error**2, axis=(1, 2)) for part, error in errors.items()}
    facts["mse_mae"]["average"] = {
        part: np.mean([facts["mse_mae"][str(h)][part] for h in contest.horizons], axis=0).round(4).tolist()
        for part in forecasts
    }
    np.savez(path.with_suffix(".npz"), **losses)
    path.with_suffix(".json").write_text(json.dumps(facts))
    print(path.name, facts, flush=True)


def report(name: str, contest: Contest, runs: dict[str, list[str]], folder: Path) -> dict:
    """The figures of all runs, the means over seeds, and the p-values."""
    figures = {run: json.loads((folder / f"{run}.json").read_text()) for names in runs.values() for run in names}
    mean, deviation = {}, {}
    for model, names in runs.items():
        parts = figures[names[0]]["mse_mae"]["average"]
        errors = {part: np.array([figures[run]["mse_mae"]["average"][part] for run in names]) for part in parts}
        mean[model] = {part: error.mean(axis=0).round(4).tolist() for part, error in errors.items()}
        if len(names) > 1:
            deviation[model] = {part: error.std(axis=0, ddof=1).round(4).tolist() for part, error in errors.items()}
    return {
        "dataset": SETS[name][0],
        "columns": list(contest.y.columns),
        "rows": [contest.train, contest.held_out, len(contest.y) - contest.train - contest.held_out],
        "horizons": contest.horizons,
        "mse_mae_mean_over_horizons_and_seeds": mean,
        "standard_deviation_over_seeds": deviation,
        "p_values_against_mamba": p_values(contest, runs, folder),
        "runs": figures,
    }


def p_values(contest: Contest, runs: dict[str, list[str]], folder: Path) -> dict[str, dict[str, dict[str, float]]]:
    """By horizon, model and part."""
    values: dict[str, dict[str, dict[str, float]]] = {}
    for horizon in contest.horizons:
        mamba = mean_losses(runs["mamba"], horizon, folder)
        values[str(horizon)] = {
            model: {
                part: round(diebold_mariano(loss, mamba[part], horizon).p_value, 4)
                for part, loss in mean_losses(names, horizon, folder).items()
            }
            for model, names in runs.items()
            if model != "mamba"
        }
    return values


def mean_losses(names: list[str], horizon: int, folder: Path) -> dict[str, np.ndarray]:
    """Squared error of each window, mean over seeds, by part."""
    kept = [np.load(folder / f"{name}.npz") for name in names]
    parts = [key.removesuffix(f"-{horizon}") for key in kept[0] if key.endswith(f"-{horizon}")]
    return {part: np.mean([one[f"{part}-{horizon}"] for one in kept], axis=0) for part in parts}


if __name__ == "__main__":
    main()
