"""A compiled step gives what the function that it was recorded from gives, or says why there is none."""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional

from tsssm_kernels import CannotCompileError, compile_step


def numbers(*shape, seed=0, dtype=torch.float32):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def check(function, *shapes, limit=2e-6, change=lambda x: x, streams=(1, 5, 40)):
    """Compile for one stream and compare for several, in float64."""
    inputs = [change(numbers(1, *shape, seed=i)) for i, shape in enumerate(shapes)]
    step = compile_step(lambda *tensors: [function(*tensors)], inputs)
    for count in streams:
        inputs = [change(numbers(count, *shape, seed=10 + i)) for i, shape in enumerate(shapes)]
        expected = function(*(x.double() if x.is_floating_point() else x for x in inputs))
        (got,) = step(*inputs)
        assert got.shape == expected.shape
        off = (got.double() - expected.double()).norm() / expected.double().norm().clamp(min=1e-9)
        assert off < limit, f"{count} streams: {off}"


OF_ONE = {
    "exp": torch.exp,
    "neg": torch.neg,
    "sigmoid": torch.sigmoid,
    "silu": functional.silu,
    "gelu": functional.gelu,
    "tanh": torch.tanh,
    "softplus": functional.softplus,
    "logsigmoid": functional.logsigmoid,
    "abs": torch.abs,
    "sin": torch.sin,
    "cos": torch.cos,
    "erf": torch.erf,
    "expm1": torch.expm1,
    "floor": torch.floor,
    "sign": torch.sign,
    "square": lambda x: x**2,
    "cube": lambda x: x**3,
    "relu": torch.relu,
    "elu": functional.elu,
    "indexed": lambda x: x[:, [0, -1, 0]] * x[:, [-1, 0, 0]],
    "elu by hand": lambda x: torch.where(x > 0, x + 1, x.exp()),
    "clamp": lambda x: x.clamp(-0.5, 0.7),
    "one less": lambda x: 1 - x,
    "parts of it": lambda x: 2 * x[:, 1:] - 3 * x[:, :1],
    "in place": lambda x: (x + 1).mul_(2).clamp_(min=0),
    "nan_to_num": lambda x: torch.nan_to_num(torch.where(x > 0, x, math.nan)),
    "masked": lambda x: x.masked_fill(x < x.mean(-1, keepdim=True), -math.inf).softmax(-1),
    "softmax": lambda x: (5 * x).softmax(-1),
    "largest": lambda x: x.amax(-1, keepdim=True) - x,
    "normalised": functional.normalize,
    "mean": lambda x: x.mean(-1),
    "glu": lambda x: functional.glu(torch.cat([x, 2 * x], dim=-1), dim=-1),
    "rms norm": lambda x: functional.rms_norm(x, x.shape[1:], eps=1e-5),
    "layer norm": lambda x: functional.layer_norm(x, x.shape[1:]),
    "not and or": lambda x: (~(x > 0) | ((x < 1) & (x >= -1))).to(x.dtype),
}
POSITIVE = {
    "log": torch.log,
    "log1p": torch.log1p,
    "sqrt": torch.sqrt,
    "rsqrt": torch.rsqrt,
    "reciprocal": torch.reciprocal,
    "root": lambda x: x**0.3,
}


@pytest.mark.parametrize("length", [1, 7, 16, 67])
@pytest.mark.parametrize("name", OF_ONE)
def test_functions(name, length):
    check(OF_ONE[name], (length,))


@pytest.mark.parametrize("name", POSITIVE)
def test_functions_of_positive_numbers(name):
    check(POSITIVE[name], (37,), change=lambda x: x.abs() + 0.01)


@pytest.mark.parametrize("size", [-100.0, -30.0, -1e-3, 1e-3, 30.0, 85.0])
@pytest.mark.parametrize("name", ["exp", "sigmoid", "silu", "gelu", "tanh", "softplus", "logsigmoid"])
def test_functions_far_from_zero_and_near(name, size):
    inputs = [size * (1 + 0.001 * torch.arange(16.0).reshape(1, 16))]
    step = compile_step(lambda x: [OF_ONE[name](x)], [numbers(1, 16)])
    got, expected = step(*inputs)[0].double(), OF_ONE[name](inputs[0].double())
    # numbers of float32: the exponent itself has no more digits; next to 0 tanh and gelu keep theirs
    small = expected.abs() < 2e-38  # denormal in float32
    assert (got[small].abs() < 3e-38).all()
    off = (got[~small] / expected[~small] - 1).abs()
    assert off.numel() == 0 or off.max() < 2e-5


