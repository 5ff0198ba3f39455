"""Inner widths that heads of a fixed size do not fill."""

from __future__ import annotations

import pytest

from tsssm.errors import ConfigError
from tsssm.mixers import Mamba2, Mamba3, check_mixer
from tsssm.mixers.inner_heads import count_inner_heads


@pytest.mark.parametrize("head_size", [1, 3, 8, 16])
@pytest.mark.parametrize("expand", [1, 2, 3])
def test_no_number_of_heads_comes_nearer(expand, head_size):
    for d_model in range(1, 40):
        wanted, heads = expand * d_model, count_inner_heads("mamba2", d_model, expand, head_size, 1)
        nearest = min(range(1, 200), key=lambda count: (abs(count * head_size - wanted), -count))
        assert heads == nearest
        if wanted % head_size == 0:
            assert heads * head_size == wanted


@pytest.mark.parametrize("mixer_class", [Mamba2, Mamba3])
@pytest.mark.parametrize(("d_model", "inner"), [(3, 16), (12, 32), (20, 48), (27, 48), (32, 64)])
def test_the_inner_width_is_of_whole_heads(mixer_class, d_model, inner):
    assert mixer_class(d_model).out_projection.in_features == inner


@pytest.mark.parametrize("mixer_class", [Mamba2, Mamba3])
@pytest.mark.parametrize("settings", [{"d_model": 3}, {"d_model": 15, "head_size": 4, "n_groups": 2}])
def test_promises_with_widths_that_do_not_divide(mixer_class, settings):
    check_mixer(mixer_class, **settings)


@pytest.mark.parametrize("mixer_class", [Mamba2, Mamba3])
def test_groups_divide_the_heads_there_are(mixer_class):
    with pytest.raises(ConfigError, match=r"n_groups=2 does not divide the 3 heads .* = 40 channels"):
        mixer_class(20, n_groups=2)
