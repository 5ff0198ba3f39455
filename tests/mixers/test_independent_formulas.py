"""Whole mixers around operators that others wrote, in float64: flash-linear-attention's plain formulas, and SciPy's.

What stands around the operator (convolutions, norms, gates) is written here from the models' papers with functions of
torch that the mixers do not use.
"""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy import signal
from torch import Tensor, nn
from torch.nn.functional import (
    conv1d,
    elu,
    gelu,
    glu,
    group_norm,
    linear,
    logsigmoid,
    normalize,
    pad,
    rms_norm,
    silu,
    softplus,
)

from flash_linear_attention import in_float64, load_formulas
from tsssm.mixers import GLA, RWKV6, RWKV7, S4D, Based, GatedDelta, LinearAttention, Mamba2, Mixer, Retention

BATCH, LENGTH, D, H = 2, 40, 24, 3


def close(y: Tensor, expected: Tensor, limit: float = 1e-10) -> None:
    assert y.dtype == expected.dtype == torch.float64
    assert float((y - expected).norm() / expected.norm()) < limit


def randomised(mixer: Mixer) -> tuple[Mixer, Tensor]:
    torch.manual_seed(0)
    with torch.no_grad():
        for parameter in mixer.parameters():
            parameter.normal_(std=0.4)
    return mixer.double(), torch.randn(BATCH, LENGTH, D, dtype=torch.float64)


def call(formulas, name: str, *args, **options):
    with in_float64(formulas):
        return getattr(formulas, name)(*args, **options)


def heads(x: Tensor, count: int = H) -> Tensor:
    return x.reshape(*x.shape[:-1], count, -1)


def heads_first(*parts: Tensor) -> list[Tensor]:
    return [part.transpose(1, 2) for part in parts]


def convolved(x: Tensor, taps: Tensor, bias: Tensor | None = None) -> Tensor:
    """Silu of a depthwise causal convolution along time, by torch's own."""
    padded = pad(x.transpose(1, 2), (len(taps) - 1, 0))
    return silu(conv1d(padded, taps.T.unsqueeze(1), bias, groups=x.shape[-1])).transpose(1, 2)


def shifted(x: Tensor) -> Tensor:
    """The token before less the token, as RWKV's `ZeroPad2d((0, 0, 1, -1))`."""
    return nn.ZeroPad2d((0, 0, 1, -1))(x) - x


@torch.no_grad()
def test_linear_attention():
    formulas = load_formulas("linear_attn/naive.py")
    mixer, x = randomised(LinearAttention(D, n_heads=H))
    q, k, v = (heads(part) for part in mixer.in_projection(x).chunk(3, dim=-1))
    q, k = elu(q) + 1, elu(k) + 1
    y, (memory, key_sum) = call(
        formulas, "naive_recurrent_linear_attn", q, k, v, scale=1.0, normalize=True, output_final_state=True
    )
    sums = (q * k.cumsum(1)).sum(-1, keepdim=True)
    y = y * (sums + 1e-10) / (sums + 1e-6)  # the paper's epsilon for theirs
    found, state = mixer(x)
    close(found, mixer.out_projection(y.flatten(2)))
    close(state.memory, memory)
    close(state.key_sum, key_sum[:, -1])


@torch.no_grad()
def test_based():
    formulas = load_formulas("based/naive.py")
    mixer, x = randomised(Based(D, n_heads=H, feature_size=5))
    parts = mixer.in_projection(x).split([H * 5, H * 5, D], dim=-1)
    q, k, v = heads_first(*(heads(part) for part in parts))
    y = call(formulas, "naive_parallel_based", q, k, v, use_norm=False)
    weights = call(formulas, "naive_parallel_based", q, k, torch.ones_like(v), use_norm=False)
    close(mixer(x)[0], mixer.out_projection((y / weights).transpose(1, 2).flatten(2)))


