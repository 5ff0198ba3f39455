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

__all__ = ["Translation"]

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
        parts = [_part(to, to.sizes)] + [self.operand(operand, to, kind) for operand in operands]
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
            return _part(operand, to.sizes)
        if not isinstance(operand, Tensor):
            number = np.array([operand], _NUMPY[kind])
            return Part(Buffer(1, kind, number), 0, (0,) * len(to.sizes))
        view = self.layout.view(operand)
        if view.batch is None and to.batch is not None:
            axis = to.batch - len(to.sizes) + len(view.sizes)
            if axis >= 0 and view.sizes[axis] != 1:
                view = self.layout.view(_for_any_stream(operand, axis))
        return _part(view, to.sizes)

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
        parts = [_part(to, to.sizes), Part(source.buffer, source.offset, kept, source.strides[summed[-1]])]
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


def _part(view: View, sizes: tuple[int, ...]) -> Part:
    return Part(view.buffer, view.offset, view.along(sizes))


def _for_any_stream(constant: Tensor, axis: int) -> Tensor:
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


def _one_number(function: int, *expected: tuple[str, Any]) -> Entry:
    """A function of one tensor, whose further arguments must be the expected ones."""

    def translate(to: Translation, call: Call) -> None:
        for name, value in expected:
            if call.arguments[name] != value:
                raise CannotCompileError(f"{call.operator} with {name}={call.arguments[name]!r}")
        to.elements(function, call.results[0], next(tensors_in(list(call.arguments.values()))))

    return translate


VOCABULARY |= {
    "neg": _one_number(opcodes.NEGATIVE),
    "exp": _one_number(opcodes.EXP),
    "log": _one_number(opcodes.LOG),
    "log1p": _one_number(opcodes.LOG1P),
    "expm1": _one_number(opcodes.EXPM1),
    "sqrt": _one_number(opcodes.SQRT),
    "rsqrt": _one_number(opcodes.RSQRT),
    "reciprocal": _one_number(opcodes.RECIPROCAL),
    "sigmoid": _one_number(opcodes.SIGMOID),
    "silu": _one_number(opcodes.SILU),
    "gelu": _one_number(opcodes.GELU, ("approximate", "none")),
    "tanh": _one_number(opcodes.TANH),
    "softplus": _one_number(opcodes.SOFTPLUS, ("beta", 1), ("threshold", 20)),
    "log_sigmoid_forward": _one_number(opcodes.LOG_SIGMOID),
    "abs": _one_number(opcodes.ABSOLUTE),
    "sign": _one_number(opcodes.SIGN),
    "sin": _one_number(opcodes.SIN),
    "cos": _one_number(opcodes.COS),
    "erf": _one_number(opcodes.ERF),
    "floor": _one_number(opcodes.FLOOR),
    "isnan": _one_number(opcodes.IS_NAN),
    "clone": _one_number(opcodes.COPY),
}


@entry("_to_copy")
def _convert(to: Translation, call: Call) -> None:
    source, result = call.arguments["self"], call.results[0]
    if result.dtype == torch.bool and source.dtype != torch.bool:
        to.elements(opcodes.EQUAL, result, source, 0.0)
        to.elements(opcodes.NOT, result, result)
    else:
        to.elements(opcodes.COPY, result, source)


@entry("logical_not")
def _logical_not(to: Translation, call: Call) -> None:
    to.elements(opcodes.EQUAL, call.results[0], call.arguments["self"], 0.0)


@entry("add.Tensor", "add.Scalar")
def _add(to: Translation, call: Call) -> None:
    to.elements(opcodes.ADD, call.results[0], *_pair(call), constant=float(call.arguments["alpha"]))


@entry("sub.Tensor", "sub.Scalar")
def _subtract(to: Translation, call: Call) -> None:
    to.elements(opcodes.ADD, call.results[0], *_pair(call), constant=-float(call.arguments["alpha"]))


