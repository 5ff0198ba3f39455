"""The selective scan against a float64 loop written from the equations, closed forms and its own invariants."""

import numpy as np
import pytest
import torch

from tsssm_kernels import selective_scan
from tsssm_kernels.selective_scan import blocks

BACKENDS = ["reference", "chunked"]
LENGTHS = [1, 2, 31, 32, 33, 63, 64, 67, 97, 211]  # around and between multiples of a chunk, and primes


def make_inputs(batch=2, length=37, channels=3, state=4, dtype=torch.float64, seed=0):
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape):
        return torch.randn(*shape, generator=generator, dtype=torch.float64).to(dtype)

    return {
        "u": normal(batch, length, channels),
        "delta": normal(batch, length, channels),
        "A": -normal(channels, state).exp(),
        "B": normal(batch, length, state),
        "C": normal(batch, length, state),
        "D": normal(channels),
        "z": normal(batch, length, channels),
        "delta_bias": normal(channels),
        "delta_softplus": True,
        "time_gaps": normal(batch, length).exp(),
        "initial_state": normal(batch, channels, state),
    }


def loop(inputs, resets=None):
    """The equations, one number at a time in NumPy's float64."""
    p = {k: v.double().numpy() if isinstance(v, torch.Tensor) else v for k, v in inputs.items()}
    batch, length, channels = p["u"].shape
    y = np.zeros((batch, length, channels))
    h = p["initial_state"].copy()
    for b, t, e in np.ndindex(batch, length, channels):
        if resets is not None and resets[b, t]:
            h[b, e] = 0.0
        d = np.log1p(np.exp(p["delta"][b, t, e] + p["delta_bias"][e]))
        h[b, e] = np.exp(d * p["time_gaps"][b, t] * p["A"][e]) * h[b, e] + d * p["u"][b, t, e] * p["B"][b, t]
        z = p["z"][b, t, e]
        y[b, t, e] = (p["C"][b, t] @ h[b, e] + p["D"][e] * p["u"][b, t, e]) * z / (1 + np.exp(-z))
    return torch.from_numpy(y), torch.from_numpy(h)


def relative_error(got, expected):
    return float((got.double() - expected.double()).norm() / expected.double().norm())


def gradients(inputs, backend, resets=None):
    """Gradients of a random weighting of output and final state, by name."""
    tensors = {k: v.detach().requires_grad_() for k, v in inputs.items() if isinstance(v, torch.Tensor)}
    y, state = selective_scan(**(inputs | tensors), resets=resets, backend=backend)
    weights = torch.Generator().manual_seed(1)
    y_weights = torch.randn(y.shape, generator=weights, dtype=torch.float64).to(y.dtype)
    state_weights = torch.randn(state.shape, generator=weights, dtype=torch.float64).to(state.dtype)
    total = (y * y_weights).sum() + (state * state_weights).sum()
    return dict(zip(tensors, torch.autograd.grad(total, list(tensors.values()))))


@pytest.fixture
def small_blocks(monkeypatch):
    """Blocks of a few elements, so that small inputs meet several blocks of rows and segments of time."""
    monkeypatch.setattr(blocks, "CPU_BLOCK", 400)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("length", [1, 33, 67])
