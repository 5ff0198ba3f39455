"""Make the forecaster that the command line names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tsssm.cli.options import ForecasterName
from tsssm.errors import ConfigError

if TYPE_CHECKING:
    from tsssm.forecasters import Forecaster

__all__ = ["make_compared", "make_forecaster"]

_WITHOUT_NETWORK = (ForecasterName.LINEAR, ForecasterName.SEASONAL_NAIVE)


def make_forecaster(
    name: ForecasterName, horizon: int, *, gaps: str, seed: int, max_steps: int | None, verbose: bool
) -> Forecaster:
    """An unfitted forecaster; a transformer has mamba's number of parameters.

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
    import tsssm

    if name in _WITHOUT_NETWORK and max_steps is not None:
        raise ConfigError(f"--max-steps {max_steps}: {name} does not train in steps. Leave it out.")
    classes = {
        ForecasterName.DEFAULT: tsssm.Forecaster,
        ForecasterName.MAMBA: tsssm.MambaForecaster,
        ForecasterName.TRANSFORMER: tsssm.MambaForecaster,  # its twin
        ForecasterName.RWKV: tsssm.RWKVForecaster,
        ForecasterName.XLSTM: tsssm.XLSTMForecaster,
        ForecasterName.S4D: tsssm.S4DForecaster,
        ForecasterName.HYBRID: tsssm.HybridForecaster,
        ForecasterName.LINEAR: tsssm.LinearForecaster,
        ForecasterName.SEASONAL_NAIVE: tsssm.SeasonalNaive,
    }
    own = {} if max_steps is None else {"max_steps": max_steps}
    made = classes[name](horizon, gaps=gaps, random_state=seed, verbose=verbose, **own)
    return tsssm.TransformerForecaster.matched_to(made) if name == ForecasterName.TRANSFORMER else made


def make_compared(names: str, horizon: int, *, gaps: str, seed: int, max_steps: int | None) -> dict[str, Forecaster]:
    """Unfitted forecasters by name; `max_steps` goes to those with a network.

    Raises
    ------
    ConfigError
        A name is unknown or comes twice, or none has a network that `max_steps` could be for.

    Examples
    --------
    >>> list(make_compared("linear, seasonal-naive", 24, gaps="refuse", seed=0, max_steps=None))
    ['linear', 'seasonal-naive']
    """
    chosen = [name.strip() for name in names.split(",")]
    allowed = [str(name) for name in ForecasterName]
    unknown = [name for name in chosen if name not in allowed]
    if unknown or len(set(chosen)) < len(chosen):
        raise ConfigError(
            f"--models must be distinct names among {', '.join(allowed)}, parted by commas; got {names!r}"
        )
    if max_steps is not None and set(chosen) <= set(_WITHOUT_NETWORK):
        raise ConfigError(f"--max-steps {max_steps}: none of {names} trains in steps. Leave it out.")
    return {
        name: make_forecaster(
            ForecasterName(name),
            horizon,
            gaps=gaps,
            seed=seed,
            max_steps=None if name in _WITHOUT_NETWORK else max_steps,
            verbose=True,
        )
        for name in chosen
    }
