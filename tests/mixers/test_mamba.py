"""Mamba against a float64 loop written from its equations, and its initialisation against what is specified."""

import math

import numpy as np
import pytest
import torch

from tsssm.errors import ConfigError
from tsssm.mixers import Mamba


def silu(x):
    return x / (1 + np.exp(-x))


def loop(mixer, u):
    """One series at a time and one step at a time, in NumPy, from the equations of the paper's code."""
    p = {name: value.detach().double().numpy() for name, value in mixer.named_parameters()}
    A = -np.exp(p["A_log"])
    inner, state_size = A.shape
    rank, taps = p["delta_projection.weight"].shape[1], p["convolution.weight"].shape[0]
    outputs = np.zeros(u.shape)
    for b in range(u.shape[0]):
        h, inputs = np.zeros((inner, state_size)), [np.zeros(inner)] * (taps - 1)
        for t in range(u.shape[1]):
            x, z = np.split(p["in_projection.weight"] @ u[b, t], 2)
            inputs.append(x)
            x = silu(p["convolution.bias"] + sum(w * v for w, v in zip(p["convolution.weight"], inputs[-taps:])))
            r, B, C = np.split(p["x_projection.weight"] @ x, [rank, rank + state_size])
            delta = np.log1p(np.exp(p["delta_projection.weight"] @ r + p["delta_projection.bias"]))
            h = np.exp(delta[:, None] * A) * h + (delta * x)[:, None] * B[None, :]
            outputs[b, t] = p["out_projection.weight"] @ ((h @ C + p["D"] * x) * silu(z))
    return outputs


@pytest.mark.parametrize("settings", [{}, {"state_size": 3, "expand": 1, "conv_width": 2}], ids=["default", "small"])
def test_forward_equals_loop_over_the_equations(settings):
    torch.manual_seed(0)
    mixer = Mamba(20, **settings).double()
    with torch.no_grad():
        for parameter in mixer.parameters():
            parameter.normal_(std=0.3)
    u = torch.randn(2, 40, 20, dtype=torch.float64)
    y, _ = mixer(u)
    torch.testing.assert_close(y, torch.from_numpy(loop(mixer, u.numpy())), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize(("d_model", "state_size", "taps"), [(64, 16, 4), (20, 8, 2), (128, 16, 4)])
def test_number_of_parameters(d_model, state_size, taps):
    E, R, N = 2 * d_model, math.ceil(d_model / 16), state_size
    expected = 2 * d_model * E + E * (taps + 1) + E * (R + 2 * N) + E * (R + 1) + E * N + E + E * d_model
    mixer = Mamba(d_model, state_size=state_size, conv_width=taps)
    assert sum(parameter.numel() for parameter in mixer.parameters()) == expected


def test_state_bytes():
    """E N + E (J - 1) floats: 19 KiB at a width of 128."""
    assert Mamba(128).state_bytes() == 4 * (256 * 16 + 256 * 3) == 19 * 1024
    assert Mamba(128).double().state_bytes() == 2 * 19 * 1024
    assert Mamba(128).bfloat16().state_bytes() == 4 * 256 * 16 + 2 * 256 * 3  # the scan's state stays float32


def test_initialisation():
    torch.manual_seed(0)
    mixer = Mamba(512, n_layers=4)
    weights = {name: value.detach() for name, value in mixer.named_parameters()}
    assert torch.allclose(mixer.A_log.exp(), torch.arange(1.0, 17).expand(1024, 16))
    assert bool((mixer.D == 1).all())
    steps = torch.nn.functional.softplus(weights["delta_projection.bias"])
    assert float(steps.min()) >= 1e-3 * 0.999
    assert float(steps.max()) <= 1e-1 * 1.001
    # log-uniform over two decades: mean of log10 at -2, a deviation of 2 / sqrt(12); five standard errors each
    assert abs(float(steps.log10().mean()) + 2) < 5 * 0.577 / 32
    assert abs(float(steps.log10().std()) - 2 / math.sqrt(12)) < 0.05
    bound = 32**-0.5
    assert 0.98 * bound < float(weights["delta_projection.weight"].abs().max()) <= bound
    unscaled = 1024**-0.5  # torch's own bound for a linear layer of 1,024 inputs
    assert 0.98 * unscaled / 2 < float(weights["out_projection.weight"].abs().max()) <= unscaled / 2
    biased = [name for name, _ in mixer.named_parameters() if name.endswith("projection.bias")]
    assert biased == ["delta_projection.bias"]
    exempt = [name for name, value in mixer.named_parameters() if getattr(value, "_no_weight_decay", False)]
    assert sorted(exempt) == ["A_log", "D", "delta_projection.bias"]


def test_remembers_five_thousand_steps():
    """At its own start a change 5,000 steps ago still reaches the state."""
    torch.manual_seed(0)
    mixer = Mamba(16).double()
    x = torch.randn(1, 5001, 16, dtype=torch.float64)
    changed = x.clone()
    changed[:, 0] += 1
    with torch.no_grad():
        _, state = mixer(x)
        _, state_changed = mixer(changed)
    difference = (state.h - state_changed.h).abs().max()
    assert float(difference) > 0
    # the slowest channel forgets at a rate of delta * 1 with delta at least 1e-3 or so: no more than that is left
    assert float(difference) < 1


def test_time_gaps_scale_the_decay():
    """Gaps without end empty the state before each step, as resets do; the convolution does not see them."""
    torch.manual_seed(0)
    mixer = Mamba(8).double()
    x = torch.randn(2, 6, 8, dtype=torch.float64)
    y, state = mixer(x, time_gaps=torch.full((2, 6), 1e9, dtype=torch.float64))
    with torch.no_grad():
        mixer.A_log.fill_(50.0)  # decays of exp(-delta * 5e21): nothing is kept
    y_empty, state_empty = mixer(x)
    torch.testing.assert_close(y, y_empty, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(state.h, state_empty.h, rtol=1e-12, atol=1e-12)


def test_bfloat16_module():
    torch.manual_seed(0)
    mixer = Mamba(16)
    x = torch.randn(2, 30, 16)
    y, _ = mixer(x)
    y_half, state = mixer.bfloat16()(x.bfloat16())
    assert (y_half.dtype, state.h.dtype, state.tail.dtype) == (torch.bfloat16, torch.float32, torch.bfloat16)
    # rounding of weights and activations through four projections: a few times bfloat16's 4e-3
    assert float(((y_half.float() - y).norm() / y.norm()).detach()) < 4e-2


def test_too_few_taps_are_refused():
    with pytest.raises(ConfigError, match="at least 2 taps; got conv_width=1"):
        Mamba(16, conv_width=1)
