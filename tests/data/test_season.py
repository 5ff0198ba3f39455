"""Usual seasons and patches by frequency, for datetimes and periods alike."""

import pandas as pd
import pytest

from tsssm.data import default_patch_length, default_season_length, read_table


@pytest.mark.parametrize(
    ("freq", "season", "patch"),
    [
        ("10s", 8640, 24),
        ("min", 1440, 24),
        ("15min", 96, 24),
        ("30min", 48, 24),
        ("h", 24, 24),
        ("6h", 4, 24),
        ("5h", 1, 24),
        ("D", 7, 7),
        ("24h", 7, 7),
        ("B", 5, 5),
        ("W-SUN", 52, 4),
        ("7D", 52, 4),
        ("2W-MON", 26, 4),
        ("MS", 12, 12),
        ("ME", 12, 12),
        ("2MS", 6, 4),
        ("QS-OCT", 4, 4),
        ("QE-DEC", 4, 4),
        ("YS-JAN", 1, 4),
        ("YE-DEC", 1, 4),
    ],
)
def test_of_datetimes(freq, season, patch):
    index = pd.date_range("2024-01-01", periods=5, freq=freq)
    frequency = read_table(pd.Series(1.0, index=index)).timeline.frequency
    assert default_season_length(frequency) == season
    assert default_patch_length(frequency) == patch


@pytest.mark.parametrize(
    ("freq", "season", "patch"),
    [("h", 24, 24), ("D", 7, 7), ("W-SUN", 52, 4), ("M", 12, 12), ("2M", 6, 4), ("Q-DEC", 4, 4), ("Y-DEC", 1, 4)],
)
def test_of_periods(freq, season, patch):
    index = pd.period_range("2024-01-01", periods=5, freq=freq)
    frequency = read_table(pd.Series(1.0, index=index)).timeline.frequency
    assert default_season_length(frequency) == season
    assert default_patch_length(frequency) == patch


@pytest.mark.parametrize("frequency", ["1", "2", "24"])
def test_integers_have_no_season(frequency):
    assert default_season_length(frequency) == 1
    assert default_patch_length(frequency) == 8
