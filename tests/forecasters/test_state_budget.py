"""States that stay within a number of bytes."""

from __future__ import annotations

import functools
from fractions import Fraction

import numpy as np
import pytest
from sklearn.base import clone

import tsssm
from tsssm import Forecaster, LinearForecaster, MambaForecaster
from tsssm.errors import ConfigError
from tsssm.forecasters.byte_size import read_bytes
from tsssm.forecasters.costs import costs
from tsssm.mixers import MLP, Attention
from tsssm.mixers.registry import known_mixers

Y = np.sin(np.arange(400) * 2 * np.pi / 24) + np.random.default_rng(0).normal(scale=0.1, size=400)
SMALL = {"patch_length": 6, "max_steps": 1, "verbose": False}


@pytest.mark.parametrize("mixer", [*known_mixers(), "mamba2+attention", "rwkv7+mamba"])
def test_a_stream_fits_into_the_budget(mixer, tmp_path):
    free = Forecaster(6, mixer=mixer, **SMALL).fit(Y)
    of_network = free.model_.network.state_bytes()
    budget = free.state_bytes("patch") - of_network // 3
    model = Forecaster(6, mixer=mixer, state_budget=budget, **SMALL)
    if mixer in ("mlp", "swiglu"):  # without a state
        assert model.fit(Y).notes_[0].startswith(f"state_budget of {budget:,} bytes: all sizes as they are set;")
        return
    if mixer in ("slstm", "rwkv_channel_mix"):  # of one size
        least = free.state_bytes("patch")
        with pytest.raises(
            ConfigError, match=f"{budget:,} bytes hold no state .* the smallest takes {least:,}, of them"
        ):
            model.fit(Y)
        assert model.set_params(state_budget=least).fit(Y).state_bytes("patch") == least
        return
    model.fit(Y)
    assert budget // 3 < model.state_bytes("patch") <= budget
    assert model.notes_[0].startswith(f"state_budget of {budget:,} bytes: ")
    chosen = model.notes_[0].partition("bytes: ")[2].partition(";")[0]
    name, value = chosen.split(", ")[0].split("=")
    assert model.model_.spec.mixer_settings[name] == int(value)
    assert f"takes {model.state_bytes('patch'):,}" in model.notes_[0]
    stream = model.stream(refresh="patch")
    assert stream.state_bytes() == model.state_bytes("patch")
    model.save(tmp_path / "model")
    assert tsssm.load(tmp_path / "model").predict().tolist() == model.predict().tolist()


def test_a_large_budget_changes_nothing():
    free, ample = (Forecaster(6, state_budget=budget, **SMALL).fit(Y) for budget in (None, "1 GB"))
    assert free.model_.spec == ample.model_.spec
    assert ample.notes_[0].startswith(
        "state_budget of 1,000,000,000 bytes: all sizes as they are set; a stream of one series"
    )


def test_a_smaller_budget_makes_a_smaller_state():
    sizes = [
        MambaForecaster(6, state_budget=b, **SMALL).fit(Y).state_bytes("patch") for b in ("20KiB", "15KiB", "10KiB")
    ]
    assert sizes[0] > sizes[1] > sizes[2]


def test_heads_of_any_number_are_tried():
    """48 is no power of two times 4."""
    free = Forecaster(6, mixer="rwkv7", d_model=96, **SMALL)
    with pytest.raises(ConfigError, match=r"the smallest takes ([\d,]+)") as caught:
        clone(free).set_params(state_budget=1000).fit(Y)
    least = int(str(caught.value).partition("smallest takes ")[2].partition(", of")[0].replace(",", ""))
    assert clone(free).set_params(state_budget=least).fit(Y).state_bytes("patch") == least
    states = []
    for n_heads in (24, 32, 48, 96):
        try:
            states.append(clone(free).set_params(mixer_settings={"n_heads": n_heads}).fit(Y).state_bytes("patch"))
        except ConfigError:
            continue
    assert least == min(states)


