import numpy as np
import pandas as pd
import pytest

from small_models import make_frame, randomise
from tsssm import Forecaster


@pytest.fixture(scope="session")
def frame():
    return make_frame()


@pytest.fixture(scope="session")
def price(frame):
    index = pd.date_range(frame.index[0], periods=len(frame) + 48, freq="h")
    return pd.DataFrame({"price": np.sin(np.arange(len(index)) / 7), "holiday": np.arange(len(index)) % 5 == 0}, index)


@pytest.fixture(scope="session")
def fitted(frame, price):
    """A small forecaster with covariates, calendar and every parameter randomised."""
    model = Forecaster(
        12, patch_length=6, context_length=60, d_model=16, n_layers=2, max_steps=3, gaps="mask", verbose=False
    )
    return randomise(model.fit(frame.iloc[:500], price.iloc[:600]))
