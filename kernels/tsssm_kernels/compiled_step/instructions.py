"""Instructions, and their rows of integers that the compiled loops read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from . import opcodes
from .layout import Buffer, CannotCompileError
from .opcodes import BOOL, FLOAT32, FLOAT64, HEAD, INT64, PART, WIDTH

__all__ = ["Instruction", "Part", "encode", "plan"]

_OUTER = 3  # axes around the innermost
_ALIGNED = 64  # bytes: buffers begin at a cache line
_BYTES = {FLOAT32: 4, FLOAT64: 8, INT64: 8, BOOL: 1}
_BETWEEN = {FLOAT32: FLOAT32, FLOAT64: FLOAT64, INT64: INT64, BOOL: FLOAT32}  # types of what is neither in nor out
_OF_INTEGERS = (
    opcodes.COPY,
    opcodes.ADD,
    opcodes.MULTIPLY,
    opcodes.NEGATIVE,
    opcodes.MAXIMUM,
    opcodes.MINIMUM,
    opcodes.REMAINDER,
    opcodes.ABSOLUTE,
    opcodes.SQUARE,
)
_COMPARISONS = (opcodes.LESS, opcodes.LESS_OR_EQUAL, opcodes.EQUAL)


@dataclass(frozen=True)
class Part:
    """What an instruction reads or writes: numbers of a buffer, with a stride for each axis of the instruction."""

    buffer: Buffer
    offset: int
    strides: tuple[int, ...]
    summed: int = 0  # stride along the summed axis

    @property
    def kind(self) -> int:
        """Type in memory."""
        return self.buffer.kind if self.buffer.outside is not None else _BETWEEN[self.buffer.kind]


@dataclass
class Instruction:
    """A loop over `sizes`, and in it over the summed axis; the first part is the result."""

    kind: int
    function: int
    sizes: tuple[int, ...]
    parts: list[Part]
    summed: int = 1
    constant: float = 0.0

    def simplified(self) -> Instruction:
        """The same with the fewest axes, the result's in the order of memory."""
        axes = [axis for axis, size in enumerate(self.sizes) if size != 1]
        axes.sort(key=lambda axis: -self.parts[0].strides[axis])
        sizes: list[int] = []
        strides: list[list[int]] = [[] for _ in self.parts]
        for axis in axes:
            size, steps = self.sizes[axis], [part.strides[axis] for part in self.parts]
            if sizes and all(s[-1] == step * size for s, step in zip(strides, steps)):
                sizes[-1] *= size
                for s, step in zip(strides, steps):
                    s[-1] = step
            else:
                sizes.append(size)
                for s, step in zip(strides, steps):
                    s.append(step)
        parts = [Part(p.buffer, p.offset, tuple(s), p.summed) for p, s in zip(self.parts, strides)]
        return Instruction(self.kind, self.function, tuple(sizes), parts, self.summed, self.constant)


def chosen(instruction: Instruction) -> Instruction:
    """The instruction with the loops that serve its types and strides."""
    kind, parts = instruction.kind, instruction.parts
    if kind == opcodes.SMALL_COLUMNS:
        instruction.kind = _small_product(*parts)
        if instruction.kind == opcodes.SMALL_DOTS and instruction.sizes[-1] == 1:
            return _turned(instruction)
        return instruction
    if kind in (opcodes.PRODUCT, opcodes.SCATTER, opcodes.GATHER):
        return instruction
    instruction = instruction.simplified()
    parts = instruction.parts
    narrow = all(part.kind == FLOAT32 for part in parts)
    inner = [part.strides[-1] if part.strides else 1 for part in parts]
    if kind == opcodes.ELEMENTS:
        vectors = narrow and instruction.function < opcodes.LOG and inner[0] == 1 and set(inner) <= {0, 1}
        if _is_whole(instruction):
            instruction.kind = opcodes.ELEMENTS_WHOLE
        else:
            instruction.kind = opcodes.ELEMENTS if vectors else opcodes.ELEMENTS_WIDE
    elif kind == opcodes.REDUCE_ALONG:
        if narrow and parts[1].summed == 1:
            instruction.kind = opcodes.REDUCE_ALONG
        else:
            across = narrow and instruction.sizes and inner == [1, 1]
            instruction.kind = opcodes.REDUCE_ACROSS if across else opcodes.REDUCE_WIDE
    return instruction


