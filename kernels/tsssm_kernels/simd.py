"""A Numba type of sixteen float32 lanes: one register with AVX-512, two or four elsewhere.

Loops written in it are vector code whatever the compiler's vectoriser makes of them. Arrays are one-dimensional,
contiguous and float32, or the address of such memory as an integer; indices count from zero and are not checked.
Vectors know ``+ - * /``.
"""

from __future__ import annotations

import operator
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.imputils import lower_builtin
from numba.core.typing.templates import AbstractTemplate, infer_global, signature
from numba.extending import intrinsic, models, register_jitable, register_model

__all__ = [
    "LANES",
    "called",
    "exp2",
    "exp2_less_one",
    "fma",
    "inlined",
    "load",
    "maximum",
    "prefetch",
    "quench",
    "read",
    "splat",
    "splat_at",
    "stack",
    "stack_type",
    "step_state",
    "store",
    "total",
    "vector_type",
    "vectors_at",
    "where_positive",
    "write",
]

LANES = 16

# for functions that kernels call: left to itself the compiler calls the larger ones, and a call that hands over arrays
# counts their references and sends vectors through memory
inlined = register_jitable(forceinline=True)
# for large ones that take and give single numbers: inlined wherever they are called they would take long to compile
called = register_jitable

_FLOAT, _INT = ir.FloatType(), ir.IntType(32)
_FLOATS, _INTS = ir.VectorType(_FLOAT, LANES), ir.VectorType(_INT, LANES)

# 2^f = 1 + f * polynomial(f) for |f| <= 1/2: relative error below 1e-7, and below 3e-7 |f| near 0, since a decay
# close to 1 is raised to the power of a whole sequence
_EXP2 = (0.6931469775973307, 0.24022242082677403, 0.055507337448245146, 0.009671512812496084, 0.0013264727213773764)
_ROUND = 12582912.0 + 127  # 1.5 * 2^23: adding it rounds to an integer; the lowest bits hold an exponent, biased


class _Vector(types.Type):
    """Sixteen float32 numbers."""

    def __init__(self) -> None:
        super().__init__(name="float32x16")


@register_model(_Vector)
class _VectorModel(models.PrimitiveModel):
    def __init__(self, manager: Any, kind: Any) -> None:
        super().__init__(manager, kind, _FLOATS)


vector_type = _Vector()
stack_type = types.CPointer(vector_type)


