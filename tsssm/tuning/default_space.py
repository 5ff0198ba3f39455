"""Which settings are searched where the user names none."""

from __future__ import annotations

from typing import Any

from tsssm.data import Table, read_table
from tsssm.errors import ConfigError
from tsssm.forecasters import Forecaster
from tsssm.forecasters.lengths import choose_lengths
from tsssm.mixers import read_stack
from tsssm.mixers.stack import Stack, stack_name
from tsssm.mixers.stack_settings import kinds
from tsssm.tuning.validation_part import rows_to_learn_from

__all__ = ["default_space", "space_of_table"]

CONTEXTS = (15, 30, 60)  # patches


def default_space(model: Forecaster, y: Any, *, freq: Any = None) -> dict[str, Any]:
    """The settings that `tune` searches by default, in the form in which a space of one's own is given.

    Learning rate and number of steps matter most and depend on the data; width, depth, dropout and context follow. A
    context longer than the data is left out. The result is a dict: change it and pass it as ``space=``.

    Parameters
    ----------
    model : Forecaster
        One with a network.
    y, freq
        As in `Forecaster.fit`; their length and frequency give the contexts.

    Returns
    -------
    dict
        Setting -> ``(low, high)``, ``(low, high, "log")`` or a list of choices.

    Raises
    ------
    ConfigError
        The forecaster has no network.
    DataError
        y cannot be used.

    Examples
    --------
    >>> import pandas as pd
    >>> from tsssm import MambaForecaster
    >>> y = pd.Series(range(1000), pd.date_range("2024-01-01", periods=1000, freq="h"), dtype=float)
    >>> for name, values in default_space(MambaForecaster(24), y).items():
    ...     print(name, values)
    learning_rate (0.001, 0.02, 'log')
    max_steps (300, 1500, 'log')
    d_model [32, 64, 128]
    n_layers (1, 3)
    dropout (0.0, 0.4)
    context_length [360, 720]
    """
    return space_of_table(model, read_table(y, freq=freq, gaps=model.gaps))


def space_of_table(model: Forecaster, table: Table) -> dict[str, Any]:
    """See `default_space`."""
    stack = model._checked_stack()
    if stack is None:
        name = type(model).__name__
        raise ConfigError(
            f"{name} has no network and so no default space: its fit chooses the ridge's penalty by itself. Tune a "
            f"forecaster with a network, or name what to search, such as space={{'patch_length': [12, 24, 48]}}."
        )
    space: dict[str, Any] = {
        "learning_rate": (1e-3, 2e-2, "log"),
        "max_steps": (300, 1500, "log"),
        "d_model": [32, 64, 128],
        "n_layers": _depths(stack),
        "dropout": (0.0, 0.4),
    }
    contexts = _contexts(model, table)
    return space | ({"context_length": contexts} if len(contexts) > 1 else {})


def _depths(stack: Stack) -> tuple[int, int] | list[int]:
    """1 to 3 layers of one mixer; a pattern once or twice."""
    if len(kinds(stack)) == 1:
        return 1, 3
    pattern = len(read_stack(stack_name(stack), "auto", stack))
    return [pattern, 2 * pattern]


def _contexts(model: Forecaster, table: Table) -> list[int]:
    """Context lengths, whole patches, that the longest series has room for."""
    train = rows_to_learn_from(model, table)
    longest = int(train.argmax())
    patch, _, _ = choose_lengths(
        int(train[longest]), table.timeline.frequency, model.patch_length, "auto", table.names[longest]
    )
    return [patch * tokens for tokens in CONTEXTS if patch * tokens <= train[longest]]
