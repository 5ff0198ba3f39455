"""Decays of the heads of a sequence, a chunk of steps at a time."""

from __future__ import annotations

from numba import float32

from .simd import LANES, exp2, exp2_less_one, fma, inlined, load, read, splat, splat_at, store
from .simd_math import LOG2_E
from .simd_rows import read_row, whole

__all__ = ["read_decays"]

NEVER = -1e30  # exponent of a decay: nothing is kept


@inlined
def read_decays(sizes, inputs, row, head, steps, decays, missed):
    """Decays of a chunk, (steps, whole keys), and what their rounding takes off their product, (whole keys).

    A decay close to 1 is raised to the power of a whole sequence: `missed` is what the product of the rounded factors
    is short of the true one.
    """
    width, n_decays = whole(sizes.keys), sizes.decays
    zero, one = splat(float32(0.0)), splat(float32(1.0))
    if n_decays > 1:
        for i in range(steps):
            read_row(inputs.log_decay, ((row + i) * sizes.heads + head) * n_decays, n_decays, decays, i * width)
    for n in range(0, width, LANES):
        exponents, product = zero, zero  # the product less one
        for i in range(steps):
            exponent = zero
            if n_decays == 1:
                exponent = splat_at(inputs.log_decay, (row + i) * sizes.heads + head) * splat(float32(LOG2_E))
            elif n_decays > 1:
                exponent = load(decays, i * width + n) * splat(float32(LOG2_E))
            if inputs.resets != 0 and read(inputs.resets, row + i) != 0:
                exponent = splat(float32(NEVER))
            decay = exp2(exponent)
            store(decays, i * width + n, decay)
            rounded = decay - one
            exponents = exponents + exponent
            product = product + fma(product, rounded, rounded)
        store(missed, n, exp2_less_one(exponents) - product)
