"""Time and memory of one long sequence, forward and backward, against causal attention while it is bearable.

    python recipes/benchmarks/long_sequences.py

64 channels in heads of 16, lengths from 1,024 to 131,072, each in a process of its own, one thread: medians of three
runs. Memory is the process's peak less what it held before, as Linux counts them.
Writes ``docs/benchmarks/long_sequences.json`` and ``.png``.
"""

from __future__ import annotations

import os

os.environ["OMP_NUM_THREADS"] = "1"

import json
import subprocess
import sys

import matplotlib.pyplot as plt

from report import RESULTS, write_report

LENGTHS = tuple(1024 * 2**i for i in range(8))
LONGEST_ATTENTION = 32768  # takes minutes beyond
NAMES = ("selective scan", "decay attention", "delta rule", "attention")
SEED = 0

MEASUREMENT = """
import pathlib, sys, time, torch
from torch.nn.functional import normalize, scaled_dot_product_attention
from tsssm_kernels import decay_attention, delta_rule, selective_scan
name, length = sys.argv[1], int(sys.argv[2])
torch.set_num_threads(1)
torch.manual_seed(0)

def inputs(length):
    x = lambda *shape: torch.randn(1, length, *shape)
    if name == "selective scan":
        given = [x(64), x(64).abs(), -torch.rand(64, 16), x(16), x(16)]
    elif name == "decay attention":
        given = [x(4, 16), x(4, 16), x(4, 16), -x(4).abs()]
    elif name == "delta rule":
        a = normalize(x(4, 16), dim=-1)
        given = [x(4, 16), x(4, 16), x(4, 16), -a, a / 2, -x(4).abs()]
    else:
        given = [x(4, 16).transpose(1, 2) for _ in range(3)]
    return [tensor.requires_grad_() for tensor in given]

operator = {"selective scan": selective_scan, "decay attention": decay_attention, "delta rule": delta_rule}.get(name)

def run(given):
    y = operator(*given)[0] if operator else scaled_dot_product_attention(*given, is_causal=True)
    torch.autograd.grad(y, given, y.detach())

def mebibytes(field):
    lines = pathlib.Path("/proc/self/status").read_text().splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith(field))) / 1024

def seconds():
    begin = time.process_time()
    run(given)
    return time.process_time() - begin

run(inputs(64))  # compiled code is there
given = inputs(length)
pathlib.Path("/proc/self/clear_refs").write_text("5")  # the peak counts from here
before = mebibytes("VmRSS")
first = seconds()
print(mebibytes("VmHWM") - before, sorted([first, seconds(), seconds()])[1])
"""


def main() -> None:
    found: dict[str, dict[int, dict[str, float]]] = {name: {} for name in NAMES}
    for length in LENGTHS:
        for name in NAMES:
            if name == "attention" and length > LONGEST_ATTENTION:
                continue
            command = [sys.executable, "-c", MEASUREMENT, name, str(length)]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            mebibytes, seconds = map(float, done.stdout.split())
            found[name][length] = {"cpu_seconds": round(seconds, 3), "mebibytes": round(mebibytes, 1)}
            print(name, length, json.dumps(found[name][length]), flush=True)
    write_report("long_sequences", {"seed": SEED, "channels": 64, "head_width": 16, "by_length": found})
    plot(found)


def plot(found: dict[str, dict[int, dict[str, float]]]) -> None:
    figure, axes = plt.subplots(1, 2, figsize=(9, 3.8), layout="constrained")
    for ax, key, label in zip(axes, ("cpu_seconds", "mebibytes"), ("CPU seconds", "memory, MiB")):
        for name, by_length in found.items():
            ax.plot(list(by_length), [point[key] for point in by_length.values()], "o-", label=name, markersize=4)
        ax.set(xscale="log", yscale="log", xlabel="length", ylabel=label)
        ax.set_xticks(LENGTHS, [f"{length // 1024}k" for length in LENGTHS])
        ax.minorticks_off()
        ax.grid(alpha=0.3)
    axes[0].legend(frameon=False)
    axes[0].set_title("forward and backward, 64 channels, one thread")
    figure.savefig(RESULTS / "long_sequences.png", dpi=120)


if __name__ == "__main__":
    main()