def test_equals_loop_over_the_equations(backend, length):
    inputs = make_inputs(length=length)
    resets = torch.rand(2, length, generator=torch.Generator().manual_seed(2)) < 0.1
    for given in (None, resets):
        y, state = selective_scan(**inputs, resets=given, backend=backend)
        expected_y, expected_state = loop(inputs, given)
        torch.testing.assert_close(y, expected_y, rtol=1e-10, atol=1e-10)
        torch.testing.assert_close(state, expected_state, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.usefixtures("small_blocks")
def test_chunked_equals_reference_with_every_gradient(length):
    inputs = make_inputs(batch=3, length=length)
    resets = torch.rand(3, length, generator=torch.Generator().manual_seed(3)) < 0.05
    for given in (None, resets):
        fast = selective_scan(**inputs, resets=given, backend="chunked")
        slow = selective_scan(**inputs, resets=given, backend="reference")
        torch.testing.assert_close(fast, slow, rtol=1e-11, atol=1e-11)
        expected = gradients(inputs, "reference", given)
        for name, gradient in gradients(inputs, "chunked", given).items():
            assert relative_error(gradient, expected[name]) < 1e-10, name


@pytest.mark.usefixtures("small_blocks")
def test_gradcheck():
    inputs = make_inputs(batch=1, length=70, channels=1, state=2)
    names = [name for name, value in inputs.items() if isinstance(value, torch.Tensor)]
    resets = torch.zeros(1, 70, dtype=torch.bool)
    resets[0, 40] = True

    def scan(*tensors):
        return selective_scan(**(inputs | dict(zip(names, tensors))), resets=resets, backend="chunked")

    assert torch.autograd.gradcheck(scan, [inputs[name].requires_grad_() for name in names])


@pytest.mark.parametrize(
    "resets", [[0], [66], [0, 66], [31, 32, 33], list(range(67))], ids=["first", "last", "both", "chunk edge", "all"]
)
@pytest.mark.parametrize("backend", BACKENDS)
def test_resets_equal_separate_sequences(backend, resets):
    inputs = make_inputs(length=67)
    mask = torch.zeros(2, 67, dtype=torch.bool)
    mask[:, resets] = True
    together, last = selective_scan(**inputs, resets=mask, backend=backend)
    starts = sorted({0, *resets})
    for start, stop in zip(starts, [*starts[1:], 67]):
        part = cut(inputs, slice(start, stop))
        if start in resets:
            part["initial_state"] = torch.zeros_like(inputs["initial_state"])
        y, state = selective_scan(**part, backend=backend)
        torch.testing.assert_close(together[:, start:stop], y, rtol=1e-11, atol=1e-11)
    torch.testing.assert_close(last, state, rtol=1e-11, atol=1e-11)


def cut(inputs, steps):
    along_time = ("u", "delta", "B", "C", "z", "time_gaps")
    return {name: value[:, steps] if name in along_time else value for name, value in inputs.items()}


@pytest.mark.parametrize("split", [1, 32, 50, 66])
@pytest.mark.parametrize("backend", BACKENDS)
def test_split_and_resumed_equals_whole(backend, split):
    inputs = make_inputs(length=67)
    whole, last = selective_scan(**inputs, backend=backend)
    first, between = selective_scan(**cut(inputs, slice(0, split)), backend=backend)
    second, state = selective_scan(**(cut(inputs, slice(split, 67)) | {"initial_state": between}), backend=backend)
    torch.testing.assert_close(torch.cat([first, second], dim=1), whole, rtol=1e-11, atol=1e-11)
    torch.testing.assert_close(state, last, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("backend", BACKENDS)
def test_without_decay_it_is_a_running_sum(backend):
    u = torch.randn(2, 100, 3, dtype=torch.float64)
    ones = torch.ones(2, 100, 1, dtype=torch.float64)
    y, state = selective_scan(u, torch.ones_like(u), torch.zeros(3, 1).double(), ones, ones, backend=backend)
    torch.testing.assert_close(y, u.cumsum(1), rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(state[..., 0], u.sum(1), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("backend", BACKENDS)
def test_time_gaps_decay_like_steps_without_input(backend):
    """A gap of 3 is two steps whose input is zero before the step itself, for a constant step size."""
    u, B, C = torch.randn(3, 1, 5, 2, dtype=torch.float64)
    A, delta = -torch.rand(2, 2, dtype=torch.float64), torch.full((1, 5, 2), 0.3, dtype=torch.float64)
    gaps = torch.tensor([[1.0, 1.0, 3.0, 1.0, 2.0]]).double()
    y, state = selective_scan(u, delta, A, B, C, time_gaps=gaps, backend=backend)
    at = gaps.cumsum(1).long()[0] - 1  # where the steps stand among those of length one
    spread = {"u": u.new_zeros(1, 8, 2), "B": u.new_zeros(1, 8, 2), "C": u.new_zeros(1, 8, 2)}
    for name, value in {"u": u, "B": B, "C": C}.items():
        spread[name][:, at] = value
    y_even, state_even = selective_scan(delta=torch.full((1, 8, 2), 0.3).double(), A=A, **spread, backend="reference")
    # float32 0.3 was meant in neither: both step sizes are made the same way
    torch.testing.assert_close(y, y_even[:, at], rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(state, state_even, rtol=1e-6, atol=1e-6)


# shape and logarithm of the decay, the same at every step: roundings then add up
HARD = {
    "random": ({"batch": 2, "length": 211}, None),
    "one step": ({"batch": 2, "length": 1}, None),
    "strong decay": ({"batch": 2, "length": 211}, -50.0),
    "no decay": ({"batch": 2, "length": 997}, 0.0),
    "weak decay": ({"batch": 1, "length": 8192, "channels": 2, "state": 2}, -1e-6),
    "long": ({"batch": 1, "length": 8192, "channels": 2, "state": 2}, -1e-3),
}


@pytest.mark.parametrize("case", HARD)
def test_float32_keeps_its_accuracy(case):
    shape, log_decay = HARD[case]
    inputs = make_inputs(**shape)
    if log_decay is not None:
        inputs |= {"delta": torch.ones_like(inputs["u"]), "delta_bias": None, "delta_softplus": False}
        inputs |= {"A": torch.full_like(inputs["A"], log_decay), "time_gaps": None}
    single = {name: value.float() if isinstance(value, torch.Tensor) else value for name, value in inputs.items()}
    exact = {name: value.double() if isinstance(value, torch.Tensor) else value for name, value in single.items()}
    y, state = selective_scan(**single, backend="chunked")
    expected_y, expected_state = selective_scan(**exact, backend="reference")
    assert relative_error(y, expected_y) < 1e-5
    assert relative_error(state, expected_state) < 1e-5
    expected = gradients(exact, "reference")
    for name, gradient in gradients(single, "chunked").items():
        assert relative_error(gradient, expected[name]) < 1e-4, name


@pytest.mark.parametrize("backend", BACKENDS)
def test_bfloat16_inputs_keep_a_float32_state(backend):
    inputs = make_inputs(length=67)
    half = {name: value.bfloat16() if isinstance(value, torch.Tensor) else value for name, value in inputs.items()}
    y, state = selective_scan(**half, backend=backend)
    assert y.dtype == torch.bfloat16
    assert state.dtype == torch.float32
    exact = {name: value.double() if isinstance(value, torch.Tensor) else value for name, value in half.items()}
    expected_y, expected_state = selective_scan(**exact, backend="reference")
    assert relative_error(y, expected_y) < 2e-2
    assert relative_error(state, expected_state) < 1e-5


def test_autocast_leaves_float32_alone():
    inputs = make_inputs(length=67, dtype=torch.float32)
    y, _ = selective_scan(**inputs)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        y_autocast, _ = selective_scan(**inputs)
    assert torch.equal(y, y_autocast)


@pytest.mark.usefixtures("small_blocks")
def test_series_of_a_batch_do_not_touch():
    inputs = make_inputs(batch=4, length=67)
    order = torch.tensor([3, 1, 0, 2])
    batched = ("u", "delta", "B", "C", "z", "time_gaps", "initial_state")
    permuted = {name: value[order] if name in batched else value for name, value in inputs.items()}
    y, state = selective_scan(**inputs)
    y_permuted, state_permuted = selective_scan(**permuted)
    torch.testing.assert_close(y_permuted, y[order], rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(state_permuted, state[order], rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("backend", BACKENDS)
def test_strided_inputs(backend):
    """Slices of a projection's output, as a network passes them, give what copies of them give."""
    inputs = make_inputs(length=40)
    joined = torch.cat([inputs["B"], inputs["C"]], dim=-1)
    views = dict(zip("BC", joined.split(4, dim=-1)))
    views["u"] = inputs["u"].transpose(0, 1).contiguous().transpose(0, 1)
    torch.testing.assert_close(
        selective_scan(**(inputs | views), backend=backend), selective_scan(**inputs, backend=backend)
    )


@pytest.mark.parametrize("channels", [1, 3])
def test_backward_leaves_incoming_gradients_alone(channels):
    inputs = make_inputs(channels=channels, state=2)
    y, state = selective_scan(**(inputs | {"u": inputs["u"].requires_grad_()}))
    incoming = torch.randn_like(state)
    before = incoming.clone()
    torch.autograd.grad((y, state), inputs["u"], (torch.randn_like(y), incoming))
    assert torch.equal(incoming, before)


def test_double_backward_is_refused():
    inputs = make_inputs(length=5)
    u = inputs.pop("u").requires_grad_()
    y, _ = selective_scan(u, **inputs)
    (gradient,) = torch.autograd.grad(y.square().sum(), u, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        gradient.sum().backward()


@pytest.mark.parametrize(
    ("name", "shape", "message"),
    [
        ("u", (2, 37), r"u must have shape \(batch, length, channels\).*\(2, 37\)"),
        ("u", (0, 37, 3), r"none of them 0; got \(0, 37, 3\)"),
        ("u", (2, 0, 3), r"none of them 0; got \(2, 0, 3\)"),
        ("A", (5, 4), r"A must have shape \(channels, state\) = \(3, at least 1\).*got \(5, 4\)"),
        ("delta", (2, 36, 3), r"delta must have shape \(2, 37, 3\).*got \(2, 36, 3\)"),
        ("B", (2, 37, 5), r"B must have shape \(2, 37, 4\).*got \(2, 37, 5\)"),
        ("C", (1, 37, 4), r"C must have shape \(2, 37, 4\).*got \(1, 37, 4\)"),
        ("D", (4,), r"D must have shape \(3,\).*got \(4,\)"),
        ("z", (2, 37, 1), r"z must have shape \(2, 37, 3\).*got \(2, 37, 1\)"),
        ("delta_bias", (1,), r"delta_bias must have shape \(3,\).*got \(1,\)"),
        ("time_gaps", (37,), r"time_gaps must have shape \(2, 37\).*got \(37,\)"),
        ("initial_state", (2, 4, 3), r"initial_state must have shape \(2, 3, 4\).*got \(2, 4, 3\)"),
    ],
)
def test_wrong_shapes_are_refused(name, shape, message):
    with pytest.raises(ValueError, match=message):
        selective_scan(**(make_inputs() | {name: torch.zeros(shape)}))


def test_wrong_dtypes_are_refused():
    with pytest.raises(ValueError, match=r"resets must be a bool tensor; got torch.int64"):
        selective_scan(**make_inputs(), resets=torch.zeros(2, 37, dtype=torch.int64))
    with pytest.raises(ValueError, match=r"u must be floating point; got torch.int64"):
        selective_scan(**(make_inputs() | {"u": torch.zeros(2, 37, 3, dtype=torch.int64)}))


def test_backend_by_argument_and_environment(monkeypatch):
    inputs = make_inputs(length=3)
    with pytest.raises(ValueError, match=r"backend is 'cuda'.*\['chunked', 'cpu', 'reference', 'triton'\]"):
        selective_scan(**inputs, backend="cuda")
    monkeypatch.setenv("TSSSM_BACKEND", "fastest")
    with pytest.raises(ValueError, match=r"TSSSM_BACKEND is 'fastest'"):
        selective_scan(**inputs)
    selective_scan(**inputs, backend="chunked")  # the argument wins over the environment
