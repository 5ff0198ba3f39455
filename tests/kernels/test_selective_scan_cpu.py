"""The compiled scan against the float64 reference, its own invariants, and torch's checks of operators."""

import importlib
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from tsssm_kernels import selective_scan
from tsssm_kernels.addresses import addresses

cpu = importlib.import_module("tsssm_kernels.selective_scan.cpu")

NAMES = ("u", "delta", "A", "B", "C", "D", "z", "delta_bias", "time_gaps", "initial_state")


def make_inputs(batch=2, length=37, channels=16, state=16, seed=0, without=()):
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape):
        return torch.randn(*shape, generator=generator)

    inputs = {
        "u": normal(batch, length, channels),
        "delta": normal(batch, length, channels) - 1,
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
    return {name: value for name, value in inputs.items() if name not in without}


def relative_error(got, expected):
    return float((got.double() - expected).norm() / expected.norm().clamp(min=1e-30))


def run(inputs, resets=None, backend="cpu"):
    """Output, final state and every gradient of a random weighting of both, by name."""
    tensors = {k: v.detach().requires_grad_() for k, v in inputs.items() if isinstance(v, torch.Tensor)}
    y, state = selective_scan(**(inputs | tensors), resets=resets, backend=backend)
    generator = torch.Generator().manual_seed(1)
    total = sum((out * torch.randn(out.shape, generator=generator).to(out.dtype)).sum() for out in (y, state))
    return {"y": y.detach(), "state": state.detach()} | dict(
        zip(tensors, torch.autograd.grad(total, list(tensors.values())))
    )


def double(inputs):
    return {name: value.double() if isinstance(value, torch.Tensor) else value for name, value in inputs.items()}


def assert_equals_reference(inputs, resets=None, leave_out=()):
    got, expected = run(inputs, resets), run(double(inputs), resets, backend="reference")
    for name, value in expected.items():
        if name not in leave_out:
            limit = 1e-5 if name in ("y", "state") else 1e-4
            assert relative_error(got[name], value) < limit, name
    return got


@pytest.fixture(params=[1, 3])
def threads(request):
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


SHAPES = {
    "one of all": {"batch": 1, "length": 1, "channels": 1, "state": 1},
    "one step": {"length": 1},
    "a chunk": {"length": 8, "state": 8},
    "odd": {"batch": 3, "length": 31, "channels": 5, "state": 3},
    "wider than a block": {"length": 9, "channels": 33, "state": 4},
    "more state than lanes": {"length": 50, "channels": 48, "state": 20},
    "one series, shared": {"batch": 1, "length": 300, "channels": 70},
    "five series": {"batch": 5, "length": 129, "channels": 64},
}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("share", [0.0, 0.1, 1.0], ids=["no resets", "resets", "all resets"])
@pytest.mark.usefixtures("threads")
def test_equals_the_reference_with_every_gradient(shape, share):
    inputs = make_inputs(**SHAPES[shape])
    resets = torch.rand(inputs["u"].shape[:2], generator=torch.Generator().manual_seed(3)) < share
    assert_equals_reference(inputs, resets if share else None)


@pytest.mark.parametrize(
    "without", [("D",), ("z",), ("delta_bias",), ("time_gaps",), ("initial_state",), ("delta_softplus",), NAMES[5:]]
)
def test_what_is_optional_may_be_left_out(without):
    inputs = make_inputs(without=without)
    if "delta_softplus" in without:
        inputs["delta"] = inputs["delta"].abs()
        inputs["delta_bias"] = inputs["delta_bias"].abs()
    assert_equals_reference(inputs)


HARD = {
    "strong decay": ({"length": 211}, -50.0),
    "no decay": ({"length": 997, "state": 4}, 0.0),
    "weak decay": ({"batch": 1, "length": 8192, "channels": 2, "state": 2}, -1e-5),
    "long": ({"batch": 1, "length": 8192, "channels": 2, "state": 2}, -1e-3),
}


@pytest.mark.parametrize("case", HARD)
def test_hard_decays(case):
    shape, log_decay = HARD[case]
    inputs = make_inputs(**shape, without=("delta_bias", "delta_softplus", "time_gaps"))
    inputs |= {"delta": torch.ones_like(inputs["u"]), "A": torch.full_like(inputs["A"], log_decay)}
    assert_equals_reference(inputs)


def test_a_decay_below_what_float32_holds_is_zero():
    """At exp(-200) the clamped exponential would be off by forty orders of magnitude, and with it A's gradient."""
    inputs = make_inputs(length=64, without=("delta_bias", "delta_softplus", "time_gaps"))
    inputs |= {"delta": torch.ones_like(inputs["u"]), "A": torch.full_like(inputs["A"], -200.0)}
    got = assert_equals_reference(inputs, leave_out=("A", "initial_state"))  # 1e-85 in truth
    assert float(got["A"].abs().max()) == float(got["initial_state"].abs().max()) == 0


def test_denormals_do_not_stay_in_the_state():
    inputs = make_inputs(length=2000, channels=3, state=2, without=NAMES[5:])
    inputs |= {"delta": torch.full_like(inputs["u"], 0.15), "A": torch.full((3, 2), -1.0), "delta_softplus": False}
    inputs["u"][:, 5:] = 0
    for length in range(560, 600, 3):  # exp(-0.15) to the power 583 is 1e-38
        cut = {n: v[:, :length] if n in ("u", "delta", "B", "C") else v for n, v in inputs.items()}
        _, state = selective_scan(**cut)
        tiny = torch.finfo(torch.float32).tiny
        assert bool(((state == 0) | (state.abs() >= tiny)).all())


@pytest.mark.parametrize("positions", [[0], [36], [0, 36], [7, 8, 9], [16]], ids=str)
def test_resets_equal_separate_sequences(positions):
    inputs = make_inputs()
    mask = torch.zeros(2, 37, dtype=torch.bool)
    mask[:, positions] = True
    together, last = selective_scan(**inputs, resets=mask, backend="cpu")
    starts = sorted({0, *positions})
    for start, stop in zip(starts, [*starts[1:], 37]):
        part = cut_in_time(inputs, slice(start, stop))
        if start in positions:
            part["initial_state"] = torch.zeros_like(inputs["initial_state"])
        y, state = selective_scan(**part, backend="cpu")
        torch.testing.assert_close(together[:, start:stop], y, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(last, state, rtol=1e-5, atol=1e-5)


def cut_in_time(inputs, steps):
    along_time = ("u", "delta", "B", "C", "z", "time_gaps")
    return {name: value[:, steps] if name in along_time else value for name, value in inputs.items()}


@pytest.mark.parametrize("split", [1, 8, 20, 36])
def test_split_and_resumed_equals_whole(split):
    inputs = make_inputs()
    whole, last = selective_scan(**inputs, backend="cpu")
    first, between = selective_scan(**cut_in_time(inputs, slice(0, split)), backend="cpu")
    rest = cut_in_time(inputs, slice(split, 37)) | {"initial_state": between}
    second, state = selective_scan(**rest, backend="cpu")
    torch.testing.assert_close(torch.cat([first, second], dim=1), whole, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(state, last, rtol=1e-5, atol=1e-5)


def test_inputs_may_be_views():
    inputs = make_inputs()
    views = {
        name: value.transpose(0, -1).contiguous().transpose(0, -1) if isinstance(value, torch.Tensor) else value
        for name, value in inputs.items()
    }
    assert not views["u"].is_contiguous()
    expected, got = run(inputs), run(views)
    assert all(torch.equal(got[name], expected[name]) for name in expected)


@pytest.mark.parametrize("channels", [1, 16])
def test_inputs_and_incoming_gradients_are_left_alone(channels):
    """Also where the kernels could use an input's memory as it is."""
    inputs = make_inputs(channels=channels, state=1)
    before = {name: value.clone() for name, value in inputs.items() if isinstance(value, torch.Tensor)}
    u = inputs["u"].requires_grad_()
    y, state = selective_scan(**inputs)
    incoming = torch.randn_like(state)
    kept = incoming.clone()
    torch.autograd.grad((y, state), u, (torch.randn_like(y), incoming))
    assert torch.equal(incoming, kept)
    assert all(torch.equal(inputs[name], value) for name, value in before.items())


@pytest.mark.usefixtures("threads")
@pytest.mark.parametrize("batch", [1, 4])
def test_concurrent_calls_repeat_the_serial_ones_bit_for_bit(batch):
    """Forward and backward from six threads at once, large enough for the pool."""
    many = [make_inputs(batch=batch, length=400, channels=64, seed=seed) for seed in range(3)]
    serial = [run(inputs) for inputs in many]
    with ThreadPoolExecutor(6) as callers:
        results = list(callers.map(run, many * 4))
    for index, result in enumerate(results):
        assert all(torch.equal(result[name], value) for name, value in serial[index % 3].items())


def test_half_types_are_computed_in_float32():
    inputs = {n: v.bfloat16() if isinstance(v, torch.Tensor) else v for n, v in make_inputs().items()}
    y, state = selective_scan(**inputs)
    assert (y.dtype, state.dtype) == (torch.bfloat16, torch.float32)
    expected_y, expected_state = selective_scan(**double(inputs), backend="reference")
    assert relative_error(y, expected_y) < 4e-3
    assert relative_error(state, expected_state) < 1e-5


def test_it_is_the_default_for_float32_and_refused_for_float64(monkeypatch):
    inputs = make_inputs()
    assert torch.equal(selective_scan(**inputs)[0], selective_scan(**inputs, backend="cpu")[0])
    exact = double(inputs)
    assert torch.equal(selective_scan(**exact)[0], selective_scan(**exact, backend="chunked")[0])
    with pytest.raises(ValueError, match=r"backend is 'cpu', which computes in float32.*torch.float64 on cpu"):
        selective_scan(**exact, backend="cpu")
    monkeypatch.setenv("TSSSM_BACKEND", "cpu")
    with pytest.raises(ValueError, match=r"TSSSM_BACKEND is 'cpu'"):
        selective_scan(**exact)
    monkeypatch.setenv("TSSSM_BACKEND", "chunked")
    assert torch.equal(selective_scan(**inputs)[0], selective_scan(**inputs, backend="chunked")[0])


@pytest.mark.parametrize(
    "tensor", [torch.zeros(2, device="meta"), torch.zeros(2, dtype=torch.float64), torch.zeros(4)[::2]]
)
def test_kernels_are_given_no_address_that_they_would_misread(tensor):
    with pytest.raises(ValueError, match=r"needs all tensors float32 and on the CPU"):
        addresses((None, tensor))
    assert addresses((None, torch.zeros(2)))[0] == 0


def test_double_backward_is_refused():
    inputs = make_inputs(length=5)
    u = inputs["u"].requires_grad_()
    (gradient,) = torch.autograd.grad(selective_scan(**inputs)[0].square().sum(), u, create_graph=True)
    with pytest.raises(RuntimeError, match=r"tsssm.selective_scan_backward.* differentiable once"):
        gradient.sum().backward()


def tensors_of(inputs):
    return [None if (value := inputs.get(name)) is None else value.requires_grad_() for name in NAMES]


def test_exports_with_a_dynamic_batch():
    class Scan(torch.nn.Module):
        def forward(self, u, delta, A, B, C):
            return selective_scan(u, delta, A, B, C, delta_softplus=True)

    few, many = (tuple(list(make_inputs(batch=batch).values())[:5]) for batch in (2, 7))
    batch = {0: torch.export.Dim("batch", min=2)}
    exported = torch.export.export(Scan(), few, dynamic_shapes=(batch, batch, None, batch, batch))
    assert any("tsssm.selective_scan" in str(node.target) for node in exported.graph.nodes)
    torch.testing.assert_close(exported.module()(*many), Scan()(*many), rtol=0, atol=0)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*torch.jit.*:DeprecationWarning")  # torch.compile's own
def test_compiles_without_a_graph_break(monkeypatch, tmp_path):
    # torch's cache does not notice when an operator's outputs change shape
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path))
    inputs = make_inputs()
    tensors = tensors_of(inputs)

    def total(*tensors):
        y, state = selective_scan(**dict(zip(NAMES, tensors)), delta_softplus=True)
        return y.sin().sum() + state.square().sum()

    expected = torch.autograd.grad(total(*tensors), tensors)
    got = torch.autograd.grad(torch.compile(total, fullgraph=True)(*tensors), tensors)
    torch.testing.assert_close(got, expected, rtol=1e-4, atol=1e-5)
