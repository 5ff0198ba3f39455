"""Whatever the sizes, resets and cuts: all forms of a recurrence are the loop, and a cut sequence is the whole."""

from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import normalize

from tsssm_kernels import decay_attention, delta_rule, selective_scan

SIZES = st.integers(1, 40)


@st.composite
def sequences(draw):
    """Batch, length, two widths, resets, where to cut, the size of log-decays and a generator."""
    batch, length = draw(st.integers(1, 3)), draw(st.integers(1, 70))
    share = draw(st.sampled_from([0.0, 0.05, 0.5, 1.0]))
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**31)))
    resets = torch.rand(batch, length, generator=generator) < share
    cut = draw(st.integers(1, length))
    return (
        batch,
        length,
        draw(SIZES),
        draw(SIZES),
        resets,
        cut,
        draw(st.sampled_from([1e-6, 0.1, 5.0, 60.0])),
        generator,
    )


def check(function, inputs, resets, cut):
    """`inputs` have axes (batch, length, ...)."""
    exact, last = function(*(x.double() for x in inputs), resets=resets, backend="reference")
    for backend in ("chunked", "cpu"):
        y, state = function(*inputs, resets=resets, backend=backend)
        first, between = function(*(x[:, :cut] for x in inputs), resets=resets[:, :cut], backend=backend)
        pieces, after = [first], between
        if cut < y.shape[1]:
            rest = (x[:, cut:] for x in inputs)
            second, after = function(*rest, resets=resets[:, cut:], initial_state=between, backend=backend)
            pieces.append(second)
        for got in (y, torch.cat(pieces, dim=1)):
            assert float((got - exact).norm()) <= 1e-5 * float(exact.norm()) + 1e-6
        for got in (state, after):
            got, wanted = (x if isinstance(x, torch.Tensor) else x.memory for x in (got, last))
            assert float((got - wanted).norm()) <= 1e-5 * float(wanted.norm()) + 1e-6


@settings(max_examples=40, deadline=None, derandomize=True, database=None)
@given(sequences(), st.booleans())
def test_decay_attention(drawn, by_key):
    batch, length, keys, values, resets, cut, size, generator = drawn
    q, k, v = (torch.randn(batch, length, 2, width, generator=generator) for width in (keys, keys, values))
    log_decay = -size * torch.rand(batch, length, 2, *((keys,) if by_key else ()), generator=generator)
    check(decay_attention, (q, k, v, log_decay), resets, cut)


@settings(max_examples=40, deadline=None, derandomize=True, database=None)
@given(sequences(), st.booleans())
def test_delta_rule(drawn, by_key):
    batch, length, keys, values, resets, cut, size, generator = drawn
    q, k, v, a = (torch.randn(batch, length, 2, width, generator=generator) for width in (keys, keys, values, keys))
    a = normalize(a, dim=-1)
    log_decay = -size * torch.rand(batch, length, 2, *((keys,) if by_key else ()), generator=generator)
    check(delta_rule, (q, k, v, -a, a / 2, log_decay), resets, cut)


@settings(max_examples=40, deadline=None, derandomize=True, database=None)
@given(sequences())
def test_selective_scan(drawn):
    batch, length, channels, state, resets, cut, size, generator = drawn
    u, delta = torch.randn(2, batch, length, channels, generator=generator).unbind()
    B, C = torch.randn(2, batch, length, state, generator=generator).unbind()
    A = -size * torch.rand(channels, state, generator=generator)

    def scan(u, delta, B, C, **options):
        return selective_scan(u, delta, A.to(u.dtype), B, C, **options)

    check(scan, (u, delta.abs(), B, C), resets, cut)