def _is_whole(instruction: Instruction) -> bool:
    """Whether integers alone are computed with: float64 holds them up to 2^53 only."""
    kinds = [part.kind for part in instruction.parts]
    if instruction.function == opcodes.WHERE:
        return kinds[0] == kinds[2] == kinds[3] == INT64
    to_whole = kinds[0] == INT64 or instruction.function in _COMPARISONS
    return to_whole and set(kinds[1:]) == {INT64} and instruction.function in (*_OF_INTEGERS, *_COMPARISONS)


def _small_product(result: Part, left: Part, right: Part) -> int:
    if all(part.kind == FLOAT32 for part in (result, left, right)):
        if left.summed == right.summed == 1:
            return opcodes.SMALL_DOTS
        if result.strides[-1] == right.strides[-1] == 1:
            return opcodes.SMALL_COLUMNS
    return opcodes.SMALL_WIDE


def _turned(product: Instruction) -> Instruction:
    """The same product from right to left, so that the sums of one row lie along the inner axis."""
    result, left, right = product.parts
    swapped = [
        Part(p.buffer, p.offset, (*p.strides[:-2], p.strides[-1], p.strides[-2]), p.summed)
        for p in (result, right, left)
    ]
    sizes = (*product.sizes[:-2], product.sizes[-1], product.sizes[-2])
    return Instruction(product.kind, product.function, sizes, swapped, product.summed)


def plan(instructions: Sequence[Instruction]) -> tuple[dict[Buffer, int], int]:
    """Where buffers between the instructions lie, and the bytes that takes: each is free again after its last use."""
    last: dict[Buffer, int] = {}
    for i, instruction in enumerate(instructions):
        for part in instruction.parts:
            last[part.buffer] = i
    places: dict[Buffer, int] = {}
    taken: list[tuple[int, int, int]] = []  # begin, end, last use
    size = 0
    for i, instruction in enumerate(instructions):
        for part in instruction.parts:
            buffer = part.buffer
            if buffer in places or buffer.outside is not None or buffer.value is not None:
                continue
            taken = sorted(place for place in taken if place[2] >= i)
            length = -(-buffer.size * _BYTES[_BETWEEN[buffer.kind]] // _ALIGNED) * _ALIGNED
            begin = 0
            for other, end, _ in taken:
                if begin + length <= other:
                    break
                begin = max(begin, end)
            taken.append((begin, begin + length, last[buffer]))
            places[buffer] = begin
            size = max(size, begin + length)
    return places, size


def _check_bounds(instruction: Instruction, which: int, part: Part) -> None:
    """That no number outside the buffer is named: a wrong translation must not become a wrong address."""
    if instruction.kind == opcodes.PRODUCT and which > 1:
        return  # packed to the sizes of the product
    moves = instruction.kind in (opcodes.SCATTER, opcodes.GATHER)
    summed = 1 if moves and which > 1 else instruction.summed
    last = part.offset + sum((size - 1) * stride for size, stride in zip(instruction.sizes, part.strides))
    if last + (summed - 1) * part.summed >= part.buffer.size:
        raise CannotCompileError("numbers outside of a tensor")


def encode(
    instructions: Sequence[Instruction],
    places: dict[Buffer, int],
    constants: dict[Buffer, int],
    streams: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Rows of integers and the constants they name, for `streams` streams at a time.

    Memory 0 is the room between instructions, 1 the constants' (with their offsets in `constants`); inputs and outputs
    come after them.
    """
    rows = np.zeros((len(instructions), WIDTH), np.int64)
    numbers = np.zeros(len(instructions))
    for i, instruction in enumerate(instructions):
        sizes = instruction.sizes
        if len(sizes) > _OUTER + 1:
            raise CannotCompileError(f"a loop over {len(sizes)} axes that do not lie side by side")
        inner = sizes[-1] if sizes else 1
        outer = (*([1] * (_OUTER + 1 - max(len(sizes), 1))), *sizes[:-1])
        rows[i, :HEAD] = (instruction.kind, instruction.function, i, *outer, inner, instruction.summed)
        numbers[i] = instruction.constant
        for j, part in enumerate(instruction.parts):
            width, buffer = _BYTES[part.kind], part.buffer
            if buffer.outside is not None:
                memory, offset, stream = 2 + buffer.outside, 0, buffer.size * width
            elif buffer.value is not None:
                memory, offset, stream = 1, constants[buffer], 0
            else:
                memory, offset, stream = 0, places[buffer] * streams, buffer.size * width
            _check_bounds(instruction, j, part)
            strides = part.strides if part.strides else (1,)
            steps = [stride * width for stride in (*([0] * (_OUTER + 1 - len(strides))), *strides, part.summed)]
            at = HEAD + j * PART
            rows[i, at : at + PART] = (memory, offset + part.offset * width, part.kind, stream, *steps)
    return rows, numbers
