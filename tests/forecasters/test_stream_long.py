"""A stream of 100,000 rows: as exact at its end as at its beginning, and no larger."""

import pickle

import numpy as np
import pandas as pd
import pytest

import tsssm
from small_models import randomise
from tsssm import Forecaster

CHECKS = (1, 10, 1_000, 100_000)


def endless_frame(rows):
    random = np.random.default_rng(0)
    hours = np.arange(rows)
    values = np.stack([50 + 9 * np.sin(hours / 4) + random.normal(size=rows), 1e3 * random.normal(size=rows)], axis=1)
    values[random.random(values.shape) < 0.03] = np.nan
    values[:300] = np.nan_to_num(values[:300])
    return pd.DataFrame(values, pd.date_range("2010-01-01", periods=rows, freq="h"), columns=["load", "flow"])


@pytest.mark.slow
@pytest.mark.parametrize("columns", [["load"], ["load", "flow"]])
def test_a_hundred_thousand_rows(columns, tmp_path):
    frame = endless_frame(100_400)[columns]
    y = frame["load"] if len(columns) == 1 else frame
    settings = {"patch_length": 4, "context_length": 40, "d_model": 8, "n_layers": 2, "max_steps": 3}
    model = randomise(Forecaster(6, verbose=False, **settings).fit(y.iloc[:300]))
    stream, deviation, sizes = model.stream(), np.nanstd(frame.to_numpy(), axis=0), {}
    values = frame.to_numpy()[300:]
    for done in range(1, CHECKS[-1] + 4):  # past the last check by a token less one: every phase is seen there
        stream.update(values[done - 1])
        if done in CHECKS or done > CHECKS[-1]:
            streamed = stream.predict_quantiles().to_numpy().reshape(6, len(columns), -1)
            batch = model.predict_quantiles(y.iloc[: 300 + done]).to_numpy().reshape(6, len(columns), -1)
            assert np.abs(streamed - batch).max(axis=(0, 2)) / deviation == pytest.approx(0, abs=1e-4)
            sizes[done] = stream.state_bytes(), len(pickle.dumps(stream._state))
        if done == 50_000:  # a restart in the middle
            stream.save(tmp_path / "stream")
            stream = tsssm.load(tmp_path / "stream")
    assert len({state for state, _ in sizes.values()}) == 1
    assert sizes[CHECKS[-1]][1] < sizes[1][1] + 2_000
