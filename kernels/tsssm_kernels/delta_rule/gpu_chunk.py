"""The delta rule on GPUs: what Triton kernels know of a chunk of steps.

A chunk is told by its first row, of a head in (series, length, heads), and by how many steps the series has from there.
A decay is a power of a sum of log-decays over the very steps it passes, or the product of two: none is a quotient, so
none overflows, and none is a power of a difference of sums, which loses digits.
"""

from __future__ import annotations

import triton
import triton.language as tl

from ..gpu_math import LOG2_E, load_numbers

__all__ = [
    "decays_of_heads",
    "ends",
    "log_decays",
    "pairs",
    "product",
    "sequences",
    "spans",
    "sums",
]


@triton.jit
def product(x, y, DOT: tl.constexpr, PRECISION: tl.constexpr):
    """x @ y in float32, of operands as `DOT`."""
    return tl.dot(x.to(DOT), y.to(DOT), input_precision=PRECISION)


@triton.jit
def sums(chosen, x, PRECISION: tl.constexpr):
    """Sums over j of rows of x where (i, j) is chosen, for all i; as products, of which one in TF32 is not enough."""
    precision: tl.constexpr = "ieee" if PRECISION == "ieee" else "tf32x3"
    return tl.dot(tl.where(chosen, 1.0, 0.0), x, input_precision=precision)


@triton.jit
def sequences(resets, row, steps, STEPS: tl.constexpr):
    """Which of the chunk's sequences each step belongs to; 0 is that of the state before the chunk."""
    t = tl.arange(0, STEPS)
    sequence = tl.zeros([STEPS], tl.int32)
    if resets is not None:
        sequence = tl.cumsum(tl.load(resets + row + t, mask=t < steps, other=0).to(tl.int32), 0)
    return sequence


@triton.jit
def pairs(sequence, STEPS: tl.constexpr):
    """Where steps i read what steps j <= i wrote, and j < i."""
    i, j = tl.arange(0, STEPS)[:, None], tl.arange(0, STEPS)[None, :]
    same = sequence[:, None] == sequence[None, :]
    return same & (i >= j), same & (i > j)


@triton.jit
def log_decays(log_decay, first, steps, heads, decays, d, STEPS: tl.constexpr, DECAYS: tl.constexpr):
    """Log-decays to the base 2 at places `d` of a row (0, or keys): of steps, of those before and those after them.

    They are finite, for sums of them are products with zeros and ones.
    """
    log = tl.zeros([STEPS, DECAYS], tl.float32)
    log_before, log_after = log, log
    if log_decay is not None:
        t = tl.arange(0, STEPS)[:, None]
        at, has = t * heads * decays + d[None, :], (d < decays)[None, :]
        log_decay += first * decays
        log = _finite(load_numbers(log_decay, at, has & (t < steps)))
        log_before = _finite(load_numbers(log_decay, at - heads * decays, has & (t > 0) & (t < steps)))
        log_after = _finite(load_numbers(log_decay, at + heads * decays, has & (t < STEPS - 1) & (t + 1 < steps)))
    return log, log_before, log_after


@triton.jit
def _finite(log):
    """To the base 2; of a decay to nothing a number whose powers are 0, and of NaN NaN."""
    return tl.where(log < -1e4, -1e4, log) * LOG2_E


@triton.jit
def spans(span, STEPS: tl.constexpr):
    """Pairs (i, j) of steps in one span: with j <= i, j < i, and j > i; and of those in two, where j's decay reaches i.

    Those are neighbouring spans, the first of them with an even number. With spans of 1, 2, 4 steps, and so on to half
    a chunk, each pair j < i comes up once; its decay is that from j to its span's end, times that from there to i.
    """
    i, j = tl.arange(0, STEPS)[:, None], tl.arange(0, STEPS)[None, :]
    of_i, of_j = i // span, j // span
    one = of_i == of_j
    return one & (j <= i), one & (j < i), one & (j > i), (of_i == of_j + 1) & (of_j % 2 == 0)


@triton.jit
def ends(sequence, log, log_before, log_after, STEPS: tl.constexpr):
    """Decays from before the chunk to each step, and to the step before it; from each to the chunk's end; through it.

    Zero where a sequence begins between. The last is a logarithm, to the base 2, and whether nothing begins.
    """
    into, into_before = tl.exp2(tl.cumsum(log, 0)), tl.exp2(tl.cumsum(log_before, 0))
    out_of = tl.exp2(tl.cumsum(log_after, 0, reverse=True))
    reached, last = (sequence == 0)[:, None], tl.max(sequence, 0)
    into, into_before = tl.where(reached, into, 0.0), tl.where(reached, into_before, 0.0)
    return into, into_before, tl.where((sequence == last)[:, None], out_of, 0.0), tl.sum(log, 0), last == 0


@triton.jit
def decays_of_heads(log, log_before, up_to, before, STEPS: tl.constexpr):
    """Decays (i, j) from step j to step i, and to the step before i; zero where i does not read what j wrote."""
    i, j = tl.arange(0, STEPS)[:, None], tl.arange(0, STEPS)[None, :]
    to_step = tl.exp2(tl.cumsum(tl.where(i > j, log, 0.0), 0))
    to_step_before = tl.exp2(tl.cumsum(tl.where(i - 1 > j, log_before, 0.0), 0))
    return tl.where(up_to, to_step, 0.0), tl.where(before, to_step_before, 0.0)