def test_functions_of_what_is_no_number():
    x = torch.tensor([[math.nan, math.inf, -math.inf, 0.0, -0.0, 1e38, -1e38]])
    for name in ("exp", "sigmoid", "relu", "abs", "clamp", "neg"):
        step = compile_step(lambda x, name=name: [OF_ONE[name](x)], [numbers(1, 7)])
        assert torch.equal(step(x)[0].nan_to_num(7.0), OF_ONE[name](x).nan_to_num(7.0)), name


OF_TWO = {
    "add": lambda a, b: a + b,
    "add a part": lambda a, b: torch.add(a, b, alpha=0.3),
    "subtract": lambda a, b: a - b,
    "multiply": lambda a, b: a * b,
    "divide": lambda a, b: a / (b.abs() + 1),
    "maximum": torch.maximum,
    "minimum": torch.minimum,
    "compare": lambda a, b: (a < b).float() + 2 * (a >= b).float() + 4 * (a == b).float() + 8 * (a <= b).float(),
    "choose": lambda a, b: torch.where(a > b, a, 2 * b),
    "multiply and add": lambda a, b: torch.addcmul(a, a, b, value=0.7),
}


@pytest.mark.parametrize("name", OF_TWO)
@pytest.mark.parametrize("shapes", [[(5, 19), (5, 19)], [(5, 19), (19,)], [(5, 1), (1, 19)], [(3, 4, 5, 6), (4, 1, 6)]])
def test_functions_of_two(name, shapes):
    check(lambda a, b: OF_TWO[name](a.unsqueeze(1), b.unsqueeze(1) if b.ndim == a.ndim else b[:, None, None]), *shapes)


def test_products_of_odd_sizes():
    for rows, inside, columns in ((1, 1, 1), (1, 17, 5), (3, 16, 33), (2, 70, 128), (1, 3, 200)):
        layer = nn.Linear(inside, columns).requires_grad_(False)
        check(lambda x, layer=layer: layer.to(x.dtype)(x), (rows, inside), limit=1e-6)
        layer.float()
        step = compile_step(lambda x, layer=layer: [layer(x)], [numbers(1, rows, inside)])
        x = numbers(9, rows, inside)
        (whole,) = step(x)
        for i in range(9):
            assert torch.equal(step(x[i : i + 1])[0][0], whole[i]), "a stream by itself differs from one among others"


@pytest.mark.parametrize(
    "equation", ["shk,shkv->shv", "shv,shkv->shk", "shk,shv->shkv", "sik,sjk->sij", "ski,skj->sij"]
)
def test_products_of_a_stream(equation):
    sizes = {"h": 3, "k": 18, "v": 5, "i": 4, "j": 33}
    shapes = [tuple(sizes[axis] for axis in part[1:]) for part in equation.split("->")[0].split(",")]
    check(lambda a, b: torch.einsum(equation, a, b), *shapes)


def test_group_norm_and_attention():
    norm = nn.GroupNorm(3, 12).double().requires_grad_(False)
    norm.weight.copy_(numbers(12, dtype=torch.float64))
    check(lambda x: functional.group_norm(x, 3, norm.weight.to(x.dtype), norm.bias.to(x.dtype)), (12,))
    check(lambda q, k, v: functional.scaled_dot_product_attention(q, k, v), (2, 3, 8), (2, 9, 8), (2, 9, 8))


def test_a_ring_is_written_where_its_position_says():
    def step(ring: Tensor, x: Tensor, position: Tensor) -> list[Tensor]:
        slot = (position % 5)[:, None, None].expand(-1, 1, 3)
        ring = ring.scatter(1, slot, x.unsqueeze(1))
        return [ring, ring.gather(1, slot).squeeze(1), position + 1]

    inputs = [numbers(6, 5, 3), numbers(6, 3), torch.tensor([0, 4, 5, 2**40 + 1, 7, 3])]
    for got, expected in zip(compile_step(step, inputs)(*inputs), step(*inputs)):
        assert torch.equal(got, expected)


