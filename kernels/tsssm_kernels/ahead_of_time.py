"""Compiling of Triton kernels ahead of time, on machines without a GPU, and what the compilers say of them."""

from __future__ import annotations

import re
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from .gpu_launch import ALWAYS, OPTIONS, Launch, is_interpreted

__all__ = ["TARGETS", "Compiled", "compile_launch"]

TARGETS = ("sm_80", "sm_90", "sm_100", "gfx942")
MATRIX_UNITS = re.compile(r"\b(?:mma\.sync|wgmma\.mma_async|tcgen05\.mma|v_mfma_)")
POINTERS = {
    torch.float32: "*fp32",
    torch.bfloat16: "*bf16",
    torch.float16: "*fp16",
    torch.bool: "*i1",
    torch.int32: "*i32",
    torch.int64: "*i64",
}


class Compiled(NamedTuple):
    """What is known of a compiled kernel.

    Attributes
    ----------
    registers : int
        Of a thread.
    spills : int
        Bytes of memory that a thread takes for want of registers.
    shared : int
        Bytes of shared memory of a program.
    dots : int
        Instructions of the matrix units in its text.
    """

    registers: int
    spills: int
    shared: int
    dots: int


def compile_launch(recorded: Launch, target: str) -> Compiled:
    """Compile a kernel as a recorded launch would have it.

    Parameters
    ----------
    recorded : Launch
        Of `tsssm_kernels.gpu_launch.recorded_launches`.
    target : str
        An architecture, such as "sm_90" or "gfx942".

    Raises
    ------
    ValueError
        If the target is no architecture, or kernels are interpreted in this process.
    """
    import triton
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    if not re.fullmatch(r"sm_\d{2,3}|gfx\w+", target):
        raise ValueError(f"target is {target!r}; it must be an architecture such as 'sm_90' or 'gfx942'")
    if is_interpreted():
        raise ValueError("kernels cannot be compiled with TRITON_INTERPRET=1; unset it, and start Python again")
    nvidia = target.startswith("sm_")
    backend = GPUTarget("cuda", int(target[3:]), 32) if nvidia else GPUTarget("hip", target, 64)
    options = ALWAYS | {name: value for name, value in recorded.constants.items() if name in OPTIONS}
    constants = {name: value for name, value in recorded.constants.items() if name not in OPTIONS}
    if not nvidia and "PRECISION" in constants:
        constants["PRECISION"] = "ieee"
    signature, fixed, aligned = _specialised(recorded, constants)
    source = ASTSource(fn=recorded.kernel, signature=signature, constexprs=fixed, attrs=aligned)
    compiled = triton.compile(source, target=backend, options=options)
    if nvidia:
        text = compiled.asm["ptx"]
        registers, spills = _resources(compiled.asm["cubin"])
    else:
        text = compiled.asm["amdgcn"]
        registers, spills = _number(r"\.vgpr_count:\s+(\d+)", text), 4 * _number(r"\.vgpr_spill_count:\s+(\d+)", text)
    return Compiled(registers, spills, compiled.metadata.shared, len(MATRIX_UNITS.findall(text)))


def _specialised(
    recorded: Launch, constants: Mapping[str, Any]
) -> tuple[dict[str, str], dict[tuple[int, ...], Any], dict[tuple[int, ...], list]]:
    """Types, constants and alignments as Triton would find them at a launch."""
    names = recorded.kernel.arg_names
    as_they_are = {parameter.name for parameter in recorded.kernel.params if parameter.do_not_specialize}
    signature: dict[str, str] = {}
    fixed: dict[tuple[int, ...], Any] = {}
    aligned: dict[tuple[int, ...], list] = {}
    for index, (name, value) in enumerate(zip(names, recorded.arguments)):
        if value is None or (isinstance(value, int) and value == 1 and name not in as_they_are):
            signature[name], fixed[index,] = "constexpr", value
        elif isinstance(value, Tensor):
            signature[name], aligned[index,] = POINTERS[value.dtype], [["tt.divisibility", 16]]
        else:
            signature[name] = "i32" if value < 2**31 else "i64"
            if value % 16 == 0 and name not in as_they_are:
                aligned[index,] = [["tt.divisibility", 16]]
    for index, name in enumerate(names):
        if name in constants:
            signature[name], fixed[index,] = "constexpr", constants[name]
    return signature, fixed, aligned


def _resources(binary: bytes) -> tuple[int, int]:
    """Registers, and bytes of a thread's stack, which holds nothing but what was spilled."""
    import triton

    tool = Path(triton.__file__).parent / "backends" / "nvidia" / "bin" / "cuobjdump"
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "kernel.cubin"
        file.write_bytes(binary)
        command = [str(tool), "-res-usage", str(file)]
        told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return _number(r"REG:(\d+)", told), _number(r"STACK:(\d+)", told)


def _number(pattern: str, text: str) -> int:
    """The number that the compiler gives, once."""
    return int(re.findall(pattern, text)[0])