@entry("rsub.Scalar", "rsub.Tensor")
def _subtract_from(to: Translation, call: Call) -> None:
    if call.arguments["alpha"] != 1:
        raise CannotCompileError("rsub with a factor")
    to.elements(opcodes.ADD, call.results[0], *reversed(_pair(call)), constant=-1.0)


def _two_numbers(function: int, swapped: bool = False) -> Entry:
    def translate(to: Translation, call: Call) -> None:
        pair = _pair(call)
        to.elements(function, call.results[0], *(reversed(pair) if swapped else pair))

    return translate


for _overload in ("Tensor", "Scalar"):
    VOCABULARY |= {
        f"mul.{_overload}": _two_numbers(opcodes.MULTIPLY),
        f"div.{_overload}": _two_numbers(opcodes.DIVIDE),
        f"lt.{_overload}": _two_numbers(opcodes.LESS),
        f"le.{_overload}": _two_numbers(opcodes.LESS_OR_EQUAL),
        f"gt.{_overload}": _two_numbers(opcodes.LESS, swapped=True),
        f"ge.{_overload}": _two_numbers(opcodes.LESS_OR_EQUAL, swapped=True),
        f"eq.{_overload}": _two_numbers(opcodes.EQUAL),
        f"remainder.{_overload}": _two_numbers(opcodes.REMAINDER),
    }
VOCABULARY |= {
    "maximum": _two_numbers(opcodes.MAXIMUM),
    "minimum": _two_numbers(opcodes.MINIMUM),
    "copy": lambda to, call: to.elements(opcodes.COPY, call.results[0], call.arguments["src"]),
}


def _pair(call: Call) -> tuple[Operand, Operand]:
    return call.arguments["self"], call.arguments["other"]


def _of_truth(function: int) -> Entry:
    """What is an operation on bits, or on any numbers, where these are truth values."""

    def translate(to: Translation, call: Call) -> None:
        given = list(tensors_in(list(call.arguments.values())))
        if any(tensor.dtype != torch.bool for tensor in given):
            raise CannotCompileError(f"{call.operator} of numbers")
        to.elements(function, call.results[0], *given)

    return translate


VOCABULARY |= {
    "bitwise_not": _of_truth(opcodes.NOT),
    "bitwise_and.Tensor": _of_truth(opcodes.MULTIPLY),
    "bitwise_or.Tensor": _of_truth(opcodes.MAXIMUM),
    "logical_and": _of_truth(opcodes.MULTIPLY),
    "logical_or": _of_truth(opcodes.MAXIMUM),
}


@entry("where.self", "where.ScalarSelf", "where.ScalarOther", "where.Scalar")
def _where(to: Translation, call: Call) -> None:
    to.elements(opcodes.WHERE, call.results[0], call.arguments["condition"], *_pair(call))


@entry("masked_fill.Scalar", "masked_fill.Tensor")
def _masked_fill(to: Translation, call: Call) -> None:
    given = call.arguments
    to.elements(opcodes.WHERE, call.results[0], given["mask"], given["value"], given["self"])


@entry("clamp", "clamp_min", "clamp_max")
def _clamp(to: Translation, call: Call) -> None:
    source: Any = call.arguments["self"]
    for name, function in (("min", opcodes.MAXIMUM), ("max", opcodes.MINIMUM)):
        if call.arguments.get(name) is not None:
            to.elements(function, call.results[0], source, call.arguments[name])
            source = call.results[0]


@entry("relu")
def _relu(to: Translation, call: Call) -> None:
    to.elements(opcodes.MAXIMUM, call.results[0], call.arguments["self"], 0.0)


@entry("elu")
def _elu(to: Translation, call: Call) -> None:
    given, result = call.arguments, call.results[0]
    if (given["alpha"], given["scale"], given["input_scale"]) != (1, 1, 1):
        raise CannotCompileError("elu with other scales")
    source = given["self"]
    view = to.result(result, [source])
    positive = to.room(view, view.sizes)
    to.elements_to(opcodes.MAXIMUM, positive, source, 0.0)
    to.elements_to(opcodes.MINIMUM, view, source, 0.0)
    to.elements_to(opcodes.EXP, view, view)
    to.elements_to(opcodes.ADD, view, view, -1.0)
    to.elements_to(opcodes.ADD, view, view, positive)


