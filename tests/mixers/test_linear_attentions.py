"""Linear attention, Based, GLA and retention against loops over their definitions, token by token and head by head."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from tsssm.errors import ConfigError
from tsssm.mixers import GLA, Based, LinearAttention, Retention, check_mixer
from tsssm.mixers.based import taylor_features


def randomised(mixer):
    with torch.no_grad():
        for parameter in mixer.parameters():
            parameter.normal_(std=0.4)
    return mixer.double()


def heads_of(vector: Tensor, n_heads: int) -> list[Tensor]:
    return list(vector.chunk(n_heads))


def silu(x: Tensor) -> Tensor:
    return x / (1 + torch.exp(-x))


def unit_mean_square(x: Tensor) -> Tensor:
    return x / (x.square().mean() + 1e-5).sqrt()


def weighted_means(mixer, x: Tensor, weight) -> Tensor:
    """Means of the values seen so far, with weights of a query and a key; in full, without any state."""
    n, d_model = mixer.n_heads, x.shape[1]
    projected = [mixer.in_projection(token) for token in x]
    wide = (len(projected[0]) - d_model) // 2
    outputs = []
    for t in range(len(x)):
        parts = []
        for h in range(n):
            q = heads_of(projected[t][:wide], n)[h]
            keys = [heads_of(p[wide : 2 * wide], n)[h] for p in projected[: t + 1]]
            values = torch.stack([heads_of(p[2 * wide :], n)[h] for p in projected[: t + 1]])
            weights = torch.stack([weight(q, k) for k in keys])
            parts.append(weights @ values / (weights.sum() + mixer.eps))
        outputs.append(mixer.out_projection(torch.cat(parts)))
    return torch.stack(outputs)


def elu_and_one(x: Tensor) -> Tensor:
    return torch.where(x > 0, x + 1, x.exp())


def taylor(q: Tensor, k: Tensor) -> Tensor:
    score = q @ k / math.sqrt(len(q))
    return 1 + score + score**2 / 2


def gla_loop(mixer: GLA, x: Tensor) -> Tensor:
    n, d_model = mixer.n_heads, x.shape[1]
    states, outputs = [torch.zeros(d_model // n // 2, d_model // n, dtype=x.dtype) for _ in range(n)], []
    for token in x:
        q, k, v, gate = mixer.in_projection(token).split((d_model // 2, d_model // 2, d_model, d_model))
        logits = mixer.decay_out.weight @ (mixer.decay_in.weight @ token) + mixer.decay_out.bias
        decay = (1 / (1 + torch.exp(-logits))) ** (1 / 16)
        parts = []
        for h in range(n):
            states[h] = heads_of(decay, n)[h][:, None] * states[h] + torch.outer(heads_of(k, n)[h], heads_of(v, n)[h])
            read = heads_of(q, n)[h] @ states[h] / math.sqrt(d_model // n // 2)
            parts.append(unit_mean_square(read) * mixer.norm_weight)
        outputs.append(mixer.out_projection.weight @ (torch.cat(parts) * silu(gate)))
    return torch.stack(outputs)


def retention_sums(mixer: Retention, x: Tensor) -> Tensor:
    """In full: turned products of queries and keys, decayed by how far back the key lies."""
    n, d_model = mixer.n_heads, x.shape[1]
    size = d_model // n
    angles = 10_000.0 ** -torch.linspace(0, 1, size // 2, dtype=x.dtype)
    rows = [mixer.in_projection(token).split((d_model, d_model, 2 * d_model, 2 * d_model)) for token in x]
    outputs = []
    for t in range(len(x)):
        parts = []
        for h in range(n):
            out = torch.zeros(2 * size, dtype=x.dtype)
            q = torch.complex(*heads_of(rows[t][0], n)[h].chunk(2))
            for j in range(t + 1):
                k = torch.complex(*heads_of(rows[j][1], n)[h].chunk(2)) / math.sqrt(size)
                turned = k * torch.exp(torch.complex(torch.zeros_like(angles), -(t - j) * angles))
                out += (1 - 2.0 ** (-5 - h)) ** (t - j) * (q.conj() * turned).real.sum() * heads_of(rows[j][2], n)[h]
            parts.append(unit_mean_square(out))
        outputs.append(mixer.out_projection.weight @ (torch.cat(parts) * silu(rows[t][3])))
    return torch.stack(outputs)


DEFINITIONS = {
    LinearAttention: lambda mixer, x: weighted_means(mixer, x, lambda q, k: elu_and_one(q) @ elu_and_one(k)),
    Based: lambda mixer, x: weighted_means(mixer, x, taylor),
    GLA: gla_loop,
    Retention: retention_sums,
}


@torch.no_grad()
@pytest.mark.parametrize("n_heads", [1, 3])
@pytest.mark.parametrize("mixer_class", DEFINITIONS)
def test_equals_its_definition(mixer_class, n_heads):
    torch.manual_seed(0)
    mixer, x = randomised(mixer_class(12, n_heads=n_heads)), torch.randn(2, 19, 12, dtype=torch.float64)
    y, _ = mixer(x)
    for series in range(2):
        # the buffers of retention are float32
        limit = 1e-6 if mixer_class is Retention else 1e-10
        torch.testing.assert_close(y[series], DEFINITIONS[mixer_class](mixer, x[series]), rtol=limit, atol=limit)


@pytest.mark.parametrize(
    ("mixer_class", "settings"),
    [
        (LinearAttention, {"n_heads": 2, "mlp_width": 5}),
        (Based, {"feature_size": 3}),
        (Based, {"feature_size": 1, "n_heads": 1}),
        (GLA, {"n_heads": 2}),
        (Retention, {"n_heads": 2}),
        (Retention, {"n_heads": 1}),
    ],
)
def test_promises_with_other_settings(mixer_class, settings):
    check_mixer(mixer_class, **settings)


def test_taylor_features_of_many_sizes():
    for size in (1, 2, 5, 16):
        q, k = torch.randn(2, 7, size, dtype=torch.float64)
        expected = torch.stack([taylor(*pair) for pair in zip(q, k)])
        torch.testing.assert_close((taylor_features(q) * taylor_features(k)).sum(-1), expected)
        assert taylor_features(q).shape[-1] == 1 + size + size * (size + 1) // 2


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: LinearAttention(10, n_heads=4), "d_model=10 over n_heads=4"),
        (lambda: Based(16, feature_size=0), "whole numbers of at least 1; got feature_size=0"),
        (lambda: GLA(12, n_heads=4), "even size"),
        (lambda: Retention(12, n_heads=0), "n_heads=0"),
    ],
)
def test_what_does_not_fit_is_refused(build, message):
    with pytest.raises(ConfigError, match=message):
        build()
