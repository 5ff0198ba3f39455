"""Every figure that utilsforecast gives as well must be the same."""

import numpy as np
import pandas as pd
import pytest
import utilsforecast.losses as peer

from tsssm.metrics import coverage, mae, mase, mse, quantile_loss, rmse, rmsse, seasonal_scale, smape
from tsssm.metrics import weighted_quantile_loss as wql

LEVELS = [0.1, 0.5, 0.8]
SEASON = 4


@pytest.fixture(scope="module")
def panel():
    """Three series of different size: training data, observations, point and quantile forecasts, (time, series)."""
    rng = np.random.default_rng(3)
    size = np.array([1.0, 10.0, 1000.0])
    insample = size * rng.normal(5.0, 1.0, (30, 3))
    actual = size * rng.normal(5.0, 1.0, (12, 3))
    point = actual + size * rng.normal(0.0, 1.0, (12, 3))
    spread = size[:, None] * np.array([-1.3, 0.1, 0.9])
    return insample, actual, point, point[..., None] + spread


@pytest.fixture(scope="module")
def frames(panel):
    """The same in the peer's long form."""
    insample, actual, point, quantiles = panel
    names = np.repeat(["a", "b", "c"], 12)
    test = pd.DataFrame(
        {"unique_id": names, "ds": np.tile(np.arange(12), 3), "y": actual.T.ravel(), "model": point.T.ravel()}
    )
    for i in range(len(LEVELS)):
        test[f"q{i}"] = quantiles[..., i].T.ravel()
    train = pd.DataFrame(
        {"unique_id": np.repeat(["a", "b", "c"], 30), "ds": np.tile(np.arange(30), 3), "y": insample.T.ravel()}
    )
    return train, test


@pytest.mark.parametrize(("ours", "theirs"), [(mae, peer.mae), (mse, peer.mse), (rmse, peer.rmse)])
def test_pointwise(panel, frames, ours, theirs):
    _, actual, point, _ = panel
    np.testing.assert_allclose(ours(actual, point, axis=0), theirs(frames[1], ["model"])["model"], rtol=1e-12)


def test_smape_is_200_times_the_peers_fraction(panel, frames):
    _, actual, point, _ = panel
    # The peer gives |a - f| / (|a| + |f|), a fraction between 0 and 1.
    expected = 200.0 * peer.smape(frames[1], ["model"])["model"]
    np.testing.assert_allclose(smape(actual, point, axis=0), expected, rtol=1e-12)


@pytest.mark.parametrize(("ours", "theirs", "power"), [(mase, peer.mase, 1), (rmsse, peer.rmsse, 2)])
def test_scaled(panel, frames, ours, theirs, power):
    insample, actual, point, _ = panel
    train, test = frames
    figures = ours(actual, point, seasonal_scale(insample, SEASON, power), axis=0)
    expected = theirs(test, ["model"], seasonality=SEASON, train_df=train)["model"]
    np.testing.assert_allclose(figures, expected, rtol=1e-12)


def test_quantile_losses(panel, frames):
    _, actual, _, quantiles = panel
    losses = quantile_loss(actual, quantiles, LEVELS, axis=0)
    assert losses.shape == (3, 3)
    for i, level in enumerate(LEVELS):
        expected = peer.quantile_loss(frames[1], {"m": f"q{i}"}, q=level)["m"]
        np.testing.assert_allclose(losses[:, i], expected, rtol=1e-12)
    mean = peer.mqloss(frames[1], {"m": ["q0", "q1", "q2"]}, np.array(LEVELS))["m"]
    np.testing.assert_allclose(losses.mean(-1), mean, rtol=1e-12)


def test_weighted_quantile_loss_is_the_peers_scaled_crps(panel, frames):
    _, actual, _, quantiles = panel
    expected = peer.scaled_crps(frames[1], {"m": ["q0", "q1", "q2"]}, np.array(LEVELS))["m"]
    np.testing.assert_allclose(wql(actual, quantiles, LEVELS, axis=0), expected, rtol=1e-9)


def test_coverage(panel, frames):
    _, actual, point, _ = panel
    width = 1.1 * np.array([1.0, 10.0, 1000.0])
    lower, upper = point - width, point + width
    frame = frames[1].assign(**{"model-lo-90": lower.T.ravel(), "model-hi-90": upper.T.ravel()})
    expected = peer.coverage(frame, ["model"], 90)["model"].to_numpy()
    np.testing.assert_allclose(coverage(actual, lower, upper, axis=0), expected, rtol=1e-12)
    assert 0.0 < expected.mean() < 1.0
