"""Time contenders in turns, so that what else a machine does falls on all of them alike."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable


def time_in_turns(contenders: dict[str, Callable[[], object]], rounds: int) -> dict[str, dict[str, float]]:
    """Medians over `rounds`, in milliseconds, of the process's CPU time and of wall time; one round unmeasured."""
    cpu: dict[str, list[float]] = {name: [] for name in contenders}
    wall: dict[str, list[float]] = {name: [] for name in contenders}
    for turn in range(rounds + 1):
        for name, run in contenders.items():
            gc.collect()
            begin_cpu, begin_wall = time.process_time(), time.perf_counter()
            run()
            if turn:
                cpu[name].append(time.process_time() - begin_cpu)
                wall[name].append(time.perf_counter() - begin_wall)
    return {name: {"cpu_ms": _milliseconds(cpu[name]), "wall_ms": _milliseconds(wall[name])} for name in contenders}


def _milliseconds(times: list[float]) -> float:
    return float(f"{statistics.median(times) * 1e3:.4g}")
