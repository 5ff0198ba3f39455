"""Functions of complex numbers as functions of their real and imaginary parts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from . import opcodes
from .layout import CannotCompileError, View

if TYPE_CHECKING:
    from .translation import Translation

__all__ = ["any_complex", "complex_elements"]

Parts = tuple[Any, Any]  # real and imaginary; None for an imaginary part that is 0


def any_complex(operands: Sequence[Any]) -> bool:
    """Whether a tensor or number among them is complex."""
    return any(x.is_complex() if isinstance(x, Tensor) else isinstance(x, complex) for x in operands)


def complex_elements(to: Translation, function: int, result: Tensor, operands: Sequence[Any], constant: float) -> None:
    """A function of numbers of which some are complex; so is the result."""
    to.result(result, operands)
    real, imaginary = (to.layout.view(part) for part in torch.view_as_real(result).unbind(-1))
    parts = [_parts(operand) for operand in operands]
    if function == opcodes.MULTIPLY:
        _multiply(to, real, imaginary, *parts)
    elif function in (opcodes.COPY, opcodes.NEGATIVE, opcodes.ADD):
        for view, which in ((real, 0), (imaginary, 1)):
            given = [part[which] if part[which] is not None else 0.0 for part in parts]
            to.elements_to(function, view, *given, constant=constant)
    elif function == opcodes.EXP:
        size = to.room(real, real.sizes)
        to.elements_to(opcodes.EXP, size, parts[0][0])
        for view, turn in ((real, opcodes.COS), (imaginary, opcodes.SIN)):
            to.elements_to(turn, view, parts[0][1])
            to.elements_to(opcodes.MULTIPLY, view, view, size)
    else:
        raise CannotCompileError("functions of complex numbers other than sums, products and exponentials")


def _multiply(to: Translation, real: View, imaginary: View, a: Parts, b: Parts) -> None:
    to.elements_to(opcodes.MULTIPLY, real, a[0], b[0])
    if a[1] is not None and b[1] is not None:
        to.elements_to(opcodes.ADD_PRODUCT, real, real, a[1], b[1], constant=-1.0)
    crossed = list(_crossed(a, b))
    to.elements_to(opcodes.MULTIPLY, imaginary, *(crossed[0] if crossed else (a[0], 0.0)))
    for pair in crossed[1:]:
        to.elements_to(opcodes.ADD_PRODUCT, imaginary, imaginary, *pair)


def _crossed(a: Parts, b: Parts) -> Iterator[Parts]:
    if b[1] is not None:
        yield a[0], b[1]
    if a[1] is not None:
        yield a[1], b[0]


def _parts(operand: Any) -> Parts:
    if isinstance(operand, complex):
        return operand.real, operand.imag
    if isinstance(operand, Tensor) and operand.is_complex():
        real, imaginary = torch.view_as_real(operand.resolve_conj()).unbind(-1)
        return real, imaginary
    return operand, None
