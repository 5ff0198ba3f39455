"""The kernels on a GPU: right first, then their time, against other packages, attention and the memory's speed.

    python recipes/benchmarks/kernels_gpu.py [--cases "slstm, 4 heads of 32"] [--lengths 512 4096 ...] [--out DIR]

1. Every operator against the loop in float64: outputs, states, all gradients, with resets and without, in float32, and
   in bfloat16, and in float16 but where inputs make it hard. What is wrong is told, and the script's exit status is 1.
2. Forward and backward of each case, batch times length held at 131,072 steps where there are so many, in float32 and
   bfloat16: ours, the chunked form, flash-linear-attention and mamba-ssm where they can be imported, attention of torch
   (causal, as many heads and as wide) and a copy of as many bytes as the inputs, outputs and gradients have: the floor.
   Contenders take turns; medians. One that fails, for want of memory or other reasons, is told as such.
3. A training step of each mixer's forecaster and of its transformer twin, at 110,000 parameters, in float32 and in
   bfloat16 by autocast.

After each case and mixer it writes kernels_gpu.json, kernels_gpu.md and kernels_gpu.png to `--out`, docs/benchmarks by
default. Without a GPU nothing can be measured, and it says so; with ``TRITON_INTERPRET=1`` and `--device cpu` it runs
in the interpreter, to try the script, and has to be told a folder: such times are none of ours.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from kernel_cases import CASES
from report import RESULTS, write_report
from tsssm import Forecaster, Training, TransformerForecaster, match_parameters
from tsssm_kernels.conformance import check_kernels, find_operators
from tsssm_kernels.gpu_launch import is_interpreted
from zoo import MIXERS
from zoo_page import table

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}
PRECISIONS = ("32-true", "bf16-mixed")
STEPS, LENGTHS, ROUNDS = 131_072, (512, 2048, 8192, 32_768, 131_072), 15
BACKBONE = 110_000
OURS, FLOOR = "triton", "share_of_floor"
PEERS = {"fla": "flash-linear-attention", "mamba-ssm": "mamba-ssm", "attention": "attention", "chunked": "chunked form"}

Row = dict[str, Any]


def main() -> None:
    options = read_options()
    on_gpu = options.device != "cpu"
    device = torch.cuda.get_device_name() if on_gpu else "interpreter"
    report: dict[str, Any] = {"device": device, "steps": options.steps, "rounds": options.rounds}
    report |= {"right": [], "wrong": {}, "operators": [], "training_steps": []}
    check(options.device, {name.split(",")[0] for name in options.cases}, report)
    for name in options.cases:
        for length in options.lengths:
            for dtype in DTYPES:
                report["operators"] += measure(name, length, dtype, options)
        save(report, options.out)
    for mixer in options.mixers:
        report["training_steps"] += [training_step(mixer, options.device, precision) for precision in PRECISIONS]
        save(report, options.out)
    sys.exit(bool(report["wrong"]))


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument("--lengths", nargs="+", type=int, default=list(LENGTHS))
    parser.add_argument("--steps", type=int, default=STEPS, help="batch times length")
    parser.add_argument("--mixers", nargs="*", default=list(MIXERS))
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    if options.device != "cpu":
        if not torch.cuda.is_available():
            sys.exit("There is no GPU here: nothing was measured.")
    elif not is_interpreted():
        parser.error("on a CPU kernels run in Triton's interpreter alone: set TRITON_INTERPRET=1")
    elif options.out is None or options.out.resolve() == RESULTS:
        parser.error("the interpreter's times do not belong into docs/benchmarks: name another folder with --out")
    options.out = options.out or RESULTS
    return options


def save(report: dict[str, Any], folder: Path) -> None:
    """All that is known so far, as JSON, in tables, and drawn."""
    write_report("kernels_gpu", report, folder)
    (folder / "kernels_gpu.md").write_text(page(report))
    rows = pd.DataFrame(report["operators"])
    if "both_ms" in rows:
        figure = draw(rows.dropna(subset="both_ms"))
        figure.savefig(folder / "kernels_gpu.png", dpi=110)
        plt.close(figure)


def check(device: str, names: set[str], report: dict[str, Any]) -> None:
    """The cases of the conformance checks that were found right, and what is wrong with the others."""
    on_gpu = device != "cpu"
    for name, operator in find_operators().items():
        if name not in names or not operator.on_gpu:
            continue
        checks = [
            (case, make, {"lengths": (1, 19, 300, 2000) if on_gpu else (19,)}) for case, make in operator.cases.items()
        ]
        if on_gpu:
            checks += [(case, make, {"lengths": (18, 300)}) for case, make in operator.wide.items()]
            checks += [
                (case, make, {"lengths": (4096,), "half_types": (torch.bfloat16,)})
                for case, make in operator.hard.items()
            ]
        for case, make, settings in checks:
            try:
                check_kernels(operator, make, device, **settings)
            except Exception as error:  # of the check, of a compiler or of a device
                report["wrong"][f"{name}, {case}"] = told(error)
                print("WRONG:", name, case, told(error), flush=True)
            else:
                report["right"].append(f"{name}, {case}")
        print("checked:", name, flush=True)


def told(error: Exception) -> str:
    """In a line."""
    return " ".join(f"{type(error).__name__}: {error}".split())[:300]


def measure(name: str, length: int, dtype: str, options: argparse.Namespace) -> list[Row]:
    """A row for each contender: milliseconds forward, and forward and backward; or why there are none."""
    about = {"case": name, "length": length, "batch": max(1, options.steps // length), "dtype": dtype}
    try:
        contest = contest_of(name, length, about["batch"], DTYPES[dtype], options)
        floor = 1e3 * statistics.median(
            seconds(contest.copied.clone, options.device) for _ in range(max(3, options.rounds))
        )
    except Exception as error:  # inputs alone do not fit
        rows = [about | {"contender": OURS, "error": told(error)}]
    else:
        rows = [about | {"contender": contender} | times for contender, times in interleaved(contest, options).items()]
        for row in rows:
            if "both_ms" in row:
                row[FLOOR] = round(floor / row["both_ms"], 4)
    for row in rows:
        print(row, flush=True)
    if options.device != "cpu":
        torch.cuda.empty_cache()
    return rows


class Contest(NamedTuple):
    """Calls for the same work, what they are differentiated by, and what to copy to move as many bytes."""

    runs: dict[str, Callable[[], Tensor]]
    tensors: list[Tensor]
    copied: Tensor


def contest_of(name: str, length: int, batch: int, kind: torch.dtype, options: argparse.Namespace) -> Contest:
    case, generator = CASES[name], torch.Generator(options.device).manual_seed(0)

    def normal(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator, device=options.device)

    inputs = {
        key: x.to(kind if x.is_floating_point() else x.dtype).detach().requires_grad_() if isinstance(x, Tensor) else x
        for key, x in case.make(normal, batch, length).items()
    }
    runs: dict[str, Callable[[], Tensor]] = {OURS: lambda: case.function(**inputs, backend="triton")[0]}
    if name.split(",")[0] != "slstm" and length <= 32_768:
        runs["chunked"] = lambda: case.function(**inputs, backend="chunked")[0]
    if options.device != "cpu":
        runs |= peers(name, inputs)
    if "q" in inputs and length <= 32_768:
        shaped = [inputs[key].transpose(1, 2) for key in ("q", "k", "v")]
        runs["attention"] = lambda: scaled_dot_product_attention(*shaped, is_causal=True)
    tensors = [x for x in inputs.values() if isinstance(x, Tensor)]
    output = inputs[next(key for key in ("v", "u", "x", "gates") if key in inputs)]
    n_bytes = sum(x.nbytes for x in tensors) + output.nbytes // (4 if "gates" in inputs else 1)
    return Contest(runs, tensors, torch.empty(n_bytes, dtype=torch.uint8, device=options.device))


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


def interleaved(contest: Contest, options: argparse.Namespace) -> dict[str, Row]:
    """Medians, in milliseconds; the contenders take turns, and those that fail leave."""
    took: dict[str, list[tuple[float, float]]] = {name: [] for name in contest.runs}
    failed: dict[str, Row] = {}

    def differentiate(run: Callable[[], Tensor]) -> None:
        y = run()
        torch.autograd.grad(y, contest.tensors, torch.ones_like(y), allow_unused=True)

    for turn in range(-2, options.rounds):  # the first two are compiling and warming up
        for name, run in contest.runs.items():
            if name in failed:
                continue
            try:
                with torch.no_grad():
                    forward = seconds(run, options.device)
                both = seconds(lambda run=run: differentiate(run), options.device)
            except Exception as error:  # of memory, of a compiler, or a size that another package does not take
                failed[name] = {"error": told(error)}
            else:
                took[name] += [(forward, both)] if turn >= 0 else []
    medians = {
        name: dict(zip(("forward_ms", "both_ms"), (round(1e3 * statistics.median(some), 4) for some in zip(*times))))
        for name, times in took.items()
        if name not in failed
    }
    return medians | failed


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


def training_step(mixer: str, device: str, precision: str) -> Row:
    """Milliseconds of a step of the whole network, ours and its twin's: between fits of few and of more steps."""
    y = pd.DataFrame(
        np.random.default_rng(0).normal(size=(4000, 8)), index=pd.date_range("2020", periods=4000, freq="h")
    )
    few, many = (20, 120) if device != "cpu" else (1, 2)
    settings = {"device": device, "learning_rate": 1e-3, "training": Training(precision=precision), "verbose": False}
    row: Row = {"mixer": mixer, "precision": precision}
    try:
        ours = match_parameters(BACKBONE, Forecaster(48, mixer=mixer, base=None, validation_size=0, **settings))
        for name, model in (("ours", ours), ("transformer", TransformerForecaster.matched_to(ours))):
            took = []
            for steps in (few, few, many):
                begin = time.perf_counter()
                model.set_params(max_steps=steps).fit(y)
                took.append(time.perf_counter() - begin)
            row[f"{name}_ms"] = round(1e3 * (took[2] - took[1]) / (many - few), 3)
    except Exception as error:  # the others are still to be measured
        row["error"] = told(error)
    print(row, flush=True)
    return row


