"""Error by the length of the history a forecast is made from: Mamba, its transformer twin, the twin without a window.

    TSSSM_DATA_HOME=<folder of sets> python recipes/benchmarks/history_length.py [--sets ETTh1 bike] [--seeds 0 1 2]

All train on the same windows, of 720 rows mostly, 300 steps at a learning rate for each set: twice that which
validation chose in `defaults.py`, since the cosine here has half the mean rate of its schedules. "No window" lets
attention see all it is given. Forecasts are made from the last 336 to 5760 rows before each cutoff of the test part,
with no memory of older ones. Writes ``docs/benchmarks/history_length.json`` and ``.png``; each fit is kept in the
folder `--work` as soon as it is scored.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from defaults import SETS, Contest
from report import RESULTS, write_report
from tsssm import Forecaster, MambaForecaster, TransformerForecaster

LENGTHS = (336, 720, 1440, 2880, 5760)
RATES = {"ETTh1": 2e-3, "bike": 8e-3}
HORIZON, MAX_STEPS, PATCH = 48, 300, 24
CUTOFF_EVERY = 37  # rows; prime to day and week, so that every hour and weekday comes
MODELS = ("mamba", "transformer, window", "transformer, no window")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sets", nargs="+", choices=RATES, default=list(RATES))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--work", type=Path, default=Path(tempfile.gettempdir()) / "tsssm-history-length")
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    runs = {
        name: {model: [run(name, model, seed, options.work) for seed in options.seeds] for model in MODELS}
        for name in options.sets
    }
    settings = {"horizon": HORIZON, "max_steps": MAX_STEPS, "learning_rate": RATES, "cutoff_every": CUTOFF_EVERY}
    write_report("history_length", {"seeds": options.seeds, "settings": settings, "lengths": LENGTHS, "mse": runs})
    draw(runs).savefig(RESULTS / "history_length.png", dpi=110)


def build(model: str, learning_rate: float, seed: int) -> Forecaster:
    settings = {"max_steps": MAX_STEPS, "learning_rate": learning_rate, "random_state": seed, "verbose": False}
    mamba = MambaForecaster(HORIZON, **settings)
    if model == "mamba":
        return mamba
    twin = TransformerForecaster.matched_to(mamba)
    if model == "transformer, no window":
        twin.set_params(mixer_settings={**twin.mixer_settings, "window": max(LENGTHS) // PATCH})
    return twin


def run(name: str, model: str, seed: int, work: Path) -> dict:
    """MSE of the network and of its mean with the base at each length, and the bytes of a stream's state."""
    path = work / f"{name}-{model}-{seed}.json".replace(", ", "-").replace(" ", "-")
    if path.exists():
        return json.loads(path.read_text())
    dataset, columns, _, rows = SETS[name]
    contest = Contest.of(dataset, columns, (HORIZON,), rows)
    y, before_test = contest.y, contest.train + contest.held_out
    fitted = build(model, RATES[name], seed).set_params(validation_size=contest.held_out).fit(y.iloc[:before_test])
    cutoffs = range(max(before_test, *LENGTHS), len(y) - HORIZON + 1, CUTOFF_EVERY)
    errors = {length: mean_errors(fitted, y, cutoffs, length) for length in LENGTHS}
    figures = {
        "cutoffs": len(cutoffs),
        "state_bytes": fitted.state_bytes(),
        **{part: [round(errors[length][part], 4) for length in LENGTHS] for part in ("network", "both")},
    }
    path.write_text(json.dumps(figures))
    print(name, model, seed, figures, flush=True)
    return figures


def mean_errors(model: Forecaster, y: pd.DataFrame, cutoffs: range, length: int) -> dict[str, float]:
    """MSE by part, each forecast made from `length` rows."""
    squares: dict[str, list[float]] = {"network": [], "both": []}
    for cutoff in cutoffs:
        backtest = model.backtest(y.iloc[cutoff - length : cutoff + HORIZON], n_windows=1)
        for part, forecast in (("network", backtest.windows.network), ("both", backtest.windows.point)):
            squares[part].append(float(np.nanmean((forecast - backtest.actual) ** 2)))
    return {part: float(np.mean(values)) for part, values in squares.items()}


def draw(runs: dict[str, dict[str, list[dict]]]) -> plt.Figure:
    """A panel a set and part; lines: means of the seeds, bands: their range."""
    figure, axes = plt.subplots(2, len(runs), figsize=(4.6 * len(runs), 6.4), sharex=True, squeeze=False)
    for column, (name, models) in enumerate(runs.items()):
        for row, part in enumerate(("network", "both")):
            ax = axes[row, column]
            for model, results in models.items():
                errors = np.array([one[part] for one in results])
                ax.plot(LENGTHS, errors.mean(axis=0), marker="o", markersize=4, label=model)
                ax.fill_between(LENGTHS, errors.min(axis=0), errors.max(axis=0), alpha=0.15)
            ax.axvline(720, color="0.6", linewidth=0.8, linestyle=":")
            ax.set_xscale("log", base=2)
            ax.set_xticks(LENGTHS, [str(length) for length in LENGTHS])
            ax.set_title(f"{name}: {'network alone' if part == 'network' else 'mean of base and network'}", fontsize=10)
            ax.set_ylabel("MSE")
    for ax in axes[-1]:
        ax.set_xlabel("rows of history (dotted: training context)")
    axes[0, 0].legend(fontsize=8, frameon=False)
    figure.tight_layout()
    return figure


if __name__ == "__main__":
    main()
