"""Every mixer and four hybrids at equal parameters on five sets: the table of docs/zoo.md.

    TSSSM_DATA_HOME=<folder of sets> python recipes/benchmarks/zoo.py [--sets ETTh1 vic ...] [--mixers mamba ...]

Two processes side by side, one thread each. Networks of two layers with 110,000 parameters in blocks and norms; patches
of 24, a context of 30 patches (of monthly retail turnover: 12, and 10), the median alone, no calendar, 300 steps of 32
windows. Columns are standardised by the training part. The learning rate of each mixer is the one of 1e-3, 2e-3, 4e-3
and 8e-3 with which seed 0 has the lowest mean absolute error of the network on the validation part. Two more seeds
follow with that rate. Test figures are of every window of the test part; p-values: Diebold-Mariano over the squared
error of each window, mean of the seeds, against attention.

Each result is kept in the folder `--work` as soon as it is there; the same command goes on after an end. The report
holds what is complete.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import tsssm
import tsssm_datasets
from defaults import SETS as CONTESTS
from defaults import Contest, mean_losses
from report import write_report
from tsssm import Forecaster, LinearForecaster, cost_table, match_parameters
from tsssm.comparison import diebold_mariano

BACKBONE, PATCH, TOKENS, STEPS = 110_000, 24, 30, 300
RATES, SEEDS = (1e-3, 2e-3, 4e-3, 8e-3), (0, 1, 2)
TIMED, UPDATES = "vic", 300  # of a stream, timed
REFERENCE = "attention"
MIXERS = (
    "attention",
    "rotary_average",
    "linear_attention",
    "rwkv7",
    "mamba",
    "mamba2",
    "rwkv6",
    "s4d",
    "gla",
    "retention",
    "gated_delta",
    "mlstm",
    "slstm",
    "mamba3",
    "based",
    "long_convolution",
)
HYBRIDS = ("mamba+attention", "mamba2+attention", "rotary_average+linear_attention", "mamba+rotary_average")
SETS = {
    **{name: CONTESTS[name] for name in ("vic", "bike", "ETTh1")},
    "demo": ("electricity", None, (48,), None),
    "retail": ("aus_retail", None, (24,), None),
}
LENGTHS = {"retail": (12, 10)}  # patch, and tokens of a window, where they are others


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sets", nargs="+", choices=SETS, default=list(SETS))
    parser.add_argument("--mixers", nargs="+", default=[*MIXERS, *HYBRIDS])
    parser.add_argument("--work", type=Path, default=Path(tempfile.gettempdir()) / "tsssm-zoo")
    options = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"  # of the workers, before they import torch
    jobs = [(dataset, mixer, options.work) for mixer in options.mixers for dataset in options.sets]
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        for line in pool.map(run_contest, *zip(*jobs)):
            print(line, flush=True)
    report(options.work)


def run_contest(dataset: str, mixer: str, work: Path) -> str:
    """All fits of a mixer on a set that are not there yet, and the test figures of those with the chosen rate."""
    contest, folder = contest_of(dataset), work / dataset
    folder.mkdir(parents=True, exist_ok=True)
    rate = search_rate(contest, mixer, folder)
    for seed in SEEDS:
        fit(contest, mixer, rate, seed, folder)
        score(contest, path_of(folder, mixer, rate, seed))
    errors = [read(path_of(folder, mixer, rate, seed), "test")["average"]["network"][0] for seed in SEEDS]
    return f"{dataset} {mixer}: learning rate {rate:g}, network's MSE {np.mean(errors):.4f} of {errors}"


def contest_of(dataset: str) -> Contest:
    """Of retail turnover, a long table, those series that are there from the first month to the last."""
    if dataset != "retail":
        return Contest.of(*SETS[dataset])
    table = tsssm_datasets.load("aus_retail").pivot(index="Month", columns="Series ID", values="Turnover")
    y = table.set_axis(pd.PeriodIndex(table.index, freq="M").to_timestamp(), axis=0).sort_index().dropna(axis=1)
    train, held_out = int(0.7 * len(y)), int(0.1 * len(y))
    return Contest((y - y.iloc[:train].mean()) / y.iloc[:train].std(ddof=0), train, held_out, SETS[dataset][2])


def path_of(folder: Path, mixer: str, rate: float, seed: int) -> Path:
    """Of the saved model; beside it lie ``.fit.json``, ``.test.json`` and ``.npz``."""
    return folder / f"{mixer.replace('*', 'x')}-{rate:g}-{seed}"


def read(path: Path, what: str) -> dict[str, Any]:
    return json.loads(Path(f"{path}.{what}.json").read_text())


def search_rate(contest: Contest, mixer: str, folder: Path) -> float:
    """Fit with every rate: no walk finds the best, for validation errors have more than one valley."""
    for rate in RATES:
        fit(contest, mixer, rate, 0, folder)
    return chosen_rate(mixer, folder)


def validation_errors(mixer: str, folder: Path) -> dict[float, float]:
    """The network's mean absolute error on the validation part by learning rate, of those that were tried."""
    paths = {rate: path_of(folder, mixer, rate, 0) for rate in RATES}
    tried = {rate: path for rate, path in paths.items() if Path(f"{path}.fit.json").exists()}
    return {rate: read(path, "fit")["validation_mae"]["network"] for rate, path in tried.items()}


