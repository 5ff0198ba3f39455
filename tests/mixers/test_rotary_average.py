"""The rotary average against its sums over the past, and what it is for: lags."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tsssm.errors import ConfigError
from tsssm.mixers import RotaryAverage, SwiGLU, check_mixer


def randomised(mixer):
    with torch.no_grad():
        for parameter in mixer.parameters():
            parameter.normal_(std=0.4)
    return mixer


def sums_over_the_past(mixer, x, gaps):
    """In NumPy: values weighted by (1 + q_i . R^(i-j) k_j / sqrt(K)) lambda^(i-j), over the sum of lambda^(i-j)."""
    weights, out = (p.detach().numpy() for p in (mixer.in_projection.weight, mixer.out_projection.weight))
    heads, half = mixer.angles.shape
    size = 2 * half
    y = np.zeros(x.shape)
    for b, series in enumerate(x):
        q, k, v = np.split(series @ weights.T, 3, axis=1)
        times = np.cumsum(gaps[b])
        for h in range(heads):
            head = slice(h * size, (h + 1) * size)
            rate, angles = np.exp(mixer.log_rate.detach().numpy()[h]), mixer.angles.detach().numpy()[h]
            turned_q, turned_k = (part[:, head][:, :half] + 1j * part[:, head][:, half:] for part in (q, k))
            for i in range(len(series)):
                back = times[i] - times[: i + 1]
                turned = turned_k[: i + 1] * np.exp(-1j * back[:, None] * angles)
                scores = 1 + (turned_q[i].conj() * turned).real.sum(1) / np.sqrt(size)
                decays = np.exp(-rate * back)
                y[b, i, head] = (scores * decays) @ v[: i + 1, head] / decays.sum()
    return y @ out.T


@pytest.mark.parametrize("heads", [1, 2, 3])
def test_equals_its_sums_over_the_past(heads):
    torch.manual_seed(0)
    mixer = randomised(RotaryAverage(12, n_heads=heads).double())
    x, gaps = torch.randn(2, 40, 12, dtype=torch.float64), torch.rand(2, 40, dtype=torch.float64) + 0.5
    for time_gaps in (None, gaps):
        y, _ = mixer(x, time_gaps=time_gaps)
        expected = sums_over_the_past(mixer, x.numpy(), np.ones((2, 40)) if time_gaps is None else gaps.numpy())
        torch.testing.assert_close(y, torch.from_numpy(expected), rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("settings", [{"n_heads": 1}, {"n_heads": 2}, {"n_heads": 8}, {"mlp_width": 7}], ids=str)
def test_promises_with_other_settings(settings):
    check_mixer(RotaryAverage, **settings)


def test_at_the_start_time_constants_and_periods_are_as_described():
    mixer = RotaryAverage(64)
    torch.testing.assert_close(1 / mixer.log_rate.exp()[[0, 3]], torch.tensor([2.0, 60.0]))
    periods = 2 * torch.pi / mixer.angles
    torch.testing.assert_close(periods[:, [0, 7]], torch.tensor([[2.5, 60.0]]).expand(4, 2))
    assert mixer.state_bytes() == 4 * 4 * (17 * 16 + 1)


def test_a_block_has_about_the_parameters_of_attention():
    def parameters(mixer):
        return sum(p.numel() for part in (mixer, mixer.channel_mixer()) for p in part.parameters())

    from tsssm.mixers import Attention

    for d_model in (32, 64, 128):
        assert abs(parameters(RotaryAverage(d_model)) / parameters(Attention(d_model)) - 1) < 0.02


def test_heads_that_do_not_fit_are_refused():
    with pytest.raises(ConfigError, match="heads of an even size: d_model=12 over n_heads=4 is not"):
        RotaryAverage(12, n_heads=4)
    with pytest.raises(ConfigError, match="swiglu needs whole numbers of at least 1; got width=0"):
        SwiGLU(12, width=0)
