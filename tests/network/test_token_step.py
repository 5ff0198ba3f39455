"""The compiled step of whole networks is the network's own step."""

from __future__ import annotations

import pickle
from typing import NamedTuple

import pytest
import torch
from torch import Tensor, nn

from tsssm.mixers import MLSTM, SLSTM, Attention, GatedDelta, Mamba, Mamba2, Mamba3, Mixer
from tsssm.mixers.registry import known_mixers
from tsssm.network import ForecastNetwork, TokenStep, token_features

PATCH, COVARIATES = 6, 2


def make_network(mixer: type[Mixer], seed: int = 0, **settings) -> ForecastNetwork:
    """With all parameters random: what starts at zero would hide what is wrong."""
    torch.manual_seed(seed)
    sizes = {"patch_length": PATCH, "n_covariates": COVARIATES, "horizon": 4, "levels": (0.1, 0.5, 0.9)}
    network = ForecastNetwork([mixer] * 2, **sizes, d_model=24, mixer_settings=settings).eval()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return network


def rows(series: int, seed: int = 1) -> list[Tensor]:
    """Values with holes, covariates, location and scale."""
    random = torch.Generator().manual_seed(seed)
    values = torch.randn(series, PATCH, generator=random, dtype=torch.float64)
    values[torch.rand(series, PATCH, generator=random) < 0.3] = torch.nan
    covariates = torch.randn(series, PATCH, COVARIATES, generator=random)
    location = torch.randn(series, 1, generator=random, dtype=torch.float64)
    return [values, covariates, location, location.abs() + 0.5]


def own_step(network: ForecastNetwork, given: list[Tensor], state: tuple) -> tuple[Tensor, tuple]:
    with torch.no_grad():
        return network.step(token_features(*given)[:, 0], state)


def flat(state: tuple) -> list[Tensor]:
    return [tensor for block in state for tensor in block]


class LastValueState(NamedTuple):
    last: Tensor


class Unusual(Mixer):
    """A mixer of a user's own, with a step that compiled steps do not know."""

    def __init__(self, d_model: int, *, layer_index: int = 0, n_layers: int = 1):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(d_model))

    def forward(self, x, state=None, resets=None, time_gaps=None, shared=None):
        y = torch.special.bessel_j0(x * self.weight)
        return y, LastValueState(x[:, -1])

    def step(self, x_t, state, shared=None):
        y, state = self.forward(x_t.unsqueeze(1))
        return y[:, 0], state

    def initial_state(self, batch_size, device=None, dtype=None):
        return LastValueState(torch.zeros(batch_size, len(self.weight)))


# mLSTM's norm over heads of 6 numbers would magnify what float32 rounds
EVERY = [(mixer, {"n_heads": 2} if mixer in (MLSTM, SLSTM) else {}) for mixer in known_mixers().values()]
OTHERS = [
    (Mamba, {"state_size": 5, "conv_width": 2}),
    (Mamba2, {"n_groups": 3, "state_size": 5}),
    (Mamba3, {"rank": 2, "state_size": 6, "n_groups": 3, "n_angles": 2}),
    (GatedDelta, {"gated": False}),
    (Attention, {"window": 4}),
]


@pytest.mark.parametrize("series", [1, 70])
@pytest.mark.parametrize(("mixer", "settings"), EVERY + OTHERS)
def test_equals_the_networks_step(mixer, settings, series):
    network = make_network(mixer, **settings)
    step = TokenStep(network)
    state = own = network.initial_state(series)
    for t in range(9):  # attention's ring goes round twice
        given = rows(series, seed=t)
        before = [tensor.clone() for tensor in flat(state)]
        hidden, after = step(*given, state)
        expected, own = own_step(network, given, own)
        torch.testing.assert_close(hidden, expected, rtol=1e-4, atol=1e-5)
        assert all(map(torch.equal, before, flat(state)))
        state = after
        assert [type(block) for block in state] == [type(block) for block in own]
    assert step.why_not is None
    for got, value in zip(flat(state), flat(own)):
        assert got.dtype == value.dtype
        torch.testing.assert_close(got, value, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("mixer", [Mamba, Attention])
def test_a_series_by_itself_has_the_same_bits(mixer):
    network = make_network(mixer)
    step, given, state = TokenStep(network), rows(37), network.initial_state(37)
    for _ in range(3):
        state = step(*given, state)[1]
    whole, last = step(*given, state)
    alone, alone_last = step(*(x[5:6] for x in given), tuple(type(b)(*(x[5:6] for x in b)) for b in state))
    assert torch.equal(whole[5:6], alone)
    assert all(torch.equal(x[5:6], y) for x, y in zip(flat(last), flat(alone_last)))


def test_follows_the_parameters():
    network = make_network(Mamba)
    step, given, state = TokenStep(network), rows(2), network.initial_state(2)
    step(*given, state)
    network.load_state_dict(make_network(Mamba, seed=5).state_dict())
    torch.testing.assert_close(step(*given, state)[0], own_step(network, given, state)[0], rtol=1e-4, atol=1e-5)


def test_what_cannot_be_compiled_runs_by_itself():
    network = make_network(Unusual)
    step, given, state = TokenStep(network), rows(2), network.initial_state(2)
    hidden, _ = step(*given, state)
    assert torch.equal(hidden, own_step(network, given, state)[0])
    assert step.why_not is not None
    assert "bessel_j0" in step.why_not


def test_the_environment_may_ask_for_torch(monkeypatch):
    monkeypatch.setenv("TSSSM_BACKEND", "chunked")
    network = make_network(Mamba)
    step, given, state = TokenStep(network), rows(2), network.initial_state(2)
    assert torch.equal(step(*given, state)[0], own_step(network, given, state)[0])
    assert step._compiled is None


def test_pickles_without_what_is_compiled():
    network = make_network(Mamba)
    step, given, state = TokenStep(network), rows(2), network.initial_state(2)
    hidden, _ = step(*given, state)
    other = pickle.loads(pickle.dumps(step))
    assert other._compiled is None
    assert torch.equal(other(*given, state)[0], hidden)


def test_leaves_the_random_state_and_the_grad_mode_alone():
    network = make_network(Mamba)
    before = torch.get_rng_state()
    hidden, _ = TokenStep(network)(*rows(2), network.initial_state(2))
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.is_grad_enabled()
    assert not hidden.requires_grad