def chosen_rate(mixer: str, folder: Path) -> float:
    """By the validation part alone."""
    errors = validation_errors(mixer, folder)
    return min(errors, key=lambda rate: errors[rate])


def fit(
    contest: Contest,
    mixer: str,
    rate: float,
    seed: int,
    folder: Path,
    lengths: tuple[int, int] | None = None,
    settings: dict[str, Any] | None = None,
) -> None:
    """Fit and save, unless that has been done; with settings of the mixer's own."""
    path = path_of(folder, mixer, rate, seed)
    if Path(f"{path}.fit.json").exists():
        return
    before_test = contest.train + contest.held_out
    lengths = lengths or LENGTHS.get(folder.name, (PATCH, TOKENS))
    model = forecaster(mixer, max(contest.horizons), *lengths, settings=settings).set_params(
        base=None,  # the ridge is the same for all: fitted once, see `ridge_forecasts`
        validation_size=contest.held_out,
        learning_rate=rate,
        random_state=seed,
    )
    begin = time.process_time()
    model.fit(contest.y.iloc[:before_test])
    seconds = time.process_time() - begin
    model.save(path)
    figures = {
        "fit_cpu_seconds": round(seconds, 1),
        "validation_mae": {part: round(float(value), 5) for part, value in model.validation_["mae"].items()},
    }
    Path(f"{path}.fit.json").write_text(json.dumps(figures))


def score(contest: Contest, path: Path) -> None:
    """Errors on the test part, ``.test.json``, and the squared error of each window, ``.npz``."""
    if Path(f"{path}.test.json").exists():
        return
    model, before_test = tsssm.load(path), contest.train + contest.held_out
    figures: dict[str, Any] = {}
    losses = {}
    for horizon in contest.horizons:
        windows = len(contest.y) - before_test - horizon + 1
        backtest = model.backtest(contest.y, horizon=horizon, n_windows=windows, step=1)
        network, base = backtest.windows.point, ridge_forecasts(contest, path.parent, horizon)
        parts = {"network": network, "base": base, "both": (network + base) / 2}
        errors = {part: forecast - backtest.actual for part, forecast in parts.items()}
        figures[str(horizon)] = {
            part: [round(float(np.mean(error**2)), 5), round(float(np.mean(abs(error))), 5)]
            for part, error in errors.items()
        }
        losses |= {f"{part}-{horizon}": np.mean(error**2, axis=(1, 2)) for part, error in errors.items()}
    by_horizon = list(figures.values())
    figures["average"] = {part: np.mean([one[part] for one in by_horizon], axis=0).round(5).tolist() for part in parts}
    np.savez(f"{path}.npz", **losses)
    Path(f"{path}.test.json").write_text(json.dumps(figures))


def ridge_forecasts(contest: Contest, folder: Path, horizon: int) -> np.ndarray:
    """Of the base alone, which a forecaster with a base fits by itself, at every window of the test part."""
    kept = folder / f"ridge-{horizon}.npy"
    if not kept.exists():
        before_test = contest.train + contest.held_out
        patch, _ = LENGTHS.get(folder.name, (PATCH, TOKENS))
        ridge = LinearForecaster(max(contest.horizons), patch_length=patch, validation_size=contest.held_out)
        ridge.set_params(verbose=False).fit(contest.y.iloc[:before_test])
        windows = len(contest.y) - before_test - horizon + 1
        forecasts = ridge.backtest(contest.y, horizon=horizon, n_windows=windows, step=1).windows.point
        unfinished = kept.with_suffix(f".{os.getpid()}.npy")
        np.save(unfinished, forecasts)
        unfinished.replace(kept)
    return np.load(kept)


def forecaster(
    mixer: str, horizon: int, patch: int = PATCH, tokens: int = TOKENS, settings: dict[str, Any] | None = None
) -> Forecaster:
    recipe = Forecaster(
        horizon,
        mixer=mixer,
        mixer_settings=settings,
        quantiles=(0.5,),
        calendar=None,
        patch_length=patch,
        context_length=patch * tokens,
        max_steps=STEPS,
        device="cpu",
        verbose=False,
    )
    return match_parameters(BACKBONE, recipe)


