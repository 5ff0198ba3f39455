"""Window attention: closed forms, torch's own attention with a mask as independent truth, late positions, refusals."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch.nn.functional import scaled_dot_product_attention

from tsssm_kernels import WindowState, window_attention, window_attention_step
from tsssm_kernels.window_attention.rotation import turned, turns_at

BACKENDS = ("reference", "chunked", "cpu")


def normal(*shape, seed=0, dtype=torch.float32):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


def queries_keys_values(batch=2, length=37, heads=4, kv_heads=2, width=6, values=5, dtype=torch.float32):
    of_keys = (batch, length, kv_heads)
    shapes = ((batch, length, heads, width), (*of_keys, width), (*of_keys, values))
    return [normal(*shape, seed=seed, dtype=dtype) for seed, shape in enumerate(shapes)]


def relative_error(got, expected):
    return float((got.double() - expected.double()).norm() / expected.double().norm())


def turned_by_complex_numbers(x, base):
    """Rotary positions from 0 on, with features i and width / 2 + i as one complex number."""
    x = x.double().numpy()
    pairs = x.shape[-1] // 2
    angles = np.arange(x.shape[1])[:, None] * base ** (-np.arange(pairs) / pairs)
    z = (x[..., :pairs] + 1j * x[..., pairs:]) * np.exp(1j * angles)[:, None]
    return torch.from_numpy(np.concatenate([z.real, z.imag], axis=-1))


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("base", [None, 1000.0])
@pytest.mark.parametrize("window", [1, 5, 16, 30, 37, 100])
def test_equals_masked_attention_of_torch(window, base, backend):
    """The mask is that of language models' sliding windows: a key after ``query - window`` and not after the query."""
    q, k, v = queries_keys_values()
    at = torch.arange(37)
    mask = (at > at[:, None] - window) & (at <= at[:, None])
    turn = (lambda x: x.double()) if base is None else (lambda x: turned_by_complex_numbers(x, base))
    shared = [x.repeat_interleave(2, dim=2) for x in (turn(k), v.double())]
    expected = scaled_dot_product_attention(*(x.transpose(1, 2) for x in (turn(q), *shared)), attn_mask=mask)
    y, state = window_attention(q, k, v, window, rotary_base=base, backend=backend)
    assert relative_error(y, expected.transpose(1, 2)) < 1e-5
    for step in range(max(0, 37 - window), 37):
        torch.testing.assert_close(state.keys[:, step % window].double(), turn(k)[:, step], rtol=1e-5, atol=1e-5)
        assert torch.equal(state.values[:, step % window], v[:, step])
    if window > 37:
        assert not state.keys[:, 37:].any()


@pytest.mark.parametrize("backend", BACKENDS)
def test_equal_scores_give_means_and_one_large_score_a_choice(backend):
    q, v = torch.ones(1, 6, 1, 2), torch.arange(6.0).view(1, 6, 1, 1)
    y, _ = window_attention(q, q, v, 4, backend=backend)
    torch.testing.assert_close(y.flatten(), torch.tensor([0.0, 0.5, 1.0, 1.5, 2.5, 3.5]))
    k = q.clone()
    k[:, 1] = 100.0
    y, _ = window_attention(q, k, v, 4, scale=1.0, backend=backend)
    torch.testing.assert_close(y.flatten(), torch.tensor([0.0, 1.0, 1.0, 1.0, 1.0, 3.5]))


LATE = 10**12


def run_on(position, window, dtype, base, backend, inputs):
    """Go on from a full ring at some position."""
    rings = (normal(1, window, 1, 16, seed=s, dtype=dtype) for s in (7, 8))
    state = WindowState(*rings, torch.tensor([position]))
    return window_attention(*inputs, window, rotary_base=base, initial_state=state, backend=backend)


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_late_position_changes_nothing(backend):
    """Nothing at all without rotary positions."""
    inputs = queries_keys_values(1, 40, 2, 1, 16, 16)
    late, state = run_on(LATE, 12, torch.float32, None, backend, inputs)
    early, early_state = run_on(LATE % 12 + 12, 12, torch.float32, None, backend, inputs)
    assert torch.equal(late, early)
    assert all(map(torch.equal, state[:2], early_state[:2]))
    assert int(state.position) == LATE + 40