def test_the_largest_state_that_fits_is_chosen():
    taken = {}
    for n_heads in range(4, 17):
        try:
            settings = {"mixer": "gated_delta", "d_model": 16, "mixer_settings": {"n_heads": n_heads}}
            taken[n_heads] = Forecaster(6, **settings, **SMALL).fit(Y).state_bytes("patch")
        except ConfigError:
            continue
    budget = sorted(taken.values())[len(taken) // 2] + 3
    model = Forecaster(6, mixer="gated_delta", d_model=16, state_budget=budget, **SMALL).fit(Y)
    assert model.state_bytes("patch") == max(size for size in taken.values() if size <= budget)


@pytest.mark.parametrize("budget", [1_500, 6_000, 20_000, 36_000, 37_000, 38_159])
def test_sizes_in_one_proportion_are_those_of_a_search_through_all(budget):
    """More heads of a delta rule do not always take less."""
    free = Forecaster(6, mixer="gated_delta+based", d_model=24, patch_length=6, base=None, verbose=False)
    taken = {}
    shares = {Fraction(4, heads) for heads in range(4, 25)} | {Fraction(size, 8) for size in range(1, 9)}
    for share in sorted(shares, reverse=True):
        heads = min([n for n in range(4, 19) if Fraction(4, n) <= share], default=18)  # more have keys of no channel
        sizes = {"gated_delta__n_heads": heads, "based__feature_size": max(1, int(8 * share))}
        taken.setdefault(costs(clone(free).set_params(mixer_settings=sizes)).state_bytes, sizes)
    most = max((size for size in taken if size <= budget), default=None)
    limited = clone(free).set_params(state_budget=budget)
    if most is None:
        with pytest.raises(ConfigError, match=f"the smallest takes {min(taken):,}\\."):
            costs(limited)
        return
    assert costs(limited).state_bytes == most
    chosen = limited.set_params(max_steps=1).fit(Y).model_.spec.mixer_settings
    assert chosen.items() >= taken[most].items()


def test_few_of_many_sizes_are_built(monkeypatch):
    """A window of 3,000 tokens has as many smaller ones."""
    built, own = [], Attention.__init__

    @functools.wraps(own)
    def counted(self, *args, **kwargs):
        built.append(kwargs)
        own(self, *args, **kwargs)

    monkeypatch.setattr(Attention, "__init__", counted)
    model = Forecaster(6, mixer="attention", context_length=18_000, patch_length=6, base=None, verbose=False)
    whole = costs(model).state_bytes
    assert whole * 0.49 < costs(model.set_params(state_budget=whole // 2)).state_bytes <= whole // 2
    assert len(built) < 60


def test_without_a_base_the_stream_is_one_of_steps():
    free = Forecaster(6, mixer="mamba", base=None, **SMALL).fit(Y).state_bytes()
    model = Forecaster(6, mixer="mamba", base=None, state_budget=free // 2, **SMALL).fit(Y)
    assert model.state_bytes() <= free // 2
    assert f'takes {model.state_bytes():,} (refresh="step")' in model.notes_[0]
    with pytest.raises(ConfigError, match=r"the smallest takes [\d,]+\. Raise it"):
        Forecaster(6, mixer="mamba", base=None, state_budget=100, **SMALL).fit(Y)


def test_a_mixer_that_names_no_size_is_told_so():
    class Nameless(MLP):
        name = "nameless"
        state_setting = "nothing"

    with pytest.raises(ConfigError, match="'nameless' says state_setting='nothing', but its size there is None"):
        Forecaster(6, mixer=Nameless, state_budget=1000, **SMALL).fit(Y)


def test_a_budget_that_holds_nothing_is_refused():
    with pytest.raises(
        ConfigError, match=r"2,000 bytes hold no state .* smallest takes [\d,]+, of them 672 the 84 values"
    ):
        Forecaster(6, state_budget=2000, **SMALL).fit(Y)
    with pytest.raises(ConfigError, match="100 bytes hold no state"):
        LinearForecaster(6, state_budget=100, **SMALL).fit(Y)


@pytest.mark.parametrize("bad", ["many", "1e3", "-5KiB", "12 stones", 0, -5, True, 1.5, "0KiB", "", [64]])
def test_what_is_no_number_of_bytes_is_refused(bad):
    with pytest.raises(ConfigError, match='state_budget must be a number of bytes above 0, such as 65536 or "64KiB"'):
        Forecaster(6, state_budget=bad, **SMALL).fit(Y)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("64KiB", 65536),
        (" 1.5 mb ", 1_500_000),
        ("2 GiB", 2**31),
        ("100 B", 100),
        ("7", 7),
        ("9" * 25, 10**25 - 1),
        (np.int64(9), 9),
    ],
)
def test_bytes_as_people_write_them(text, value):
    assert read_bytes(text) == value
