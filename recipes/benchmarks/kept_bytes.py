"""Bytes that operators keep for the backward pass, beside their inputs, for each number of the input.

    python recipes/benchmarks/kept_bytes.py

Counted are the memories that the forward pass saves (`torch.autograd.graph.saved_tensors_hooks`), each once and as a
whole, but for those of inputs. At three lengths: written are the bytes by which they grow, for each number by which the
input grows, what is left over at length 0, and whether both steps in length grow alike. Depends on no machine's speed.
"""

from __future__ import annotations

import os

os.environ["OMP_NUM_THREADS"] = "1"

from collections.abc import Callable
from functools import partial
from itertools import pairwise

import torch
from torch import Tensor

from every_operator import (
    Example,
    attention_example,
    decay_example,
    delta_example,
    diagonal_example,
    long_convolution_example,
    mamba_example,
    scan_example,
    short_convolution_example,
    slstm_example,
)
from report import write_report

BATCH, LENGTHS, SEED = 4, (1024, 2048, 4096), 0
CASES: dict[str, Callable[[int, int], Example]] = {
    "selective_scan, state of 16": scan_example,
    "mamba_inner, 64 channels, state of 16, rank 4": mamba_example,
    **{f"decay_attention, heads of {width}": partial(decay_example, width=width) for width in (16, 32, 64)},
    **{f"delta_rule, heads of {width}": partial(delta_example, width=width) for width in (16, 32, 64)},
    "diagonal_scan, state of 8": diagonal_example,
    "diagonal_scan, state of 32": partial(diagonal_example, state=32),
    "diagonal_scan, state of 8, with gaps": partial(diagonal_example, gaps=True),
    "diagonal_scan, state of 32, with gaps": partial(diagonal_example, state=32, gaps=True),
    "slstm, heads of 16": slstm_example,
    "causal_conv1d": short_convolution_example,
    "causal_conv1d, SiLU": partial(short_convolution_example, activation="silu"),
    "long_convolution, 64 taps": partial(long_convolution_example, taps=64),
    "long_convolution, kernel of the whole length": long_convolution_example,
    "long_convolution, kernel of a quarter": partial(long_convolution_example, share=0.25),
    "window_attention, window 30, heads of 16": attention_example,
    "window_attention, window 30, heads of 64": partial(attention_example, width=64),
    "window_attention, window 30, heads of 16, rotary": partial(attention_example, rotary_base=1000.0),
    "window_attention, window 128, heads of 64": partial(attention_example, width=64, window=128),
    "window_attention, window of the whole length, heads of 16": partial(attention_example, window=max(LENGTHS)),
}
LONG = (4096, 8192, 16384)  # where long kernels go by transforms at each length


def main() -> None:
    torch.set_num_threads(1)
    torch.manual_seed(SEED)
    found = {}
    for name, make in CASES.items():
        plain = "reference" if name.startswith("slstm") else "chunked"  # the sLSTM has no chunked form
        lengths = LONG if name.startswith("long_convolution, kernel") else LENGTHS
        found[name] = {form: of_lengths(make, form, lengths) for form in (plain, "cpu")}
        print(name, found[name], flush=True)
    write_report("kept_bytes", {"seed": SEED, "batch": BATCH, "kept": found})


def of_lengths(make: Callable[[int, int], Example], form: str, lengths: tuple[int, ...]) -> dict[str, object]:
    """Bytes for each number of the input, those that do not grow, and whether growth is even, within 2%."""
    examples = [make(BATCH, length) for length in lengths]
    points = [(example.numbers(), kept(example, form)) for example in examples]
    slopes = [(high - low) / (more - few) for (few, low), (more, high) in pairwise(points)]
    numbers, total = points[-1]
    return {
        "for_each_number_of": ", ".join(examples[0].per_number_of),
        "bytes": round(slopes[-1], 3),
        "fixed_bytes": round(total - slopes[-1] * numbers),
        "linear": abs(slopes[0] - slopes[-1]) <= 0.02 * abs(slopes[-1]),
        "total_bytes_by_length": {length: total for length, (_, total) in zip(lengths, points)},
    }


def kept(example: Example, form: str) -> int:
    """Bytes of the memories saved by a forward pass, those of inputs left out."""
    inputs = {x.untyped_storage().data_ptr() for x in example.inputs.values() if isinstance(x, Tensor)}
    saved: dict[int, torch.UntypedStorage] = {}  # held, so that no memory is given to two of them

    def pack(x: Tensor) -> Tensor:
        storage = x.untyped_storage()
        if storage.data_ptr() not in inputs:
            saved[storage.data_ptr()] = storage
        return x

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda x: x):
        output = example.output(form)
    del output
    return sum(storage.nbytes() for storage in saved.values())


if __name__ == "__main__":
    main()
