"""Complex numbers in Triton kernels, as pairs of tiles: transitions ``exp(time * (decay + i angle))``, and products.

Angles are counted in turns, of which whole ones do not matter. A time and a turn are two numbers each, the first of
twelve binary digits: the product of the first two is exact, so that many turns lose no digit of the part of a turn.
"""

from __future__ import annotations

import triton
import triton.language as tl

from ..gpu_math import LOG2_E, exp2_less_one

__all__ = ["advance", "compose_complex", "in_two", "rates", "transition"]

PI = tl.constexpr(3.141592653589793)


@triton.jit
def in_two(x):
    """A number of double precision as one of twelve digits, and the rest in single precision."""
    first = (x.to(tl.float32).to(tl.int32, bitcast=True) & -4096).to(tl.float32, bitcast=True)
    return first, (x - first.to(tl.float64)).to(tl.float32)


@triton.jit
def rates(decay, angle):
    """The logarithm of a step's transition as `transition` takes it: to base 2, and in turns, in two."""
    turn, turn_rest = in_two(angle.to(tl.float64) * (0.5 / PI))
    return decay * LOG2_E, turn, turn_rest


@triton.jit
def _size_and_turn(time, time_rest, decay, turn, turn_rest):
    """Logarithm of the size, 1 less the cosine, with all its digits, and the sine."""
    exact = time * turn
    part = exact - tl.floor(exact + 0.5) + (time * turn_rest + time_rest * (turn + turn_rest))
    half = (part - tl.floor(part + 0.5)) * PI  # of the angle, at most a quarter of a turn
    x = half * half
    sine = 1 / 362880 + x * (-1 / 39916800 + x * (1 / 6227020800))
    sine = half * (1.0 + x * (-1 / 6 + x * (1 / 120 + x * (-1 / 5040 + x * sine))))
    cosine = 1 / 40320 + x * (-1 / 3628800 + x * (1 / 479001600 + x * (-1 / 87178291200)))
    cosine = 1.0 + x * (-0.5 + x * (1 / 24 + x * (-1 / 720 + x * cosine)))
    return (time + time_rest) * decay, 2.0 * sine * sine, 2.0 * sine * cosine


@triton.jit
def transition(time, time_rest, decay, turn, turn_rest):
    """Real and imaginary part of the transition over a time."""
    log, down, sine = _size_and_turn(time, time_rest, decay, turn, turn_rest)
    size = tl.exp2(log)
    return size * (1.0 - down), size * sine


@triton.jit
def advance(real, imaginary, time, time_rest, decay, turn, turn_rest):
    """A state after a time in which nothing enters.

    What is close to 1 is not rounded before it meets the state: it is raised to the power of a whole sequence.
    """
    log, down, sine = _size_and_turn(time, time_rest, decay, turn, turn_rest)
    size, lost = tl.exp2(log), exp2_less_one(log)
    less, b = lost * (1.0 - down) - down, size * sine
    a = size * (1.0 - down)
    decays = log < -1.0
    after = tl.where(decays, a * real - b * imaginary, real + (less * real - b * imaginary))
    turned = tl.where(decays, a * imaginary + b * real, imaginary + (less * imaginary + b * real))
    return after, turned


@triton.jit
def compose_complex(first_a, first_b, first_c, first_d, a, b, c, d):
    """Two steps ``x -> (a + i b) x + (c + i d)`` as one, for `triton.language.associative_scan`."""
    return (
        a * first_a - b * first_b,
        a * first_b + b * first_a,
        a * first_c - b * first_d + c,
        a * first_d + b * first_c + d,
    )
