"""The fused inside of a Mamba block against the operators it is made of in float64."""

from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from torch.autograd import forward_ad

from tsssm_kernels import mamba_inner, mamba_inner_step


def make_inputs(batch=2, length=20, channels=32, rank=2, state=16, taps=4, dtype=torch.float32):
    generator = torch.Generator().manual_seed(0)

    def normal(*shape):
        return torch.randn(*shape, generator=generator).to(dtype)

    return {
        "xz": normal(batch, length, 2 * channels),
        "conv_weight": normal(taps, channels) / 2,
        "conv_bias": normal(channels) / 2,
        "x_projection_weight": normal(rank + 2 * state, channels) / channels**0.5,
        "delta_projection_weight": normal(channels, rank) / 2,
        "delta_projection_bias": normal(channels) - 1,
        "A": -normal(channels, state).exp(),
        "D": normal(channels),
        "tail": normal(batch, taps - 1, channels),
        "initial_state": normal(batch, channels, state),
        "time_gaps": normal(batch, length).exp(),
    }


SHAPES = {
    "blocks": {},
    "odd": {"batch": 1, "length": 33, "channels": 40, "rank": 3, "state": 5, "taps": 2},
    "one step": {"batch": 3, "length": 1, "channels": 16, "rank": 1, "state": 4},
    "shorter than the taps": {"length": 2, "channels": 7},
    "more state than lanes": {"length": 9, "channels": 16, "state": 20, "taps": 3},
    "large enough for threads": {"batch": 4, "length": 300, "channels": 64, "rank": 4, "state": 8},
    "one long series": {"batch": 1, "length": 500, "channels": 64},
}


def run(inputs, resets, backend, weights=(1.0, 1.0, 1.0)):
    tensors = {name: value.detach().clone().requires_grad_() for name, value in inputs.items()}
    outputs = mamba_inner(**tensors, resets=resets, backend=backend)
    generator = torch.Generator().manual_seed(1)
    total = sum(
        weight * (out * torch.randn(out.shape, generator=generator).to(out.dtype)).sum()
        for weight, out in zip(weights, outputs)
        if weight
    )
    gradients = torch.autograd.grad(total, list(tensors.values()), allow_unused=True, materialize_grads=True)
    names = ("y", "last tail", "state")
    return dict(zip(names, (out.detach() for out in outputs))) | dict(zip(tensors, gradients))


def relative_error(got, expected):
    return float((got.double() - expected.double()).norm() / expected.double().norm().clamp(min=1e-30))


def assert_equal(got, expected):
    for name, value in expected.items():
        limit = 1e-5 if name in ("y", "last tail", "state") else 1e-4
        assert relative_error(got[name], value) < limit, name


@pytest.fixture(params=[1, 3])
def threads(request):
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield
    torch.set_num_threads(before)


def double(inputs):
    return {name: value.double() for name, value in inputs.items()}


@pytest.mark.usefixtures("threads")
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("share", [0.0, 0.15, 1.0], ids=["no resets", "resets", "all resets"])
def test_equals_the_composition_with_every_gradient(shape, share):
    inputs = make_inputs(**SHAPES[shape])
    resets = torch.rand(inputs["xz"].shape[:2], generator=torch.Generator().manual_seed(3)) < share
    resets = resets if share else None
    expected = run(double(inputs), resets, "reference")
    assert_equal(run(inputs, resets, "cpu"), expected)
    assert_equal(run(inputs, resets, "chunked"), expected)


@pytest.mark.parametrize("backend", ["cpu", "chunked"])
def test_without_a_beginning_it_begins_with_zeros(backend):
    inputs = make_inputs(length=9, channels=20)
    zeros = {name: torch.zeros_like(inputs.pop(name)) for name in ("tail", "initial_state")}
    expected, got = run(inputs | zeros, None, backend), run(inputs, None, backend)
    assert expected.keys() - got.keys() == zeros.keys()
    assert all(torch.equal(value, expected[name]) for name, value in got.items())


@pytest.mark.parametrize("weights", [(1.0, 0, 0), (0, 1.0, 0), (0, 0, 1.0)], ids=["output", "tail", "state"])
def test_gradients_through_one_result_alone(weights):
    inputs = make_inputs()
    assert_equal(run(inputs, None, "cpu", weights), run(double(inputs), None, "reference", weights))


def test_repeats_bit_for_bit():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        inputs = make_inputs(batch=3, length=400, channels=64)
        first = run(inputs, None, "cpu")
        for _ in range(5):
            again = run(inputs, None, "cpu")
            assert all(torch.equal(again[name], value) for name, value in first.items())
    finally:
        torch.set_num_threads(before)