@entry("glu")
def _glu(to: Translation, call: Call) -> None:
    value, gate = call.arguments["self"].chunk(2, dim=call.arguments["dim"])
    to.elements(opcodes.SIGMOID, call.results[0], gate)
    to.elements(opcodes.MULTIPLY, call.results[0], value, call.results[0])


@entry("addcmul")
def _addcmul(to: Translation, call: Call) -> None:
    given = call.arguments
    operands = given["self"], given["tensor1"], given["tensor2"]
    to.elements(opcodes.ADD_PRODUCT, call.results[0], *operands, constant=float(given["value"]))


@entry("nan_to_num")
def _nan_to_num(to: Translation, call: Call) -> None:
    given, result = call.arguments, call.results[0]
    if not result.is_floating_point():
        raise CannotCompileError("nan_to_num of integers")
    if given["posinf"] is not None or given["neginf"] is not None:
        raise CannotCompileError("nan_to_num with other infinities")
    source = given["self"]
    view = to.result(result, [source])
    nan = to.room(view, view.sizes)
    to.elements_to(opcodes.IS_NAN, nan, source)
    to.elements_to(opcodes.WHERE, view, nan, float(given["nan"] or 0.0), source)
    largest = float(torch.finfo(result.dtype).max)
    to.elements_to(opcodes.MINIMUM, view, view, largest)
    to.elements_to(opcodes.MAXIMUM, view, view, -largest)


@entry("pow.Tensor_Scalar")
def _power(to: Translation, call: Call) -> None:
    exponent = float(call.arguments["exponent"])
    known = {2.0: opcodes.SQUARE, 0.5: opcodes.SQRT, -0.5: opcodes.RSQRT, -1.0: opcodes.RECIPROCAL}
    function = known.get(exponent, opcodes.POWER)
    to.elements(function, call.results[0], call.arguments["self"], constant=exponent)


@entry("cat")
def _concatenate(to: Translation, call: Call) -> None:
    result, axis = call.results[0], call.arguments["dim"] % call.results[0].ndim
    parts = [tensor for tensor in call.arguments["tensors"] if tensor.numel()]
    whole, begin = to.result(result, parts), 0
    if axis == whole.batch:
        raise CannotCompileError("streams joined to streams")
    for tensor in parts:
        piece = to.layout.view(result.narrow(axis, begin, tensor.shape[axis]))
        to.elements_to(opcodes.COPY, piece, tensor)
        begin += tensor.shape[axis]


@entry("stack")
def _stack(to: Translation, call: Call) -> None:
    result, axis = call.results[0], call.arguments["dim"] % call.results[0].ndim
    tensors = call.arguments["tensors"]
    to.result(result, [tensor.unsqueeze(axis) for tensor in tensors])
    for i, tensor in enumerate(tensors):
        to.elements_to(opcodes.COPY, to.layout.view(result.select(axis, i)), tensor)


@entry("complex")
def _complex(to: Translation, call: Call) -> None:
    given, result = call.arguments, call.results[0]
    to.result(result, [given["real"], given["imag"]])
    for part, name in zip(torch.view_as_real(result).unbind(-1), ("real", "imag")):
        to.elements_to(opcodes.COPY, to.layout.view(part), given[name])


@entry("repeat")
def _repeat(to: Translation, call: Call) -> None:
    source, repeats = call.arguments["self"], call.arguments["repeats"]
    source = source[(None,) * (len(repeats) - source.ndim)]
    if any(count != 1 and size != 1 for count, size in zip(repeats, source.shape)):
        raise CannotCompileError("repeat of more than single numbers")
    to.elements(opcodes.COPY, call.results[0], source)


