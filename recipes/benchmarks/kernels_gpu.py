"""The kernels on a GPU: right first, then their time, against other packages, attention and the memory's speed.

    python recipes/benchmarks/kernels_gpu.py [--cases "slstm, 4 heads of 32"] [--lengths 512 4096 ...] [--out DIR]

1. Every operator against the loop in float64: outputs, states, all gradients, float32 and bfloat16, resets, states.
2. Forward and backward of each case, batch times length held at 131,072 steps where there are so many, in float32 and
   bfloat16: ours, the chunked form, flash-linear-attention and mamba-ssm where they can be imported, attention of torch
   (causal, as many heads and as wide) and a copy of as many bytes as the inputs, outputs and gradients have: the floor.
   Contenders take turns; medians.
3. A training step of each mixer's forecaster and of its transformer twin, at 110,000 parameters.

Writes kernels_gpu.json and kernels_gpu.png to `--out`, docs/benchmarks by default. Without a GPU nothing can be
measured, and it says so; with ``TRITON_INTERPRET=1`` and `--device cpu` it runs in the interpreter, to try the script.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from kernel_cases import CASES
from report import RESULTS, write_report
from tsssm import Forecaster, TransformerForecaster, match_parameters
from tsssm_kernels.conformance import check_kernels, find_operators
from zoo import MIXERS

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}
STEPS, LENGTHS, ROUNDS = 131_072, (512, 2048, 8192, 32_768, 131_072), 15
BACKBONE = 110_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument("--lengths", nargs="+", type=int, default=list(LENGTHS))
    parser.add_argument("--steps", type=int, default=STEPS, help="batch times length")
    parser.add_argument("--mixers", nargs="*", default=list(MIXERS))
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--out", type=Path, default=RESULTS)
    options = parser.parse_args()
    if options.device == "cuda" and not torch.cuda.is_available():
        sys.exit("There is no GPU here: nothing was measured.")
    checked = check(options.device, {name.split(",")[0] for name in options.cases})
    rows = [
        row
        for name in options.cases
        for length in options.lengths
        for dtype in DTYPES
        for row in measure(name, length, dtype, options)
    ]
    steps = [training_step(mixer, options.device) for mixer in options.mixers]
    device = torch.cuda.get_device_name() if options.device == "cuda" else "interpreter"
    figures = {"device": device, "checked": checked, "steps": options.steps, "rounds": options.rounds}
    write_report("kernels_gpu", figures | {"operators": rows, "training_steps": steps}, options.out)
    draw(pd.DataFrame(rows)).savefig(options.out / "kernels_gpu.png", dpi=110)


def check(device: str, names: set[str]) -> list[str]:
    """The cases of the conformance checks that were found right; the first that is not ends the script."""
    on_gpu = device != "cpu"
    checked = []
    for name, operator in find_operators().items():
        if name not in names or not operator.on_gpu:
            continue
        for case, make in operator.cases.items():
            check_kernels(operator, make, device, (1, 19, 300, 2000) if on_gpu else (19,))
            checked.append(f"{name}, {case}")
        for case, make in operator.wide.items() if on_gpu else ():
            check_kernels(operator, make, device, (18, 300))
            checked.append(f"{name}, {case}")
        for case, make in operator.hard.items() if on_gpu else ():
            check_kernels(operator, make, device, (4096,))
            checked.append(f"{name}, {case}")
        print("right:", name, flush=True)
    return checked


def measure(name: str, length: int, dtype: str, options: argparse.Namespace) -> list[dict[str, Any]]:
    """A row for each contender: milliseconds forward, and forward and backward."""
    case, kind, batch = CASES[name], DTYPES[dtype], max(1, options.steps // length)
    generator = torch.Generator(options.device).manual_seed(0)

    def normal(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator, device=options.device)

    inputs = {
        key: x.to(kind if x.is_floating_point() else x.dtype).detach().requires_grad_() if isinstance(x, Tensor) else x
        for key, x in case.make(normal, batch, length).items()
    }
    runs: dict[str, Callable[[], Tensor]] = {"triton": lambda: case.function(**inputs, backend="triton")[0]}
    if name.split(",")[0] != "slstm" and length <= 32_768:
        runs["chunked"] = lambda: case.function(**inputs, backend="chunked")[0]
    if options.device != "cpu":
        runs |= peers(name, inputs)
    if "q" in inputs and length <= 32_768:
        shaped = [inputs[key].transpose(1, 2) for key in ("q", "k", "v")]
        runs["attention"] = lambda: scaled_dot_product_attention(*shaped, is_causal=True)
    times = interleaved(runs, [x for x in inputs.values() if isinstance(x, Tensor)], options)
    moved = 2 * sum(x.nbytes for x in inputs.values() if isinstance(x, Tensor)) + 2 * runs["triton"]().nbytes
    source = torch.empty(moved // 2, dtype=torch.uint8, device=options.device)
    copies = [seconds(source.clone, options.device) for _ in range(options.rounds)]
    floor = 1e3 * statistics.median(copies)
    rows = []
    for contender, (forward, both) in times.items():
        row = {"case": name, "length": length, "batch": batch, "dtype": dtype, "contender": contender}
        rows.append(row | {"forward_ms": forward, "both_ms": both, "share_of_floor": round(floor / both, 4)})
        print(rows[-1], flush=True)
    return rows


def peers(name: str, inputs: dict[str, Any]) -> dict[str, Callable[[], Tensor]]:
    """Other packages' calls for the same work, where they have any and can be imported."""
    operator, kind, *_ = (part.strip() for part in name.split(","))
    found: dict[str, Callable[[], Tensor]] = {}
    try:
        from fla.ops.gated_delta_rule import chunk_gated_delta_rule
        from fla.ops.generalized_delta_rule import chunk_dplr_delta_rule
        from fla.ops.gla import chunk_gla
        from fla.ops.simple_gla import chunk_simple_gla
    except ImportError as error:
        print("no flash-linear-attention:", error)
    else:
        q, k, v, log = (inputs.get(key) for key in ("q", "k", "v", "log_decay"))
        if operator == "decay_attention" and kind == "heads":
            found["fla"] = lambda: chunk_simple_gla(q, k, v, log, scale=1.0)[0]
        elif operator == "decay_attention" and kind == "keys":
            found["fla"] = lambda: chunk_gla(q, k, v, log, scale=1.0)[0]
        elif operator == "delta_rule" and kind == "heads":
            beta = inputs["b"].detach().norm(dim=-1)
            found["fla"] = lambda: chunk_gated_delta_rule(q, -inputs["a"], v, log, beta, scale=1.0)[0]
        elif operator == "delta_rule" and kind == "keys":
            found["fla"] = lambda: chunk_dplr_delta_rule(q, k, v, inputs["a"], inputs["b"], log, scale=1.0)[0]
    if operator == "selective_scan":
        try:
            from mamba_ssm.ops.selective_scan_interface import selective_scan_fn
        except ImportError as error:
            print("no mamba-ssm:", error)
        else:
            u, delta, B, C, z = (inputs[key].transpose(1, 2) for key in ("u", "delta", "B", "C", "z"))
            A, D, bias = inputs["A"].float(), inputs["D"].float(), inputs["delta_bias"].float()
            found["mamba-ssm"] = lambda: selective_scan_fn(u, delta, A, B, C, D, z, bias, delta_softplus=True)
    return found


