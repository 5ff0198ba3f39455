"""A stream's speed: update plus predict, per step and over 100,000 steps, and whether time or memory grows.

    python recipes/benchmarks/stream_speed.py

The equality of the stream with batch `predict` is checked along the way.
"""

from __future__ import annotations

import gc
import resource
import time

import numpy as np
import pandas as pd

import tsssm_datasets
from report import write_report
from tsssm import MambaForecaster

STEPS, SEED = 100_000, 0
CHECKS = {"step": (1, 10, 1_000, 100_000), "patch": (24, 240, 1_008, 99_984)}  # patch: at boundaries


def main() -> None:
    y = tsssm_datasets.load("electricity")
    model = MambaForecaster(24, max_steps=100, random_state=SEED, verbose=False).fit(y.iloc[:10_000])
    long = endless(y, STEPS + 10_000)
    results = {}
    for refresh in ("step", "patch"):
        results[refresh] = follow(model, long, refresh)
        print(refresh, results[refresh])
    write_report("stream_speed", {"seed": SEED, "steps": STEPS, "refresh": results})


def endless(y: pd.Series, rows: int) -> pd.Series:
    """The series repeated, with holes, as long as needed."""
    values = np.resize(y.to_numpy(), rows)
    values[np.random.default_rng(SEED).random(rows) < 0.01] = np.nan
    values[:10] = y.iloc[:10]
    return pd.Series(values, pd.date_range(y.index[0], periods=rows, freq="h"), name=y.name)


def follow(model: MambaForecaster, long: pd.Series, refresh: str) -> dict:
    history = long.iloc[:10_000]
    stream = model.stream(history, refresh=refresh)
    deviation, values = float(long.std()), long.iloc[10_000:].to_numpy()
    update, both, differences, memory = np.empty(STEPS), [], {}, {}
    gc.collect()
    for step in range(STEPS):
        begin = time.perf_counter()
        stream.update(values[step])
        update[step] = time.perf_counter() - begin
        if step % 20 == 0:
            stream.predict()
            both.append(time.perf_counter() - begin)
        done = step + 1
        if done in CHECKS[refresh]:
            batch = model.predict_quantiles(long.iloc[: 10_000 + done]).to_numpy()
            differences[done] = float(np.abs(stream.predict_quantiles().to_numpy() - batch).max() / deviation)
        if done in (STEPS // 10, STEPS):
            memory[done] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    tenth = STEPS // 10
    ends = {"first tenth": update[:tenth], "last tenth": update[-tenth:]}
    return {
        "update_p50_us": round(float(np.median(update)) * 1e6, 1),
        "update_p99_us": round(float(np.quantile(update, 0.99)) * 1e6, 1),
        "update_plus_predict_p50_us": round(float(np.median(both)) * 1e6, 1),
        "update_p50_us_of": {name: round(float(np.median(times)) * 1e6, 1) for name, times in ends.items()},
        "state_bytes": stream.state_bytes(),
        "peak_memory_mib": memory,
        "largest_difference_from_predict_in_deviations": differences,
    }


if __name__ == "__main__":
    main()
