import math
from statistics import NormalDist

import numpy as np
import pytest
import torch

from tsssm.mixers import Mamba, read_stack
from tsssm.mixers.registry import known_mixers
from tsssm.network import ForecastNetwork, future_rows, horizon_weights, pinball_loss, token_features

LEVELS = (0.1, 0.25, 0.5, 0.9)


def make(n_covariates=3, randomise=True):
    torch.manual_seed(0)
    network = ForecastNetwork(
        [Mamba] * 2, patch_length=4, n_covariates=n_covariates, horizon=5, levels=LEVELS, d_model=16, dropout=0.3
    ).eval()
    if randomise:
        with torch.no_grad():
            for parameter in network.head.parameters():
                parameter.normal_(std=0.3)
    return network.double()


def test_parallel_split_and_stepwise_agree():
    network, tokens = make(), torch.randn(2, 9, 20, dtype=torch.float64)
    whole, last = network(tokens)
    first, state = network(tokens[:, :4])
    second, split = network(tokens[:, 4:], state)
    torch.testing.assert_close(torch.cat([first, second], 1), whole, rtol=1e-9, atol=1e-10)
    stepped = tuple(type(s)(*(t.double() for t in s)) for s in network.initial_state(2))
    for t in range(9):
        hidden, stepped = network.step(tokens[:, t], stepped)
        torch.testing.assert_close(hidden, whole[:, t], rtol=1e-9, atol=1e-10)
    for one, two, three in zip(last, split, stepped):
        for a, b, c in zip(one, two, three):
            torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-10)
            torch.testing.assert_close(a, c, rtol=1e-9, atol=1e-10)


@torch.no_grad()
@pytest.mark.parametrize("mixer", [*known_mixers(), "mamba+rwkv7*2", "(rwkv7+attention)*2"])
def test_a_stack_of_every_mixer_agrees_with_its_steps(mixer):
    """Layers of one network, not a mixer alone: what they hand to one another is part of it."""
    torch.manual_seed(0)
    sizes = {"patch_length": 4, "n_covariates": 0, "horizon": 3, "levels": (0.5,), "d_model": 16}
    network = ForecastNetwork(read_stack(mixer), **sizes).eval().double()
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    tokens = torch.randn(2, 11, 8, dtype=torch.float64)
    whole, _ = network(tokens)
    first, resumed = network(tokens[:, :5])
    second, _ = network(tokens[:, 5:], resumed)
    torch.testing.assert_close(torch.cat([first, second], 1), whole, rtol=1e-9, atol=1e-10)
    stepped = network.initial_state(2)
    for t in range(11):
        hidden, stepped = network.step(tokens[:, t], stepped)
        torch.testing.assert_close(hidden, whole[:, t], rtol=1e-9, atol=1e-10)


def test_quantiles_never_cross():
    network = make()
    hidden, responses = 10 * torch.randn(50, 16, dtype=torch.float64), torch.randn(50, 5, 8, dtype=torch.float64) * 10
    quantiles = network.head(hidden, responses)
    assert (quantiles.diff(dim=-1) >= 0).all()


def test_an_untrained_head_gives_the_normal_distribution():
    head = make(randomise=False).float().head
    expected = torch.tensor([NormalDist().inv_cdf(level) for level in LEVELS])
    torch.testing.assert_close(head(torch.randn(3, 16), None), expected.expand(3, 5, -1), rtol=1e-5, atol=1e-6)


def test_a_step_ahead_depends_on_its_own_covariates_only():
    network = make()
    hidden, future = torch.randn(1, 16, dtype=torch.float64), torch.randn(1, 5, 3, dtype=torch.float64)
    before = network.head(hidden, network.head.respond(future))
    future[0, 2] += 1.0
    after = network.head(hidden, network.head.respond(future))
    changed = (before != after).any(-1)[0]
    assert changed.tolist() == [False, False, True, False, False]


def test_future_rows_are_those_that_follow_each_token():
    rows = torch.arange(3 * 4 + 5.0)[None, :, None]
    future = future_rows(rows, patch_length=4, horizon=5)
    assert future[0, :, :, 0].tolist() == [[4, 5, 6, 7, 8], [8, 9, 10, 11, 12], [12, 13, 14, 15, 16]]


def test_tokens_keep_small_changes_on_a_large_level():
    values = torch.tensor([[1e6, 1e6 + 0.25, float("nan"), 1e6 + 0.5]])
    tokens = token_features(
        values, torch.zeros(1, 4, 0), torch.tensor([[1e6, 1e6]], dtype=torch.float64), torch.ones(1, 2).double()
    )
    torch.testing.assert_close(tokens[0], torch.tensor([[0.0, 0.25, 1.0, 1.0], [0.0, 0.5, 0.0, 1.0]]))


def test_the_loss_is_the_pinball_loss_of_what_is_observed():
    random = np.random.default_rng(0)
    quantiles, target = random.normal(size=(6, 5, 4)), random.normal(size=(6, 5))
    target[1, 2] = np.nan
    levels = np.array(LEVELS)
    error = target[..., None] - quantiles
    expected = 2 * np.nanmean(np.where(error > 0, levels * error, (levels - 1) * error).mean(-1))
    loss = pinball_loss(*map(torch.from_numpy, (quantiles, target, levels)), torch.ones(5))
    assert loss.item() == pytest.approx(expected, rel=1e-12)
    median = pinball_loss(
        torch.from_numpy(quantiles[..., :1]), torch.from_numpy(target), torch.tensor([0.5]), torch.ones(5)
    )
    assert median.item() == pytest.approx(np.nanmean(np.abs(error[..., 0])), rel=1e-12)


def test_horizon_weights_have_mean_one_and_fall_only_beyond_200_steps():
    assert horizon_weights(200).unique().tolist() == [1.0]
    weights = horizon_weights(720)
    assert weights.mean().item() == pytest.approx(1.0)
    assert (weights[0] / weights[3]).item() == pytest.approx(math.sqrt(4.0))


def test_state_bytes_are_those_of_the_state():
    network = make().float()
    tensors = [tensor for state in network.initial_state(1) for tensor in state]
    assert network.state_bytes() == sum(tensor.numel() * tensor.element_size() for tensor in tensors)