def interleaved(
    runs: dict[str, Callable[[], Tensor]], tensors: list[Tensor], options: argparse.Namespace
) -> dict[str, tuple[float, float]]:
    """Medians, in milliseconds; the contenders take turns."""
    forward, both = {name: [] for name in runs}, {name: [] for name in runs}

    def differentiate(run: Callable[[], Tensor]) -> None:
        y = run()
        torch.autograd.grad(y, tensors, torch.ones_like(y), allow_unused=True)

    for turn in range(-2, options.rounds):  # the first two are compiling and warming up
        for name, run in runs.items():
            with torch.no_grad():
                one = seconds(run, options.device)
            two = seconds(lambda run=run: differentiate(run), options.device)
            if turn >= 0:
                forward[name].append(one)
                both[name].append(two)
    return {name: tuple(round(1e3 * statistics.median(x[name]), 4) for x in (forward, both)) for name in runs}


def seconds(run: Callable[[], Any], device: str) -> float:
    if device == "cpu":
        begin = time.perf_counter()
        run()
        return time.perf_counter() - begin
    begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    begin.record()
    run()
    end.record()
    end.synchronize()
    return begin.elapsed_time(end) / 1e3


def training_step(mixer: str, device: str) -> dict[str, Any]:
    """Milliseconds of a step of the whole network, ours and its twin's: between fits of few and of more steps."""
    y = pd.DataFrame(
        np.random.default_rng(0).normal(size=(4000, 8)), index=pd.date_range("2020", periods=4000, freq="h")
    )
    few, many = (20, 120) if device != "cpu" else (1, 2)
    recipe = Forecaster(48, mixer=mixer, base=None, validation_size=0, device=device, learning_rate=1e-3, verbose=False)
    ours = match_parameters(BACKBONE, recipe)
    twin = TransformerForecaster.matched_to(ours)
    took: dict[str, list[float]] = {"ours": [], "transformer": []}
    for name, model in (("ours", ours), ("transformer", twin)):
        for steps in (few, few, many):
            begin = time.perf_counter()
            model.set_params(max_steps=steps).fit(y)
            took[name].append(time.perf_counter() - begin)
    row = {name: round(1e3 * (times[2] - times[1]) / (many - few), 3) for name, times in took.items()}
    print(mixer, row, flush=True)
    return {"mixer": mixer} | {f"{name}_ms": value for name, value in row.items()}


def draw(rows: pd.DataFrame) -> plt.Figure:
    """Forward and backward by length, a panel a case."""
    cases = rows["case"].unique()
    figure, panels = plt.subplots(-(-len(cases) // 3), 3, figsize=(12, 3 * -(-len(cases) // 3)), squeeze=False)
    for panel, case in zip(panels.flat, cases):
        of_case = rows[(rows["case"] == case) & (rows["dtype"] == "bfloat16")]
        for contender, times in of_case.groupby("contender"):
            panel.plot(times["length"], times["both_ms"], marker="o", label=contender)
        panel.set(title=case, xscale="log", yscale="log", xlabel="length", ylabel="ms")
        panel.legend(frameon=False, fontsize=8)
    figure.tight_layout()
    return figure


if __name__ == "__main__":
    main()