def test_truth_of_numbers():
    def step(x: Tensor, count: Tensor) -> list[Tensor]:
        return [x.bool(), count.bool().float(), torch.logical_not(count), (~count.bool()).to(torch.int64) + count]

    inputs = [torch.tensor([[0.0, 2.0, -1.0]]).repeat(4, 1), torch.tensor([[0], [5], [1], [-3]])]
    for got, expected in zip(compile_step(step, inputs)(*inputs), step(*inputs)):
        assert torch.equal(got, expected)


def test_integers_wrap_around():
    large = torch.tensor([[2**62, -(2**61) + 3]])

    def step(position: Tensor) -> list[Tensor]:
        turn = position[:, None] * large
        return [turn, turn.double() * 2.0**-64]

    inputs = [torch.tensor([1, 7, 2**30 + 1])]
    for got, expected in zip(compile_step(step, inputs)(*inputs), step(*inputs)):
        assert torch.equal(got, expected)


def test_results_that_are_inputs_parts_or_constants():
    def step(x: Tensor, flag: Tensor) -> list[Tensor]:
        return [x, x[:, 1:], x.new_full((len(x), 2), 3.0), flag, ~flag, x.T.contiguous().T]

    inputs = [numbers(4, 3), torch.tensor([[True], [False], [True], [True]])]
    got = compile_step(step, inputs)(*inputs)
    assert [x.dtype for x in got] == [x.dtype for x in step(*inputs)]
    assert all(map(torch.equal, got, step(*inputs)))
    assert not {x.data_ptr() for x in got} & {x.data_ptr() for x in inputs}