def _operator(function: Any, instruction: str) -> None:
    """Give vectors an arithmetic operator."""

    @infer_global(function)
    class _Signature(AbstractTemplate):
        def generic(self, args: Any, kws: Any) -> Any:
            return signature(vector_type, *args) if args == (vector_type, vector_type) else None

    @lower_builtin(function, vector_type, vector_type)
    def _lower(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return getattr(builder, instruction)(*args)


for _function, _instruction in (
    (operator.add, "fadd"),
    (operator.sub, "fsub"),
    (operator.mul, "fmul"),
    (operator.truediv, "fdiv"),
):
    _operator(_function, _instruction)


def _constant(value: float) -> ir.Constant:
    return ir.Constant(_FLOATS, [value] * LANES)


def _broadcast(builder: Any, scalar: Any) -> Any:
    vector = builder.insert_element(ir.Constant(_FLOATS, ir.Undefined), scalar, ir.Constant(_INT, 0))
    return builder.shuffle_vector(vector, ir.Constant(_FLOATS, ir.Undefined), ir.Constant(_INTS, [0] * LANES))


def _fma(builder: Any, a: Any, b: Any, c: Any) -> Any:
    fma = cgutils.get_or_insert_function(
        builder.module, ir.FunctionType(_FLOATS, [_FLOATS] * 3), f"llvm.fma.v{LANES}f32"
    )
    return builder.call(fma, [a, b, c])


def _address(context: Any, builder: Any, kind: Any, array: Any, index: Any) -> Any:
    """The address of an element of an array, of memory at an integer address, or of a stack taken as numbers."""
    if isinstance(kind, types.Integer):
        data = builder.inttoptr(array, _FLOAT.as_pointer())
    elif kind == stack_type:
        data = builder.bitcast(array, _FLOAT.as_pointer())
    else:
        data = context.make_array(kind)(context, builder, array).data
    return builder.gep(data, [index])


@intrinsic
def read(typing: Any, array: Any, index: Any) -> Any:
    """One number of an array, or of a stack taken as numbers."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.load(_address(context, builder, sig.args[0], *args), align=4)

    return types.float32(array, types.intp), generate


@intrinsic
def write(typing: Any, array: Any, index: Any, value: Any) -> Any:
    """Write one number of an array, or of a stack taken as numbers."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        # atomic: a plain store to the processor, but one of which the compiler makes no scatters, which are slow
        builder.store_atomic(args[2], _address(context, builder, sig.args[0], *args[:2]), "monotonic", 4)
        return context.get_dummy_value()

    return types.void(array, types.intp, types.float32), generate


@intrinsic
def splat(typing: Any, scalar: Any) -> Any:
    """The number in every lane."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return _broadcast(builder, args[0])

    return vector_type(types.float32), generate


@intrinsic
def splat_at(typing: Any, array: Any, index: Any) -> Any:
    """An array's element in every lane."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return _broadcast(builder, builder.load(_address(context, builder, sig.args[0], *args), align=4))

    return vector_type(array, types.intp), generate


@intrinsic
def load(typing: Any, array: Any, index: Any) -> Any:
    """Sixteen elements of an array from `index` on, or the vector `index` of a stack."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        if sig.args[0] == stack_type:
            return builder.load(builder.gep(args[0], [args[1]]))
        address = _address(context, builder, sig.args[0], *args)
        return builder.load(builder.bitcast(address, _FLOATS.as_pointer()), align=4)

    return vector_type(array, types.intp), generate


@intrinsic
def store(typing: Any, array: Any, index: Any, value: Any) -> Any:
    """Write sixteen elements of an array from `index` on, or the vector `index` of a stack."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        if sig.args[0] == stack_type:
            builder.store(args[2], builder.gep(args[0], [args[1]]))
        else:
            address = _address(context, builder, sig.args[0], *args[:2])
            builder.store(args[2], builder.bitcast(address, _FLOATS.as_pointer()), align=4)
        return context.get_dummy_value()

    return types.void(array, types.intp, vector_type), generate


@intrinsic(prefer_literal=True)
def stack(typing: Any, count: Any) -> Any:
    """Room for `count` vectors, a constant, which the compiler knows to be nobody else's."""
    if not isinstance(count, types.IntegerLiteral):
        return None
    size = count.literal_value

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        room = cgutils.alloca_once(builder, ir.ArrayType(_FLOATS, size))
        return builder.bitcast(room, _FLOATS.as_pointer())

    return stack_type(count), generate


@intrinsic
def vectors_at(typing: Any, address: Any) -> Any:
    """Memory at an address, of whole vectors, as a stack of them."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.inttoptr(args[0], _FLOATS.as_pointer())

    return stack_type(address), generate


@intrinsic
def fma(typing: Any, a: Any, b: Any, c: Any) -> Any:
    """``a * b + c``, rounded once."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return _fma(builder, *args)

    return vector_type(vector_type, vector_type, vector_type), generate


@intrinsic
def maximum(typing: Any, a: Any, b: Any) -> Any:
    """The larger of the two; `b` where `a` is NaN."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.select(builder.fcmp_ordered(">", *args), *args)

    return vector_type(vector_type, vector_type), generate


@intrinsic
def where_positive(typing: Any, x: Any, a: Any, b: Any) -> Any:
    """`a` where `x` is above zero, `b` elsewhere."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        x, a, b = args
        return builder.select(builder.fcmp_ordered(">", x, _constant(0.0)), a, b)

    return vector_type(vector_type, vector_type, vector_type), generate


@intrinsic
def quench(typing: Any, x: Any) -> Any:
    """Zero in place of numbers so small that a few decays more would make them denormal, and loops slow."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        (x,) = args
        bits = builder.and_(builder.bitcast(x, _INTS), ir.Constant(_INTS, [0x7FFFFFFF] * LANES))
        small = builder.fcmp_ordered("<", builder.bitcast(bits, _FLOATS), _constant(2.0**-100))
        return builder.select(small, _constant(0.0), x)

    return vector_type(vector_type), generate


def _split_exp2(builder: Any, x: Any) -> tuple[Any, Any]:
    """``2 ** x`` as ``scale * (1 + rest)`` with a power of two, or zero, and ``|rest| < 1/2``."""
    x = builder.select(builder.fcmp_ordered(">", x, _constant(126.0)), _constant(126.0), x)
    rounded = builder.fadd(x, _constant(_ROUND))
    f = builder.fsub(x, builder.fsub(rounded, _constant(_ROUND)))
    c = [_constant(coefficient) for coefficient in _EXP2]
    low, high, square = _fma(builder, c[1], f, c[0]), _fma(builder, c[3], f, c[2]), builder.fmul(f, f)
    series = _fma(builder, _fma(builder, c[4], square, high), square, low)
    scale = builder.shl(builder.bitcast(rounded, _INTS), ir.Constant(_INTS, [23] * LANES))
    zero = ir.Constant(_INTS, [0] * LANES)
    scale = builder.bitcast(builder.select(builder.fcmp_ordered("<", x, _constant(-126.0)), zero, scale), _FLOATS)
    return scale, (series, f)


@intrinsic
def exp2(typing: Any, x: Any) -> Any:
    """``2 ** x`` for finite x: zero below -126, never a denormal; at most 2^126, so neither is the reciprocal."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        scale, (series, f) = _split_exp2(builder, *args)
        return _fma(builder, series, builder.fmul(f, scale), scale)

    return vector_type(vector_type), generate


@intrinsic
def exp2_less_one(typing: Any, x: Any) -> Any:
    """``2 ** x - 1``, accurate where x is near 0."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        scale, (series, f) = _split_exp2(builder, *args)
        return _fma(builder, series, builder.fmul(f, scale), builder.fsub(scale, _constant(1.0)))

    return vector_type(vector_type), generate


@intrinsic
def step_state(typing: Any, h: Any, x: Any, entering: Any) -> Any:
    """``h * 2 ** x + entering``, better than by `exp2` where the factor is close to 1: it is not rounded."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        h, x, entering = args
        scale, (series, f) = _split_exp2(builder, x)
        rest = builder.fmul(series, builder.fmul(f, scale))
        # what hardly decays is rounded with what enters, not by itself the same way step after step
        return _fma(builder, h, scale, _fma(builder, h, rest, entering))

    return vector_type(vector_type, vector_type, vector_type), generate


@intrinsic
def prefetch(typing: Any, array: Any, index: Any) -> Any:
    """Ask for the cache line of an array's element, to be there soon."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        kinds = [ir.IntType(8).as_pointer(), _INT, _INT, _INT]
        ask = cgutils.get_or_insert_function(
            builder.module, ir.FunctionType(ir.VoidType(), kinds), "llvm.prefetch.p0i8"
        )
        address = builder.bitcast(_address(context, builder, sig.args[0], *args), kinds[0])
        builder.call(ask, [address, _INT(0), _INT(2), _INT(1)])
        return context.get_dummy_value()

    return types.void(array, types.intp), generate


@intrinsic
def total(typing: Any, x: Any) -> Any:
    """The sum of the lanes, by halves: the same order on every machine."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        (x,) = args
        width = LANES
        while width > 1:
            width //= 2
            low, high = ([i + shift for i in range(width)] for shift in (0, width))
            kind = ir.VectorType(_INT, width)
            empty = ir.Constant(x.type, ir.Undefined)
            x = builder.fadd(
                builder.shuffle_vector(x, empty, ir.Constant(kind, low)),
                builder.shuffle_vector(x, empty, ir.Constant(kind, high)),
            )
        return builder.extract_element(x, ir.Constant(_INT, 0))

    return types.float32(vector_type), generate
