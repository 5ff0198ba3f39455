"""What the bound on RWKV-7's transitions costs: the same network without it, on three sets of the zoo.

    TSSSM_DATA_HOME=<folder of sets> python recipes/benchmarks/rwkv7_bound.py [--sets vic ...]

Goes on from `zoo.py`, whose work folder it needs: the bounded network is the one trained there. The published one is
trained alike: the same sizes and steps, its learning rate of four by the validation part, three seeds. Test figures are
of every window of the test part; p-values: Diebold-Mariano over the squared error of each window, mean of the seeds.

Two processes side by side, one thread each. Each result is kept in the folder `--work`; the same command goes on.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

from defaults import mean_losses
from report import write_report
from tsssm.comparison import diebold_mariano
from zoo import RATES, SEEDS, chosen_rate, contest_of, fit, path_of, read, score

MIXER, PUBLISHED = "rwkv7", {"bounded": False}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sets", nargs="+", default=["vic", "bike", "ETTh1"])
    parser.add_argument("--work", type=Path, default=Path(tempfile.gettempdir()) / "tsssm-zoo")
    options = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"  # of the workers, before they import torch
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        figures = pool.map(compare, options.sets, [options.work] * len(options.sets))
        write_report("rwkv7_bound", {"seeds": SEEDS, "results": dict(zip(options.sets, figures))})


def compare(dataset: str, work: Path) -> dict[str, Any]:
    """Mean squared errors of both networks, their deviations over seeds, and the p-value of the difference."""
    contest, folder = contest_of(dataset), work / f"{dataset}-published"
    folder.mkdir(parents=True, exist_ok=True)
    for rate in RATES:
        fit(contest, MIXER, rate, 0, folder, settings=PUBLISHED)
    figures: dict[str, Any] = {}
    losses = {}
    for name, place in (("bounded", work / dataset), ("published", folder)):
        rate = chosen_rate(MIXER, place)
        paths = [path_of(place, MIXER, rate, seed) for seed in SEEDS]
        for seed, path in zip(SEEDS, paths):
            fit(contest, MIXER, rate, seed, place, settings=None if place == work / dataset else PUBLISHED)
            score(contest, path)
        errors = [read(path, "test")["average"]["network"][0] for path in paths]
        losses[name] = mean_losses([path.name for path in paths], max(contest.horizons), place)["network"]
        figures[name] = {
            "learning_rate": rate,
            "validation_mae": round(
                float(np.mean([read(path, "fit")["validation_mae"]["network"] for path in paths])), 5
            ),
            "mse": round(float(np.mean(errors)), 5),
            "sd": round(float(np.std(errors, ddof=1)), 5),
        }
    test = diebold_mariano(losses["published"], losses["bounded"], max(contest.horizons))
    figures["p_value"] = round(test.p_value, 4)
    print(dataset, figures, flush=True)
    return figures


if __name__ == "__main__":
    main()