@pytest.mark.parametrize("backend", [*BACKENDS, "step"])
@pytest.mark.parametrize("position", [10**5, LATE, 2**53 + 1, 2**61])
def test_late_angles_are_as_exact_as_early_ones(position, backend):
    """Scores depend on distances alone: once the window is full, those of the first steps are the truth."""
    exact = queries_keys_values(1, 40, 2, 1, 16, 16, dtype=torch.float64)
    expected, _ = window_attention(*exact, 12, rotary_base=1000.0, backend="reference")
    inputs = [x.float() for x in exact]
    if backend == "step":
        state, outputs = WindowState(torch.zeros(1, 12, 1, 16), torch.zeros(1, 12, 1, 16), torch.tensor([position])), []
        for step in zip(*(x.unbind(1) for x in inputs)):
            y_t, state = window_attention_step(*step, state, rotary_base=1000.0)
            outputs.append(y_t)
        y = torch.stack(outputs, dim=1)
    else:
        y, _ = run_on(position, 12, torch.float32, 1000.0, backend, inputs)
    assert relative_error(y[:, 11:], expected[:, 11:]) < 2e-6


def test_products_of_turned_vectors_depend_on_the_distance_alone():
    q, k = normal(2, 1, 3, 8, dtype=torch.float64)

    def scores(shift):
        at = [turned(x, turns_at(torch.tensor([p + shift]), 1000.0, 8, torch.float64)) for x, p in ((q, 9), (k, 2))]
        return (at[0] * at[1]).sum(-1)

    for shift in (1, 50, 100_000, LATE, 2**61):
        torch.testing.assert_close(scores(shift), scores(0), rtol=1e-13, atol=1e-13)
    assert not torch.allclose((q * k).sum(-1), scores(0))


def test_angles_are_those_of_the_definition():
    position = torch.tensor([0, 1, 17, 123_456])
    cosine, sine = turns_at(position, 1000.0, 8, torch.float64).unbind(-2)
    exact = position.double().unsqueeze(-1) * torch.tensor([1000.0 ** (-i / 4) for i in range(4)], dtype=torch.float64)
    torch.testing.assert_close(cosine, exact.cos(), rtol=0, atol=1e-10)
    torch.testing.assert_close(sine, exact.sin(), rtol=0, atol=1e-10)


@pytest.mark.parametrize("backend", BACKENDS)
def test_gradients_are_finite_where_nothing_is_seen(backend):
    """Empty rings, full of large numbers that nothing may read, and a new sequence at every other step."""
    inputs = [x.requires_grad_() for x in queries_keys_values(2, 9, 2, 2, 4, 4)]
    rings = [torch.full((2, 6, 2, 4), 1e30, requires_grad=True) for _ in range(2)]
    state = WindowState(*rings, torch.zeros(2, dtype=torch.int64))
    resets = torch.arange(9).expand(2, 9) % 2 == 1
    y, after = window_attention(*inputs, 6, initial_state=state, resets=resets, backend=backend)
    gradients = torch.autograd.grad(y.sum() + after.values.sum(), [*inputs, *rings], allow_unused=True)
    assert all(gradient is None or bool(gradient.isfinite().all()) for gradient in gradients)
    assert y.isfinite().all()
    assert y.abs().max() < 1e3


