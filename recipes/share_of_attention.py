"""How much attention does a stack need? A state-space model, attention, and what lies between, at equal size.

    python recipes/share_of_attention.py --out share            # electricity demand, half an hour
    python recipes/share_of_attention.py --out share --quick    # the same, small: half a minute
    python recipes/share_of_attention.py --out share --mixer rotary_average --data load.csv --horizon 48

Among large language models a small share of attention in a stack of state-space layers does best. Whether that holds
for a series is a question of its own: this recipe trains stacks of four layers, none, one, two and all of them
attention, with the same number of parameters, several seeds each, and sets their errors beside what they cost.

Written to the folder: `runs.csv`, `table.csv` and `share.png`.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd

from tsssm import Forecaster, compare, cost_table, match_parameters
from tsssm_datasets import load

SETTINGS = {
    "full": {"parameters": 110_000, "max_steps": 300},
    "quick": {"parameters": 10_000, "max_steps": 20},
}


def main(arguments: list[str] | None = None) -> None:
    options = read_arguments(arguments)
    out = Path(options.out)
    out.mkdir(parents=True, exist_ok=True)
    y = read_data(options.data, quick=options.quick)

    # 1. The same depth and the same number of parameters; all else is the same by default.
    models = stacks(options)
    costs = cost_table(models)
    print(costs[["backbone", "step_flops", "network_state_bytes"]].to_string())

    # 2. Several seeds: a difference that is smaller than that between seeds says nothing.
    runs = pd.concat([run(models, y, seed, options) for seed in range(options.seeds)], ignore_index=True)
    runs.to_csv(out / "runs.csv", index=False)

    # 3. Error beside cost.
    table = summarise(runs, costs)
    table.to_csv(out / "table.csv")
    print(table.round(4).to_string())
    draw(runs, table, options.mixer).savefig(out / "share.png", dpi=120)
    print(verdict(table))


def read_arguments(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Error and cost by the share of attention in a stack of four layers.")
    parser.add_argument("--out", default="share", help="folder for all that is written")
    parser.add_argument("--data", help="a CSV file: time stamps, then a column a series; default: electricity demand")
    parser.add_argument("--mixer", default="mamba2", help="short name of the other layers' mixer")
    parser.add_argument("--horizon", type=int, default=48, help="steps ahead")
    parser.add_argument("--learning-rate", type=float, default=4e-3, help="of all stacks")
    parser.add_argument("--windows", type=int, help="forecasts to make; default: 100, or 8 with --quick")
    parser.add_argument("--seeds", type=int, help="trainings of each stack; default: 3, or 2 with --quick")
    parser.add_argument("--quick", action="store_true", help="a small form of half a minute")
    options = parser.parse_args(arguments)
    options.windows = options.windows or (8 if options.quick else 100)
    options.seeds = options.seeds or (2 if options.quick else 3)
    return options


def read_data(path: str | None, *, quick: bool) -> pd.DataFrame | pd.Series:
    if path is not None:
        return pd.read_csv(path, index_col=0, parse_dates=True)
    demand = load("electricity")
    return demand["2014-09":] if quick else demand


def stacks(options: argparse.Namespace) -> dict[float, Forecaster]:
    """By the share of attention."""
    patterns = {
        0.0: f"{options.mixer}*4",
        0.25: f"{options.mixer}*3+attention",
        0.5: f"({options.mixer}+attention)*2",
        1.0: "attention*4",
    }
    settings = SETTINGS["quick" if options.quick else "full"]
    models = {}
    for share, pattern in patterns.items():
        model = Forecaster(
            options.horizon,
            mixer=pattern,
            max_steps=settings["max_steps"],
            learning_rate=options.learning_rate,
            verbose=False,
        )
        models[share] = match_parameters(settings["parameters"], model)
    return models


def run(
    models: dict[float, Forecaster], y: pd.DataFrame | pd.Series, seed: int, options: argparse.Namespace
) -> pd.DataFrame:
    """One training of each: the error of the network alone and of the forecast, and the seconds it took."""
    named = {str(share): model.set_params(random_state=seed) for share, model in models.items()}
    table = compare(named, y, n_windows=options.windows, metrics=("mase",)).table
    rows = table[["mase_network", "mase", "fit_seconds"]].rename_axis("share").reset_index()
    return rows.assign(share=rows["share"].astype(float), seed=seed)


def summarise(runs: pd.DataFrame, costs: pd.DataFrame) -> pd.DataFrame:
    """A row a share: mean and deviation over seeds, and the costs."""
    grouped = runs.groupby("share")
    table = grouped[["mase_network", "mase", "fit_seconds"]].mean()
    table.insert(1, "sd_network", grouped["mase_network"].std())
    return table.join(costs[["backbone", "step_flops", "network_state_bytes"]])


def draw(runs: pd.DataFrame, table: pd.DataFrame, mixer: str) -> plt.Figure:
    """Left the errors, a dot a seed; right the costs as multiples of those without attention."""
    figure, (errors, costs) = plt.subplots(1, 2, figsize=(9.0, 3.6), layout="constrained")
    for column, label, colour in (("mase_network", "network alone", "#009E73"), ("mase", "with the ridge", "#0072B2")):
        errors.plot(table.index, table[column], color=colour, label=label)
        errors.scatter(runs["share"], runs[column], color=colour, s=14)
    errors.set_ylabel("MASE")
    costs.axhline(1.0, color="#b0b0b0", linewidth=0.8)
    for column, label, colour in (
        ("step_flops", "operations of an observation", "#3a3a3a"),
        ("network_state_bytes", "bytes of state", "#D55E00"),
        ("fit_seconds", "seconds of training", "#56B4E9"),
    ):
        costs.plot(table.index, table[column] / table[column].iloc[0], marker="o", color=colour, label=label)
    costs.set_ylabel(f"multiple of {mixer} alone")
    costs.set_ylim(0, 1.5 * costs.get_ylim()[1])  # room for the legend
    for ax in (errors, costs):
        ax.set_xlabel("share of attention in four layers")
        ax.set_xticks(table.index)
        ax.spines[["top", "right"]].set_visible(False)
        ax.legend(frameon=False)
    return figure


def verdict(table: pd.DataFrame) -> str:
    """What may be said, in a sentence."""
    error, deviation = table["mase_network"], float(table["sd_network"].max())
    best = error.idxmin()
    close = [f"{share:g}" for share in error.index if share != best and error[share] - error[best] <= 2 * deviation]
    if close:
        return (
            f"A share of {best:g} has the lowest error, {error[best]:.3f}, but {' and '.join(close)} lie within two "
            f"standard deviations of the seeds ({deviation:.3f}): no clear winner."
        )
    return f"A share of {best:g} is best: {error[best]:.3f}, more than two standard deviations ({deviation:.3f}) below."


if __name__ == "__main__":
    main()
