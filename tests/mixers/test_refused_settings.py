"""Settings that mean nothing are refused, by the names that users write."""

from __future__ import annotations

import pytest

from tsssm.errors import ConfigError
from tsssm.mixers import find_mixer
from tsssm.mixers.registry import known_mixers
from tsssm.mixers.settings import setting_names
from tsssm.mixers.stack_checks import check_stack_settings

COUNTS = {
    "attention": ["n_heads", "window", "mlp_width"],
    "based": ["n_heads", "feature_size", "mlp_width"],
    "gated_delta": ["n_heads", "key_size", "value_size", "conv_width"],
    "gla": ["n_heads", "mlp_width"],
    "linear_attention": ["n_heads", "mlp_width"],
    "long_convolution": ["kernel_length", "filter_width", "mlp_width"],
    "mamba": ["state_size", "expand", "conv_width"],
    "mamba2": ["state_size", "head_size", "expand", "n_groups", "conv_width"],
    "mamba3": ["state_size", "head_size", "expand", "n_groups", "rank", "n_angles", "mlp_width"],
    "mlp": ["width"],
    "mlstm": ["n_heads", "mlp_width"],
    "retention": ["n_heads", "mlp_width"],
    "rotary_average": ["n_heads", "mlp_width"],
    "rwkv6": ["n_heads", "mix_rank", "decay_rank", "channel_width"],
    "rwkv7": ["n_heads", "channel_width"],
    "rwkv_channel_mix": ["width"],
    "s4d": ["state_size"],
    "slstm": ["n_heads", "conv_width", "mlp_width"],
    "swiglu": ["width"],
}
SWITCHES = [("rwkv7", "bounded"), ("gated_delta", "gated"), ("rwkv_channel_mix", "gated")]


@pytest.mark.parametrize(("mixer", "name"), [(mixer, name) for mixer, names in COUNTS.items() for name in names])
@pytest.mark.parametrize("value", [0, -3, 2.5, True, "8"])
def test_what_is_no_count_is_refused_by_its_name(mixer, name, value):
    with pytest.raises(
        ConfigError, match=rf"(whole numbers? of at least 1|an integer|at least 1 token).* {name}={value!r}"
    ):
        check_stack_settings((find_mixer(mixer),), {name: value}, 64)


@pytest.mark.parametrize(("mixer", "name"), SWITCHES)
@pytest.mark.parametrize("value", ["False", "no", 0, 1, None])
def test_what_is_neither_on_nor_off_is_refused(mixer, name, value):
    with pytest.raises(ConfigError, match=f"{mixer} needs True or False; got {name}={value!r}"):
        check_stack_settings((find_mixer(mixer),), {name: value}, 64)


@pytest.mark.parametrize(("mixer", "name"), SWITCHES)
@pytest.mark.parametrize("value", [True, False])
def test_what_is_on_or_off_is_taken(mixer, name, value):
    check_stack_settings((find_mixer(mixer),), {name: value}, 64)
    assert find_mixer(mixer).size_setting(64, {name: value}) is not None


def test_all_counts_of_the_library_are_here():
    other = {"bounded", "gated", "initial", "rotary_base"}
    assert {name: set(setting_names(mixer)) - other for name, mixer in known_mixers().items()} == {
        name: set(counts) for name, counts in COUNTS.items()
    }
