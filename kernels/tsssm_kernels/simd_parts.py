"""The first lanes of a vector, from memory and to it: what is left of a row at its end."""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from .simd import LANES, vector_type

__all__ = ["load_first", "store_first"]

_FLOATS = ir.VectorType(ir.FloatType(), LANES)
_INT, _INTS = ir.IntType(32), ir.VectorType(ir.IntType(32), LANES)
_BITS = ir.VectorType(ir.IntType(1), LANES)


def _mask(builder: Any, count: Any) -> Any:
    """Whether each lane is one of the first `count`."""
    single = builder.insert_element(ir.Constant(_INTS, ir.Undefined), builder.trunc(count, _INT), ir.Constant(_INT, 0))
    counts = builder.shuffle_vector(single, ir.Constant(_INTS, ir.Undefined), ir.Constant(_INTS, [0] * LANES))
    return builder.icmp_signed("<", ir.Constant(_INTS, list(range(LANES))), counts)


def _pointer(builder: Any, address: Any) -> Any:
    return builder.inttoptr(address, _FLOATS.as_pointer())


@intrinsic
def load_first(typing: Any, address: Any, count: Any) -> Any:
    """`count` numbers from an address on, at most sixteen, and zeros behind them."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        kind = ir.FunctionType(_FLOATS, [_FLOATS.as_pointer(), _INT, _BITS, _FLOATS])
        masked = cgutils.get_or_insert_function(builder.module, kind, f"llvm.masked.load.v{LANES}f32.p0v{LANES}f32")
        zeros = ir.Constant(_FLOATS, [0.0] * LANES)
        return builder.call(masked, [_pointer(builder, args[0]), _INT(4), _mask(builder, args[1]), zeros])

    return vector_type(types.int64, types.int64), generate


@intrinsic
def store_first(typing: Any, address: Any, count: Any, value: Any) -> Any:
    """Write the first `count` numbers of a vector."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        kind = ir.FunctionType(ir.VoidType(), [_FLOATS, _FLOATS.as_pointer(), _INT, _BITS])
        masked = cgutils.get_or_insert_function(builder.module, kind, f"llvm.masked.store.v{LANES}f32.p0v{LANES}f32")
        builder.call(masked, [args[2], _pointer(builder, args[0]), _INT(4), _mask(builder, args[1])])
        return context.get_dummy_value()

    return types.void(types.int64, types.int64, vector_type), generate
