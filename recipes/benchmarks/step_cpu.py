"""One step of whole networks on a CPU: the compiled step that streams run against the network's own, in eager torch.

    python recipes/benchmarks/step_cpu.py

Two blocks of width 64, patches of 16 observations without covariates; a step makes the token of the observations too.
For one stream, p50 and p99 over many calls; for 64 and 10,000 streams in one batch, updates a second; on one thread. In
turns of some calls of either, as a service makes one kind of call and no other. It is told how far the numbers of both
lie apart.
"""

from __future__ import annotations

import time

import numpy as np
import torch
from torch import Tensor

from report import write_report
from tsssm.mixers import RWKV7, Attention, Mamba, RotaryAverage
from tsssm.network import ForecastNetwork, TokenStep, token_features

SEED, PATCH = 0, 16
TURNS = {1: (40, 100), 64: (20, 20), 10_000: (4, 3)}  # of how many calls
QUANTILES = (0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95)


def main() -> None:
    torch.set_num_threads(1)
    torch.manual_seed(SEED)
    results = {}
    for mixer in (Mamba, RotaryAverage, RWKV7, Attention):
        network = ForecastNetwork([mixer] * 2, patch_length=PATCH, n_covariates=0, horizon=48, levels=QUANTILES).eval()
        for streams, turns in TURNS.items():
            name = f"{mixer.name}, {streams} streams"
            results[name] = compare(network, streams, *turns)
            print(name, results[name], flush=True)
    write_report("step_cpu", {"seed": SEED, "turns": TURNS, "results": results})


def compare(network: ForecastNetwork, streams: int, turns: int, calls: int) -> dict:
    compiled, given = TokenStep(network), observations(streams)
    state = network.initial_state(streams)
    for _ in range(40):  # attention's ring is full
        _, state = compiled(*given, state)
    contenders = {"eager": lambda: eager(network, given, state), "compiled": lambda: compiled(*given, state)}
    difference = largest_difference(*(run() for run in contenders.values()))
    wall: dict[str, list[float]] = {name: [] for name in contenders}
    cpu: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(turns):
        for name, run in contenders.items():
            run()
            for _ in range(calls):
                begin, begin_cpu = time.perf_counter(), time.process_time()
                run()
                wall[name].append(time.perf_counter() - begin)
                cpu[name].append(time.process_time() - begin_cpu)
    return {
        "state_bytes": network.state_bytes(),
        "largest_difference": difference,
        **{
            name: {
                "p50_us": rounded(np.median(times) * 1e6),
                "p99_us": rounded(np.quantile(times, 0.99) * 1e6),
                "updates_a_second": rounded(streams / np.median(times)),
                "updates_a_second_of_cpu_time": rounded(streams / np.median(cpu[name])),
            }
            for name, times in wall.items()
        },
    }


def observations(streams: int) -> list[Tensor]:
    """Values, covariates, location and scale of the token."""
    values = torch.randn(streams, PATCH, dtype=torch.float64)
    location = torch.randn(streams, 1, dtype=torch.float64)
    return [values, torch.zeros(streams, PATCH, 0), location, location.abs() + 0.5]


@torch.no_grad()
def eager(network: ForecastNetwork, given: list[Tensor], state: tuple) -> tuple[Tensor, tuple]:
    return network.step(token_features(*given)[:, 0], state)


def largest_difference(one: tuple[Tensor, tuple], other: tuple[Tensor, tuple]) -> float:
    """Of the features of the token."""
    return float((one[0] - other[0]).abs().max())


def rounded(value: float) -> float:
    return float(f"{value:.4g}")


if __name__ == "__main__":
    main()
