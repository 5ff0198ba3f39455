"""The plot of a search carries its scores, the best so far, and the trials without a score."""

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest

mpl.use("agg")
import matplotlib.pyplot as plt

from tsssm.errors import DataError
from tsssm.plotting import plot_trials

TRIALS = pd.DataFrame(
    {
        "state": ["failed", "complete", "pruned", "complete", "complete", "pruned", "unfinished"],
        "score": [None, 0.9, None, 0.7, 0.8, None, None],
    },
    index=pd.Index(range(7), name="number"),
)


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    plt.close("all")


def test_lines_and_marks_carry_the_trials():
    ax = plot_trials(TRIALS, metric="mase", title="Search")
    ax.figure.canvas.draw()
    lines = {line.get_label(): line for line in ax.lines}
    np.testing.assert_array_equal(lines["best so far"].get_ydata(), [np.nan, 0.9, 0.9, 0.7, 0.7, 0.7, 0.7])
    np.testing.assert_array_equal(lines["trial"].get_ydata(), TRIALS["score"].astype(float))
    assert lines["pruned"].get_xdata().tolist() == [2, 5]
    assert lines["failed"].get_xdata().tolist() == [0]
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("trial", "MASE on the validation part")
    assert ax.get_title(loc="left") == "Search"
    assert [text.get_text() for text in ax.get_legend().get_texts()] == list(lines)


def test_it_draws_where_it_is_told_to():
    _, (left, right) = plt.subplots(1, 2)
    assert plot_trials(TRIALS, metric="error", ax=right) is right
    assert right.get_ylabel() == "error"
    assert not left.lines


def test_a_missing_column_is_named():
    with pytest.raises(DataError, match=r"trials lack the columns \['score'\]; they have \['state'\]"):
        plot_trials(TRIALS[["state"]])
