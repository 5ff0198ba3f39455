"""Kernels find their place in tensors of more than 2^31 numbers, which no 32-bit offset reaches.

The last program of each launch is run in Triton's interpreter with memory that is not there: loads give zeros, and
addresses are held against the tensors they should lie in.
"""

from __future__ import annotations

import importlib
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest
import torch
from packaging.version import Version

from kernels_on_meta import OnMeta
from tsssm_kernels.gpu_launch import recorded_launches

triton = pytest.importorskip("triton", minversion="3.6", reason="needs Triton, which there is for Linux")
if Version(triton.__version__) < Version("3.7") and Version(np.__version__) >= Version("2.4"):
    pytest.skip("the interpreter of Triton 3.6 cannot count loops with NumPy 2.4", allow_module_level=True)

BENCHMARKS = Path(__file__).parents[2] / "recipes" / "benchmarks"
BATCH, LENGTH = 2**20, 20
CASES = (
    "selective_scan, 128 channels of 16",
    "decay_attention, heads, 4 heads of 32",
    "decay_attention, keys, 4 heads of 32",
    "delta_rule, heads, 4 heads of 32",
    "delta_rule, keys, 4 heads of 32",
    "causal_conv1d, 128 channels, 4 taps",
    "slstm, 4 heads of 32",
    "diagonal_scan, 128 channels of 16",
)
APART = 2**48  # bytes between two tensors


class Placed(torch.Tensor):
    """Says that it lies at an address."""

    def data_ptr(self):
        return self.address


class Memory:
    """The tensors of a launch; none of them is there."""

    def __init__(self, tensors):
        self.sizes = [x.nbytes for x in tensors]
        self.widths = [x.element_size() for x in tensors]
        self.farthest = 0

    def touch(self, pointers, mask):
        addresses = np.broadcast_to(pointers.data, mask.data.shape)[mask.data.astype(bool)].astype(np.int64)
        for which in np.unique(addresses // APART):
            offsets = addresses[addresses // APART == which] % APART
            assert 0 < which <= len(self.sizes), "outside all tensors"
            assert offsets.max() < self.sizes[which - 1], f"{offsets.max()} bytes into {self.sizes[which - 1]}"
            self.farthest = max(self.farthest, int(offsets.max()) // self.widths[which - 1])


@pytest.mark.parametrize("name", CASES)
def test_the_last_program_stays_within_tensors_of_more_numbers_than_32_bits_count(name, monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    case = importlib.import_module("kernel_cases").CASES[name]
    inputs = case.make(lambda *shape: torch.empty(shape, device="meta"), BATCH, LENGTH)
    inputs = {key: x.requires_grad_() if isinstance(x, torch.Tensor) else x for key, x in inputs.items()}
    inputs["resets"] = torch.empty(BATCH, LENGTH, dtype=torch.bool, device="meta")
    monkeypatch.setattr(torch, "autocast", lambda *device, **settings: nullcontext())  # there is none for meta
    with recorded_launches() as launches, OnMeta():
        y, _ = case.function(**inputs, backend="triton")
        y.sum().backward()
    assert len(launches) >= 2
    farthest = [run_last_program(launch, monkeypatch) for launch in launches]
    assert max(farthest) > 2**31


def run_last_program(launch, monkeypatch):
    """How far into a tensor it reaches."""
    assert launch.grid[0] < 2**31
    assert all(count < 2**16 for count in launch.grid[1:])
    interpreter = importlib.import_module("triton.runtime.interpreter")
    builder = interpreter.interpreter_builder
    tensors = [x for x in launch.arguments if isinstance(x, torch.Tensor)]
    memory, arguments = Memory(tensors), []
    for x in launch.arguments:
        if isinstance(x, torch.Tensor):
            placed = torch.empty(1, dtype=x.dtype).as_subclass(Placed)
            placed.address = APART * (1 + sum(isinstance(other, torch.Tensor) for other in arguments))
            arguments.append(placed)
        else:
            arguments.append(x)
    counts = [*launch.grid, 1, 1]

    def number(value):
        return interpreter.TensorHandle(np.array([value], dtype=np.int32), triton.language.int32)

    def load(pointers, mask, other, *how):
        memory.touch(pointers, mask)
        kind = pointers.get_element_ty()
        return interpreter.TensorHandle(np.zeros(mask.data.shape, interpreter._get_np_dtype(kind)), kind)

    monkeypatch.setattr(builder, "create_get_program_id", lambda axis: number(counts[axis] - 1))
    monkeypatch.setattr(builder, "create_get_num_programs", lambda axis: number(counts[axis]))
    monkeypatch.setattr(builder, "create_masked_load", load)
    monkeypatch.setattr(
        builder, "create_masked_store", lambda pointers, value, mask, *how: memory.touch(pointers, mask)
    )
    monkeypatch.setattr(interpreter.GridExecutor, "_init_args_hst", lambda self, given, named: (given, named))
    monkeypatch.setattr(interpreter.GridExecutor, "_restore_args_dev", lambda *nothing: None)
    launch.kernel[1, 1, 1](*arguments, **launch.constants)
    return memory.farthest
