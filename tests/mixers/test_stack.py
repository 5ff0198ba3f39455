"""Stacks: patterns, lists and classes, and the settings of their mixers."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tsssm.errors import ConfigError
from tsssm.mixers import MLP, Attention, Mamba, RWKVChannelMix, SwiGLU, read_stack
from tsssm.mixers.stack import stack_name
from tsssm.mixers.stack_checks import check_stack_settings
from tsssm.mixers.stack_settings import resolve_settings, settings_of, stack_setting_names


class Own(MLP):
    name = "own"


class Dashed(MLP):
    name = "my-own"


@pytest.mark.parametrize(
    ("mixer", "n_layers", "stack"),
    [
        ("mamba", "auto", [Mamba, Mamba]),
        (" mamba", "auto", [Mamba, Mamba]),
        ("mamba", 1, [Mamba]),
        ("mamba*1", "auto", [Mamba]),
        ("(mamba)", "auto", [Mamba]),
        (["mamba*1"], "auto", [Mamba]),
        (["mamba"], "auto", [Mamba, Mamba]),
        ("mamba*1", 2, [Mamba, Mamba]),
        ("mamba*3", "auto", [Mamba] * 3),
        ("mamba*3", 6, [Mamba] * 6),
        (Own, "auto", [Own, Own]),
        (Own, 3, [Own] * 3),
        ("(mamba+mlp*2)*2", "auto", [Mamba, MLP, MLP] * 2),
        ("mamba+attention", 4, [Mamba, Attention] * 2),
        (["mamba", Own, "mlp*2"], "auto", [Mamba, Own, MLP, MLP]),
        ((Own, "own+mamba"), 6, [Own, Own, Mamba] * 2),
        ([Mamba], "auto", [Mamba, Mamba]),
    ],
)
def test_stacks(mixer, n_layers, stack):
    assert read_stack(mixer, n_layers) == tuple(stack)


@given(st.lists(st.sampled_from([Mamba, Attention, MLP, SwiGLU]), min_size=1, max_size=8))
def test_a_stack_comes_back_from_its_name_and_depth(layers):
    stack = tuple(layers)
    assert read_stack(stack_name(stack), len(stack)) == stack


@pytest.mark.parametrize(
    ("mixer", "n_layers", "message"),
    [
        (
            "mamba+attention",
            3,
            r"n_layers=3 does not fit mixer='mamba\+attention', which has 2 layers .* multiple of 2",
        ),
        ("mamba*4", 2, "which has 4 layers"),
        *(("mamba", bad, 'n_layers must be an integer of at least 1 or "auto"; got ') for bad in (0, -1, 2.5, 2.0)),
        *(("mamba", bad, 'n_layers must be an integer of at least 1 or "auto"; got ') for bad in (None, "two", True)),
        ("mamba+mlpp", "auto", "expected a mixer among .* at character 7:"),
        ("mambo", "auto", "mixer='mambo' is not known"),
        ([], "auto", "empty list"),
        (["mamba", 3], "auto", "subclasses of tsssm.mixers.Mixer; got 3"),
        (3, "auto", "subclasses of tsssm.mixers.Mixer; got 3"),
        (Dashed, "auto", "Dashed has the name 'my-own': patterns and settings by name need letters"),
    ],
)
def test_no_stacks(mixer, n_layers, message):
    with pytest.raises(ConfigError, match=message):
        read_stack(mixer, n_layers)


def test_two_classes_of_one_name_are_refused():
    """A saved model knows a mixer by its name: it would come back as the other one."""
    other, again = (type("Other", (MLP,), {"name": name}) for name in ("mamba", "own"))
    for mixer in (other, ["mamba", other], [other, Mamba], [Own, again]):
        with pytest.raises(ConfigError, match=r"both named '(mamba|own)'"):
            read_stack(mixer)


@pytest.mark.parametrize("name", ["mamba*2", "my-own", "Ünder", "my__own", "", "2nd"])
def test_names_that_no_pattern_can_hold_are_refused(name):
    mixer = type("Odd", (MLP,), {"name": name})
    for stack in (mixer, [mixer, "mamba"]):
        with pytest.raises(ConfigError, match=re.escape(f"Odd has the name {name!r}: patterns and settings by name")):
            read_stack(stack)


class TwoUnderscores(MLP):
    def __init__(self, d_model, *, layer_index=0, n_layers=1, a__b=1):
        super().__init__(d_model)


def test_settings_that_cannot_be_told_from_a_mixers_name_are_refused():
    with pytest.raises(ConfigError, match="TwoUnderscores has the settings 'a__b'"):
        read_stack(TwoUnderscores)


@pytest.mark.parametrize("given", [("mamba", 10**13), (["mamba*1000"] * 2, "auto"), ("mamba+mlp", 10**6)])
def test_a_stack_of_too_many_layers_is_refused_before_it_is_made(given):
    with pytest.raises(ConfigError, match="more than the 1000 layers"):
        read_stack(*given)


def test_a_count_is_not_remembered_for_a_number_of_another_type():
    check_stack_settings((Mamba,), {"state_size": 8}, 16)
    with pytest.raises(ConfigError, match=r"state_size=8\.0"):
        check_stack_settings((Mamba,), {"state_size": 8.0}, 16)


@pytest.mark.parametrize(
    ("mixer", "settings"),
    [
        ("mamba", {"state_size": 0}),
        ("mamba", {"expand": 0}),
        ("mamba2", {"state_size": 0}),
        ("mamba2", {"expand": float("nan")}),
        ("gla", {"n_heads": True}),
        ("mamba3", {"rank": True}),
        ("long_convolution", {"kernel_length": float("inf")}),
    ],
)
def test_what_would_fail_in_a_fit_is_refused_before_it(mixer, settings):
    with pytest.raises(ConfigError, match="needs whole numbers of at least 1; got"):
        check_stack_settings(read_stack(mixer), settings, 16)


def test_plain_settings_go_to_all_that_have_them_and_prefixed_ones_over_them():
    given = {"width": 10, "swiglu__width": 20, "attention__window": 5}
    assert settings_of(MLP, given) == {"width": 10}
    assert settings_of(SwiGLU, given) == {"width": 20}
    assert settings_of(Attention, given) == {"window": 5}
    assert settings_of(Mamba, given) == {}
    assert settings_of(Mamba, None) == {}


def test_resolved_settings_name_the_mixer_only_where_there_are_several():
    assert resolve_settings((Attention,) * 2, 12, {"attention__n_heads": 2}) == {"window": 12, "n_heads": 2}
    assert resolve_settings((Attention,), 12, {"window": 5}) == {"window": 5}
    mixed = (Mamba, Attention, MLP)
    resolved = resolve_settings(mixed, 12, {"n_heads": 2, "mlp__width": 7})
    assert resolved == {"attention__window": 12, "attention__n_heads": 2, "mlp__width": 7}
    for mixer in mixed:  # nothing is lost when they are read again
        assert settings_of(mixer, resolved) == settings_of(mixer, resolve_settings(mixed, 12, resolved))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            {"heads": 2},
            "'heads', which none of mamba, attention does; its settings are: state_size, .*attention__window",
        ),
        ({"mlp__width": 2}, "'mlp__width', which none of mamba, attention does"),
        ({"mamba__window": 2}, "'mamba__window', which none"),
        ({"attention__n_heads": [2]}, "must be a number"),
        ({"attention__n_heads": 5}, "n_heads=5"),
        ([("window", 2)], "must be a dict"),
    ],
)
def test_settings_that_no_mixer_of_the_stack_takes_are_refused(given, message):
    with pytest.raises(ConfigError, match=message):
        check_stack_settings((Mamba, Attention), given, 64)


def test_every_name_of_a_stack_is_one_that_is_checked_as_known():
    names = stack_setting_names((MLP, RWKVChannelMix))
    assert set(names) == {"width", "gated", "mlp__width", "rwkv_channel_mix__width", "rwkv_channel_mix__gated"}
    for name in names:
        check_stack_settings((MLP, RWKVChannelMix), {name: 8 if "width" in name else True}, 16)