def _reduction(function: int, mean: bool = False) -> Entry:
    def translate(to: Translation, call: Call) -> None:
        source, result = call.arguments["self"], call.results[0]
        if result.dtype == torch.bool or (
            result.dtype != source.dtype and not (source.dtype == torch.bool and result.dtype == torch.int64)
        ):
            raise CannotCompileError(f"a sum of {source.dtype} as {result.dtype}")
        axes = _axes(call.arguments["dim"], source.ndim)
        if to.layout.view(source).batch in axes:
            raise CannotCompileError("a sum over streams")
        count = math.prod(source.shape[axis] for axis in axes)
        kept = result if call.arguments["keepdim"] else _with_axes(result, axes)
        view = to.result(kept, [source])
        to.reduce(function, view, to.layout.view(source), axes, 1.0 / count if mean else 1.0)

    return translate


VOCABULARY |= {
    "sum.dim_IntList": _reduction(opcodes.SUM),
    "mean.dim": _reduction(opcodes.SUM, mean=True),
    "amax": _reduction(opcodes.LARGEST),
}


def _axes(dim: Any, ndim: int) -> list[int]:
    if not dim and dim != 0:
        raise CannotCompileError("a sum over streams")
    return [axis % ndim for axis in (dim if isinstance(dim, list | tuple) else [dim])]


def _with_axes(tensor: Tensor, axes: Sequence[int]) -> Tensor:
    for axis in sorted(axes):
        tensor = tensor.unsqueeze(axis)
    return tensor


@entry("linalg_vector_norm")
def _norm(to: Translation, call: Call) -> None:
    source, result = call.arguments["self"], call.results[0]
    if call.arguments["ord"] != 2:
        raise CannotCompileError(f"a norm of order {call.arguments['ord']}")
    axes = _axes(call.arguments["dim"], source.ndim)
    view = to.result(result if call.arguments["keepdim"] else _with_axes(result, axes), [source])
    values = to.layout.view(source)
    squares = to.room(values, values.sizes)
    to.elements_to(opcodes.SQUARE, squares, values)
    to.reduce(opcodes.SUM, view, squares, axes)
    to.elements_to(opcodes.SQRT, view, view)


@entry("native_layer_norm")
def _layer_norm(to: Translation, call: Call) -> None:
    given, source = call.arguments, call.arguments["input"]
    view = to.result(call.results[0], [source])
    axes = list(range(source.ndim - len(given["normalized_shape"]), source.ndim))
    _normalise(to, view, to.layout.view(source), axes, given["eps"])
    _scale(to, view, given["weight"], given["bias"])


@entry("native_group_norm")
def _group_norm(to: Translation, call: Call) -> None:
    given, source = call.arguments, call.arguments["input"]
    if source.ndim != 2:
        raise CannotCompileError("a group norm of more than channels")
    grouped = [tensor.unflatten(1, (given["group"], -1)) for tensor in (call.results[0], source)]
    to.result(call.results[0], [source])
    view, values = (to.layout.view(tensor) for tensor in grouped)
    _normalise(to, view, values, [2], given["eps"])
    _scale(to, to.layout.view(call.results[0]), given["weight"], given["bias"])


def _normalise(to: Translation, view: View, values: View, axes: Sequence[int], eps: float) -> None:
    count = math.prod(values.sizes[axis] for axis in axes)
    mean = to.room(values, [1 if axis in axes else size for axis, size in enumerate(values.sizes)])
    variance, squares = to.room(values, mean.sizes), to.room(values, values.sizes)
    to.reduce(opcodes.SUM, mean, values, axes, 1.0 / count)
    to.elements_to(opcodes.ADD, view, values, mean, constant=-1.0)
    to.elements_to(opcodes.SQUARE, squares, view)
    to.reduce(opcodes.SUM, variance, squares, axes, 1.0 / count)
    to.elements_to(opcodes.ADD, variance, variance, eps)
    to.elements_to(opcodes.RSQRT, variance, variance)
    to.elements_to(opcodes.MULTIPLY, view, view, variance)


