"""Where a search is kept, and whether what is kept there is the same search."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tsssm.data import Table
from tsssm.errors import ConfigError
from tsssm.forecasters import Forecaster
from tsssm.tuning.journal import open_journal
from tsssm.tuning.pruning import median_rule
from tsssm.tuning.space import Space

if TYPE_CHECKING:
    from optuna.storages import BaseStorage
    from optuna.study import Study

__all__ = ["identity", "open_study", "quiet_optuna"]

DEFAULT_NAME = "tsssm"
_IDENTITY = "search"
_FREE = ("verbose", "device", "training")  # what does not change a trial's result; training is shown apart


@contextlib.contextmanager
def quiet_optuna() -> Iterator[None]:
    """Warnings and errors only from Optuna's logger, and its level as it was afterwards."""
    import optuna

    level = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(max(level, optuna.logging.WARNING))
    try:
        yield
    finally:
        optuna.logging.set_verbosity(level)


def open_study(storage: Any, study_name: str | None, search: Mapping[str, str]) -> Study:
    """Open or begin a study.

    Parameters
    ----------
    storage : path, URL, storage object or None
        A path is a journal file; None keeps the study in memory.
    study_name : str, optional
        Default: "tsssm".
    search : mapping of str to str
        What is searched, on which data: a study of another search is refused.

    Raises
    ------
    ConfigError
        The storage cannot be read, or its study is another search.
    """
    import optuna

    name = DEFAULT_NAME if study_name is None else study_name
    study = optuna.create_study(
        storage=_open(storage), study_name=name, pruner=median_rule(), direction="minimize", load_if_exists=True
    )
    _check_same(study, search, f"study {name!r} of storage={storage!r}")
    return study


def _open(storage: Any) -> BaseStorage | str | None:
    from optuna.storages import BaseStorage

    if storage is None or isinstance(storage, BaseStorage):
        return storage
    if not isinstance(storage, str | os.PathLike):
        raise ConfigError(f"storage must be a path, a URL, an Optuna storage or None; got {storage!r}")
    text = os.fspath(storage)
    if "://" in text:
        return text
    return open_journal(Path(text))


def _check_same(study: Study, search: Mapping[str, str], where: str) -> None:
    kept = study.user_attrs.get(_IDENTITY)
    if kept is None:
        if study.get_trials(deepcopy=False):
            raise ConfigError(f"{where} holds trials that tune did not make. Choose another study_name.")
        study.set_user_attr(_IDENTITY, dict(search))
    elif kept != search:
        different = [key for key in sorted({*kept, *search}) if kept.get(key) != search.get(key)]
        shown = "; ".join(f"{key}: {kept.get(key)} there, {search.get(key)} here" for key in different[:3])
        raise ConfigError(f"{where} is another search ({shown}). Choose another study_name.")


def identity(
    model: Forecaster, table: Table, covariates: np.ndarray | None, space: Space, metric: str
) -> dict[str, str]:
    """What a search is: forecaster and settings, space, metric and a digest of the data."""
    settings = {name: value for name, value in model.get_params(deep=False).items() if name not in _FREE}
    return {
        "forecaster": type(model).__name__,
        **{name: _text(value) for name, value in settings.items()},
        "training": repr(replace(model.training, callbacks=(), checkpoint_dir=None)),
        **{f"space of {name}": repr(distribution) for name, distribution in space.distributions.items()},
        "metric": metric,
        "data": _digest(table, covariates),
    }


def _text(value: Any) -> str:
    return value.__qualname__ if isinstance(value, type) else repr(value)


def _digest(table: Table, covariates: np.ndarray | None) -> str:
    index = table.timeline.index
    text = (table.names, table.values.shape, table.timeline.frequency, str(index[0]), str(index[-1]))
    digest = hashlib.sha256(repr(text).encode())
    for values in (table.values, covariates):
        if values is not None:
            digest.update(np.ascontiguousarray(values).tobytes())
    return digest.hexdigest()[:16]
