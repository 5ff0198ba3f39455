"""The one progress bar of all long tasks."""

from __future__ import annotations

import sys
from typing import Protocol

__all__ = ["Progress", "progress_bar"]


class Progress(Protocol):
    """What a long task tells of itself."""

    def advance(self, step: int, **figures: float) -> None:
        """Say that `step` steps are done, with figures worth a look."""

    def close(self) -> None:
        """Take the bar away."""


class _Silent:
    def advance(self, step: int, **figures: float) -> None:
        """Say nothing."""

    def close(self) -> None:
        """Nothing to take away."""


class _Bar:
    def __init__(self, total: int, title: str):
        if _in_notebook():
            from tqdm.notebook import tqdm
        else:
            from tqdm import tqdm
        self._bar = tqdm(total=total, desc=title, unit="step", leave=False, mininterval=0.2, dynamic_ncols=True)

    def advance(self, step: int, **figures: float) -> None:
        self._bar.set_postfix({name: f"{value:.4g}" for name, value in figures.items()}, refresh=False)
        self._bar.update(step - self._bar.n)

    def close(self) -> None:
        self._bar.close()


def _in_notebook() -> bool:
    return "ipykernel" in sys.modules and "ipywidgets" in sys.modules


def progress_bar(total: int, title: str, *, verbose: bool) -> Progress:
    """A bar of `total` steps on a terminal or in a notebook; silence into a file or with ``verbose=False``.

    Parameters
    ----------
    total : int
        Steps in all.
    title : str
        Stands before the bar.
    verbose : bool
        False: no output at all.

    Examples
    --------
    >>> bar = progress_bar(10, "training", verbose=False)
    >>> bar.advance(3, loss=0.5)
    >>> bar.close()
    """
    shown = verbose and (sys.stderr.isatty() or _in_notebook())
    return _Bar(total, title) if shown else _Silent()
