"""With which settings a mixer is made larger, and its state smaller."""

from __future__ import annotations

import pytest

from tsssm.mixers.registry import known_mixers
from tsssm.mixers.settings import setting_names

MIXERS = known_mixers()
OTHER_SETTINGS = {
    "gated_delta": [{"n_heads": 2}, {"key_size": 5}, {"key_size": None, "n_heads": 3}, {"gated": False}],
    "mamba2": [{"expand": 1}, {"n_groups": 2, "head_size": 8}],
    "mamba3": [{"rank": 2}],
    "rwkv7": [{"bounded": False}],
    "rwkv_channel_mix": [{"gated": True}],
}
CASES = [(name, settings) for name in sorted(MIXERS) for settings in [{}, *OTHER_SETTINGS.get(name, [])]]


def count_parameters(name: str, d_model: int, settings: dict) -> int:
    mixer = MIXERS[name](d_model, layer_index=1, n_layers=2, **settings)
    parts = [part for part in (mixer, mixer.channel_mixer()) if part is not None]
    return sum(parameter.numel() for part in parts for parameter in part.parameters())


@pytest.mark.parametrize("d_model", [24, 64])
@pytest.mark.parametrize(("name", "settings"), CASES)
def test_the_size_setting_has_the_constructors_default_and_adds_parameters(name, settings, d_model):
    found = MIXERS[name].size_setting(d_model, settings)
    assert found is not None, "every mixer of the library has one"
    setting, default = found
    assert setting in setting_names(MIXERS[name])
    usual = count_parameters(name, d_model, settings)
    assert count_parameters(name, d_model, {**settings, setting: default}) == usual
    sizes = [count_parameters(name, d_model, {**settings, setting: default + more}) for more in (2, 4, 6)]
    assert usual < sizes[0] < sizes[1] < sizes[2]


@pytest.mark.parametrize("name", [name for name, mixer in MIXERS.items() if mixer.state_setting is not None])
def test_the_state_setting_makes_the_state_smaller(name):
    mixer, setting = MIXERS[name], MIXERS[name].state_setting
    assert setting in setting_names(mixer)
    values = (4, 8, 16) if setting == "n_heads" else (16, 8, 4)
    sizes = [mixer(64, **{setting: value}).state_bytes() for value in values]
    assert sizes[0] > sizes[1] > sizes[2]


def test_mixers_without_a_state_setting():
    assert {name for name, mixer in MIXERS.items() if mixer.state_setting is None} == {
        "mlp",
        "rwkv_channel_mix",
        "slstm",
        "swiglu",
    }
