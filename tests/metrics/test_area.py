"""Cell areas, and means weighted by them."""

import numpy as np
import pytest

from tsssm.errors import DataError
from tsssm.metrics import area_weights, mae, mse, rmse


@pytest.mark.parametrize("n", [2, 7, 180])
def test_weights_of_a_whole_globe_are_the_area_of_its_bands(n):
    edges = np.linspace(-90, 90, n + 1)
    centres = (edges[1:] + edges[:-1]) / 2
    area = np.diff(np.sin(np.deg2rad(edges)))  # of a unit sphere, divided by 2 pi: 2 in all
    np.testing.assert_allclose(area_weights(centres), area * n / 2, rtol=1e-12)
    np.testing.assert_allclose(area_weights(centres[::-1]), area_weights(centres)[::-1])


def test_cells_at_the_poles_are_half_cells():
    weights = area_weights(np.linspace(90, -90, 181))
    assert weights[0] == pytest.approx(weights[-1])
    # half as high as its neighbours, and a quarter of their mean breadth
    assert weights[0] / weights[1] == pytest.approx(
        (1 - np.sin(np.deg2rad(89.5))) / (np.sin(np.deg2rad(89.5)) - np.sin(np.deg2rad(88.5)))
    )
    assert weights.mean() == pytest.approx(1.0)


def test_far_from_the_poles_weights_are_the_cosine():
    latitude = np.arange(60.0, 30.0, -0.25)
    cosine = np.cos(np.deg2rad(latitude))
    np.testing.assert_allclose(area_weights(latitude), cosine / cosine.mean(), rtol=1e-9)
    assert area_weights([52.0]).tolist() == [1.0]


@pytest.mark.parametrize(
    ("latitude", "message"),
    [
        ([91.0, 90.0], "-90 to 90"),
        ([1.0, 3.0, 2.0], "2.0 comes after 3.0"),
        ([1.0, 1.0, 2.0], "1.0 comes after 1.0"),
        ([[1.0]], "list"),
        ([np.nan], "-90 to 90"),
        (["north"], "not .'north'"),
    ],
)
def test_latitudes_that_are_none(latitude, message):
    with pytest.raises(DataError, match=message):
        area_weights(latitude)


@pytest.mark.parametrize(("metric", "power"), [(mae, 1), (mse, 2)])
def test_weighted_means_are_those_of_a_loop(metric, power):
    random = np.random.default_rng(0)
    actual, point = random.normal(size=(2, 5, 3, 4))
    actual[random.random(actual.shape) < 0.2] = np.nan
    weights = random.random(3)[:, None]
    for place in range(5):
        total = weight = 0.0
        for row in range(3):
            for column in range(4):
                if not np.isnan(actual[place, row, column]):
                    total += weights[row, 0] * abs(actual[place, row, column] - point[place, row, column]) ** power
                    weight += weights[row, 0]
        assert metric(actual, point, axis=(1, 2), weights=weights)[place] == pytest.approx(total / weight)
    assert rmse(actual, point, weights=weights) == pytest.approx(mse(actual, point, weights=weights) ** 0.5)
    np.testing.assert_allclose(metric(actual, point, weights=np.full(4, 3.0)), metric(actual, point))


def test_weights_that_are_none():
    with pytest.raises(DataError, match=r"weights have shape \(2,\), which does not broadcast to \(3,\)"):
        mae([1.0, 2, 3], [1.0, 2, 3], weights=[1.0, 2.0])
    with pytest.raises(DataError, match="0 or more"):
        mae([1.0, 2], [1.0, 2], weights=[1.0, -1.0])
    with pytest.raises(DataError, match="0 or more"):
        mae([1.0, 2], [1.0, 2], weights=[1.0, np.nan])
