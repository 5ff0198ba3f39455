"""Launching of Triton kernels, and records of launches for those who compile them ahead of time."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

__all__ = [
    "ALWAYS",
    "HAS_TRITON",
    "OPTIONS",
    "Launch",
    "as_autocast_has_it",
    "blocks",
    "can_launch",
    "contiguous",
    "dot_settings",
    "is_interpreted",
    "launch",
    "power_of_two",
    "recorded_launches",
    "summed_parts",
]

OPTIONS = ("num_warps", "num_stages")  # of Triton's compiler; all else in a tile is a constant of the kernel
OLDEST_TRITON = (3, 6)  # that the kernels are compiled with, see docs/kernels.md


def _triton_version() -> tuple[int, int] | None:
    """Read from its source, since torch's builds bring it by several names, and to import it takes a second."""
    found = find_spec("triton")
    if found is None or found.origin is None:
        return None
    told = re.search(r"^__version__ = ['\"](\d+)\.(\d+)", Path(found.origin).read_text(), re.MULTILINE)
    return None if told is None else (int(told[1]), int(told[2]))


TRITON_VERSION = _triton_version()
HAS_TRITON = TRITON_VERSION is not None and TRITON_VERSION >= OLDEST_TRITON
ALWAYS = {"enable_fp_fusion": True}  # products and sums in one rounding; Triton's default will change


@dataclass(frozen=True)
class Launch:
    """A kernel, the grid of its programs, its arguments by position, and its constants by name, a tile's among them."""

    kernel: Any
    grid: tuple[int, ...]
    arguments: tuple[Any, ...]
    constants: Mapping[str, Any]


_records: list[Launch] | None = None


def is_interpreted() -> bool:
    """Whether Triton runs kernels in its interpreter, on CPU tensors: the environment variable ``TRITON_INTERPRET``."""
    return os.environ.get("TRITON_INTERPRET") == "1"


def can_launch(x: Tensor) -> bool:
    """Whether kernels run on tensors like this one: on a GPU, in the interpreter, or recorded."""
    return HAS_TRITON and (x.device.type == "cuda" or is_interpreted() or _records is not None)


def launch(
    kernel: Any, grid: Sequence[int], arguments: Sequence[Tensor | int | None], constants: Mapping[str, Any]
) -> None:
    """Run a kernel on the device of its first tensor, in the stream that is current there; nothing waits for it.

    Parameters
    ----------
    kernel : triton.JITFunction
    grid : sequence of int
        Numbers of programs.
    arguments : sequence of Tensor, int or None
        Contiguous tensors, numbers, None for what was left out; all that is not constant when the kernel is compiled.
    constants : mapping of str to object
        By the kernel's names, and options of the compiler.
    """
    if _records is not None:
        _records.append(Launch(kernel, tuple(grid), tuple(arguments), dict(constants)))
        return
    first = next(x for x in arguments if isinstance(x, Tensor))
    if is_interpreted():
        kernel[tuple(grid)](*arguments, **constants)
        return
    with torch.cuda.device(first.device):
        kernel[tuple(grid)](*arguments, **constants, **ALWAYS)


@contextmanager
def recorded_launches() -> Iterator[list[Launch]]:
    """Within it kernels are written down and not run; what they would write is undefined.

    Examples
    --------
    >>> with recorded_launches() as launches:
    ...     launch("kernel", (1,), [torch.zeros(1)], {"num_warps": 1})
    >>> launches[0].grid
    (1,)
    """
    global _records
    before, _records = _records, []
    try:
        yield _records
    finally:
        _records = before


def power_of_two(count: int, least: int = 1) -> int:
    """The smallest power of two that is no less than either: the sizes of a kernel's blocks.

    Examples
    --------
    >>> power_of_two(5), power_of_two(5, least=16)
    (8, 16)
    """
    return 1 << (max(count, least) - 1).bit_length()


def blocks(count: int, size: int) -> int:
    """How many blocks of a size hold so many.

    Examples
    --------
    >>> blocks(17, 16)
    2
    """
    return -(-count // size)


def as_autocast_has_it(*operands: Tensor) -> list[Tensor]:
    """Operands of products of matrices in the dtype that `torch.autocast` asks for, where it is on.

    Examples
    --------
    >>> with torch.autocast("cpu", torch.bfloat16):
    ...     as_autocast_has_it(torch.ones(1))
    [tensor([1.], dtype=torch.bfloat16)]
    """
    device = operands[0].device.type
    if not torch.amp.is_autocast_available(device) or not torch.is_autocast_enabled(device):
        return list(operands)
    return [x.to(torch.get_autocast_dtype(device)) for x in operands]


def dot_settings(*operands: Tensor) -> dict[str, Any]:
    """How products of blocks of the operands are computed: constants ``DOT`` and ``PRECISION`` of a kernel.

    Where all are bfloat16 they multiply as they are, with sums in float32. float32 is multiplied in three products of
    TF32, which keep nearly all digits, or in one where torch is told that this will do; float16 in one of TF32, which
    has its digits and, for the states, a larger range. Triton's interpreter knows no products of bfloat16.
    """
    import triton.language as tl

    kinds = {x.dtype for x in operands}
    kind = tl.bfloat16 if kinds == {torch.bfloat16} and not is_interpreted() else tl.float32
    if torch.version.hip:
        return {"DOT": kind, "PRECISION": "ieee"}
    half = kinds <= {torch.bfloat16, torch.float16}
    return {"DOT": kind, "PRECISION": "tf32" if half or _one_product_will_do() else "tf32x3"}


def _one_product_will_do() -> bool:
    """What torch is told of float32 matrices, by its newer setting or the older one; to mix them is an error there."""
    setting = getattr(torch.backends.cuda.matmul, "fp32_precision", None)
    return setting == "tf32" if setting is not None else torch.get_float32_matmul_precision() != "highest"


def contiguous(*tensors: Tensor | None) -> list[Any]:
    """The tensors as kernels take them.

    Examples
    --------
    >>> contiguous(torch.eye(2).mT, None)[0].is_contiguous()
    True
    """
    return [None if x is None else x.contiguous() for x in tensors]


def summed_parts(parts: Tensor | None, like: Tensor | None) -> Tensor | None:
    """A gradient from the parts, (parts, ...), that programs have written: added in order, in the dtype of `like`.

    Examples
    --------
    >>> summed_parts(torch.ones(3, 2), torch.zeros(2))
    tensor([3., 3.])
    """
    if parts is None or like is None:
        return None
    return parts[0] if len(parts) == 1 and parts.dtype == like.dtype else parts.sum(0).to(like.dtype)
