"""Networks of equal parameters, and what they take."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest
import torch

from tsssm import (
    Forecaster,
    LinearForecaster,
    MambaForecaster,
    SeasonalNaive,
    TransformerForecaster,
    cost_table,
    match_parameters,
)
from tsssm.errors import ConfigError
from tsssm.forecasters.costs import costs
from tsssm.forecasters.parameters import backbone_parameters, parameter_counts
from tsssm.mixers import Mixer
from tsssm.mixers.mlp import MLPState
from tsssm.mixers.registry import known_mixers
from tsssm.network import token_features
from tsssm.network.flops import count_flops

HYBRIDS = ["mamba2+attention", "mamba*3+attention", "(rwkv7*2+slstm)*2", "gated_delta+s4d"]


def of(mixer: str) -> Forecaster:
    return Forecaster(24, mixer=mixer, verbose=False)


@pytest.mark.parametrize("target", [50_000, 200_000, 1_000_000, 5_000_000])
def test_all_pairs_within_one_percent(target):
    matched = {mixer: match_parameters(target, of(mixer)) for mixer in [*known_mixers(), *HYBRIDS]}
    counts = {mixer: backbone_parameters(model) for mixer, model in matched.items()}
    for mixer, count in counts.items():
        assert abs(count / target - 1) <= 0.01, mixer
    for one, other in itertools.permutations(matched, 2):
        twin = match_parameters(matched[one], of(other))
        assert abs(backbone_parameters(twin) / counts[one] - 1) <= 0.01, (one, other)


def test_the_own_width_is_kept_where_the_mixers_keep_their_proportions():
    twin = match_parameters(MambaForecaster(24), of("attention"))
    assert twin.d_model == 64
    assert match_parameters(5 * backbone_parameters(of("attention")), of("attention")).d_model > 100
    assert match_parameters(backbone_parameters(of("gla")), of("gla")).mixer_settings == {"mlp_width": 84}


def test_what_is_given_stays_and_the_model_itself_too():
    model = of("mamba2+attention").set_params(mixer_settings={"attention__n_heads": 2, "conv_width": 3}, n_layers=4)
    before = model.get_params()
    twin = match_parameters(100_000, model, tolerance=0.005)
    assert abs(backbone_parameters(twin) / 100_000 - 1) <= 0.005
    assert model.get_params() == before
    assert twin.mixer_settings.items() >= {"attention__n_heads": 2, "conv_width": 3}.items()
    assert len(twin._checked_stack()) == 4


@pytest.mark.parametrize(
    ("mixer", "given", "fitted"),
    [
        ("mamba", {"state_size": 8}, set()),
        ("mamba", {"mamba__state_size": 8}, set()),
        ("mamba+mamba2", {"state_size": 8}, set()),
        ("mamba+mamba2", {"mamba__state_size": 8}, {"mamba2__state_size"}),
        ("mamba3", {"state_size": 8}, {"mlp_width"}),  # the size of its state is not that by which it is fitted
        ("attention", {"mlp_width": None}, {"mlp_width"}),  # the default, as if it were left out
    ],
)
def test_sizes_that_are_given_stay(mixer, given, fitted):
    twin = match_parameters(70_000, of(mixer).set_params(mixer_settings=given))
    assert abs(backbone_parameters(twin) / 70_000 - 1) <= 0.01
    assert set(twin.mixer_settings) == {*given, *fitted}
    kept = {name: value for name, value in given.items() if value is not None}
    assert twin.mixer_settings.items() >= kept.items()


@pytest.mark.parametrize(
    ("mixer", "given", "named"),
    [
        ("attention", {"attention__mlp_width": 10}, "attention__mlp_width=10"),
        ("attention+gla", {"mlp_width": 64}, "mlp_width=64"),
        ("attention+gla", {"mlp_width": 64, "gla__mlp_width": 9}, "mlp_width=64 and gla__mlp_width=9"),
    ],
)
def test_where_given_sizes_leave_no_width_they_are_named(mixer, given, named):
    model = of(mixer).set_params(mixer_settings=given)
    with pytest.raises(ConfigError, match=rf"layers and {named} has within .*; or leave {named} out of mixer_settings"):
        match_parameters(70_000, model, tolerance=0.001)
    assert match_parameters(70_000, model, tolerance=0.2).mixer_settings == given


class Bare(Mixer):
    """Without a size of its own: only the width can change."""

    name = "bare"

    def __init__(self, d_model, *, layer_index=0, n_layers=1):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(d_model, 10))

    forward = step = initial_state = None


def test_a_mixer_without_a_size_is_matched_by_its_width():
    twin = match_parameters(1100, of("mlp").set_params(mixer=Bare, n_layers=1), tolerance=0.02)
    assert (twin.d_model, backbone_parameters(twin)) == (92, 92 * 12)
    with pytest.raises(ConfigError, match=r"no Forecaster of 1 layers has within 0\.1%"):
        match_parameters(1100, of("mlp").set_params(mixer=Bare, n_layers=1), tolerance=0.001)


def test_the_count_is_that_of_the_fit():
    y = np.sin(np.arange(300.0))
    for mixer in ("rwkv7", "gated_delta+attention"):
        model = of(mixer).set_params(max_steps=1, patch_length=6)
        twin = match_parameters(20_000, model).fit(y)
        assert parameter_counts(twin).backbone == backbone_parameters(twin)
        assert abs(parameter_counts(twin).backbone / 20_000 - 1) <= 0.01


def test_a_fitted_target_counts_as_it_was_fitted():
    fitted = Forecaster(6, mixer="mamba", d_model=16, state_budget="3000", max_steps=1, patch_length=6, verbose=False)
    fitted.fit(np.sin(np.arange(300.0)))
    count = parameter_counts(fitted).backbone
    assert count < backbone_parameters(Forecaster(6, mixer="mamba", d_model=16))  # the budget has made it smaller
    twin = TransformerForecaster.matched_to(fitted.set_params(state_budget=None, d_model=64))
    assert abs(backbone_parameters(twin) / count - 1) <= 0.01


class Refuses(Mixer):
    name = "refuses"

    def __init__(self, d_model, *, layer_index=0, n_layers=1):
        super().__init__()
        if d_model % 4:
            raise ValueError("a width of fours, please")
        self.weight = torch.nn.Parameter(torch.ones(d_model, 10))

    forward = step = initial_state = None


def test_a_mixer_that_refuses_widths_in_its_own_way_is_matched():
    assert match_parameters(1100, of("mlp").set_params(mixer=Refuses, n_layers=1), tolerance=0.02).d_model == 92


@pytest.mark.parametrize(
    ("target", "model", "message"),
    [
        (1000, MambaForecaster(6, mixer_settings={"state_size": "8"}), "mamba needs whole numbers .* state_size='8'"),
        (1000, MambaForecaster(6, state_budget="10KiB"), "state_budget='10KiB' chooses sizes in fit"),
        (MambaForecaster(6, state_budget="10KiB"), MambaForecaster(6), "state_budget='10KiB' chooses sizes in fit"),
        (LinearForecaster(6), MambaForecaster(6), "LinearForecaster has no network"),
        (MambaForecaster(6), SeasonalNaive(6), "SeasonalNaive has no network"),
        ("mamba", MambaForecaster(6), "a forecaster or a number of parameters; got 'mamba'"),
        (0, MambaForecaster(6), "got 0"),
        (1000, "mamba", "model must be a forecaster"),
        (1000, MambaForecaster(6, mixer_settings={"heads": 2}), "'heads', which 'mamba' does not"),
        (1000, Forecaster(6, mixer_settings={"n_heads": 0}), "there is no width for these mixers: .*n_heads=0"),
        (1000, MambaForecaster(6, d_model=0), "d_model must be an integer of at least 1"),
        (30, MambaForecaster(6), "no MambaForecaster of 2 layers has within 1.0% of 30 backbone parameters"),
    ],
)
def test_what_cannot_be_matched_is_refused(target, model, message):
    with pytest.raises(ConfigError, match=message):
        match_parameters(target, model)


def test_a_tolerance_is_a_share():
    with pytest.raises(ConfigError, match="tolerance must be a number between 0 and 1; got 2"):
        match_parameters(1000, MambaForecaster(6), tolerance=2)


def test_the_table_is_printed_for_a_model_that_talks(capsys):
    match_parameters(MambaForecaster(6), of("gla").set_params(verbose=True))
    printed = capsys.readouterr().out
    for word in ("target", "matched", "backbone", "embedding", "head", "base", "forecast_flops", "state_bytes"):
        assert word in printed


# -- what forecasters take -------------------------------------------------------------------------------------------


def test_products_of_matrices_count_twice_and_functions_once():
    linear, x = torch.nn.Linear(5, 7), torch.randn(3, 5)
    assert count_flops(lambda: linear(x)) == 2 * 3 * 5 * 7
    assert count_flops(lambda: linear(x).sigmoid() * 2) == 2 * 3 * 5 * 7 + 2 * 21
    assert count_flops(lambda: x.sum(1).reshape(3, 1)) == 15
    assert count_flops(lambda: (x[:2].clone().t() @ x[:2]).unsqueeze(0)) == 2 * 5 * 2 * 5
    q = torch.randn(1, 2, 1, 4), torch.randn(1, 2, 30, 4), torch.randn(1, 2, 30, 4)
    assert count_flops(lambda: torch.nn.functional.scaled_dot_product_attention(*q)) == 2 * 2 * 2 * 30 * 4


def test_a_step_of_an_mlp_is_what_its_formula_says():
    width, hidden, patch = 32, 128, 24
    taken = costs(Forecaster(8, mixer="mlp", n_layers=1, d_model=width, quantiles=(0.5,), base=None))
    token = 2 * patch  # values, and whether they are observed
    norms = 2 * (5 * width + 2)  # square, mean, root, two products
    assert taken.embedding == token * width + width
    mlp = 2 * 2 * width * hidden + hidden  # GELU counts one
    assert abs(taken.step_flops - (2 * token * width + mlp + width + norms)) <= 2 * width
    assert (taken.network_state_bytes, taken.base) == (0, 0)
    assert taken.forecast_flops == 30 * taken.step_flops + 2 * width * 8


@pytest.mark.parametrize("mixer", [*known_mixers(), "mamba2+attention"])
def test_costs_are_those_of_the_fitted_network(mixer):
    y = np.sin(np.arange(400.0))
    model = of(mixer).set_params(d_model=24, patch_length=6, max_steps=1, horizon=5, mixer_settings=None)
    before = costs(model)
    fitted = model.fit(y)
    after, network = costs(fitted), fitted.model_.network
    assert after.backbone == before.backbone == parameter_counts(fitted).backbone
    assert after.state_bytes == fitted.state_bytes("patch")
    assert after.network_state_bytes == network.state_bytes()
    given = [torch.zeros(1, 6, dtype=torch.float64), torch.zeros(1, 6, fitted.model_.n_covariates)]
    token = token_features(*given, torch.zeros(1, 1).double(), torch.ones(1, 1).double())[:, 0]
    counted = count_flops(lambda: network.step(token, network.initial_state(1)))
    assert counted == after.step_flops
    assert after.step_flops > 2 * sum(p.numel() for p in network.embedding.parameters())


class TurnsOver(Mixer):
    """Numbers of a buffer are places: they must be what they were made as."""

    name = "turns_over"

    def __init__(self, d_model, *, layer_index=0, n_layers=1):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.rand(d_model, device="cpu"))
        self.register_buffer("places", torch.arange(d_model).flip(0))

    def step(self, x_t, state, shared=None):
        return x_t[..., self.places] * self.weight, MLPState()

    def initial_state(self, batch_size, device=None, dtype=None):
        return MLPState()

    forward = None


def test_counting_leaves_the_process_as_it_was():
    torch.manual_seed(3)
    expected = torch.rand(3)
    torch.manual_seed(3)
    torch.set_default_dtype(torch.float64)
    try:
        table = cost_table({"own": of("mlp").set_params(mixer=TurnsOver), "mamba": of("mamba"), "gla": of("gla")})
    finally:
        torch.set_default_dtype(torch.float32)
    assert (table["step_flops"] > 0).all()
    assert torch.equal(torch.rand(3), expected)


def test_what_is_set_counts_as_it_is_set():
    y = np.sin(np.arange(400.0))
    other = MambaForecaster(5, patch_length=12, max_steps=1, verbose=False).fit(y)
    model = MambaForecaster(5, patch_length=6, context_length=60, calendar=["day", "week"], max_steps=1, verbose=False)
    index = pd.date_range("2024-01-01", periods=400, freq="h")
    fitted = MambaForecaster(**model.get_params()).fit(pd.Series(y, index))
    for table in (cost_table({"model": model}), cost_table({"other": other, "model": model})):
        assert table.loc["model"].to_dict() == cost_table({"fitted": fitted}).loc["fitted"].to_dict()
    budget = MambaForecaster(5, patch_length=6, state_budget="12KiB")
    assert 8 * 1024 < cost_table({"budget": budget}).loc["budget", "state_bytes"] <= 12 * 1024


@pytest.mark.parametrize("given", [None, [MambaForecaster(6)], MambaForecaster(6)])
def test_a_table_is_of_named_forecasters(given):
    with pytest.raises(ConfigError, match="takes a dict of forecasters by name; got"):
        cost_table(given)


def test_a_table_counts_on_the_data_of_the_fitted_one():
    y = np.sin(np.arange(400.0))
    fitted = MambaForecaster(5, patch_length=6, max_steps=1, verbose=False).fit(y)
    table = cost_table(
        {"mamba": fitted, "twin": TransformerForecaster.matched_to(fitted), "ridge": LinearForecaster(5)}
    )
    assert table.loc["mamba", "embedding"] == table.loc["twin", "embedding"]
    assert table.loc["ridge"].to_dict() == {
        "backbone": 0,
        "embedding": 0,
        "head": 0,
        "base": fitted.model_.lags * 5,
        "step_flops": 0,
        "forecast_flops": 2 * fitted.model_.lags * 5,
        "state_bytes": LinearForecaster(5, patch_length=6, verbose=False).fit(y).state_bytes(),
        "network_state_bytes": 0,
    }
    with pytest.raises(ConfigError, match="of forecasters, fitted or not; got 'mamba'"):
        cost_table({"mamba": "mamba"})