@pytest.mark.usefixtures("threads")
@pytest.mark.parametrize("batch", [1, 4])
def test_concurrent_calls_repeat_the_serial_ones_bit_for_bit(batch):
    """Forward and backward from six threads at once, large enough for the pool."""
    inputs = make_inputs(batch=batch, length=400, channels=64)
    serial = run(inputs, None, "cpu")
    with ThreadPoolExecutor(6) as callers:
        results = list(callers.map(lambda _: run(inputs, None, "cpu"), range(12)))
    assert all(torch.equal(result[name], value) for result in results for name, value in serial.items())


def test_autocast_changes_nothing():
    inputs = make_inputs()
    expected = run(inputs, None, "cpu")
    with torch.autocast("cpu", torch.bfloat16):
        got = run(inputs, None, "cpu")
    assert all(torch.equal(got[name], value) for name, value in expected.items())


def test_bfloat16():
    inputs = make_inputs(dtype=torch.bfloat16)
    y, tail, state = mamba_inner(**inputs)
    assert (y.dtype, tail.dtype, state.dtype) == (torch.bfloat16, torch.bfloat16, torch.float32)
    expected = mamba_inner(**double(inputs), backend="reference")
    assert relative_error(y, expected[0]) < 4e-3
    assert relative_error(state, expected[2]) < 1e-5


def as_step(inputs, t):
    rest = {name: value for name, value in inputs.items() if name not in ("xz", "initial_state", "time_gaps")}
    return rest | {"xz": inputs["xz"][:, t], "state": inputs["initial_state"]}


@pytest.mark.usefixtures("threads")
@pytest.mark.parametrize("shape", SHAPES)
def test_steps_equal_the_sequence(shape):
    inputs = {name: value for name, value in make_inputs(**SHAPES[shape]).items() if name != "time_gaps"}
    before = {name: value.clone() for name, value in inputs.items()}
    expected = mamba_inner(**double(inputs), backend="reference")
    outputs, now = [], inputs
    with torch.no_grad():
        for t in range(inputs["xz"].shape[1]):
            y, tail, state = mamba_inner_step(**as_step(now, t))
            outputs.append(y)
            now = now | {"tail": tail, "initial_state": state}
    for got, value in zip((torch.stack(outputs, dim=1), tail, state), expected):
        assert relative_error(got, value) < 1e-5
    assert all(torch.equal(inputs[name], value) for name, value in before.items())


@pytest.mark.usefixtures("threads")
@pytest.mark.parametrize("batch", [1, 999])
def test_a_step_of_many_series_is_that_of_each(batch):
    inputs = make_inputs(batch=batch, length=1)
    with torch.no_grad():
        whole = mamba_inner_step(**as_step(inputs, 0))
        last = {"xz": inputs["xz"][-1:], "tail": inputs["tail"][-1:], "initial_state": inputs["initial_state"][-1:]}
        alone = mamba_inner_step(**as_step(inputs | last, 0))
    assert all(torch.allclose(one[-1:], other, rtol=1e-5, atol=1e-6) for one, other in zip(whole, alone))


def test_float64_as_the_process_default_changes_nothing():
    inputs = make_inputs(length=1)

    def results():
        with torch.no_grad():
            return *mamba_inner(**inputs), *mamba_inner_step(**as_step(inputs, 0))

    expected = results()
    torch.set_default_dtype(torch.float64)
    try:
        got = results()
    finally:
        torch.set_default_dtype(torch.float32)
    for one, other in zip(got, expected, strict=True):
        assert one.dtype == torch.float32
        assert torch.equal(one, other)


def test_step_is_differentiable():
    inputs = as_step(make_inputs(channels=3, rank=1, state=2, dtype=torch.float64), 0)
    names = list(inputs)

    def step(*tensors):
        return mamba_inner_step(**dict(zip(names, tensors)))

    assert torch.autograd.gradcheck(step, [value.requires_grad_() for value in inputs.values()])


@pytest.mark.parametrize("keep", [True, False])
@pytest.mark.parametrize("full", [True, False])
def test_opcheck(full, keep):
    inputs = make_inputs(length=9, channels=5, state=3)
    tensors = [value.requires_grad_() for value in inputs.values()]
    resets = torch.arange(9).expand(2, 9) == 4
    rest = (tensors[10], resets) if full else (None, None)
    torch.library.opcheck(torch.ops.tsssm.mamba_inner.default, (*tensors[:10], *rest, keep))


