"""Comparisons and choices, lane by lane: truth is 1, falsehood 0."""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba.core import cgutils
from numba.extending import intrinsic

from .simd import LANES, vector_type

__all__ = ["choose", "equal", "is_nan", "less", "less_or_equal", "square_root"]

_FLOATS = ir.VectorType(ir.FloatType(), LANES)
_ONE, _ZERO = (ir.Constant(_FLOATS, [value] * LANES) for value in (1.0, 0.0))


@intrinsic
def less(typing: Any, a: Any, b: Any) -> Any:
    """Whether ``a < b``."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.select(builder.fcmp_ordered("<", *args), _ONE, _ZERO)

    return vector_type(vector_type, vector_type), generate


@intrinsic
def less_or_equal(typing: Any, a: Any, b: Any) -> Any:
    """Whether ``a <= b``."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.select(builder.fcmp_ordered("<=", *args), _ONE, _ZERO)

    return vector_type(vector_type, vector_type), generate


@intrinsic
def equal(typing: Any, a: Any, b: Any) -> Any:
    """Whether ``a == b``."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.select(builder.fcmp_ordered("==", *args), _ONE, _ZERO)

    return vector_type(vector_type, vector_type), generate


@intrinsic
def is_nan(typing: Any, x: Any) -> Any:
    """Whether x is no number."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.select(builder.fcmp_unordered("uno", args[0], args[0]), _ONE, _ZERO)

    return vector_type(vector_type), generate


@intrinsic
def choose(typing: Any, truth: Any, a: Any, b: Any) -> Any:
    """`a` where `truth` is not 0, `b` elsewhere."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        truth, a, b = args
        return builder.select(builder.fcmp_unordered("!=", truth, _ZERO), a, b)

    return vector_type(vector_type, vector_type, vector_type), generate


@intrinsic
def square_root(typing: Any, x: Any) -> Any:
    """The square root."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        kind = ir.FunctionType(_FLOATS, [_FLOATS])
        root = cgutils.get_or_insert_function(builder.module, kind, f"llvm.sqrt.v{LANES}f32")
        return builder.call(root, args)

    return vector_type(vector_type), generate
