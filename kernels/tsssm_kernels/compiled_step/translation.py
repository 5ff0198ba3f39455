"""From recorded calls of torch's operators to instructions."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from . import opcodes
from .complex_numbers import any_complex, complex_elements
from .instructions import Instruction, Part
from .layout import STREAMS, Buffer, CannotCompileError, Layout, View
from .opcodes import BOOL, FLOAT32, FLOAT64, INT64
from .recording import Call, tensors_in

__all__ = ["VOCABULARY", "Entry", "Operand", "Translation", "entry", "for_any_stream", "part_of"]

Operand = Tensor | float
_DTYPES = {torch.bool: BOOL, torch.int64: INT64}
_NUMPY = {FLOAT32: np.float32, FLOAT64: np.float64, INT64: np.int64}


class Translation:
    """Instructions of the calls translated so far."""

    def __init__(self) -> None:
        self.layout = Layout()
        self.instructions: list[Instruction] = []
        self.made: set[int] = set()  # memory of the constants that calls have made
        self.sources: dict[int, Tensor] = {}  # other constants, by memory: parameters and buffers

    def translate(self, call: Call) -> None:
        """Append what one call asks for."""
        given = list(tensors_in(list(call.arguments.values())))
        for tensor, version in zip(given, call.versions):
            if tensor._version != version and not self.layout.known(tensor):
                raise CannotCompileError("a constant that changes after it is used")
            memory = tensor.untyped_storage().data_ptr()
            if not self.layout.known(tensor) and memory not in self.made:
                self.sources.setdefault(memory, tensor)
        name = _name(call.operator)
        if name in _MADE_ALIKE or not any(self.layout.known(tensor) for tensor in given):
            self.made |= {result.untyped_storage().data_ptr() for result in call.results}
            return
        if not call.results:
            raise CannotCompileError(f"numbers that decide, by {call.operator}")
        fresh = [tensor for tensor in call.results if tensor.numel() and not self.layout.known(tensor)]
        if not fresh and not call.operator._schema.is_mutable:
            return  # a view, or nothing at all
        if name not in VOCABULARY:
            raise CannotCompileError(f"the operator {call.operator}")
        if call.operator._schema.is_mutable:
            self._check_own(call.results[0])
        VOCABULARY[name](self, call)

    def _check_own(self, written: Tensor) -> None:
        if not self.layout.known(written) or self.layout.view(written).buffer.outside is not None:
            raise CannotCompileError("a constant or an input that is written to")

    # what the entries of the vocabulary are made of

    def elements(self, function: int, result: Tensor, *operands: Operand, constant: float = 1.0) -> None:
        """A function of numbers, broadcast as torch does; `result` gets memory if it has none yet."""
        if any_complex([result, *operands]):
            complex_elements(self, function, result, operands, constant)
            return
        self.elements_to(function, self.result(result, operands), *operands, constant=constant)

    def elements_to(self, function: int, to: View, *operands: Operand | View, constant: float = 1.0) -> None:
        """The same, to where a view lies."""
        if to.buffer.kind == BOOL:
            function = _of_truths(function, operands, constant)
        kind = FLOAT32 if all(_narrow(operand) for operand in operands) else FLOAT64
        if to.buffer.kind == INT64 or _whole(operands):
            kind = INT64
        parts = [part_of(to, to.sizes)] + [self.operand(operand, to, kind) for operand in operands]
        self.instructions.append(Instruction(opcodes.ELEMENTS, function, to.sizes, parts, constant=constant))

    def result(self, result: Tensor, operands: Sequence[Any]) -> View:
        """The view of a result, placed where its operands' streams are if it is new."""
        if not self.layout.known(result):
            axes = set()
            for operand in operands:
                view = operand if isinstance(operand, View) else None
                ndim = result.ndim
                if isinstance(operand, Tensor) and self.layout.known(operand):
                    view = self.layout.view(operand)
                    ndim += len(view.sizes) - operand.ndim  # the parts of complex numbers
                if view is not None and view.batch is not None:
                    axes.add(view.batch + ndim - len(view.sizes))
            if len(axes) != 1:
                raise CannotCompileError(f"numbers of shape {tuple(result.shape)} of several streams")
            self.layout.place(result, axes.pop())
        return self.layout.view(result)

    def operand(self, operand: Operand | View, to: View, kind: int = FLOAT64) -> Part:
        """What is read for each number of `to`; a number by itself becomes a constant of type `kind`."""
        if isinstance(operand, View):
            return part_of(operand, to.sizes)
        if not isinstance(operand, Tensor):
            number = np.array([operand], _NUMPY[kind])
            return Part(Buffer(1, kind, number), 0, (0,) * len(to.sizes))
        view = self.layout.view(operand)
        if view.batch is None and to.batch is not None:
            axis = to.batch - len(to.sizes) + len(view.sizes)
            if axis >= 0 and view.sizes[axis] != 1:
                view = self.layout.view(for_any_stream(operand, axis))
        return part_of(view, to.sizes)

    def room(self, like: View, sizes: Sequence[int]) -> View:
        """New memory for numbers that torch keeps to itself."""
        strides = [math.prod(sizes[axis + 1 :]) for axis in range(len(sizes))]
        return View(Buffer(math.prod(sizes), like.buffer.kind), 0, tuple(sizes), tuple(strides), like.batch)

    def reduce(self, function: int, to: View, source: View, axes: Sequence[int], constant: float = 1.0) -> None:
        """Sums or maxima along axes, which `to` keeps with a size of 1."""
        summed = [axis for axis in sorted(axes) if source.sizes[axis] != 1] or [min(axes)]
        for outer, inner in zip(summed, summed[1:]):
            if source.strides[outer] != source.strides[inner] * source.sizes[inner]:
                raise CannotCompileError("a sum over axes that do not lie side by side")
        count = math.prod(source.sizes[axis] for axis in summed)
        kept = tuple(0 if axis in axes else stride for axis, stride in enumerate(source.strides))
        parts = [part_of(to, to.sizes), Part(source.buffer, source.offset, kept, source.strides[summed[-1]])]
        self.instructions.append(Instruction(opcodes.REDUCE_ALONG, function, to.sizes, parts, count, constant))

    def small_products(self, to: View, left: View, right: View) -> None:
        """(..., m, k) times (..., k, n), stream by stream; at most two axes stand before them."""
        if left.batch == len(left.sizes) - 1 or right.batch == len(right.sizes) - 2:
            raise CannotCompileError("a product that sums over streams")
        if to.buffer.kind not in (FLOAT32, FLOAT64):
            raise CannotCompileError("a product of integers")
        before = (1,) * (4 - len(to.sizes))
        sizes = (*before, *to.sizes)
        zero = (0,) * len(before)
        parts = [
            Part(to.buffer, to.offset, (*zero, *to.strides)),
            Part(left.buffer, left.offset, (*zero, *left.along(left.sizes)[:-1], 0), left.strides[-1]),
            Part(right.buffer, right.offset, (*zero, *right.along(right.sizes)[:-2], 0, right.strides[-1]),
                 right.strides[-2]),
        ]  # fmt: skip
        self.instructions.append(Instruction(opcodes.SMALL_COLUMNS, 0, sizes, parts, left.sizes[-1]))

    def product(self, result: Tensor, rows: Tensor, matrix: Tensor, bias: Tensor | None) -> None:
        """(rows, in) times a constant (in, out)."""
        if self.layout.known(matrix) or (bias is not None and self.layout.known(bias)) or rows.dtype != torch.float32:
            raise CannotCompileError("a product of matrices that are no constants")
        columns = matrix.shape[1]
        width = -(-columns // 16) * 16
        packed = torch.zeros(matrix.shape[0], width)
        packed[:, :columns] = matrix
        panels = packed.view(matrix.shape[0], width // 16, 16).transpose(0, 1).contiguous()
        added = torch.zeros(width)
        if bias is not None:
            added[:columns] = bias
        to, source = self.result(result, [rows]), self.layout.view(rows)
        if source.batch != 0:
            raise CannotCompileError("a product that sums over streams")
        if source.sizes[1] != 1 and source.strides[1] != 1:
            copy = self.room(source, source.sizes)
            self.elements_to(opcodes.COPY, copy, source)
            source = copy
        parts = [
            Part(to.buffer, to.offset, (0, 0, to.along(to.sizes)[0], 1)),
            Part(source.buffer, source.offset, (0, 0, source.along(source.sizes)[0], 0), 1),
            *(Part(Buffer(x.numel(), FLOAT32, x.numpy().ravel()), 0, (0, 0, 0, 0)) for x in (panels, added)),
        ]
        sizes = (1, 1, to.sizes[0], columns)
        self.instructions.append(Instruction(opcodes.PRODUCT, 0, sizes, parts, matrix.shape[0]))


def _kinds(operands: Sequence[Any]) -> set[int | None]:
    """Types of the tensors and views among the operands; None for floating ones."""
    views = {x.buffer.kind for x in operands if isinstance(x, View)}
    return views | {_DTYPES.get(x.dtype) for x in operands if isinstance(x, Tensor)}


def _whole(operands: Sequence[Any]) -> bool:
    """Whether all are integers, so that one that stands by itself is read as one."""
    return _kinds(operands) == {INT64} and all(float(x).is_integer() for x in operands if isinstance(x, float | int))


def _of_truths(function: int, operands: Sequence[Any], constant: float) -> int:
    """The function that gives a truth value, of truth values or by comparison."""
    if function == opcodes.ADD and constant == 1.0:
        return opcodes.MAXIMUM
    compares = function in (opcodes.LESS, opcodes.LESS_OR_EQUAL, opcodes.EQUAL, opcodes.IS_NAN)
    of_truths = function in (opcodes.COPY, opcodes.MULTIPLY, opcodes.MAXIMUM, opcodes.MINIMUM, opcodes.NOT)
    truths = _kinds(operands) <= {BOOL}
    if not compares and not (function == opcodes.WHERE or (of_truths and truths)):
        raise CannotCompileError("truth values that are made of numbers otherwise than by comparison")
    return function


def _narrow(operand: Operand | View) -> bool:
    """Whether float32 holds all that the operand may be."""
    if isinstance(operand, View):
        return operand.buffer.kind in (FLOAT32, BOOL)
    return not isinstance(operand, Tensor) or operand.dtype in (torch.float32, torch.bool)


def part_of(view: View, sizes: tuple[int, ...]) -> Part:
    """A view as a part of an instruction of these sizes, broadcast."""
    return Part(view.buffer, view.offset, view.along(sizes))


def for_any_stream(constant: Tensor, axis: int) -> Tensor:
    """A constant's part for one stream, if it is the same for all."""
    size = constant.shape[axis]
    if size % STREAMS:
        return constant  # of an axis that does not count streams, or the sizes would not have fitted
    parts = constant.unflatten(axis, (STREAMS, -1))
    first = parts.select(axis, 0)
    if not torch.equal(parts, first.unsqueeze(axis).expand_as(parts)):
        raise CannotCompileError("constants that differ between streams")
    return first


def _name(operator: torch._ops.OpOverload) -> str:
    """Of an operator, such as "add.Tensor"; in-place ones are known by the plain name: their result has its memory."""
    name, _, overload = operator._schema.name.removeprefix("aten::"), None, operator._overloadname
    plain = name.removesuffix("_") if operator._schema.is_mutable else name
    return plain if overload == "default" else f"{plain}.{overload}"


# made without regard to the numbers of the tensor they are alike to
_MADE_ALIKE = {
    "zeros_like", "ones_like", "full_like", "new_zeros", "new_ones", "new_full", "scalar_tensor", "arange",
}  # fmt: skip

Entry = Callable[[Translation, Call], None]
VOCABULARY: dict[str, Entry] = {}


def entry(*names: str) -> Callable[[Entry], Entry]:
    """Add a translation to the vocabulary, under each name."""

    def add(function: Entry) -> Entry:
        VOCABULARY.update(dict.fromkeys(names, function))
        return function

    return add
