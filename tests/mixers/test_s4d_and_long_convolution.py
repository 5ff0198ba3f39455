"""S4D against its convolution kernel in closed form, the long convolution against its sum."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch.nn.functional import gelu

from tsssm.errors import ConfigError
from tsssm.mixers import S4D, LongConvolution, check_mixer


def randomised(mixer):
    with torch.no_grad():
        for parameter in mixer.parameters():
            parameter.normal_(std=0.4)
    return mixer.double()


@torch.no_grad()
@pytest.mark.parametrize("state_size", [2, 8])
def test_s4d_equals_the_sum_over_its_kernel(state_size):
    """kernel_l = 2 Re sum_n C_n B_n exp(l Delta A_n), in NumPy."""
    torch.manual_seed(0)
    mixer, x = randomised(S4D(5, state_size=state_size)), torch.randn(2, 23, 5, dtype=torch.float64)
    y, _ = mixer(x)
    rates = -np.exp(mixer.log_decay.numpy()) + 1j * mixer.frequency.numpy()
    steps, weights = np.exp(mixer.log_step.numpy())[:, None], mixer.C.numpy() @ [1, 1j]
    entering = (np.exp(steps * rates) - 1) / rates
    lags = np.arange(23)[:, None, None]
    kernel = 2 * (weights * entering * np.exp(lags * steps * rates)).sum(-1).real  # (23, channels)
    scanned = (
        np.stack([sum(kernel[lag] * x[:, t - lag].numpy() for lag in range(t + 1)) for t in range(23)], axis=1)
        + mixer.D.numpy() * x.numpy()
    )
    left, right = mixer.out_projection(gelu(torch.from_numpy(scanned))).chunk(2, dim=-1)
    torch.testing.assert_close(y, left / (1 + torch.exp(-right)), rtol=1e-9, atol=1e-10)


def test_s4d_begins_with_the_rates_that_are_asked_for():
    n = torch.arange(4.0)
    for initial, decays, frequencies in (
        ("lin", torch.full((4,), 0.5), math.pi * n),
        ("inv", torch.full((4,), 0.5), 8 / math.pi * (8 / (2 * n + 1) - 1)),
        ("real", n + 1, torch.zeros(4)),
    ):
        mixer = S4D(3, state_size=8, initial=initial)
        torch.testing.assert_close(mixer.log_decay.exp(), decays.expand(3, 4))
        torch.testing.assert_close(mixer.frequency.detach(), frequencies.expand(3, 4))
        assert (mixer.log_step.exp() > 1e-3).all()
        assert (mixer.log_step.exp() < 1e-1).all()


@torch.no_grad()
@pytest.mark.parametrize("length", [3, 12, 40])
def test_long_convolution_equals_its_sum(length):
    torch.manual_seed(0)
    mixer, x = randomised(LongConvolution(6, kernel_length=12)), torch.randn(2, length, 6, dtype=torch.float64)
    y, _ = mixer(x)
    after, before, values = mixer.in_projection(x).chunk(3, dim=-1)
    inputs, kernel, decays = before * values, [], torch.exp(mixer.log_rate)
    for lag in range(12):
        turns = 2 * math.pi * lag / 12 * torch.arange(1, 9, dtype=x.dtype)
        seen = torch.cat([torch.tensor([lag / 12], dtype=x.dtype), turns.cos(), turns.sin()])
        kernel.append(mixer.filter_out(torch.sin(mixer.filter_in(seen))) * torch.exp(-lag * decays))
    expected = torch.zeros_like(x)
    for t in range(length):
        expected[:, t] = mixer.skip * inputs[:, t]
        for lag in range(min(t + 1, 12)):
            expected[:, t] += kernel[lag] * inputs[:, t - lag]
    torch.testing.assert_close(y, mixer.out_projection(after * expected), rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize(
    ("mixer", "settings"),
    [
        (S4D, {"state_size": 2}),
        (S4D, {"state_size": 6, "initial": "inv"}),
        (S4D, {"initial": "real"}),
        (LongConvolution, {"kernel_length": 2}),
        (LongConvolution, {"kernel_length": 4, "filter_width": 3, "mlp_width": 5}),
    ],
)
def test_promises_with_other_settings(mixer, settings):
    check_mixer(mixer, **settings)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: S4D(4, state_size=3), "even state_size of at least 2; got 3"),
        (lambda: S4D(4, initial="legs"), '"lin", "inv" or "real"; got \'legs\''),
        (lambda: LongConvolution(4, kernel_length=1), "kernel_length of at least 2; got 1"),
    ],
)
def test_what_does_not_fit_is_refused(build, message):
    with pytest.raises(ConfigError, match=message):
        build()
