"""Entries of the vocabulary: functions of numbers."""

from __future__ import annotations

from typing import Any

import torch

from . import opcodes
from .layout import CannotCompileError
from .recording import Call, tensors_in
from .translation import VOCABULARY, Entry, Operand, Translation, entry

__all__: list[str] = []


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
