"""Keep Lightning's start-up talk out of a fit, and leave the process as it was."""

from __future__ import annotations

import contextlib
import logging
import warnings
from collections.abc import Iterator

import lightning  # noqa: F401  (its import sets the level of its loggers, so it has to come first)

__all__ = ["quiet_lightning"]

_LOGGERS = ("lightning", "lightning.pytorch", "lightning.fabric", "lightning.pytorch.utilities.rank_zero")


@contextlib.contextmanager
def quiet_lightning() -> Iterator[None]:
    """Errors only from Lightning's loggers, and none of the warnings that are about Lightning itself."""
    levels = {name: logging.getLogger(name).level for name in _LOGGERS}
    try:
        for name in _LOGGERS:
            logging.getLogger(name).setLevel(logging.ERROR)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=r".*isinstance\(treespec, LeafSpec\).*")
            warnings.filterwarnings("ignore", message=r".*does not have many workers.*")
            warnings.filterwarnings("ignore", message=r".*`validation_step` but have no `val_dataloader`.*")
            warnings.filterwarnings("ignore", message=r".*GPU available but not used.*")
            yield
    finally:
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)
