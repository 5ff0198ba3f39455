"""Compare a state-space model with a transformer of the same size, and both with forecasts that cost nothing.

    python recipes/comparing_with_a_transformer.py --out comparison            # electricity demand, a few minutes
    python recipes/comparing_with_a_transformer.py --out comparison --quick    # the same, small: half a minute
    python recipes/comparing_with_a_transformer.py --out comparison --data load.csv --horizon 24

Whoever compares two networks should hold everything else fixed: the data, the windows, the patches, the head, the
training, and the number of parameters. `TransformerForecaster.matched_to` does that, and `compare` fits all on what
precedes the first window and forecasts from the same cutoffs. One fit a network is one throw of the dice: this recipe
trains each with several seeds and shows how far they lie apart.

Written to the folder: `table.csv`, `seeds.csv`, `forecasts.csv` and `errors.png`.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import pandas as pd

from tsssm import Forecaster, LinearForecaster, MambaForecaster, SeasonalNaive, TransformerForecaster, compare
from tsssm.comparison import Comparison
from tsssm_datasets import load

SETTINGS = {
    "full": {"max_steps": 300, "d_model": 64, "n_layers": 2},
    "quick": {"max_steps": 20, "d_model": 16, "n_layers": 1, "context_length": 240},
}


def main(arguments: list[str] | None = None) -> None:
    options = read_arguments(arguments)
    out = Path(options.out)
    out.mkdir(parents=True, exist_ok=True)
    y = read_data(options.data, quick=options.quick)

    # 1. The state-space model, and its twin: the same settings, the same number of parameters in the blocks.
    settings = SETTINGS["quick" if options.quick else "full"]
    mamba = MambaForecaster(options.horizon, learning_rate=2e-3, verbose=False, **settings)
    twin = TransformerForecaster.matched_to(mamba)
    models = {
        "mamba": mamba,
        "transformer": twin,
        "linear": LinearForecaster(options.horizon, verbose=False),
        "seasonal naive": SeasonalNaive(options.horizon, verbose=False),
    }

    # 2. The same windows for all. The error of each window counts once in the test, so many windows tell more.
    result = compare(models, y, n_windows=options.windows, metrics=("mase", "mae"))
    print(result)
    print(result.table[["mase", "mase_base", "mase_network"]].round(3).to_string())

    # 3. The same again with other seeds: a difference smaller than that between seeds says nothing of the mixer.
    seeds = compare_seeds(models, y, options, first=result)
    print(seeds.round(3).to_string())

    # 4. Keep it.
    result.table.to_csv(out / "table.csv", index_label="model")
    result.forecasts.to_csv(out / "forecasts.csv", index=False)
    seeds.to_csv(out / "seeds.csv", index_label="seed")
    result.plot().figure.savefig(out / "errors.png", dpi=120)
    print(verdict(result, seeds))


def read_arguments(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Compare a state-space model with a transformer of the same size.")
    parser.add_argument("--out", default="comparison", help="folder for all that is written")
    parser.add_argument("--data", help="a CSV file: time stamps, then a column a series; default: electricity demand")
    parser.add_argument("--horizon", type=int, default=24, help="steps ahead")
    parser.add_argument("--windows", type=int, help="forecasts to make; default: 60, or 8 with --quick")
    parser.add_argument("--seeds", type=int, help="trainings of each network; default: 3, or 2 with --quick")
    parser.add_argument("--quick", action="store_true", help="a small form of half a minute")
    options = parser.parse_args(arguments)
    options.windows = options.windows or (8 if options.quick else 60)
    options.seeds = options.seeds or (2 if options.quick else 3)
    return options


def read_data(path: str | None, *, quick: bool) -> pd.DataFrame | pd.Series:
    if path is not None:
        return pd.read_csv(path, index_col=0, parse_dates=True)
    demand = load("electricity")
    return demand["2014-09":] if quick else demand


def compare_seeds(
    models: dict[str, Forecaster], y: pd.DataFrame | pd.Series, options: argparse.Namespace, first: Comparison
) -> pd.DataFrame:
    """MASE of both networks, a row a seed; the first is the one of `first`."""
    networks = ("mamba", "transformer")
    rows = {0: first.table["mase"][list(networks)]}
    for seed in range(1, options.seeds):
        again = {name: models[name].set_params(random_state=seed) for name in networks}
        rows[seed] = compare(again, y, n_windows=options.windows, metrics=("mase",)).table["mase"]
    return pd.DataFrame(rows).T


def verdict(result: Comparison, seeds: pd.DataFrame) -> str:
    """What may be said, in a sentence."""
    gap = float(seeds["transformer"].mean() - seeds["mamba"].mean())
    between = float((seeds.max() - seeds.min()).max())
    p_value = float(result.table.loc["transformer", "p_value"])
    better = "mamba" if gap > 0 else "transformer"
    if abs(gap) <= between or not p_value < 0.05:  # with few windows there is no test, and p is NaN
        return (
            f"No clear winner: the mean MASE differs by {abs(gap):.3f} in favour of {better}, the seeds of one network "
            f"by up to {between:.3f}; p = {p_value:.2f}."
        )
    return f"{better} is better by {abs(gap):.3f} MASE (p = {p_value:.3f}), more than seeds differ ({between:.3f})."


if __name__ == "__main__":
    main()