def update_times(mixers: list[str], work: Path) -> dict[str, float]:
    """Median CPU time of a stream's `update`, which runs the network on each observation, in microseconds, in turns."""
    contest, folder = contest_of(TIMED), work / TIMED
    before_test = contest.train + contest.held_out
    live = contest.y.iloc[before_test : before_test + UPDATES].to_numpy()
    models = {mixer: tsssm.load(path_of(folder, mixer, chosen_rate(mixer, folder), 0)) for mixer in mixers}
    streams, times = {mixer: model.stream() for mixer, model in models.items()}, {mixer: [] for mixer in mixers}
    for observation in live:
        for mixer, stream in streams.items():
            begin = time.process_time()
            stream.update(observation)
            times[mixer].append(time.process_time() - begin)
    return {mixer: round(1e6 * float(np.median(one)), 1) for mixer, one in times.items()}


def report(work: Path) -> None:
    """The figures of what is complete: mixers with all their runs but those of retail; sets with all mixers."""
    first = [name for name in SETS if name not in LENGTHS]
    mixers = [mixer for mixer in (*MIXERS, *HYBRIDS) if all(complete(mixer, work / name) for name in first)]
    datasets = [name for name in SETS if all(complete(mixer, work / name) for mixer in mixers)]
    models = {mixer: forecaster(mixer, 48) for mixer in mixers}
    takes, results = cost_table(models), {dataset: report_set(dataset, mixers, work / dataset) for dataset in datasets}
    write_report(
        "zoo",
        {
            "recipe": {"backbone": BACKBONE, "patch_length": PATCH, "tokens": TOKENS, "steps": STEPS, "seeds": SEEDS},
            "learning_rates": RATES,
            "sizes": {
                mixer: {
                    "d_model": model.d_model,
                    "mixer_settings": model.mixer_settings,
                    **takes.loc[mixer].astype(int).to_dict(),
                }
                for mixer, model in models.items()
            },
            "update_us": update_times(mixers, work),
            "relative_to_attention": {mixer: relative(mixer, results) for mixer in mixers},
            "results": results,
        },
    )


def relative(mixer: str, results: dict[str, Any]) -> dict[str, float]:
    """Errors in units of attention's, geometric mean over the sets."""
    ratios: dict[str, list[float]] = {"validation": [], "network": [], "both": []}
    for result in results.values():
        own, reference = result[mixer], result[REFERENCE]
        ratios["validation"].append(own["validation_mae"] / reference["validation_mae"])
        for part in ("network", "both"):
            ratios[part].append(own["mse_mae"][part][0] / reference["mse_mae"][part][0])
    return {name: round(float(np.exp(np.mean(np.log(values)))), 4) for name, values in ratios.items()}


def complete(mixer: str, folder: Path) -> bool:
    """Whether all runs of a mixer on a set are there."""
    if not validation_errors(mixer, folder):
        return False
    rate = chosen_rate(mixer, folder)
    return all(Path(f"{path_of(folder, mixer, rate, seed)}.test.json").exists() for seed in SEEDS)


def report_set(dataset: str, mixers: list[str], folder: Path) -> dict[str, Any]:
    """By mixer: mean and deviation over seeds, seconds, p-values against attention."""
    horizons, results = SETS[dataset][2], {}
    rates = {mixer: chosen_rate(mixer, folder) for mixer in mixers}
    runs = {mixer: [path_of(folder, mixer, rate, seed) for seed in SEEDS] for mixer, rate in rates.items()}
    for mixer, paths in runs.items():
        fits, tests = [read(path, "fit") for path in paths], [read(path, "test")["average"] for path in paths]
        errors = {part: np.array([test[part] for test in tests]) for part in tests[0]}
        results[mixer] = {
            "learning_rate": rates[mixer],
            "validation_mae_by_rate": {f"{r:g}": error for r, error in validation_errors(mixer, folder).items()},
            "validation_mae": round(float(np.mean([one["validation_mae"]["network"] for one in fits])), 5),
            "mse_mae": {part: error.mean(axis=0).round(5).tolist() for part, error in errors.items()},
            "sd": {part: error.std(axis=0, ddof=1).round(5).tolist() for part, error in errors.items()},
            "fit_cpu_seconds": round(float(np.median([one["fit_cpu_seconds"] for one in fits])), 1),
            "p_value_against_attention": p_value(paths, runs[REFERENCE], max(horizons)),
        }
    return results


def p_value(paths: list[Path], reference: list[Path], horizon: int) -> dict[str, float] | None:
    """Of the network and of both, at the longest horizon."""
    if paths == reference:
        return None
    ours, theirs = (mean_losses([path.name for path in one], horizon, one[0].parent) for one in (paths, reference))
    return {part: round(diebold_mariano(ours[part], theirs[part], horizon).p_value, 4) for part in ("network", "both")}


if __name__ == "__main__":
    main()
