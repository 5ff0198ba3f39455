"""The sLSTM on GPUs: Triton kernels.

A program owns a block of series and one head, and walks along time: each step waits for the output of the one before,
which meets the recurrent weights of the four gates in four products. The weights stay with the program.

As y depends on c, n and m through h = c / n and s = m + log(n) alone, the backward pass carries the gradients of these
two, and needs no exponential. What remains is m for its own sake, which only a final state shows: its gradient goes
back to the step that the last maximum is from.
"""

from __future__ import annotations

import triton
import triton.language as tl

from ..gpu_math import load_numbers, sigmoid, softplus, tanh

__all__ = ["slstm_backward", "slstm_forward"]

LEAST = tl.constexpr(-1e30)  # stands for minus infinity: differences of it are numbers

VARYING = ["batch", "length"]  # from call to call: not compiled for each kind of number


@triton.jit
def _matrix(recurrent, head, gate, width, WIDTH: tl.constexpr, DOT: tl.constexpr):
    """The recurrent weights of a gate, output before by gate."""
    i, j = tl.arange(0, WIDTH)[:, None], tl.arange(0, WIDTH)[None, :]
    at = ((head * 4 + gate) * width + i) * width + j
    return tl.load(recurrent + at, mask=(i < width) & (j < width), other=0).to(DOT)


@triton.jit
def _matrices(recurrent, head, width, WIDTH: tl.constexpr, DOT: tl.constexpr):
    """Those of all four."""
    return (
        _matrix(recurrent, head, 0, width, WIDTH, DOT),
        _matrix(recurrent, head, 1, width, WIDTH, DOT),
        _matrix(recurrent, head, 2, width, WIDTH, DOT),
        _matrix(recurrent, head, 3, width, WIDTH, DOT),
    )


@triton.jit(do_not_specialize=VARYING)
def slstm_forward(
    gates, recurrent, resets, y_0, c_0, n_0, m_0, y, y_last, c_last, n_last, m_last, kept, ends,
    batch, length, heads, width,
    DOT: tl.constexpr, PRECISION: tl.constexpr, SERIES: tl.constexpr, WIDTH: tl.constexpr,
):  # fmt: skip
    """Outputs and the final state.

    With `kept` also, of each step, the share of what enters in n, negative or 0 where m is from an earlier step, what
    enters, the output gate, the slope of the logarithm of the forget gate, and h; in `ends` the weight of the initial
    c in the first h, and the last n.
    """
    series = (tl.program_id(0) * SERIES + tl.arange(0, SERIES)).to(tl.int64)
    head = tl.program_id(1)
    j = tl.arange(0, WIDTH)
    is_series = series < batch
    inside = is_series[:, None] & (j < width)[None, :]
    own = (series * heads + head)[:, None] * width + j[None, :]
    h_y, c, n = load_numbers(y_0, own, inside), load_numbers(c_0, own, inside), load_numbers(n_0, own, inside)
    m = tl.maximum(load_numbers(m_0, own, inside), LEAST)
    rest = tl.zeros([SERIES, WIDTH], tl.float32)  # what rounding took off m: more than a step may forget
    of_ends = ((series * heads + head) * 2)[:, None] * WIDTH + j[None, :]
    of_i, of_f, of_z, of_o = _matrices(recurrent, head, width, WIDTH, DOT)

    for t in range(length):
        row = series * length + t
        if resets is not None:
            begins = tl.load(resets + row, mask=is_series, other=0)[:, None] != 0
            h_y, c, n = tl.where(begins, 0.0, h_y), tl.where(begins, 0.0, c), tl.where(begins, 0.0, n)
            m, rest = tl.where(begins, LEAST, m), tl.where(begins, 0.0, rest)
        at = ((row * heads + head) * 4)[:, None] * width + j[None, :]
        before = h_y.to(DOT)
        raw_f = load_numbers(gates, at + width, inside) + tl.dot(before, of_f, input_precision=PRECISION)
        forgotten = softplus(-raw_f)
        raw_i = load_numbers(gates, at, inside) + tl.dot(before, of_i, input_precision=PRECISION)
        new = tanh(load_numbers(gates, at + 2 * width, inside) + tl.dot(before, of_z, input_precision=PRECISION))
        out = sigmoid(load_numbers(gates, at + 3 * width, inside) + tl.dot(before, of_o, input_precision=PRECISION))
        if kept is not None:
            step = ((row * heads + head) * 5)[:, None] * WIDTH + j[None, :]
            tl.store(kept + step + WIDTH, new, mask=is_series[:, None])
            tl.store(kept + step + 2 * WIDTH, out, mask=is_series[:, None])
            tl.store(kept + step + 3 * WIDTH, sigmoid(-raw_f), mask=is_series[:, None])

        reached = m - forgotten
        taken = reached - m
        left = rest + (m - (reached - taken) - (forgotten + taken))
        lead = reached - raw_i + left
        other = tl.exp(-tl.abs(lead))
        older = lead > 0
        keep, enter = tl.where(older, 1.0, other), tl.where(older, other, 1.0)
        top, left = tl.where(older, reached, raw_i), tl.where(older, left, 0.0)
        m = top + left
        rest = left - (m - top)
        c, n = keep * c + enter * new, keep * n + enter
        h = tl.div_rn(c, n)  # rounded as it should be: h and what enters are equal where all before is forgotten
        h_y = out * h
        at = (row * heads + head)[:, None] * width + j[None, :]
        tl.store(y + at, h_y, mask=inside)
        if kept is not None:
            share = tl.div_rn(enter, n)
            tl.store(kept + step, tl.where(older, -share, share), mask=is_series[:, None])
            tl.store(kept + step + 4 * WIDTH, h, mask=is_series[:, None])
            tl.store(ends + of_ends, tl.div_rn(keep, n), mask=is_series[:, None] & (t == 0))

    tl.store(y_last + own, h_y, mask=inside)
    tl.store(c_last + own, c, mask=inside)
    tl.store(n_last + own, n, mask=inside)
    tl.store(m_last + own, m, mask=inside)
    if kept is not None:
        tl.store(ends + of_ends + WIDTH, n, mask=is_series[:, None])


