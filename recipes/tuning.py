"""Search for better settings than the defaults, and find out whether they are better.

    python recipes/tuning.py --out tuning                # electricity demand, an hour; Ctrl-C keeps the best
    python recipes/tuning.py --out tuning --quick        # the same, small: half a minute
    python recipes/tuning.py --out tuning --data load.csv --horizon 24 --trials 20

A search looks at the validation part once a trial, and the best of many trials looks better there than it is. So the
last fifth of the table is kept back: the search does not see it, and it is used once, at the end, for the default and
for the best settings side by side. Call the recipe again after a break: it goes on from `study.journal`.

Written to the folder: `study.journal`, `trials.csv`, `trials.png`, `table.csv` and the best model in `model`.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import pandas as pd

from tsssm import MambaForecaster, compare, tune
from tsssm.comparison import Comparison
from tsssm.tuning import TuningResult, default_space
from tsssm_datasets import load

QUICK = {"d_model": 16, "n_layers": 1, "context_length": 240, "max_steps": 20}
QUICK_SPACE = {"learning_rate": (1e-3, 5e-2, "log"), "max_steps": (10, 40), "d_model": [8, 16], "dropout": (0.0, 0.4)}


def main(arguments: list[str] | None = None) -> None:
    options = read_arguments(arguments)
    out = Path(options.out)
    out.mkdir(parents=True, exist_ok=True)
    y = read_data(options.data, quick=options.quick)

    # 1. Keep rows back that the search never sees.
    known = y.iloc[: int(0.8 * len(y))]
    windows = (len(y) - len(known)) // options.horizon

    # 2. The model to improve, and what may be changed about it. A space is a dict: leave out or add what you like.
    settings = QUICK if options.quick else {}
    model = MambaForecaster(options.horizon, **settings)
    space = QUICK_SPACE if options.quick else default_space(model, known)

    # 3. Search. The first trial is the model as given; trials that fall behind are ended early.
    result = tune(model, known, space=space, n_trials=options.trials, storage=out / "study.journal")
    print(result)

    # 4. Judge both on the rows that were kept back, on the same windows.
    default = MambaForecaster(options.horizon, verbose=False, **settings).fit(known)
    comparison = compare(
        {"default": default, "tuned": result.best_model}, y, n_windows=windows, metrics=("mae", "mase")
    )
    print(comparison)
    print(verdict(result, comparison))

    # 5. Keep it.
    result.trials.to_csv(out / "trials.csv")
    result.plot().figure.savefig(out / "trials.png", dpi=120)
    comparison.table.to_csv(out / "table.csv", index_label="model")
    result.best_model.save(out / "model")


def read_arguments(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Search for better settings than the defaults.")
    parser.add_argument("--out", default="tuning", help="folder for all that is written")
    parser.add_argument("--data", help="a CSV file: time stamps, then a column a series; default: electricity demand")
    parser.add_argument("--horizon", type=int, default=24, help="steps ahead")
    parser.add_argument("--trials", type=int, help="trials in all; default: 30, or 10 with --quick")
    parser.add_argument("--quick", action="store_true", help="a small form of half a minute")
    options = parser.parse_args(arguments)
    options.trials = options.trials or (10 if options.quick else 30)
    return options


def read_data(path: str | None, *, quick: bool) -> pd.DataFrame | pd.Series:
    if path is not None:
        return pd.read_csv(path, index_col=0, parse_dates=True)
    demand = load("electricity")
    return demand["2014-09":] if quick else demand


def verdict(result: TuningResult, comparison: Comparison) -> str:
    """What may be said, in a sentence."""
    complete = result.trials[result.trials["state"] == "complete"]
    if complete["score"].idxmin() == complete.index[complete["given"]].min():
        return "No trial was better than the model as given on the validation part."
    searched = float(complete["score"].min() / complete["score"][complete["given"]].min()) - 1
    tested = float(comparison.table["mae"]["tuned"] / comparison.table["mae"]["default"]) - 1
    p_value = float(comparison.table["p_value"]["tuned"])
    return (
        f"The error changed by {searched:+.1%} on the validation part, which the search chose by, and by {tested:+.1%} "
        f"on the rows that were kept back (p = {p_value:.1g})."
    )


if __name__ == "__main__":
    main()
