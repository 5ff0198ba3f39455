"""The kernels for GPUs, run in Triton's interpreter, against the loops that define the operators."""

from __future__ import annotations

import importlib
from contextlib import nullcontext
from dataclasses import replace

import numpy as np
import pytest
import torch
from packaging.version import Version
from torch.utils._python_dispatch import TorchDispatchMode

from kernels_on_meta import OnMeta
from tsssm.mixers import GatedDelta, Mamba2
from tsssm_kernels import decay_attention, delta_rule, mamba_inner, selective_scan, slstm
from tsssm_kernels.conformance import HALF_TYPES, check_accuracy_when_hard, check_kernels, find_operators
from tsssm_kernels.gpu_launch import dot_settings, is_interpreted, recorded_launches
from tsssm_kernels.gpu_tiles import TABLE

triton = pytest.importorskip("triton", minversion="3.6", reason="needs Triton, which there is for Linux")
if Version(triton.__version__) < Version("3.7") and Version(np.__version__) >= Version("2.4"):
    pytest.skip("the interpreter of Triton 3.6 cannot count loops with NumPy 2.4", allow_module_level=True)

OPERATORS = {name: operator for name, operator in find_operators().items() if operator.on_gpu}
CASES = [(name, case) for name, operator in OPERATORS.items() for case in operator.cases]
HARD = [(name, case) for name, operator in OPERATORS.items() for case in operator.hard]
WIDE = [(name, case) for name, operator in OPERATORS.items() for case in operator.wide]


def fullest_case(operator):
    """The one with most inputs, parts of the state among them, and most numbers in them."""

    def size(case):
        inputs = operator.cases[case](torch.Generator(), 1, 8).values()
        parts = [part for x in inputs for part in (x if isinstance(x, tuple) else [x]) if part is not None]
        return len(parts), sum(part.numel() for part in parts if isinstance(part, torch.Tensor))

    return max(operator.cases, key=size)


FULLEST = [(name, fullest_case(operator)) for name, operator in OPERATORS.items()]


@pytest.fixture(autouse=True)
def scans_in_slices(monkeypatch):
    """Have Triton's interpreter scan whole slices: it would combine number by number, a hundred times as slow."""
    interpreter = pytest.importorskip("triton.runtime.interpreter")

    def generic_scan(scan, inputs):
        steps = [np.moveaxis(x.handle.data, scan.axis, 0) for x in inputs]
        made = [[part[0] for part in steps]]
        for index in range(1, len(steps[0])):
            both = [*made[-1], *(part[index] for part in steps)]
            tensors = [scan.to_tensor(part, x.dtype) for part, x in zip(both, [*inputs, *inputs])]
            made.append([part.handle.data for part in scan.combine_fn.fn(*tensors)])
        stacked = [np.stack(parts, axis=scan.axis) for parts in zip(*made)]
        return [scan.to_tensor(part, x.dtype) for part, x in zip(stacked, inputs)]

    monkeypatch.setattr(interpreter.ScanOps, "generic_scan", generic_scan)


def test_kernels_are_interpreted_here():
    assert is_interpreted()  # tests/conftest.py sees to it


@pytest.mark.parametrize(("name", "case"), CASES)
def test_kernels_equal_the_reference(name, case):
    half_types = HALF_TYPES if (name, case) in FULLEST else ()  # the interpreter is slow
    check_kernels(OPERATORS[name], OPERATORS[name].cases[case], half_types=half_types)


@pytest.mark.parametrize("name", OPERATORS)
def test_kernels_take_a_single_step_and_many(name):
    make = next(iter(OPERATORS[name].cases.values()))
    check_kernels(OPERATORS[name], make, lengths=(1, 32))


@pytest.mark.parametrize(("name", "case"), HARD)
def test_kernels_are_accurate_when_it_is_hard(name, case):
    check_kernels(OPERATORS[name], OPERATORS[name].hard[case], lengths=(32,), half_types=())


@pytest.mark.parametrize(("name", "case"), WIDE)
def test_kernels_take_several_blocks_of_keys_and_values_and_two_chunks(name, case):
    on_gpu = replace(OPERATORS[name], backends=("triton",))
    check_accuracy_when_hard(on_gpu, OPERATORS[name].wide[case], length=18)  # one series: the interpreter is slow


