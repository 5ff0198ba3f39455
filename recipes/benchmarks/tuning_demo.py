"""Thirty trials of `tune` on the demo's data: does the best of them forecast better than the default?

    OMP_NUM_THREADS=1 python recipes/benchmarks/tuning_demo.py --work tuning-demo    # goes on if called again

The search sees the first 80% of the rows and judges its trials on their last tenth. The last 20% are used once, after
it: the default and the best settings are fitted with three seeds each, on the first 80%, and tested on equal windows.
To spare time, the space is the default one without its largest networks and longest context.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pandas as pd

import tsssm
import tsssm_datasets
from electricity import daily_scale
from report import write_report
from tsssm import Forecaster, MambaForecaster, compare, tune
from tsssm.tuning import TuningResult, default_space

HORIZON, N_TRIALS, SEEDS = 24, 30, (0, 1, 2)
SMALLER = {"d_model": [32, 64], "n_layers": (1, 2), "context_length": [360, 720]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, default=Path("tuning-demo"), help="folder of the search and the models")
    work = parser.parse_args().work
    y = tsssm_datasets.load("electricity")
    train = y.iloc[: int(0.8 * len(y))]
    windows = (len(y) - len(train)) // HORIZON

    model = MambaForecaster(HORIZON)
    space = default_space(model, train) | SMALLER
    result = tune(model, train, space=space, n_trials=N_TRIALS, storage=work / "study.journal")
    print(result, result.trials.round(4).to_string(), sep="\n", flush=True)

    fitted = {
        f"{name}_seed_{seed}": fit_or_load(work / f"{name}-{seed}", train, random_state=seed, **settings)
        for name, settings in (("default", {}), ("tuned", result.best_params))
        for seed in SEEDS
    }
    pd.testing.assert_series_equal(fitted["tuned_seed_0"].predict(), result.best_model.predict())
    comparison = compare(fitted, y, n_windows=windows, metrics=("mae",))
    print(comparison)
    fits = pd.DataFrame(
        {
            "steps": {name: len(one.history_) for name, one in fitted.items()},
            "validation_mase": {name: one.validation_["mase"]["both"] for name, one in fitted.items()},
            "test_mae": comparison.table["mae"],
            "test_mase": comparison.table["mae"] / daily_scale(train),
            "p_value": comparison.table["p_value"],  # against default_seed_0
            "parameters": comparison.table["parameters"],
        }
    )
    means = fits[["validation_mase", "test_mae", "test_mase"]].groupby(fits.index.str.split("_").str[0]).mean()
    print(fits.round(4).to_string(), means.round(4).to_string(), sep="\n")
    figures = search_figures(result) | {
        "space": {name: list(values) for name, values in space.items()},
        "test_windows": windows,
        "p_value_is_against": "default_seed_0",
        "fits": rows(fits),
        "means_over_seeds": rows(means),
    }
    write_report("tuning_demo", {"horizon": HORIZON, "n_trials": N_TRIALS, **figures})


def fit_or_load(folder: Path, y: pd.Series, **settings) -> Forecaster:
    if folder.exists():
        return tsssm.load(folder)
    model = MambaForecaster(HORIZON, verbose=False, **settings).fit(y)
    model.save(folder)
    print(folder.name, model.validation_["mase"].round(4).to_dict(), flush=True)
    return model


def search_figures(result: TuningResult) -> dict:
    trials = result.trials
    return {
        "states": trials["state"].value_counts().to_dict(),
        "seconds_of_trials": round(float(trials["seconds"].sum())),
        "best_params": {name: plain(value) for name, value in result.best_params.items()},
        "validation_mase": {
            "best": plain(trials["score"].min()),
            "as given": plain(trials["score"][trials["given"]].min()),
        },
        "trials": rows(trials),
    }


def rows(table: pd.DataFrame) -> dict:
    return {str(name): {k: plain(v) for k, v in row.items()} for name, row in table.to_dict(orient="index").items()}


def plain(value):
    """Numbers of five digits; None for what is missing."""
    if isinstance(value, float):
        return float(f"{value:.5g}") if np.isfinite(value) else None
    return value


if __name__ == "__main__":
    main()