@pytest.mark.parametrize("threads", [1, 3])
def test_as_many_threads_the_same_numbers(threads):
    inputs = [x.requires_grad_() for x in queries_keys_values(3, 400, 8, 4, 16, 16)]

    def run():
        y, state = window_attention(*inputs, 30, rotary_base=100.0, backend="cpu")
        return [y, *torch.autograd.grad(y.square().sum() + state.keys.sum(), inputs)]

    before = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        expected = run()
        torch.set_num_threads(threads)
        assert all(map(torch.equal, expected, run()))
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize("backend", ["chunked", "cpu"])
def test_memory_grows_with_length_times_window(backend):
    largest = 0

    class Watch(torch.overrides.TorchFunctionMode):
        def __torch_function__(self, function, types, args=(), kwargs=None):
            nonlocal largest
            result = function(*args, **(kwargs or {}))
            if isinstance(result, torch.Tensor):
                largest = max(largest, result.untyped_storage().nbytes())
            return result

    q, k, v = queries_keys_values(1, 5000, 2, 2, 4, 4)
    with Watch():
        y, _ = window_attention(q, k, v, 30, backend=backend)
    assert y.isfinite().all()
    assert largest < 5100 * 2 * 30 * 8  # a square of 5000 booleans alone would be 25 MB


def test_a_second_derivative_needs_the_reference():
    q, k, v = (x.requires_grad_() for x in queries_keys_values(1, 5))
    (gradient,) = torch.autograd.grad(window_attention(q, k, v, 3)[0].square().sum(), q, create_graph=True)
    with pytest.raises(RuntimeError, match=r"tsssm.window_attention_backward.* backend='reference'"):
        gradient.sum().backward()


EMPTY = WindowState(torch.zeros(2, 6, 2, 6), torch.zeros(2, 6, 2, 5), torch.zeros(2, dtype=torch.int64))


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"window": 0}, "window must be an integer of at least 1; got 0"),
        ({"window": 2.0}, r"window must be an integer of at least 1; got 2\.0"),
        ({"window": True}, "got True"),
        ({"k": torch.zeros(2, 37, 3, 6)}, "k has 3 heads, which must divide the 4 heads of q"),
        ({"k": torch.zeros(2, 37, 2, 4)}, r"k must have shape \(2, 37, 2, 6\) for q of shape \(2, 37, 4, 6\).*; got"),
        ({"v": torch.zeros(2, 36, 2, 5)}, r"v must have shape \(2, 37, 2, 5\).*got \(2, 36, 2, 5\)"),
        ({"v": torch.zeros(2, 37, 2, 0)}, r"v must have shape \(batch, length, kv_heads, values\), none of them 0"),
        ({"q": torch.zeros(2, 37, 4, 6).int()}, r"q must be floating point; got torch.int32"),
        ({"rotary_base": 0.5}, r"rotary_base must be a finite number of at least 1; got 0\.5"),
        ({"rotary_base": math.nan}, "got nan"),
        ({"q": torch.zeros(2, 37, 4, 3), "k": torch.zeros(2, 37, 2, 3), "rotary_base": 10.0}, "width must be even"),
        ({"scale": math.inf}, "scale must be finite; got inf"),
        ({"resets": torch.zeros(2, 37)}, "resets must be a bool tensor; got torch.float32"),
        ({"resets": torch.zeros(2, 3).bool()}, r"resets must have shape \(2, 37\)"),
        ({"initial_state": EMPTY}, r"keys must have shape \(2, 5, 2, 6\).* window of 5; got \(2, 6, 2, 6\)"),
        ({"window": 6, "initial_state": EMPTY._replace(position=torch.zeros(2))}, "must be int64; got torch.float32"),
        ({"window": 6, "initial_state": EMPTY._replace(position=torch.zeros(1).long())}, r"must have shape \(2,\)"),
    ],
)
def test_refusals(changed, message):
    q, k, v = queries_keys_values()
    with pytest.raises(ValueError, match=f"^window_attention: .*{message}"):
        window_attention(**({"q": q, "k": k, "v": v, "window": 5} | changed))


def test_the_step_refuses_a_state_of_other_sizes():
    q, k, v = (x[:, 0] for x in queries_keys_values())
    with pytest.raises(ValueError, match=r"window_attention_step: state.values must have shape \(2, 6, 2, 5\)"):
        window_attention_step(q, k, v, EMPTY._replace(values=torch.zeros(2, 7, 2, 5)))
    with pytest.raises(ValueError, match="window_attention_step: k has 3 heads"):
        window_attention_step(q, torch.zeros(2, 3, 6), v, EMPTY)