def _scale(to: Translation, view: View, weight: Tensor | None, bias: Tensor | None) -> None:
    if weight is not None:
        to.elements_to(opcodes.MULTIPLY, view, view, weight)
    if bias is not None:
        to.elements_to(opcodes.ADD, view, view, bias)


@entry("_softmax")
def _softmax(to: Translation, call: Call) -> None:
    source = call.arguments["self"]
    view = to.result(call.results[0], [source])
    to.elements_to(opcodes.COPY, view, source)
    _softmax_of(to, view, call.arguments["dim"] % source.ndim)


@entry("_safe_softmax")
def _safe_softmax(to: Translation, call: Call) -> None:
    source = call.arguments["self"]
    view = to.result(call.results[0], [source])
    to.elements_to(opcodes.COPY, view, source)
    _softmax_or_nothing(to, view, call.arguments["dim"] % source.ndim)


def _softmax_or_nothing(to: Translation, view: View, axis: int) -> None:
    """In place; zeros where all numbers are -inf."""
    nothing = to.room(view, [1 if other == axis else size for other, size in enumerate(view.sizes)])
    to.reduce(opcodes.LARGEST, nothing, view, [axis])
    to.elements_to(opcodes.EQUAL, nothing, nothing, -math.inf)
    _softmax_of(to, view, axis)
    to.elements_to(opcodes.WHERE, view, nothing, 0.0, view)


def _softmax_of(to: Translation, view: View, axis: int) -> None:
    """In place."""
    one = to.room(view, [1 if other == axis else size for other, size in enumerate(view.sizes)])
    to.reduce(opcodes.LARGEST, one, view, [axis])
    to.elements_to(opcodes.ADD, view, view, one, constant=-1.0)
    to.elements_to(opcodes.EXP, view, view)
    to.reduce(opcodes.SUM, one, view, [axis])
    to.elements_to(opcodes.DIVIDE, view, view, one)


@entry("mm")
def _matrix_product(to: Translation, call: Call) -> None:
    to.product(call.results[0], call.arguments["self"], call.arguments["mat2"], None)


@entry("addmm")
def _matrix_product_and_bias(to: Translation, call: Call) -> None:
    given = call.arguments
    if given["alpha"] != 1 or given["beta"] != 1 or given["self"].ndim != 1:
        raise CannotCompileError("addmm of more than a product and a bias")
    to.product(call.results[0], given["mat1"], given["mat2"], given["self"])


@entry("bmm")
def _products(to: Translation, call: Call) -> None:
    left, right, result = call.arguments["self"], call.arguments["mat2"], call.results[0]
    to.result(result, [left, right])
    views = [to.layout.view(tensor) for tensor in (result, left, right)]
    batch = views[0].batch
    for i, (tensor, own) in enumerate(((left, (0, 1)), (right, (0, 2))), start=1):
        if views[i].batch is None and batch in own:  # the axis is the result's, if it is not the summed one
            views[i] = to.layout.view(_for_any_stream(tensor, batch))
    to.small_products(*views)


@entry("_scaled_dot_product_flash_attention_for_cpu")
def _attention(to: Translation, call: Call) -> None:
    given, result = call.arguments, call.results[0]
    if given["is_causal"] or given["dropout_p"] or given["query"].ndim != 4:
        raise CannotCompileError("attention with a causal mask or dropout")
    query, key, value = (to.layout.view(given[name]) for name in ("query", "key", "value"))
    to.result(result, [given["query"]])
    out = _without_streams(to.layout.view(result))
    scale = given["query"].shape[-1] ** -0.5 if given["scale"] is None else given["scale"]
    weights = to.room(query, [*query.sizes[:3], key.sizes[2]])
    swapped = View(key.buffer, key.offset, (*key.sizes[:2], key.sizes[3], key.sizes[2]),
                   (*key.strides[:2], key.strides[3], key.strides[2]), key.batch)  # fmt: skip
    to.small_products(*(_without_streams(view) for view in (weights, query, swapped)))
    to.elements_to(opcodes.MULTIPLY, weights, weights, scale)
    if given["attn_mask"] is not None:
        to.elements_to(opcodes.ADD, weights, weights, given["attn_mask"])
    _softmax_or_nothing(to, weights, 3)
    to.small_products(out, *(_without_streams(view) for view in (weights, value)))


