"""What a forecaster that is not fitted will be built of, as far as its settings say."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from tsssm.data import CYCLES
from tsssm.forecasters.byte_size import read_bytes
from tsssm.forecasters.lengths import CONTEXT_PATCHES, LAG_PATCHES
from tsssm.forecasters.spec import ModelSpec
from tsssm.forecasters.state_budget import within_budget
from tsssm.mixers.stack import Stack, stack_name
from tsssm.mixers.stack_settings import resolve_settings

if TYPE_CHECKING:
    from tsssm.forecasters.forecaster import Forecaster

__all__ = ["sizes_of"]

HOURLY = 24  # patch and season


def sizes_of(forecaster: Forecaster, like: ModelSpec | None = None) -> tuple[ModelSpec, Stack | None]:
    """Sizes of all parts.

    Parameters
    ----------
    forecaster : Forecaster
    like : ModelSpec, optional
        Of a fitted one: what the forecaster's own settings leave to the data is as there. Else it is as on a long
        hourly series without covariates, of whose calendar nothing is used.

    Raises
    ------
    ConfigError
        Invalid settings.
    """
    stack = forecaster._checked_stack()
    patch, calendar = forecaster.patch_length, forecaster.calendar
    patch_length = int(patch) if patch != "auto" else like.patch_length if like else HOURLY
    tokens = like.n_tokens if like else CONTEXT_PATCHES
    if forecaster.context_length != "auto":
        tokens = math.ceil(int(forecaster.context_length) / patch_length)
    cycles = like.cycles if like else ()
    if not isinstance(calendar, str):
        cycles = tuple(cycle for cycle in CYCLES if cycle in (calendar or ()))
    season = forecaster.season_length
    spec = ModelSpec(
        horizon=int(forecaster.horizon),
        patch_length=patch_length,
        n_tokens=tokens,
        lags=like.lags if like and like.patch_length == patch_length else LAG_PATCHES * patch_length,
        season_length=int(season) if season != "auto" else like.season_length if like else HOURLY,
        levels=tuple(sorted({0.5, *map(float, forecaster.quantiles)})),
        mixer=None if stack is None else stack_name(stack),
        mixer_settings={} if stack is None else resolve_settings(stack, tokens, forecaster.mixer_settings),
        base=forecaster._own_base or forecaster.base,
        d_model=int(forecaster.d_model),
        n_layers=0 if stack is None else len(stack),
        dropout=float(forecaster.dropout),
        cycles=cycles if stack is not None else (),
        covariates=like.covariates if like and stack is not None else (),
        frequency=like.frequency if like else "h",
        stamps=like.stamps if like else "integers",
    )
    budget = forecaster.state_budget
    return (spec if budget is None else within_budget(spec, stack, read_bytes(budget) or 0)[0]), stack