@torch.no_grad()
def test_gla():
    formulas = load_formulas("gla/naive.py")
    mixer, x = randomised(GLA(D, n_heads=H))
    q, k, v, gate = mixer.in_projection(x).split([D // 2, D // 2, D, D], dim=-1)
    g = logsigmoid(linear(linear(x, mixer.decay_in.weight), mixer.decay_out.weight, mixer.decay_out.bias)) / 16
    o, memory = call(formulas, "naive_recurrent_gla", *(heads(part) for part in (q, k, v, g)), output_final_state=True)
    normed = rms_norm(o, o.shape[-1:], mixer.norm_weight, eps=1e-5).flatten(2)
    found, state = mixer(x)
    close(found, mixer.out_projection(normed * silu(gate)))
    close(state.memory, memory)


@torch.no_grad()
def test_retention():
    formulas = load_formulas("retention/naive.py")
    mixer, x = randomised(Retention(D, n_heads=H))
    q, k, v, gate = mixer.in_projection(x).split([D, D, 2 * D, 2 * D], dim=-1)
    size = D // H
    # the published rotation: pairs (2i, 2i + 1), by position; ours pairs i and i + K / 2, another order of channels
    inverse = 1.0 / 10_000 ** torch.linspace(0, 1, size // 2, dtype=torch.float64)
    turns = torch.outer(torch.arange(LENGTH, dtype=torch.float64), inverse)
    sin, cos = (f(turns).repeat_interleave(2, dim=-1).unsqueeze(1) for f in (torch.sin, torch.cos))

    def turned(part: Tensor) -> Tensor:
        pairs = heads(part).unflatten(-1, (2, -1)).transpose(-1, -2).flatten(-2)
        half = torch.stack([-pairs[..., 1::2], pairs[..., ::2]], dim=-1).flatten(-2)
        return pairs * cos + half * sin

    # the formula takes values as wide as keys: one call for each half of them
    q, k = heads_first(turned(q), turned(k))
    halves = heads_first(*heads(v).chunk(2, dim=-1))
    o = torch.cat([call(formulas, "naive_retention", q, k, half) for half in halves], dim=-1).transpose(1, 2)
    normed = rms_norm(o, o.shape[-1:], eps=1e-5).flatten(2)
    expected = mixer.out_projection(normed * silu(gate))
    close(mixer(x)[0], expected, limit=1e-5)
    # its decays and angles were rounded to float32; with all digits:
    mixer.log_decay.copy_(torch.log1p(-(2.0 ** (-5.0 - torch.arange(H, dtype=torch.float64)))))
    mixer.angles.copy_(inverse.expand(H, -1))
    close(mixer(x)[0], expected)


@torch.no_grad()
@pytest.mark.parametrize("gated", [False, True])
def test_gated_delta(gated):
    formulas = load_formulas("gated_delta_rule/naive.py" if gated else "delta_rule/naive.py")
    mixer, x = randomised(GatedDelta(D, n_heads=H, key_size=4, value_size=5, gated=gated))
    parts = mixer.in_projection(x).split([27 + 12, H, *((H, 15) if gated else ())], dim=-1)
    q, k, v = (heads(part) for part in convolved(parts[0], mixer.convolution.weight).split([12, 12, 15], dim=-1))
    q, k = (part / (part.square().sum(-1, keepdim=True) + 1e-6).sqrt() for part in (q, k))
    beta = torch.sigmoid(parts[1])
    if gated:
        g = -mixer.A_log.exp() * softplus(parts[2] + mixer.dt_bias)
        o, memory = call(formulas, "naive_recurrent_gated_delta_rule", q, k, v, beta, g, output_final_state=True)
    else:
        o, memory = call(formulas, "delta_rule_recurrence", *heads_first(q, k, v, beta))
        o = o.transpose(1, 2)
    normed = rms_norm(o, o.shape[-1:], mixer.norm_weight, eps=1e-5).flatten(2)
    found, state = mixer(x)
    close(found, mixer.out_projection(normed * silu(parts[3]) if gated else normed))
    close(state.memory, memory)


@torch.no_grad()
def test_mamba2():
    formulas = load_formulas("simple_gla/naive.py")
    mixer, x = randomised(Mamba2(D, state_size=7, head_size=8, n_groups=2))
    inner, count = 2 * D, 6
    z, inputs, raw = mixer.in_projection(x).split([inner, inner + 4 * 7, count], dim=-1)
    inputs = convolved(inputs, mixer.convolution.weight, mixer.convolution.bias)
    values, B, C = inputs.split([inner, 14, 14], dim=-1)
    values = heads(values, count)
    B, C = (heads(part, 2).repeat_interleave(3, dim=2) for part in (B, C))
    delta = softplus(raw + mixer.delta_bias)
    y, memory = call(
        formulas,
        "naive_recurrent_simple_gla",
        C,
        B,
        delta.unsqueeze(-1) * values,
        -delta * mixer.A_log.exp(),
        scale=1.0,
    )
    y = (y + mixer.D[:, None] * values).flatten(2) * silu(z)
    parts = y.unflatten(-1, (2, -1))
    normed = rms_norm(parts, parts.shape[-1:], eps=1e-5).flatten(2) * mixer.norm_weight
    found, state = mixer(x)
    close(found, mixer.out_projection(normed))
    close(state.memory, memory)


@torch.no_grad()
def test_rwkv6():
    formulas = load_formulas("rwkv6/recurrent_naive.py")
    mixer, x = randomised(RWKV6(D, n_heads=H, mix_rank=4, decay_rank=5, layer_index=1, n_layers=3))
    xx = shifted(x)
    low = torch.tanh(mixer.mix_in(x + xx * mixer.mu_x)).view(BATCH * LENGTH, 5, -1).transpose(0, 1)
    moved = torch.bmm(low, mixer.mix_out).view(5, BATCH, LENGTH, D)
    x_w, x_k, x_v, x_r, x_g = (x + xx * (mu + own) for mu, own in zip(mixer.mu, moved))
    g = -torch.exp(mixer.w_0 + torch.tanh(x_w @ mixer.w_in.weight.T) @ mixer.w_out.weight.T)
    rows = (mixer.receptance(x_r), mixer.key(x_k), mixer.value(x_v), g)
    o, memory = call(
        formulas,
        "naive_recurrent_rwkv6",
        *heads_first(*(heads(row) for row in rows)),
        mixer.bonus,
        scale=1.0,
        output_final_state=True,
    )
    flat = o.transpose(1, 2).reshape(-1, D)
    normed = group_norm(flat, H, mixer.norm_weight, mixer.norm_bias, eps=64e-5).view(x.shape)
    found, state = mixer(x)
    close(found, mixer.output(normed * silu(mixer.gate(x_g))))
    close(state.memory, memory)


@torch.no_grad()
@pytest.mark.parametrize("layer_index", [0, 2])
@pytest.mark.parametrize("bounded", [False, True])
def test_rwkv7(bounded, layer_index):
    formulas = load_formulas("generalized_delta_rule/dplr/naive.py")
    mixer, x = randomised(RWKV7(D, n_heads=H, bounded=bounded, layer_index=layer_index, n_layers=3))
    xx, first = shifted(x), torch.randn(BATCH, LENGTH, D, dtype=torch.float64)
    x_r, x_w, x_k, x_v, x_a, x_g = (x + xx * mu for mu in mixer.mu)
    r, k, v = x_r @ mixer.receptance.weight.T, x_k @ mixer.key.weight.T, x_v @ mixer.value.weight.T
    # the published way to write the decay: exp(-exp(w)), w below -1/2
    w = -softplus(-(mixer.w_0 + torch.tanh(x_w @ mixer.w_in.weight.T) @ mixer.w_out.weight.T)) - 0.5
    a = torch.sigmoid(mixer.a_0 + (x_a @ mixer.a_in.weight.T) @ mixer.a_out.weight.T)
    gate = torch.sigmoid(x_g @ mixer.g_in.weight.T) @ mixer.g_out.weight.T
    if layer_index > 0:
        v = v + (first - v) * torch.sigmoid(mixer.v_0 + (x_v @ mixer.v_in.weight.T) @ mixer.v_out.weight.T)
    kk = normalize(heads(k * mixer.k_k), dim=-1, p=2.0)
    k = k * (1 + (a - 1) * mixer.k_a)
    r, k, v, w, a = (heads(row) for row in (r, k, v, w, a))
    taken, given = (-kk * a.sqrt(), kk * a.sqrt()) if bounded else (-kk, kk * a)
    # the formula divides receptances by the root of their length
    rows = heads_first(r * r.shape[-1] ** 0.5, k, v, taken, given, -w.exp())
    o, memory = call(formulas, "dplr_recurrence", *rows)
    o = o.transpose(1, 2)
    normed = group_norm(o.reshape(-1, D), H, mixer.norm_weight, mixer.norm_bias, eps=64e-5).view(x.shape)
    own = ((r * k * mixer.r_k).sum(-1, keepdim=True) * v).flatten(2)
    found, state = mixer(x, shared={"rwkv7 first value": first})
    close(found, mixer.output((normed + own) * gate))
    close(state.memory, memory)


@torch.no_grad()
def test_s4d_is_a_linear_system_held_between_samples():
    """By SciPy: a dense continuous system of real numbers, sampled with a zero-order hold and simulated."""
    mixer, x = randomised(S4D(D, state_size=8))
    outputs = np.empty(x.shape)
    rates = torch.complex(-mixer.log_decay.exp(), mixer.frequency).numpy()
    for channel in range(D):
        A = np.zeros((8, 8))
        for n, rate in enumerate(rates[channel]):
            A[2 * n : 2 * n + 2, 2 * n : 2 * n + 2] = [[rate.real, -rate.imag], [rate.imag, rate.real]]
        B = np.tile([1.0, 0.0], 4)[:, None]
        C = 2 * (mixer.C[channel] * torch.tensor([1.0, -1.0])).numpy().reshape(1, 8)
        system = (A, B, C, mixer.D[channel].numpy().reshape(1, 1))
        step = math.exp(mixer.log_step[channel])
        A_d, B_d, C_d, D_d, _ = signal.cont2discrete(system, step, method="zoh")
        # our state has seen the input of its own step: SciPy's is one behind
        shown = (A_d, B_d, C_d @ A_d, D_d + C_d @ B_d, 1.0)
        for series in range(BATCH):
            outputs[series, :, channel] = signal.dlsim(shown, x[series, :, channel].numpy())[1][:, 0]
    y = torch.from_numpy(outputs)
    close(mixer(x)[0], glu(linear(gelu(y), mixer.out_projection.weight, mixer.out_projection.bias)))


@torch.no_grad()
def test_s4d_is_a_convolution_with_a_sum_of_powers():
    """The kernel as a product with a Vandermonde matrix, and the convolution by Fourier transforms, in NumPy."""
    mixer, x = randomised(S4D(D, state_size=8))
    rates = torch.complex(-mixer.log_decay.exp(), mixer.frequency).numpy()
    steps = mixer.log_step.exp().numpy()[:, None]
    powers = np.stack([np.vander(row, LENGTH, increasing=True) for row in np.exp(steps * rates)])
    weights = torch.view_as_complex(mixer.C).numpy() * np.expm1(steps * rates) / rates
    kernel = 2 * np.einsum("dn,dnl->dl", weights, powers).real
    size = 2 * LENGTH
    spectrum = np.fft.rfft(x.numpy(), size, axis=1) * np.fft.rfft(kernel.T, size, axis=0)
    y = torch.from_numpy(np.fft.irfft(spectrum, size, axis=1)[:, :LENGTH]) + mixer.D * x
    close(mixer(x)[0], glu(linear(gelu(y), mixer.out_projection.weight, mixer.out_projection.bias)))
