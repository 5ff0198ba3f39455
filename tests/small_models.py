"""Small data and small models for tests."""

import numpy as np
import pandas as pd
import torch


def randomise(model):
    """Give every parameter of a fitted network a random value, so that zero-initialised heads hide nothing."""
    generator = torch.Generator().manual_seed(1)
    network = model.model_.network
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if "A_log" in name or "dt_bias" in name or name.endswith("norm.weight"):
                continue  # decays stay decays, norms stay norms
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=generator))
    return model


def make_frame(rows=700, seed=0):
    """Three hourly series of different level and scale; the second begins late, all have holes."""
    random = np.random.default_rng(seed)
    hours = np.arange(rows)
    daily = np.sin(2 * np.pi * hours / 24)
    values = np.stack(
        [
            100 + 10 * daily + random.normal(size=rows),
            1e6 + 5e3 * np.roll(daily, 6) + 800 * random.normal(size=rows),
            0.01 * np.cumsum(random.normal(size=rows)),
        ],
        axis=1,
    )
    values[random.random(values.shape) < 0.05] = np.nan
    values[:101, 1] = np.nan
    return pd.DataFrame(values, pd.date_range("2024-03-01", periods=rows, freq="h"), columns=["a", "b", "c"])