def page(report: dict[str, Any]) -> str:
    """The tables, and what failed."""
    parts = [
        "---\norphan: true\n---",
        "# Kernels on a GPU",
        f"{report['device']}; {report['steps']:,} steps (batch times length), medians of {report['rounds']} calls.",
        f"Cases found right: {len(report['right'])}; wrong: {len(report['wrong'])}.",
        *(f"- {case}: {what}" for case, what in report["wrong"].items()),
        "Milliseconds; *both* is forward and backward. Below others' names our time, both, in units of theirs; below "
        "floor that of a copy that moves as many bytes as must be moved, in units of ours.",
        table(
            ["", "dtype", "length", "forward", "both", *PEERS.values(), "floor"], operator_cells(report["operators"])
        ),
    ]
    steps = [row for row in report["training_steps"] if "error" not in row]
    if steps:
        header = ["milliseconds a training step", "precision", "ours", "transformer"]
        parts.append(
            table(
                header, [[r["mixer"], r["precision"], f"{r['ours_ms']:g}", f"{r['transformer_ms']:g}"] for r in steps]
            )
        )
    failed = [row for row in [*report["operators"], *report["training_steps"]] if "error" in row]
    parts += ["What failed:"] if failed else []
    parts += [
        f"- {', '.join(str(value) for key, value in row.items() if key != 'error')}: {row['error']}" for row in failed
    ]
    return "\n\n".join(parts) + "\n"


def operator_cells(rows: list[Row]) -> list[list[str]]:
    """A line for each case, dtype and length."""
    groups: dict[tuple[str, str, int], dict[str, Row]] = {}
    for row in rows:
        groups.setdefault((row["case"], row["dtype"], row["length"]), {})[row["contender"]] = row
    lines = []
    for (case, dtype, length), by_contender in groups.items():
        ours = by_contender.get(OURS, {})
        both = ours.get("both_ms")
        theirs = [by_contender.get(peer, {}).get("both_ms") for peer in PEERS]
        ratios = [f"{both / one:.3f}" if both and one else "" for one in theirs]
        own = [f"{ours[key]:g}" if key in ours else "failed" for key in ("forward_ms", "both_ms")]
        lines.append([case, dtype, f"{length:,}", *own, *ratios, f"{ours[FLOOR]:.3f}" if FLOOR in ours else ""])
    return lines


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
