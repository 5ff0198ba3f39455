"""Seconds of the demo's first fit, 300 steps, in new processes; other checkouts beside it for a before and after.

    python recipes/benchmarks/first_fit.py [--checkouts NAME=FOLDER ...] [--rounds 3]

Each checkout takes its turn in every round: first with an empty cache of compiled code, then with a filled one. Without
checkouts, the installed library alone is timed. Writes ``docs/benchmarks/first_fit.json``.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile

from report import write_report

FIT = """
import json, time
import lightning
from tsssm import MambaForecaster
from tsssm_datasets import load
y = load("electricity")
y = y.iloc[: int(0.8 * len(y))]
begin = time.perf_counter()
model = MambaForecaster(24, max_steps=300, verbose=False).fit(y)
seconds = time.perf_counter() - begin
begin = time.perf_counter()
model.predict()
print(json.dumps({"fit": seconds, "first_predict": time.perf_counter() - begin}))
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--checkouts", nargs="+", default=[], metavar="NAME=FOLDER")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    folders = dict(pair.split("=", 1) for pair in options.checkouts) or {"installed": ""}
    times: dict[str, dict[str, list[dict]]] = {name: {"empty cache": [], "filled cache": []} for name in folders}
    for _ in range(options.rounds):
        for name, folder in folders.items():
            with tempfile.TemporaryDirectory() as cache:
                for state in ("empty cache", "filled cache"):
                    times[name][state].append(fit(folder, cache))
                    print(name, state, times[name][state][-1], flush=True)
    medians = {
        name: {
            state: {key: round(statistics.median(one[key] for one in rounds), 2) for key in rounds[0]}
            for state, rounds in states.items()
        }
        for name, states in times.items()
    }
    write_report("first_fit", {"seed": 0, "steps": 300, "rounds": options.rounds, "median_seconds": medians})


def fit(folder: str, cache: str) -> dict[str, float]:
    """Seconds of fit and of the first forecast in a new process."""
    roots = [os.path.join(folder, part) for part in ("", "kernels", "datasets")] if folder else []
    environment = {**os.environ, "NUMBA_CACHE_DIR": cache}
    if roots:
        environment["PYTHONPATH"] = os.pathsep.join(roots)
    command = [sys.executable, "-c", FIT]  # from a folder without a checkout, which would be imported first
    done = subprocess.run(command, cwd=cache, env=environment, capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


if __name__ == "__main__":
    main()