@triton.jit(do_not_specialize=VARYING)
def slstm_backward(
    recurrent, resets, kept, ends, grad_y, grad_y_last, grad_c_last, grad_n_last, grad_m_last,
    grad_gates, grad_y_0, grad_c_0, grad_n_0, grad_m_0, batch, length, heads, width,
    DOT: tl.constexpr, PRECISION: tl.constexpr, SERIES: tl.constexpr, WIDTH: tl.constexpr,
):  # fmt: skip
    """Gradients of gates and of the initial state; those of the recurrent weights follow from those of the gates."""
    series = (tl.program_id(0) * SERIES + tl.arange(0, SERIES)).to(tl.int64)
    head = tl.program_id(1)
    j = tl.arange(0, WIDTH)
    is_series = series < batch
    inside = is_series[:, None] & (j < width)[None, :]
    own = (series * heads + head)[:, None] * width + j[None, :]
    of_ends = ((series * heads + head) * 2)[:, None] * WIDTH + j[None, :]
    n = load_numbers(ends, of_ends + WIDTH, is_series[:, None])
    at = ((((series + 1) * length - 1) * heads + head) * 5 + 4)[:, None] * WIDTH + j[None, :]
    h = load_numbers(kept, at, is_series[:, None])
    zero = tl.zeros([SERIES, WIDTH], tl.float32)
    of_c = zero if grad_c_last is None else load_numbers(grad_c_last, own, inside)
    of_n = zero if grad_n_last is None else load_numbers(grad_n_last, own, inside)
    of_m = zero if grad_m_last is None else load_numbers(grad_m_last, own, inside)
    of_later = zero if grad_y_last is None else load_numbers(grad_y_last, own, inside)
    of_h, of_s = of_c * n, n * (of_c * h + of_n)  # n = exp(s - m), c = h n
    of_m -= of_s
    of_i, of_f, of_z, of_o = _matrices(recurrent, head, width, WIDTH, DOT)

    for back in range(length):
        t = length - 1 - back
        row = series * length + t
        at = ((row * heads + head) * 5)[:, None] * WIDTH + j[None, :]
        share, new = load_numbers(kept, at, is_series[:, None]), load_numbers(kept, at + WIDTH, is_series[:, None])
        out, slope = (
            load_numbers(kept, at + 2 * WIDTH, is_series[:, None]),
            load_numbers(kept, at + 3 * WIDTH, is_series[:, None]),
        )
        h = load_numbers(kept, at + 4 * WIDTH, is_series[:, None])
        of_y = of_later
        if grad_y is not None:
            of_y += load_numbers(grad_y, (row * heads + head)[:, None] * width + j[None, :], inside)
        of_h += of_y * out
        of_older = tl.where(share > 0, 0.0, of_m)
        share = tl.abs(share)
        of_new = of_h * share
        of_lead = of_new * (new - h)
        of_kept = of_s - of_s * share - of_lead
        at = ((row * heads + head) * 4)[:, None] * width + j[None, :]
        into = of_s * share + of_lead + (of_m - of_older)
        tl.store(grad_gates + at, into, mask=inside)
        of_later = tl.dot(into.to(DOT), tl.trans(of_i), input_precision=PRECISION)
        into = (of_kept + of_older) * slope
        tl.store(grad_gates + at + width, into, mask=inside)
        of_later += tl.dot(into.to(DOT), tl.trans(of_f), input_precision=PRECISION)
        into = of_new * (1.0 - new * new)
        tl.store(grad_gates + at + 2 * width, into, mask=inside)
        of_later += tl.dot(into.to(DOT), tl.trans(of_z), input_precision=PRECISION)
        into = of_y * h * out * (1.0 - out)
        tl.store(grad_gates + at + 3 * width, into, mask=inside)
        of_later += tl.dot(into.to(DOT), tl.trans(of_o), input_precision=PRECISION)
        if t == 0:
            of_first = load_numbers(ends, of_ends, is_series[:, None])
            tl.store(grad_c_0 + own, of_first * of_h, mask=inside)
            tl.store(grad_n_0 + own, of_first * (of_s - h * of_h), mask=inside)
            tl.store(grad_m_0 + own, of_kept + of_older, mask=inside)
        of_h, of_s, of_m = of_h - of_new, of_kept, of_older
        if resets is not None:
            begins = tl.load(resets + row, mask=is_series, other=0)[:, None] != 0
            of_later, of_h = tl.where(begins, 0.0, of_later), tl.where(begins, 0.0, of_h)
            of_s, of_m = tl.where(begins, 0.0, of_s), tl.where(begins, 0.0, of_m)
    tl.store(grad_y_0 + own, of_later, mask=inside)
