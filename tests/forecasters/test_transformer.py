"""The transformer twin: matched, streamed, saved; and the settings of a mixer's own."""

import numpy as np
import pytest
import torch
from sklearn.base import clone

import tsssm
from small_models import randomise
from tsssm import Forecaster, LinearForecaster, MambaForecaster, TransformerForecaster
from tsssm.errors import ConfigError
from tsssm.forecasters.parameters import backbone_parameters, parameter_counts


@pytest.fixture(scope="module")
def transformer(frame):
    model = TransformerForecaster(
        12, patch_length=6, context_length=60, d_model=16, max_steps=3, gaps="mask", verbose=False
    )
    return randomise(model.fit(frame.iloc[:500]))


def spread(frame):
    return frame.max() - frame.min()


def test_the_stream_equals_predict_far_beyond_the_window(transformer, frame):
    stream = transformer.stream(frame.iloc[:300])
    for row in range(300, 420):  # 20 tokens a phase, twice the window
        stream.update(frame.iloc[row].to_numpy())
        if row % 17 == 0:
            expected = transformer.predict(frame.iloc[: row + 1])
            assert ((stream.predict() - expected).abs().max() / spread(frame) < 1e-5).all()


def test_a_cold_stream_equals_predict(transformer, frame):
    stream = transformer.stream(frame.iloc[:0])
    for row in range(130):
        stream.update(frame.iloc[row].to_numpy(), frame.index[row])
    expected = transformer.predict(frame.iloc[:130])
    assert ((stream.predict() - expected).abs().max() / spread(frame) < 1e-5).all()


def test_the_network_forgets_what_lies_before_its_window(transformer):
    """Two layers with windows of ten tokens: 19 tokens reach the last one."""
    network = transformer.model_.network
    assert [block.mixer.window for block in network.blocks if hasattr(block.mixer, "window")] == [10, 10]
    reach = 2 * (10 - 1) + 1  # tokens that reach the last one, itself included
    torch.manual_seed(0)
    tokens = torch.randn(1, 40, network.embedding.in_features)
    moved = tokens.clone()
    moved[:, 40 - reach - 1] += 1.0
    with torch.no_grad():
        hidden, after = network(tokens)[0][:, -1], network(moved)[0][:, -1]
        moved[:, 40 - reach] += 1.0
        within = network(moved)[0][:, -1]
    assert float((hidden - after).abs().max()) == 0.0
    assert float((hidden - within).abs().max()) > 1e-6


def test_backtest_equals_predict(transformer, frame):
    result = transformer.backtest(frame, n_windows=3, step=17)
    cutoff = result.cutoffs[1]
    expected = transformer.predict(frame.iloc[:cutoff]).to_numpy().T
    np.testing.assert_allclose(result.windows.point[1], expected, rtol=1e-6)


def test_saved_and_loaded(transformer, frame, tmp_path):
    transformer.save(tmp_path / "model")
    again = tsssm.load(tmp_path / "model")
    assert type(again) is TransformerForecaster
    assert again.model_.spec == transformer.model_.spec
    assert again.model_.spec.mixer_settings == {"window": 10}
    np.testing.assert_array_equal(again.predict(), transformer.predict())
    stream = transformer.stream()
    stream.save(tmp_path / "stream")
    loaded = tsssm.load(tmp_path / "stream")
    for each in (stream, loaded):
        each.update(frame.iloc[500].to_numpy())
    np.testing.assert_array_equal(loaded.predict(), stream.predict())


def test_a_streams_size_is_the_rings(transformer):
    network = transformer.model_.network
    assert network.state_bytes() == 2 * (2 * 10 * 16 * 4 + 8)
    before = transformer.state_bytes()
    stream = transformer.stream()
    for value in range(30):
        stream.update(np.full(3, float(value)))
    assert stream.state_bytes() == 3 * before - 2 * stream._state.covariates.nbytes


@pytest.mark.parametrize("n_layers", [1, 2, 5])
@pytest.mark.parametrize("d_model", [8, 16, 20, 33, 64, 100, 128])
def test_matched_within_one_percent(d_model, n_layers):
    model = MambaForecaster(24, d_model=d_model, n_layers=n_layers, quantiles=(0.1, 0.5, 0.9), random_state=7)
    twin = TransformerForecaster.matched_to(model)
    assert not hasattr(twin, "model_")
    assert abs(backbone_parameters(twin) / backbone_parameters(model) - 1) < 0.01
    assert abs(twin.d_model - d_model) <= 4
    different = {"d_model", "mixer_settings"}
    ours, theirs = model.get_params(deep=False), twin.get_params(deep=False)
    assert {n: v for n, v in ours.items() if n not in different} == {
        n: v for n, v in theirs.items() if n not in different
    }