@pytest.mark.parametrize(("name", "case"), WIDE)
def test_wide_cases_are_wider_than_the_blocks_of_every_kernel(name, case):
    inputs = OPERATORS[name].wide[case](torch.Generator(), 1, 1)
    widths = {"KEYS": inputs["q"].shape[3], "VALUES": inputs["v"].shape[3]}
    of_operator = [
        rows for kernel, by_architecture in TABLE.items() for rows in by_architecture.values() if name in kernel
    ]
    for rows in of_operator:
        row = next(row for row in rows if row["up_to"] >= widths["VALUES"])
        assert all(row[constant] < width for constant, width in widths.items() if constant in row)


def test_a_convolution_reaches_into_the_tile_before():
    operator = OPERATORS["causal_conv1d"]
    check_kernels(operator, operator.cases["four taps, bias, SiLU (Mamba)"], lengths=(70,))


def mamba_inputs():
    generator = torch.Generator().manual_seed(0)
    batch, length, channels, rank, state, taps = 2, 18, 5, 2, 3, 4

    def normal(*shape):
        return torch.randn(*shape, generator=generator).requires_grad_()

    inputs = {
        "xz": normal(batch, length, 2 * channels),
        "conv_weight": normal(taps, channels),
        "conv_bias": normal(channels),
        "x_projection_weight": normal(rank + 2 * state, channels),
        "delta_projection_weight": normal(channels, rank),
        "delta_projection_bias": normal(channels),
        "A": (-normal(channels, state).exp()).detach().requires_grad_(),
        "D": normal(channels),
        "tail": normal(batch, taps - 1, channels),
        "initial_state": normal(batch, channels, state),
        "time_gaps": normal(batch, length).exp().detach().requires_grad_(),
    }
    resets = torch.rand(batch, length, generator=generator) < 0.2
    return inputs, resets


def test_the_inside_of_a_mamba_block_equals_the_reference_with_every_gradient():
    inputs, resets = mamba_inputs()
    double = {name: x.detach().double().requires_grad_() for name, x in inputs.items()}
    expected = mamba_inner(**double, resets=resets, backend="reference")
    got = mamba_inner(**inputs, resets=resets, backend="triton")
    for part, wanted in zip(got, expected):
        assert (part - wanted).norm() < 1e-5 * wanted.norm()
    wanted_gradients = torch.autograd.grad(sum(part.square().sum() for part in expected), list(double.values()))
    gradients = torch.autograd.grad(sum(part.square().sum() for part in got), list(inputs.values()))
    for name, gradient, wanted in zip(inputs, gradients, wanted_gradients):
        assert (gradient - wanted).norm() < 1e-4 * wanted.norm(), name


def test_the_inside_of_a_mamba_block_takes_inputs_in_bfloat16_and_weights_in_float32():
    inputs, resets = mamba_inputs()
    half = inputs["xz"].detach().bfloat16()
    expected, _, _ = mamba_inner(**inputs | {"xz": half.double()}, resets=resets, backend="reference")
    y, _, state = mamba_inner(**inputs | {"xz": half}, resets=resets, backend="triton")
    assert (y.dtype, state.dtype) == (torch.bfloat16, torch.float32)
    assert (y - expected).norm() < 2e-2 * expected.norm()


def test_a_dtype_that_kernels_do_not_know_is_refused():
    x = torch.ones(1, 2, 1, dtype=torch.float64)
    with pytest.raises(ValueError, match=r"'triton', which computes in float32 on GPUs.*float64.*Use 'chunked'"):
        selective_scan(x, x, -x[0, :1], x, x, backend="triton")


def test_a_width_that_a_program_cannot_hold_is_refused_where_it_was_asked_for():
    gates, recurrent = torch.zeros(1, 1, 1, 4, 65), torch.zeros(1, 4, 65, 65)
    with pytest.raises(ValueError, match=r"takes a width of 64 at most on cpu .*have 65. Use 'reference'"):
        slstm(gates, recurrent, backend="triton")


def test_mixed_dtypes_have_gradients_of_their_own_dtypes():
    q, k, v = (torch.randn(1, 5, 2, 4).bfloat16().requires_grad_() for _ in range(3))
    log_decay = (-torch.rand(1, 5, 2)).requires_grad_()
    y, state = decay_attention(q, k, v, log_decay, backend="triton")
    (y.float().sum() + state.memory.sum()).backward()
    assert (y.dtype, state.memory.dtype) == (torch.bfloat16, torch.float32)
    assert [x.grad.dtype for x in (q, k, v, log_decay)] == [torch.bfloat16] * 3 + [torch.float32]