@pytest.mark.filterwarnings("ignore:.*torch.jit.*:DeprecationWarning")  # torch's own, of forward mode
def test_derivatives_that_it_does_not_know_are_refused():
    inputs = make_inputs(length=5, channels=16)
    inputs["xz"].requires_grad_()
    (gradient,) = torch.autograd.grad(mamba_inner(**inputs)[0].square().sum(), inputs["xz"], create_graph=True)
    with pytest.raises(RuntimeError, match=r"tsssm.mamba_inner_backward.* backend='reference'"):
        gradient.sum().backward()
    with forward_ad.dual_level():
        inputs = make_inputs(length=5, channels=16)
        inputs["D"] = forward_ad.make_dual(inputs["D"], inputs["D"])
        with pytest.raises(RuntimeError, match="mamba_inner has no forward-mode derivative"):
            mamba_inner(**inputs)


def test_exports_with_a_dynamic_batch():
    class Inner(torch.nn.Module):
        def forward(self, xz, tail, initial_state, *weights):
            return mamba_inner(xz, *weights, tail=tail, initial_state=initial_state)

    def arguments(batch):
        xz, *weights, tail, state, _ = make_inputs(batch=batch).values()
        return xz, tail, state, *weights

    batch = {0: torch.export.Dim("batch", min=2)}
    exported = torch.export.export(Inner(), arguments(2), dynamic_shapes=(batch, batch, batch, (None,) * 7))
    assert any("tsssm.mamba_inner" in str(node.target) for node in exported.graph.nodes)
    torch.testing.assert_close(exported.module()(*arguments(7)), Inner()(*arguments(7)), rtol=0, atol=0)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*torch.jit.*:DeprecationWarning")  # torch.compile's own
def test_compiles_without_a_graph_break(monkeypatch, tmp_path):
    # torch's cache does not notice when an operator's outputs change shape
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path))
    inputs = make_inputs()
    names, tensors = list(inputs), [value.requires_grad_() for value in inputs.values()]

    def total(*tensors):
        return sum(out.sin().sum() for out in mamba_inner(**dict(zip(names, tensors))))

    expected = torch.autograd.grad(total(*tensors), tensors)
    got = torch.autograd.grad(torch.compile(total, fullgraph=True)(*tensors), tensors)
    torch.testing.assert_close(got, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "shape", "message"),
    [
        ("xz", (2, 20, 63), r"xz must have shape \(2, 20, 64\).*got \(2, 20, 63\)"),
        ("xz", (2, 64), r"\(batch, length, 2 \* channels\).*\(2, 64\)"),
        ("xz", (2, 0, 64), r"none of them 0.*\(2, 0, 64\)"),
        ("conv_weight", (1, 32), r"conv_weight must have shape \(taps, channels\), taps at least 2; got \(1, 32\)"),
        ("x_projection_weight", (33, 32), r"x_projection_weight must have shape \(34, 32\).*got \(33, 32\)"),
        ("delta_projection_weight", (31, 2), r"delta_projection_weight must have shape \(32, 2\).*got \(31, 2\)"),
        ("A", (16, 32), r"got \(16, 32\)|must have shape"),
        ("tail", (2, 4, 32), r"tail must have shape \(2, 3, 32\).*got \(2, 4, 32\)"),
        ("initial_state", (1, 32, 16), r"initial_state must have shape \(2, 32, 16\).*got \(1, 32, 16\)"),
        ("time_gaps", (20,), r"time_gaps must have shape \(2, 20\).*got \(20,\)"),
    ],
)
def test_wrong_shapes_are_refused(name, shape, message):
    with pytest.raises(ValueError, match=message):
        mamba_inner(**(make_inputs() | {name: torch.zeros(shape)}))


def test_wrong_shapes_of_a_step_are_refused():
    inputs = as_step(make_inputs(), 0)
    with pytest.raises(ValueError, match=r"state must have shape \(2, 32, 16\).*got \(2, 16, 32\)"):
        mamba_inner_step(**(inputs | {"state": torch.zeros(2, 16, 32)}))
    with pytest.raises(ValueError, match=r"resets must be a bool tensor; got torch.int64"):
        mamba_inner(**make_inputs(), resets=torch.zeros(2, 20, dtype=torch.int64))
    with pytest.raises(ValueError, match=r"floating point of shape.*torch.int64"):
        mamba_inner(**(make_inputs() | {"xz": torch.zeros(2, 20, 64, dtype=torch.int64)}))
