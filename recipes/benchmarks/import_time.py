"""What `from tsssm import MambaForecaster` costs beside importing torch, scikit-learn's base, pandas and numba.

    python recipes/benchmarks/import_time.py

Each import runs in a process of its own; the two take turns.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time

from report import write_report

ROUNDS = 9
CODE = {
    "parts": "import torch, sklearn.base, pandas, numba",
    "tsssm": "from tsssm import MambaForecaster",
    "tsssm alone": "import tsssm",
}


def main() -> None:
    seconds: dict[str, list[float]] = {name: [] for name in CODE}
    for _ in range(ROUNDS):
        for name, code in CODE.items():
            begin = time.perf_counter()
            subprocess.run([sys.executable, "-c", code], check=True)
            seconds[name].append(time.perf_counter() - begin)
    medians = {name: round(statistics.median(times), 3) for name, times in seconds.items()}
    ratio = statistics.median(a / b for a, b in zip(seconds["tsssm"], seconds["parts"]))
    print(medians, f"ratio {ratio:.3f}")
    write_report("import_time", {"rounds": ROUNDS, "median_seconds": medians, "median_ratio": round(ratio, 3)})


if __name__ == "__main__":
    main()
