"""The zoo on longer sequences, bike sharing: 60 and 120 tokens, and histories of four times the trained context.

    TSSSM_DATA_HOME=<folder of sets> python recipes/benchmarks/zoo_lengths.py [--mixers mamba ...] [--seeds 0]

Goes on from `zoo.py`, whose work folder it needs: learning rates are those chosen there. Networks of 110,000 parameters
are trained on tokens of 12 and 6 rows (60 and 120 tokens in 720 rows) and on 1,440 rows of patches of 24, and scored on
every window of the test part. And the networks that `zoo.py` trained on 720 rows forecast from the last 720, 1,440 and
2,880 rows before each cutoff; attention keeps the window of its training.

Two processes side by side, one thread each. Each result is kept in the folder `--work`; the same command goes on.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np

import tsssm
from defaults import Contest
from history_length import CUTOFF_EVERY, HORIZON, mean_errors
from report import write_report
from zoo import HYBRIDS, MIXERS, SEEDS, SETS, chosen_rate, fit, path_of, read, score

DATASET = "bike"
TRAINED = {"60 tokens of 12": (12, 60), "120 tokens of 6": (6, 120), "60 tokens of 24": (24, 60)}
HISTORIES = (720, 1440, 2880)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mixers", nargs="+", default=[*MIXERS, *HYBRIDS])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    parser.add_argument("--work", type=Path, default=Path(tempfile.gettempdir()) / "tsssm-zoo")
    options = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"  # of the workers, before they import torch
    jobs = [(mixer, options.work, options.seeds) for mixer in options.mixers]
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        results = dict(zip(options.mixers, pool.map(run, *zip(*jobs))))
    settings = {"dataset": DATASET, "seeds": options.seeds, "horizon": HORIZON, "histories": HISTORIES}
    write_report("zoo_lengths", {**settings, "cutoff_every": CUTOFF_EVERY, "results": results})


def run(mixer: str, work: Path, seeds: list[int]) -> dict[str, dict[str, float]]:
    """The network's mean squared error, and CPU seconds of a fit."""
    contest, rate = Contest.of(*SETS[DATASET]), chosen_rate(mixer, work / DATASET)
    results = {"from histories of": by_history(contest, mixer, rate, work)}
    for name, (patch, tokens) in TRAINED.items():
        folder = work / f"{DATASET}-{patch}-{tokens}"
        folder.mkdir(parents=True, exist_ok=True)
        paths = [path_of(folder, mixer, rate, seed) for seed in seeds]
        for seed, path in zip(seeds, paths):
            fit(contest, mixer, rate, seed, folder, (patch, tokens))
            score(contest, path)
        results[name] = {
            "mse": round(float(np.mean([read(path, "test")["average"]["network"][0] for path in paths])), 5),
            "fit_cpu_seconds": round(float(np.mean([read(path, "fit")["fit_cpu_seconds"] for path in paths])), 1),
        }
    print(mixer, results, flush=True)
    return results


def by_history(contest: Contest, mixer: str, rate: float, work: Path) -> dict[str, float]:
    """Mean over the seeds of `zoo.py`."""
    kept = work / f"history-{DATASET}-{mixer}-{rate:g}.json"
    if kept.exists():
        return json.loads(kept.read_text())
    models = [tsssm.load(path_of(work / DATASET, mixer, rate, seed)) for seed in SEEDS]
    first = max(contest.train + contest.held_out, *HISTORIES)
    cutoffs = range(first, len(contest.y) - HORIZON + 1, CUTOFF_EVERY)
    errors = {
        str(rows): round(float(np.mean([mean_errors(m, contest.y, cutoffs, rows)["network"] for m in models])), 5)
        for rows in HISTORIES
    }
    kept.write_text(json.dumps(errors))
    return errors


if __name__ == "__main__":
    main()
