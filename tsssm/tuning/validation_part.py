"""How much of each series a forecaster would learn from, known before a fit."""

from __future__ import annotations

import numpy as np

from tsssm.data import Table
from tsssm.errors import DataError
from tsssm.forecasters import Forecaster
from tsssm.forecasters.lengths import training_lengths

__all__ = ["check_validation_part", "rows_to_learn_from"]


def rows_to_learn_from(model: Forecaster, table: Table) -> np.ndarray:
    """Length of each series' training part, from its first observation on."""
    return training_lengths(_lengths(table), int(model.horizon), model.validation_size, table.names)


def check_validation_part(model: Forecaster, table: Table) -> None:
    """Refuse data that leave nothing to compare trials by.

    Raises
    ------
    DataError
        No series is long enough to spare a validation part, or nothing is observed in any.
    """
    held_out = _lengths(table) - rows_to_learn_from(model, table)
    if not any(np.isfinite(table.values[len(table.values) - n :, i]).any() for i, n in enumerate(held_out)):
        raise DataError(
            "tune compares errors on the validation part, and there is none: no series is long enough to spare one, or "
            "nothing is observed in it. Pass more history, set validation_size, or pass a metric of your own."
        )


def _lengths(table: Table) -> np.ndarray:
    return len(table.values) - (~np.isnan(table.values)).argmax(axis=0)
