"""Maps, and errors by lead time."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import xarray as xr

from tsssm.errors import DataError
from tsssm.plotting import plot_errors_by_lead, plot_map

FIELD = xr.DataArray(
    np.arange(6.0).reshape(2, 3),
    {"latitude": ("latitude", [60.0, 58.0], {"units": "degrees_north"}), "longitude": [0.0, 2.0, 4.0]},
    ("latitude", "longitude"),
    "t2m",
    {"units": "K", "long_name": "temperature"},
)


@pytest.fixture(autouse=True)
def close():
    yield
    plt.close("all")


@pytest.mark.parametrize("field", [FIELD, FIELD.transpose(), FIELD.rename(latitude="y", longitude="x").transpose()])
def test_longitude_is_drawn_across_and_north_is_up(field):
    ax = plot_map(field)
    mesh = ax.collections[0]
    np.testing.assert_array_equal(mesh.get_array().reshape(2, 3), FIELD.to_numpy())
    low, high = ax.get_ylim()
    assert low < 58.0 < 60.0 < high
    assert ax.get_xlabel().startswith(("longitude", "x"))
    assert ax.figure.axes[1].get_ylabel() == "temperature (K)"


def test_labels_proportions_and_limits():
    ax = plot_map(FIELD, title="now", limits=(1.0, 4.0))
    assert ax.get_ylabel() == "latitude (°N)"
    assert ax.get_aspect() == pytest.approx(1 / np.cos(np.deg2rad(59.0)))
    assert ax.collections[0].get_clim() == (1.0, 4.0)
    assert ax.collections[0].colorbar.extend == "both"
    assert plot_map(FIELD).collections[0].colorbar.extend == "neither"


def test_colours_of_an_error_part_at_the_centre():
    assert plot_map(FIELD - 1.0, centre=0.0).collections[0].get_clim() == (-4.0, 4.0)
    assert plot_map(FIELD * 0, centre=0.0).collections[0].get_clim() == (-1.0, 1.0)


def test_nan_cells_are_left_to_the_ground():
    ax = plot_map(FIELD.where(FIELD != 2))
    assert ax.collections[0].get_array().mask.sum() == 1
    assert plot_map(FIELD * np.nan).collections[0].get_array().mask.all()


def test_a_map_has_two_dimensions():
    with pytest.raises(DataError, match=r"needs two dimensions; the field has \{'latitude': 2\}"):
        plot_map(FIELD.isel(longitude=0))
    for other in (FIELD.to_numpy(), FIELD.to_dataset()):
        with pytest.raises(DataError, match=f"a DataArray, such as .*; got a {type(other).__name__}"):
            plot_map(other)


def test_biases_below_zero_are_seen():
    ax = plot_errors_by_lead(pd.DataFrame({"bias": [-1.0, 2.0]}))
    low, high = ax.get_ylim()
    assert low < -1.0
    assert high > 2.0


@pytest.mark.parametrize(
    ("index", "x", "label"),
    [
        (pd.to_timedelta([6, 12], "h"), [6, 12], "lead time (hours)"),
        (pd.to_timedelta([5, 20], "D"), [5, 20], "lead time (days)"),
        (pd.RangeIndex(1, 3), [1, 2], "steps ahead"),
    ],
)
def test_errors_by_lead(index, x, label):
    ax = plot_errors_by_lead(
        pd.DataFrame({"ours": [1.0, 2.0], "theirs": [2.0, 3.0]}, index=index), label="RMSE (K)", title="T"
    )
    for line, errors in zip(ax.lines, ([1.0, 2.0], [2.0, 3.0])):
        np.testing.assert_allclose(line.get_xdata(), x)
        np.testing.assert_allclose(line.get_ydata(), errors)
    assert (ax.get_xlabel(), ax.get_ylabel(), ax.get_ylim()[0]) == (label, "RMSE (K)", 0.0)
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["ours", "theirs"]
    assert len({line.get_linestyle() for line in ax.lines}) == 2
