"""Make the forecaster that the command line names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tsssm.cli.options import ForecasterName
from tsssm.errors import ConfigError

if TYPE_CHECKING:
    from tsssm.forecasters import Forecaster

__all__ = ["make_forecaster"]


def make_forecaster(
    name: ForecasterName, horizon: int, *, gaps: str, seed: int, max_steps: int | None, verbose: bool
) -> Forecaster:
    """An unfitted forecaster.

    Parameters
    ----------
    name : ForecasterName
    horizon : int
        Steps ahead.
    gaps : {"refuse", "mask"}
    seed : int
    max_steps : int or None
        Of a forecaster with a network; None is its own default.
    verbose : bool
        Show a progress bar.

    Raises
    ------
    ConfigError
        `max_steps` is given for a forecaster that does not train in steps.

    Examples
    --------
    >>> make_forecaster(ForecasterName.LINEAR, 24, gaps="refuse", seed=0, max_steps=None, verbose=False)
    LinearForecaster(horizon=24, verbose=False)
    """
    from tsssm import LinearForecaster, MambaForecaster, SeasonalNaive

    if name == ForecasterName.MAMBA:
        own = {} if max_steps is None else {"max_steps": max_steps}
        return MambaForecaster(horizon, gaps=gaps, random_state=seed, verbose=verbose, **own)
    if max_steps is not None:
        raise ConfigError(f"--max-steps {max_steps}: {name} does not train in steps. Leave it out.")
    chosen = LinearForecaster if name == ForecasterName.LINEAR else SeasonalNaive
    return chosen(horizon, gaps=gaps, random_state=seed, verbose=verbose)