@settings(deadline=None, max_examples=60)
@given(st.lists(st.integers(0, 6), min_size=1, max_size=5), st.permutations([1, 2, 3]), st.integers(0, 2))
def test_views_of_views(moves, order, axis):
    """Whatever views are taken of views and of results, streams keep to themselves and numbers to their places."""

    def function(x: Tensor) -> Tensor:
        for move in moves:
            at = 1 + axis % (x.ndim - 1)
            if move == 0 and x.ndim == 4:
                x = x.permute(0, *order)
            elif move == 1:
                x = x.narrow(at, x.shape[at] // 2, x.shape[at] - x.shape[at] // 2)
            elif move == 2:
                x = x.transpose(1, -1)
            elif move == 3:
                x = x.flatten(1).unflatten(1, (-1, 1))
            elif move == 4:
                x = x * 1.5 + x.select(at, 0).unsqueeze(at)
            elif move == 5:
                x = torch.cat([x, x.narrow(at, 0, 1)], dim=at)
            else:
                x = x.unsqueeze(1).expand(-1, 2, *x.shape[1:]).sum(-1) if x.ndim < 4 else x.mean(at)
        return x + 0

    inputs = [numbers(1, 2, 3, 4)]
    step = compile_step(lambda x: [function(x)], inputs)
    x = numbers(3, 2, 3, 4, seed=1)
    torch.testing.assert_close(step(x)[0], function(x), rtol=1e-5, atol=1e-5)


def test_complex_numbers():
    weights = torch.randn(3, 5, dtype=torch.complex64, generator=torch.Generator().manual_seed(0))

    def step(x: Tensor, state: Tensor) -> list[Tensor]:
        turned = weights.exp() * state + 2j * x.unsqueeze(-1) - state * (state + 1)
        apart = torch.complex(turned.imag, x.unsqueeze(-1) * turned.real)
        return [(apart * (0.1 * state).exp()).real.sum(-1), turned, -apart]

    compiled = compile_step(step, [numbers(1, 3), numbers(1, 3, 5).to(torch.complex64)])
    inputs = [numbers(9, 3), torch.complex(numbers(9, 3, 5), numbers(9, 3, 5, seed=1))]
    for got, expected in zip(compiled(*inputs), step(*inputs)):
        assert got.dtype == expected.dtype
        torch.testing.assert_close(got, expected, rtol=1e-5, atol=1e-5)
    with pytest.raises(CannotCompileError, match="functions of complex numbers other than"):
        compile_step(lambda x: [torch.tanh(x)], [inputs[1]])


def test_many_streams_and_threads():
    layer = nn.Linear(40, 40).requires_grad_(False)

    def step(x: Tensor, state: Tensor) -> list[Tensor]:
        state = 0.9 * state + torch.tanh(layer(x))[..., None] * x[:, None]
        return [state.sum(-1), state]

    inputs = [numbers(3000, 40), numbers(3000, 40, 40)]
    compiled = compile_step(step, inputs)
    torch.set_num_threads(2)
    try:
        whole = compiled(*inputs)
        with ThreadPoolExecutor(4) as pool:
            others = list(pool.map(lambda _: compiled(*inputs), range(6)))
    finally:
        torch.set_num_threads(1)
    for got, expected in zip(whole, step(*inputs)):
        torch.testing.assert_close(got, expected, rtol=1e-5, atol=1e-5)
    for other in others:
        assert all(map(torch.equal, whole, other))
    alone = compiled(*(x[-1:] for x in inputs))
    assert all(torch.equal(x[-1:], y) for x, y in zip(whole, alone))


def test_it_is_as_current_as_its_parameters():
    layer = nn.Linear(3, 3)
    step = compile_step(lambda x: [layer(x)], [numbers(1, 3)])
    assert step.is_current()
    with torch.no_grad():
        layer.weight.mul_(2)
    assert not step.is_current()


BIG = 2**60
LARGE = torch.tensor([[BIG, BIG + 1, 3]])
EXACT = {
    "integers compared": (lambda n: [n == BIG + 1, n < BIG + 1, n <= BIG], [LARGE]),
    "integers chosen": (lambda n: [torch.where(n > 4, n, n + 1), n.masked_fill(n == 3, BIG + 1)], [LARGE]),
    "integers gathered": (lambda n: [n.gather(1, torch.ones_like(n[:, :2])), n[:, torch.tensor([1, 0])]], [LARGE]),
    "integers squared": (lambda n: [n**2, n.abs()], [torch.tensor([[2**31 + 1, -(2**31) - 1]])]),
    "truth added": (lambda a, b: [(a + b).float(), (a + b).sum(1)], [torch.tensor([[True, True, False]])] * 2),
    "softplus": (
        lambda x: [functional.softplus(x), functional.logsigmoid(x)],
        [torch.tensor([[math.inf, -math.inf, 3e38]])],
    ),
    "exp": (lambda x: [x.exp()], [torch.tensor([[709.0, 709.5, 710.0, -math.inf]], dtype=torch.float64)]),
    "remainder": (lambda x: [x % 0.1, x % math.inf, x % -0.3], [torch.tensor([[1.0, 0.35]], dtype=torch.float64)]),
    "signs of zero": (lambda x: [1 / (-x), 1 / x.abs()], [torch.tensor([[0.0, -0.0]])]),
}


@pytest.mark.parametrize("name", EXACT)
def test_numbers_that_are_easily_lost(name):
    """Compiled with others: what these are must not matter."""
    function, inputs = EXACT[name]
    others = [torch.zeros_like(x) if x.dtype == torch.bool else torch.ones_like(x) for x in inputs]
    for got, expected in zip(compile_step(function, others)(*inputs), function(*inputs)):
        torch.testing.assert_close(got, expected, rtol=0 if not got.is_floating_point() else 1e-6, atol=0)


def test_attention_to_nothing_is_zero():
    def step(q: Tensor, k: Tensor, mask: Tensor) -> list[Tensor]:
        return [functional.scaled_dot_product_attention(q, k, k, attn_mask=mask)]

    q, k, mask = numbers(2, 1, 1, 4), numbers(2, 1, 3, 4), torch.ones(2, 1, 1, 3, dtype=torch.bool)
    mask[1] = False
    got = compile_step(step, [q, k, mask])(q, k, mask)[0]
    torch.testing.assert_close(got, step(q, k, mask)[0])
    assert (got[1] == 0).all()


def test_conjugated_inputs():
    z = torch.complex(numbers(3, 2), numbers(3, 2, seed=1))
    step = compile_step(lambda z: [z * 2], [z])
    torch.testing.assert_close(step(z.conj())[0], z.conj() * 2)


def changed_after_use(x: Tensor) -> list[Tensor]:
    constant = torch.zeros(4)
    return [x + constant, x + constant.add_(1)]


WHOLE = torch.zeros(2, 4, dtype=torch.int64)
REFUSED_OF_INTEGERS = {
    "a number is read": (lambda n: [n * int(n[0, 0])], "numbers that decide"),
    "numbers are compared": (lambda n: [n * 2 if torch.equal(n, n + 1) else n], "numbers that decide"),
    "gathered from other streams": (lambda n: [n.gather(0, torch.zeros_like(n))], "chosen streams"),
    "scattered to other streams": (lambda n: [n.scatter(0, torch.zeros_like(n), n)], "chosen streams"),
    "chosen by truth": (lambda n: [n[:, torch.tensor([True, False, True, False])]], "chosen by truth values"),
    "seen as another type": (lambda n: [n.view(torch.float64) + 1], "looked at as"),
    "truth by a sum": (lambda n: [(n > 0).sum(1, dtype=torch.bool)], "as torch.bool|truth"),
}


@pytest.mark.parametrize("name", REFUSED_OF_INTEGERS)
def test_what_integers_would_hide_is_refused(name):
    """All streams of an example have the same integers, so that a comparison would find nothing."""
    function, message = REFUSED_OF_INTEGERS[name]
    with pytest.raises(CannotCompileError, match=message):
        compile_step(function, [WHOLE])


def scattered_by_a_constant(x: Tensor, y: Tensor) -> list[Tensor]:
    flat = x.flatten(0, 1)
    return [(flat * 1.0).scatter(1, torch.zeros(len(flat), 1, dtype=torch.int64), y.flatten(0, 1)).view(x.shape)]


def test_constant_indices_and_matrices_of_streams_axes():
    inputs = [numbers(3, 2, 4), numbers(3, 2, 1)]
    got = compile_step(scattered_by_a_constant, inputs)(*inputs)[0]
    torch.testing.assert_close(got, scattered_by_a_constant(*inputs)[0])
    weights = numbers(2, 13, 3)
    check(lambda x: torch.einsum("bhk,hkn->bhn", x, weights.to(x.dtype)), (2, 13))
    with pytest.raises(CannotCompileError):
        compile_step(
            lambda q, k: [functional.scaled_dot_product_attention(q, k, k, enable_gqa=True)],
            [numbers(1, 4, 1, 8), numbers(1, 2, 5, 8)],
        )


REFUSED = {
    "a constant that changes": (changed_after_use, "changes after it is used"),
    "a part without numbers": (lambda x: [x[:, :0].sum(1)], "without numbers"),
    "no tensor": (lambda x: [x, None], "no tensor but None"),
    "a number alone": (lambda x: [torch.tensor(1.0)], "first axis does not count streams"),
    "streams are summed": (lambda x: [x - x.mean(0)], "streams"),
    "streams are multiplied": (lambda x: [x @ (x.T @ x)], "sums over streams|no constants"),
    "streams change places": (lambda x: [x.flip(0)], "flip"),
    "streams are chosen": (lambda x: [x[:1].expand_as(x)], "streams"),
    "streams differ": (lambda x: [x + torch.arange(len(x)).unsqueeze(1)], "differ between streams"),
    "numbers decide": (lambda x: [x * 2 if (x > 0).any() else x], "any|decide"),
    "an input is written to": (lambda x: [x.mul_(2)], "written to"),
    "the number of streams counts": (lambda x: [x * len(x)], "comes out differently"),
    "an unknown operator": (lambda x: [torch.special.bessel_j0(x)], "bessel_j0"),
    "half precision": (lambda x: [x.bfloat16() + 1], "bfloat16"),
    "a cumulative sum": (lambda x: [x.cumsum(1)], "cumsum"),
    "no axis of streams": (lambda x: [x.sum(0)], "streams"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_compiled_is_refused(name):
    function, message = REFUSED[name]
    with pytest.raises(CannotCompileError, match=message):
        compile_step(function, [numbers(2, 4)])


def test_other_inputs_are_refused():
    step = compile_step(lambda x, i: [x.gather(1, i)], [numbers(2, 4), torch.zeros(2, 1, dtype=torch.int64)])
    index = torch.zeros(3, 1, dtype=torch.int64)
    with pytest.raises(ValueError, match=r"input 0 of the step must be torch.float32 on the CPU of shape \(3, 4\)"):
        step(numbers(3, 5), index)
    with pytest.raises(ValueError, match="takes 2 tensors; got 1"):
        step(numbers(3, 4))
    with pytest.raises(ValueError, match="float64"):
        step(numbers(3, 4, dtype=torch.float64), index)
    with pytest.raises(IndexError, match="1 indices lie outside"):
        step(numbers(3, 4), index + torch.tensor([[0], [0], [4]]))
