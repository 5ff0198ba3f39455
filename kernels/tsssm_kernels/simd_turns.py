"""Cosines and sines of many turns, in vectors: how far something has turned after a long time."""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import float32
from numba.core import cgutils
from numba.extending import intrinsic

from .simd import LANES, fma, inlined, splat, vector_type

__all__ = ["cosine_and_sine", "nearest"]

_FLOATS = ir.VectorType(ir.FloatType(), LANES)

# sin(pi r) / r and cos(pi r) as polynomials of r^2 for |r| <= 1/2: errors below 4e-9 and 1e-9
_SINE = (3.1415925798988793, -5.167706869584059, 2.550031220241301, -0.5980442165768827, 0.07721821339783909)
_COSINE = (1.0, -4.934802137102723, 4.058709159649417, -1.3352119965703961, 0.2349372498082209, -0.02439616693453588)


@intrinsic
def nearest(typing: Any, x: Any) -> Any:
    """The nearest whole numbers."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        kind = ir.FunctionType(_FLOATS, [_FLOATS])
        rounded = cgutils.get_or_insert_function(builder.module, kind, f"llvm.nearbyint.v{LANES}f32")
        return builder.call(rounded, args)

    return vector_type(vector_type), generate


@inlined
def cosine_and_sine(time, time_rest, turns, turns_rest):
    """Cosine and sine of ``2 pi time * turns``, each factor given as a number and what its rounding took off.

    The product is taken without rounding before whole turns are dropped: errors stay below 1e-6 for as many turns as
    a number has room for.
    """
    product = time * turns
    rest = fma(time, turns, splat(float32(0.0)) - product)
    rest = fma(time, turns_rest, fma(time_rest, turns, rest))
    r = product - nearest(product) + rest
    r = r - nearest(r)  # of a turn, within a half: of a large product the rest is not small
    square = r * r
    sine = fma(square, splat(float32(_SINE[4])), splat(float32(_SINE[3])))
    sine = fma(square, sine, splat(float32(_SINE[2])))
    sine = fma(square, sine, splat(float32(_SINE[1])))
    sine = r * fma(square, sine, splat(float32(_SINE[0])))  # of half the angle, as is the cosine
    cosine = fma(square, splat(float32(_COSINE[5])), splat(float32(_COSINE[4])))
    cosine = fma(square, cosine, splat(float32(_COSINE[3])))
    cosine = fma(square, cosine, splat(float32(_COSINE[2])))
    cosine = fma(square, cosine, splat(float32(_COSINE[1])))
    cosine = fma(square, cosine, splat(float32(_COSINE[0])))
    twice = sine + sine
    return fma(splat(float32(0.0)) - twice, sine, splat(float32(1.0))), twice * cosine