def test_counts_of_an_unfitted_forecaster_are_those_of_its_fit(frame):
    model = MambaForecaster(6, patch_length=6, d_model=16, n_layers=1, max_steps=1, gaps="mask", verbose=False)
    model.set_params(mixer_settings={"state_size": 5})
    twin = TransformerForecaster.matched_to(model)
    before = backbone_parameters(model), backbone_parameters(twin)
    counts = [parameter_counts(one.fit(frame.iloc[:300])) for one in (model, twin)]
    assert tuple(one.backbone for one in counts) == before
    assert [one.network for one in counts] == [model.n_parameters_, twin.n_parameters_]
    assert counts[0].base == counts[1].base == model.model_.lags * 6
    E, R, N = 32, 1, 5  # Mamba's own formula, and two norms
    assert before[0] == 32 * E + E * 5 + E * (R + 2 * N) + E * (R + 1) + E * N + E + E * 16 + 32
    assert f"backbone {counts[1].backbone:,}" in str(twin.summary())
    assert f"base {counts[1].base:,}" in str(twin.summary())
    assert backbone_parameters(TransformerForecaster.matched_to(model)) == before[1]  # fitted or not


def test_matching_uses_the_models_own_mixer_settings():
    small = TransformerForecaster.matched_to(MambaForecaster(6, mixer_settings={"expand": 1}))
    large = TransformerForecaster.matched_to(MambaForecaster(6, mixer_settings={"expand": 4}))
    assert backbone_parameters(small) < backbone_parameters(large) / 2


def test_what_cannot_be_matched_is_refused():
    with pytest.raises(ConfigError, match="takes a forecaster, fitted or not; got 'mamba'"):
        TransformerForecaster.matched_to("mamba")
    with pytest.raises(ConfigError, match="LinearForecaster has no network"):
        TransformerForecaster.matched_to(LinearForecaster(6))
    with pytest.raises(
        ConfigError, match=r"no TransformerForecaster of 2 layers has within 1.0% of [\d,]+ backbone parameters"
    ):
        TransformerForecaster.matched_to(MambaForecaster(6, d_model=2))


def test_mixer_settings_reach_the_mixer_and_the_file(frame, tmp_path):
    model = Forecaster(
        6,
        mixer="mamba",
        mixer_settings={"state_size": np.int64(3)},
        patch_length=6,
        d_model=8,
        max_steps=1,
        gaps="mask",
        verbose=False,
    )
    model.fit(frame.iloc[:300])
    assert {block.mixer.A_log.shape for block in model.model_.network.blocks} == {(16, 3)}
    model.save(tmp_path / "model")
    again = tsssm.load(tmp_path / "model")
    assert again.mixer_settings == again.model_.spec.mixer_settings == {"state_size": 3}
    np.testing.assert_array_equal(again.predict(), model.predict())
    assert clone(model).mixer_settings == model.mixer_settings


def test_a_users_window_goes_before_the_contexts(frame):
    model = TransformerForecaster(
        6, mixer_settings={"window": 3}, patch_length=6, d_model=8, max_steps=1, gaps="mask", verbose=False
    ).fit(frame.iloc[:300])
    assert model.model_.spec.mixer_settings == {"window": 3}


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (MambaForecaster(6, mixer_settings={"heads": 2}), "'heads', which 'mamba' does not; .*: state_size, expand"),
        (Forecaster(6, mixer="mlp", mixer_settings={"window": 2}), "which 'mlp' does not; its settings are: width"),
        (MambaForecaster(6, mixer_settings=[("expand", 2)]), "must be a dict of settings by name"),
        (MambaForecaster(6, mixer_settings={"expand": [2]}), r"\['expand'\] must be a number, a text"),
        (
            MambaForecaster(6, mixer_settings={"expand": "two"}),
            "mamba needs whole numbers of at least 1; got expand='two'",
        ),
        (MambaForecaster(6, mixer_settings={"conv_width": 1}), "at least 2 taps; got conv_width=1"),
        (TransformerForecaster(6, d_model=10), "d_model=10 over n_heads=4"),
        (TransformerForecaster(6, mixer_settings={"window": 0}), "got window=0"),
        (TransformerForecaster(6, mixer_settings={"window": 12.5}), "an integer for window; got window=12.5"),
        (TransformerForecaster(6, mixer_settings={"mlp_width": 0}), "mlp_width=0"),
        (LinearForecaster(6, mixer_settings={"expand": 2}), "LinearForecaster has no network"),
    ],
)
def test_mixer_settings_are_refused_at_fit(model, message, frame):
    with pytest.raises(ConfigError, match=message):
        model.fit(frame)
