import numpy as np
import torch

from tsssm.data import Panel, WindowSource


def small_panel():
    columns = np.array([[np.nan, 1e12], [5.0, 1e12 + 1], [np.nan, 1e12 + 2], [8.0, 1e12 + 3]])
    return Panel.from_columns(columns, np.arange(12.0).reshape(6, 2), ("a", "b"))


def test_series_begin_with_their_first_observation_and_lose_their_origin():
    panel = small_panel()
    assert panel.lengths.tolist() == [3, 4]
    assert panel.origins.tolist() == [5.0, 1e12]
    np.testing.assert_array_equal(panel.series(0), np.array([0, np.nan, 3]))
    np.testing.assert_array_equal(panel.series(1), [0, 1, 2, 3])  # small steps on 1e12 are kept


def test_windows_are_unobserved_outside_the_series():
    panel = small_panel()
    windows = panel.windows(np.array([0, 1, 1]), np.array([2, 6, 0]), 4)
    nan = np.nan
    np.testing.assert_array_equal(windows, [[nan, nan, 0, nan], [2, 3, nan, nan], [nan] * 4])


def test_covariates_follow_the_rows_of_the_series_and_are_zero_before_it():
    panel = small_panel()
    cut = panel.covariate_windows(np.array([0, 1]), np.array([2, 7]), 3)
    assert cut[0].tolist() == [[0, 0], [2, 3], [4, 5]]  # series a begins at row 1
    assert cut[1].tolist() == [[8, 9], [10, 11], [0, 0]]  # row 6 is not known


def test_a_series_without_observations_has_length_zero():
    panel = Panel.from_columns(np.full((3, 1), np.nan), np.zeros((3, 0)), ("a",))
    assert panel.lengths.tolist() == [0]
    assert np.isnan(panel.windows(np.array([0]), np.array([0]), 2)).all()


def source(rows=40, train=30):
    panel = Panel.from_columns(np.arange(100.0, 100.0 + rows)[:, None], np.zeros((rows, 1)), ("a",))
    track = np.arange(rows) / 1000.0
    return WindowSource(panel, np.array([train]), track, 1 + track, np.array([2.0]), 3, 4, 6)


def test_no_training_window_shows_the_validation_part():
    windows = source()
    assert len(windows) == 29
    batch = windows.sample(np.arange(len(windows)))
    assert np.nanmax(batch.values.numpy()) == 29.0  # the last row of the training part, origin removed
    observed = ~torch.isnan(batch.values)
    assert observed[:, :12].any(1).all()  # each has history
    assert observed[:, 12:].any(1).all()  # and a target


def test_tokens_carry_the_statistics_at_their_last_observation():
    batch = source().sample(np.array([9, 28]))  # windows that end after 10 and 29 values
    np.testing.assert_allclose(batch.location[1], np.array([20, 24, 28]) / 1000.0)
    np.testing.assert_allclose(batch.location[0], np.array([1, 5, 9]) / 1000.0)
    assert batch.first_token.tolist() == [0, 0]
    short = source().sample(np.array([0]))
    assert short.first_token.tolist() == [2]
    assert short.scale[0, :2].tolist() == [1.0, 1.0]
    assert short.deviation.tolist() == [2.0]
