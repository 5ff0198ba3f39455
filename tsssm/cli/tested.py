"""The forecaster that `tsssm backtest` tests, and the table it is tested on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from tsssm.cli.choice import make_forecaster
from tsssm.cli.model_input import load_forecaster, read_model_series
from tsssm.cli.options import ForecasterName, Gaps
from tsssm.cli.roles import SeriesTable, read_series
from tsssm.errors import ConfigError
from tsssm.forecasters import Forecaster

__all__ = ["new_tested", "saved_tested"]


def new_tested(
    data: Path,
    horizon: int | None,
    forecaster: ForecasterName | None,
    time: str | None,
    targets: Sequence[str] | None,
    covariates: Sequence[str] | None,
    *,
    max_steps: int | None,
    gaps: Gaps | None,
    seed: int | None,
) -> tuple[Forecaster, SeriesTable]:
    """An unfitted forecaster as the options say.

    Raises
    ------
    ConfigError
        The horizon is missing.
    """
    if horizon is None:
        raise ConfigError("give --model MODEL_DIR, or --horizon STEPS for a forecaster to fit")
    name, gaps = forecaster or ForecasterName.DEFAULT, gaps or Gaps.REFUSE
    tested = make_forecaster(name, horizon, gaps=gaps, seed=seed or 0, max_steps=max_steps, verbose=True)
    return tested, read_series(data, time, targets, covariates)


def saved_tested(
    folder: Path, data: Path, time: str | None, targets: Sequence[str] | None, fixed: Mapping[str, object]
) -> tuple[Forecaster, SeriesTable]:
    """A saved forecaster, and newer data with the columns it knows.

    Parameters
    ----------
    folder, data : Path
    time : str, optional
    targets : sequence of str, optional
    fixed : mapping
        Options that the model has settled already, and what was given for them.

    Raises
    ------
    ConfigError
        One of them is given.
    """
    given = [name for name, value in fixed.items() if value not in (None, [])]
    if given:
        raise ConfigError(f"{given[0]} is settled by the model of --model. Leave it out, or leave out --model.")
    model = load_forecaster(folder)
    return model, read_model_series(model, data, time, targets, model.model_.spec.covariates)