def test_products_are_of_the_kind_that_autocast_asks_for():
    q, k, v, log = (torch.randn(1, 5, 2, 4) for _ in range(4))
    with torch.autocast("cpu", torch.bfloat16), recorded_launches() as launches:
        y, _ = decay_attention(q, k.bfloat16(), v, -log.abs(), backend="triton")
        delta_rule(q, k, v, -k, k, backend="triton")
    read = next(one for one in launches if one.kernel.fn.__name__ == "read_states")
    weigh = next(one for one in launches if one.kernel.fn.__name__ == "delta_weights")
    assert [x.dtype for x in read.arguments[:4]] == [torch.bfloat16] * 3 + [torch.float32]
    assert [x.dtype for x in weigh.arguments[:4]] == [torch.bfloat16] * 4
    assert y.dtype == torch.float32  # of the values


def test_launches_one_after_another_add_to_the_same_parts(monkeypatch):
    # two of three blocks of channels, of two series
    monkeypatch.setattr(importlib.import_module("tsssm_kernels.selective_scan.gpu"), "PROGRAMS", 4)
    inputs = {"u": (2, 18, 20), "delta": (2, 18, 20), "A": (20, 3), "B": (2, 18, 3), "C": (2, 18, 3)}
    given = {name: torch.randn(shape) / 2 for name, shape in inputs.items()}
    given |= {"A": -given["A"].exp(), "delta": given["delta"].exp(), "time_gaps": torch.rand(2, 18) + 0.5}
    gradients = {}
    for backend in ("reference", "triton"):
        leaves = {name: x.clone().requires_grad_() for name, x in given.items()}
        y, _ = selective_scan(**leaves, backend=backend)
        gradients[backend] = torch.autograd.grad(y.square().sum(), list(leaves.values()))
    for expected, gradient in zip(*gradients.values()):
        torch.testing.assert_close(gradient, expected, rtol=1e-4, atol=1e-5)


def test_a_decay_to_nothing_is_one():
    q, k, v = (torch.randn(2, 20, 1, 4) for _ in range(3))
    log_decay = -torch.rand(2, 20, 1, 4)
    log_decay[:, 3, :, 1] = -float("inf")
    log_decay[:, 17] = -float("inf")
    expected, _ = delta_rule(q, k, v, -k / 4, k / 4, log_decay, backend="reference")
    y, _ = delta_rule(q, k, v, -k / 4, k / 4, log_decay, backend="triton")
    assert torch.isfinite(expected).all()
    torch.testing.assert_close(y, expected, rtol=1e-4, atol=1e-5)


def test_what_is_too_wide_for_a_tile_is_refused():
    x = torch.ones(1, 2, 1)
    with pytest.raises(ValueError, match=r"takes a width of 128 at most on cpu .*300. Use 'chunked'"):
        selective_scan(x, x, -torch.ones(1, 300), torch.ones(1, 2, 300), torch.ones(1, 2, 300), backend="triton")


def inputs_of(name, case, length, device="cpu"):
    """With resets; numbers differentiable."""
    generator = torch.Generator().manual_seed(0)
    inputs = OPERATORS[name].cases[case](generator, 2, length)
    inputs["resets"] = torch.rand(2, length, generator=generator) < 0.3

    def prepared(x):
        if isinstance(x, tuple):
            return type(x)(*map(prepared, x))
        if not isinstance(x, torch.Tensor):
            return x
        return x.to(device).requires_grad_(x.is_floating_point() or x.is_complex())

    return {key: prepared(x) for key, x in inputs.items()}


FIRST_AND_FULLEST = sorted({(name, next(iter(operator.cases))) for name, operator in OPERATORS.items()} | {*FULLEST})


@pytest.mark.parametrize(("name", "case"), FIRST_AND_FULLEST)
def test_nothing_waits_for_the_device_or_is_copied_to_it(name, case, monkeypatch):
    monkeypatch.setattr(torch, "autocast", lambda *device, **settings: nullcontext())  # there is none for meta
    inputs = inputs_of(name, case, 5, "meta")
    with recorded_launches() as launches, OnMeta():
        y, _ = OPERATORS[name].function(**inputs, backend="triton")
        y.sum().backward()
    assert len(launches) >= 2


def test_waiting_and_copying_would_be_noticed():
    x = torch.ones(2, device="meta")
    with OnMeta():
        with pytest.raises(AssertionError, match="tensor of the CPU"):
            x * torch.tensor([1.0, 2.0])
        with pytest.raises(AssertionError, match="waits for the device"):
            x.sum().item()


