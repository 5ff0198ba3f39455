"""Decay attention against closed forms, formulas of the models it serves, and what it refuses."""

from __future__ import annotations

import math

import pytest
import torch

from flash_linear_attention import load_formulas
from tsssm_kernels import DecayState, decay_attention, decay_attention_step

BACKENDS = ("reference", "chunked", "cpu")
B, L, H, K, V = 2, 50, 3, 6, 7


def normal(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed + sum(shape)))


@pytest.fixture
def qkv():
    return normal(B, L, H, K), normal(B, L, H, K, seed=1), normal(B, L, H, V, seed=2)


@pytest.mark.parametrize("backend", BACKENDS)
def test_without_decay_it_is_a_sum_over_the_past(qkv, backend):
    q, k, v = qkv
    y, state = decay_attention(q, k, v, backend=backend)
    scores = torch.einsum("bihk,bjhk->bhij", q, k).tril()
    torch.testing.assert_close(y, torch.einsum("bhij,bjhv->bihv", scores, v), rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(state.memory, torch.einsum("bjhk,bjhv->bhkv", k, v), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("by_key", [False, True])
def test_with_a_decay_to_nothing_it_sees_the_step_alone(qkv, backend, by_key):
    q, k, v = qkv
    log_decay = torch.full((B, L, H, K) if by_key else (B, L, H), -200.0)
    y, state = decay_attention(q, k, v, log_decay, backend=backend)
    torch.testing.assert_close(y, (q * k).sum(-1, keepdim=True) * v)
    torch.testing.assert_close(state.memory, k[:, -1].unsqueeze(-1) * v[:, -1].unsqueeze(-2))


@pytest.mark.parametrize("backend", BACKENDS)
def test_turning_decaying_weights_are_those_of_the_quadratic_form(qkv, backend):
    """RetNet's weights, and the rotary average's: relative angles, a fixed decay, divided by the sum of decays."""
    q, k, v = qkv
    angles, rate = normal(H, K // 2), torch.tensor([0.1, 0.5, 1.0])
    lag = (torch.arange(L)[:, None] - torch.arange(L)).double()
    decays = torch.exp(-rate.view(H, 1, 1) * lag).tril()  # (H, L, L)
    turn = torch.polar(torch.ones(H, L, L, K // 2, dtype=torch.float64), lag[None, :, :, None] * angles[:, None, None])
    as_complex = (torch.complex(*x.double().chunk(2, dim=-1)) for x in (q, k))
    q_complex, k_complex = as_complex
    scores = torch.einsum("bihp,bjhp,hijp->bhij", q_complex, k_complex.conj(), turn).real
    expected = torch.einsum("bhij,bjhv->bihv", scores * decays, v.double())
    expected = expected / decays.sum(-1).T.unsqueeze(-1)
    y, _ = decay_attention(q, k, v, -rate.expand(B, L, H), angles=angles, normalizer="decays", backend=backend)
    torch.testing.assert_close(y.double(), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("backend", BACKENDS)
def test_an_angle_of_a_whole_period_sees_one_period_back(backend):
    """A complex decay can attend to a lag; a real one cannot."""
    period, pairs = 7, 3
    angles = 2 * math.pi / period * torch.arange(1, pairs + 1).view(1, pairs).float()
    one = torch.ones(1, 30, 1, 2 * pairs)
    one[..., pairs:] = 0
    v = torch.zeros(1, 30, 1, 1)
    v[0, 3] = 1
    y, _ = decay_attention(one, one, v, angles=angles, backend=backend)
    y = y.flatten()
    assert torch.allclose(y[[3, 10, 17, 24]], torch.tensor(float(pairs)), atol=1e-4)
    assert float(y[[4, 5, 6, 7, 8, 9]].abs().max()) < pairs / 2


@pytest.mark.parametrize("backend", BACKENDS)
def test_mlstm_does_not_depend_on_its_stabiliser(qkv, backend):
    """Equals the unstabilised equations, with gates small enough for them."""
    q, k, v = (x.double() for x in qkv)
    forget, gate = -normal(B, L, H).abs().double(), normal(B, L, H, seed=5).double()
    C, n, expected = torch.zeros(B, H, K, V).double(), torch.zeros(B, H, K).double(), []
    for t in range(L):
        f, i = forget[:, t].exp()[..., None], gate[:, t].exp()[..., None]
        C = f[..., None] * C + (i * k[:, t])[..., None] * v[:, t, :, None]
        n = f * n + i * k[:, t]
        weight = (q[:, t] * n).sum(-1, keepdim=True).abs().clamp(min=1)
        expected.append((C * q[:, t, :, :, None]).sum(-2) / weight)
    inputs = [x.float() if backend == "cpu" else x for x in (q, k, v, forget)]
    y, state = decay_attention(*inputs, input_gate=gate.to(inputs[0]), normalizer="bounded", eps=0.0, backend=backend)
    torch.testing.assert_close(y.double(), torch.stack(expected, 1), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close((state.scale.exp()[..., None, None] * state.memory).double(), C, rtol=1e-4, atol=1e-5)


def test_huge_input_gates_do_not_overflow(qkv):
    q, k, v = qkv
    gate = torch.full((B, L, H), 300.0)
    gate[:, ::7] = -300.0
    y, state = decay_attention(q, k, v, -torch.ones(B, L, H), input_gate=gate, normalizer="bounded")
    assert bool(torch.isfinite(y).all())
    assert float(state.scale.max()) > 250


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_gap_is_as_many_steps_without_input(qkv, backend):
    q, k, v = (x[:, :4] for x in qkv)
    log_decay, angles = -normal(B, 4, H).abs(), normal(H, 2)
    gaps = torch.tensor([[1.0, 3.0, 1.0, 2.0]]).expand(B, 4)
    y, state = decay_attention(q, k, v, log_decay, angles=angles, time_gaps=gaps, backend=backend)
    at = torch.tensor([0, 3, 4, 6])
    spread = [torch.zeros(B, 7, *x.shape[2:]).index_copy(1, at, x) for x in (q, k, v)]
    decays = log_decay.repeat_interleave(torch.tensor([1, 3, 1, 2]), dim=1)
    long, last = decay_attention(*spread, decays, angles=angles, backend=backend)
    torch.testing.assert_close(y, long[:, at], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(state.memory, last.memory, rtol=1e-4, atol=1e-5)


def test_gated_linear_attention_equals_flash_linear_attentions(qkv):
    formulas = load_formulas("gla/naive.py")
    log_decay, state = -normal(B, L, H, K, seed=3).abs(), normal(B, H, K, V, seed=4)
    y, after = formulas.naive_recurrent_gla(*qkv, log_decay, initial_state=state, output_final_state=True)
    check_like(qkv, y, after, log_decay=log_decay, initial_state=DecayState(state))


def test_simple_gated_linear_attention_equals_flash_linear_attentions(qkv):
    formulas = load_formulas("simple_gla/naive.py")
    log_decay, state = -normal(B, L, H, seed=3).abs(), normal(B, H, K, V, seed=4)
    y, after = formulas.naive_recurrent_simple_gla(*qkv, log_decay, initial_state=state)
    check_like(qkv, y, after, log_decay=log_decay, initial_state=DecayState(state))


def test_linear_attention_equals_flash_linear_attentions(qkv):
    formulas = load_formulas("linear_attn/naive.py")
    q, k, v = qkv
    q, k = q.abs(), k.abs()
    y, (after, key_sum) = formulas.naive_recurrent_linear_attn(q, k, v, normalize=True, output_final_state=True)
    state = check_like((q, k, v), y, after, normalizer="keys", eps=1e-10)
    torch.testing.assert_close(state.key_sum, key_sum[:, 0], rtol=1e-4, atol=1e-4)


def test_rwkv6_equals_flash_linear_attentions(qkv):
    formulas = load_formulas("rwkv6/recurrent_naive.py")
    log_decay, bonus, state = -normal(B, L, H, K, seed=3).exp(), normal(H, K), normal(B, H, K, V, seed=4)
    heads_first = (x.transpose(1, 2) for x in (*qkv, log_decay))
    y, after = formulas.naive_recurrent_rwkv6(*heads_first, bonus, initial_state=state, output_final_state=True)
    check_like(qkv, y.transpose(1, 2), after, log_decay=log_decay, bonus=bonus, initial_state=DecayState(state))


@pytest.mark.parametrize("normalizer", [None, "keys"])
def test_gradients_of_a_state_that_lies_across_memory(qkv, normalizer):
    """Where only outputs are used, as at a cut in the middle of a training sequence."""
    found = {}
    for backend in ("reference", "cpu"):
        memory = normal(B, H, V, K).requires_grad_()
        key_sum = None if normalizer is None else normal(B, K, H).requires_grad_()
        state = DecayState(memory.transpose(2, 3), None if key_sum is None else key_sum.transpose(1, 2))
        y, _ = decay_attention(
            qkv[0].exp(), qkv[1].exp(), qkv[2], normalizer=normalizer, initial_state=state, backend=backend
        )
        y.square().sum().backward()
        found[backend] = [part.grad for part in (memory, key_sum) if part is not None]
    torch.testing.assert_close(found["cpu"], found["reference"], rtol=1e-3, atol=1e-4)


def check_like(qkv, y, memory, **options):
    """Theirs has the scale inside."""
    q, k, v = qkv
    for backend in BACKENDS:
        got, state = decay_attention(q * K**-0.5, k, v, backend=backend, **options)
        torch.testing.assert_close(got, y, rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(state.memory, memory, rtol=1e-4, atol=1e-4)
    return state


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"k": torch.zeros(B, L, H, K + 1)}, r"k must have shape \(2, 50, 3, 6\) for q of shape .*got \(2, 50, 3, 7\)"),
        ({"q": torch.zeros(B, L, 2, K), "k": torch.zeros(B, L, 2, K)}, r"q has 2 heads, which must divide the 3 heads"),
        ({"log_decay": torch.zeros(B, L)}, r"log_decay must have shape \(2, 50, 3\)"),
        ({"angles": torch.zeros(H, 4)}, r"angles has 4 pairs of keys, but q only 6 keys"),
        ({"normalizer": "sum"}, r"normalizer is 'sum'; use one of \('keys', 'bounded', 'decays'\), or None"),
        ({"bonus": torch.zeros(H, K), "normalizer": "keys"}, r"bonus goes with decays alone"),
        (
            {"log_decay": torch.zeros(B, L, H, K), "input_gate": torch.zeros(B, L, H)},
            r"input_gate needs a log_decay of",
        ),
        ({"log_decay": torch.zeros(B, L, H, K), "normalizer": "decays"}, r"normalizer='decays' needs a log_decay of"),
        ({"taps": torch.zeros(B, L, H, 2), "input_gate": torch.zeros(B, L, H)}, r"taps and input_gate exclude"),
        (
            {"initial_state": DecayState(torch.zeros(B, H, K, K))},
            r"initial_state.memory must have shape \(2, 3, 6, 7\)",
        ),
        (
            {"initial_state": DecayState(torch.zeros(B, H, K, V)), "normalizer": "keys"},
            r"initial_state.key_sum must have shape \(2, 3, 6\) .*got None",
        ),
        (
            {"initial_state": DecayState(torch.zeros(B, H, K, V), torch.zeros(B, H, K))},
            r"initial_state.key_sum must be None .*got \(2, 3, 6\)",
        ),
        ({"v": torch.zeros(B, L, H, V, dtype=torch.int64)}, r"v must be floating point; got torch.int64. Pass v.float"),
        ({"resets": torch.zeros(B, L)}, r"resets must be a bool tensor; got torch.float32"),
    ],
)
def test_what_does_not_fit_is_refused(qkv, change, message):
    with pytest.raises(ValueError, match="decay_attention: " + message):
        decay_attention(**(dict(zip("qkv", qkv)) | change))


def test_a_step_refuses_a_state_of_another_shape(qkv):
    q, k, v = (x[:, 0] for x in qkv)
    with pytest.raises(ValueError, match=r"decay_attention_step: state.memory must have shape \(2, 3, 6, 7\)"):
        decay_attention_step(q, k, v, DecayState(torch.zeros(B, H, V, K)))