def _without_streams(view: View) -> View:
    """A view with streams alone on its first axis, without it."""
    if view.batch != 0 or view.sizes[0] != 1:
        raise CannotCompileError("attention over several streams")
    return View(view.buffer, view.offset, view.sizes[1:], view.strides[1:], None)


@entry("scatter.src")
def _scatter(to: Translation, call: Call) -> None:
    given, result = call.arguments, call.results[0]
    view = to.result(result, [given["self"]])
    to.elements_to(opcodes.COPY, view, given["self"])
    axis = given["dim"] % result.ndim
    if axis == view.batch:
        raise CannotCompileError("chosen streams")
    index, source = (_moved(to, given[name], view) for name in ("index", "src"))
    strides = tuple(0 if i == axis else stride for i, stride in enumerate(view.strides))
    target = Part(view.buffer, view.offset, strides, view.strides[axis])
    _move(to, opcodes.SCATTER, index.sizes, [target, _part(source, index.sizes), _part(index, index.sizes)],
          view.sizes[axis])  # fmt: skip


def _moved(to: Translation, tensor: Tensor, like: View) -> View:
    """A view of what is moved, or says where to; of one stream's share if it is a constant."""
    view = to.layout.view(tensor)
    if view.batch is None and like.batch is not None:
        if tensor.shape[like.batch] % STREAMS:
            raise CannotCompileError("a constant that does not count streams as what it goes with")
        view = to.layout.view(_for_any_stream(tensor, like.batch))
    return view


@entry("gather")
def _gather(to: Translation, call: Call) -> None:
    given, result = call.arguments, call.results[0]
    view = to.result(result, [given["index"], given["self"]])
    source, axis = _moved(to, given["self"], view), given["dim"] % result.ndim
    if axis == view.batch:
        raise CannotCompileError("chosen streams")
    strides = tuple(0 if i == axis else stride for i, stride in enumerate(source.strides))
    parts = [_part(view, view.sizes), Part(source.buffer, source.offset, strides, source.strides[axis])]
    _move(to, opcodes.GATHER, view.sizes, [*parts, to.operand(given["index"], view)], source.sizes[axis])


@entry("index.Tensor")
def _index(to: Translation, call: Call) -> None:
    given, result = call.arguments, call.results[0]
    axes = [axis for axis, index in enumerate(given["indices"]) if index is not None]
    if len(axes) != 1 or given["indices"][axes[0]].ndim != 1 or to.layout.known(given["indices"][axes[0]]):
        raise CannotCompileError("indices other than constant ones of one axis")
    (axis,) = axes
    if given["indices"][axis].dtype != torch.int64:
        raise CannotCompileError("numbers that are chosen by truth values")
    source = to.layout.view(given["self"])
    if axis == source.batch:
        raise CannotCompileError("chosen streams")
    index = given["indices"][axis].remainder(source.sizes[axis])  # negative ones count from the end
    view = to.result(result, [given["self"]])
    strides = tuple(0 if i == axis else stride for i, stride in enumerate(source.strides))
    parts = [_part(view, view.sizes), Part(source.buffer, source.offset, strides, source.strides[axis])]
    named = index.view([-1 if i == axis else 1 for i in range(result.ndim)])
    _move(to, opcodes.GATHER, view.sizes, [*parts, to.operand(named, view)], source.sizes[axis])


def _move(to: Translation, kind: int, sizes: tuple[int, ...], parts: list[Part], count: int) -> None:
    shown = [axis for axis, size in enumerate(sizes) if size != 1]
    parts = [Part(p.buffer, p.offset, tuple(p.strides[axis] for axis in shown), p.summed) for p in parts]
    to.instructions.append(Instruction(kind, 0, tuple(sizes[axis] for axis in shown), parts, count))