@pytest.mark.parametrize(("name", "case"), FIRST_AND_FULLEST)
def test_is_one_operator_to_torch(name, case):
    inputs = inputs_of(name, case, 3)
    with Recorded() as recorded:
        OPERATORS[name].function(**inputs, backend="triton")
    assert [str(function) for function, _ in recorded.calls if "triton" in str(function)]
    for function, args in recorded.calls:
        checks = ("test_schema", "test_autograd_registration", "test_faketensor", "test_aot_dispatch_dynamic")
        torch.library.opcheck(function, [leaf(x) for x in args], test_utils=checks)


class Recorded(TorchDispatchMode):
    """Remembers calls of the library's own operators."""

    def __init__(self):
        super().__init__()
        self.calls = []

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        if function.namespace == "tsssm":
            self.calls.append((function, args))
        return function(*args, **(kwargs or {}))


def leaf(x):
    return x.detach().requires_grad_(x.requires_grad) if isinstance(x, torch.Tensor) else x


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*torch.jit.*:DeprecationWarning")  # torch.compile's own
@pytest.mark.parametrize(
    ("kind", "sizes"), [(Mamba2, {"state_size": 4, "head_size": 8}), (GatedDelta, {"n_heads": 2, "key_size": 4})]
)
def test_a_network_compiles_without_a_graph_break(kind, sizes, monkeypatch, tmp_path):
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path))
    monkeypatch.setenv("TSSSM_BACKEND", "triton")
    mixer = kind(16, **sizes)
    x = torch.randn(1, 4, 16)
    expected = mixer(x)[0]
    compiled = torch.compile(lambda x: mixer(x)[0], fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(compiled(x), expected, rtol=1e-5, atol=1e-6)
    compiled(x).sum().backward()
    assert all(parameter.grad is not None for parameter in mixer.parameters())


def test_precision_follows_what_torch_is_told():
    x, half = torch.zeros(1), torch.zeros(1, dtype=torch.float16)
    assert dot_settings(x)["PRECISION"] == "tf32x3"
    assert dot_settings(half, half)["PRECISION"] == "tf32"
    assert dot_settings(half, x)["PRECISION"] == "tf32x3"
    before = torch.get_float32_matmul_precision()
    try:
        torch.set_float32_matmul_precision("high")
        assert dot_settings(x)["PRECISION"] == "tf32"
    finally:
        torch.set_float32_matmul_precision(before)
    assert dot_settings(x)["PRECISION"] == "tf32x3"


def test_large_sums_of_half_numbers_are_divided_before_they_are_rounded():
    q = k = torch.full((1, 20, 1, 16), 32.0, dtype=torch.float16)
    v = torch.randn(1, 20, 1, 4).half()
    expected, _ = decay_attention(q.double(), k.double(), v.double(), normalizer="keys", backend="reference")
    y, _ = decay_attention(q, k, v, normalizer="keys", backend="triton")
    assert (y.double() - expected).norm() < 2e-3 * expected.norm()


def test_gates_in_bfloat16_do_not_round_a_long_state():
    generator = torch.Generator().manual_seed(0)
    q, k, v = (torch.randn(1, 32, 1, 4, generator=generator).bfloat16() for _ in range(3))
    log_decay, gate = (torch.randn(1, 32, 1, generator=generator).bfloat16() for _ in range(2))
    inputs = {"q": q, "k": k, "v": v, "log_decay": -log_decay.abs(), "input_gate": gate}
    doubled = {name: x.double() for name, x in inputs.items()}
    _, expected = decay_attention(**doubled, normalizer="bounded", backend="reference")
    _, state = decay_attention(**inputs, normalizer="bounded", backend="triton")
    for part, wanted in zip(state[:2], expected[:2]):
        assert (part - wanted).norm() < 1e-5 * wanted.norm()


@pytest.mark.parametrize("by_key", [False, True])
def test_gradients_in_bfloat16_over_several_chunks(by_key):
    generator = torch.Generator().manual_seed(0)
    q, k, v = (torch.randn(1, 40, 1, 4, generator=generator).bfloat16() for _ in range(3))
    log_decay = -torch.rand(1, 40, 1, *([4] if by_key else []), generator=generator)
    weights = torch.randn(1, 40, 1, 4, generator=generator, dtype=torch.float64)

    def gradients(backend, kind):
        inputs = [x.to(kind).requires_grad_() for x in (q, k, v)] + [log_decay.to(kind).requires_grad_()]
        y, _ = decay_attention(*inputs, backend=backend)
        return torch.autograd.grad((y.double() * weights).sum(), inputs)

    expected = gradients("reference", torch.float64)
    for gradient, wanted in zip(gradients("triton", torch.bfloat16), expected, strict=True):
        assert (gradient - wanted).norm() < 2e-2 * wanted.norm()
