"""Plots to PNG files, without a window and without pyplot's list of open figures."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tsssm.cli.replaced_file import check_output_file, replaced_file
from tsssm.errors import ConfigError

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["check_plot_file", "draw_backtest", "new_figure", "save_figure"]

_MOST_PANELS = 6


def new_figure(n_panels: int = 1, *, width: float = 10.0, height: float = 4.2) -> tuple[Figure, list[Axes]]:
    """A figure with panels one below the other; sizes in inches.

    Examples
    --------
    >>> figure, axes = new_figure(2)
    >>> len(axes)
    2
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height * n_panels), layout="constrained")
    return figure, list(figure.subplots(n_panels, 1, squeeze=False)[:, 0])


def save_figure(figure: Figure, path: Path) -> None:
    """Write a figure as PNG (or what the file's ending says)."""
    with replaced_file(path) as new:
        figure.savefig(new, dpi=120, format=path.suffix.removeprefix("."))


def check_plot_file(path: Path) -> None:
    """Refuse a folder, or an ending that is no kind of picture, before any work is done.

    Raises
    ------
    ConfigError
        The file cannot be drawn.
    """
    from matplotlib.backend_bases import FigureCanvasBase

    check_output_file(path)
    known = FigureCanvasBase.get_supported_filetypes()
    if path.suffix.removeprefix(".") not in known:
        raise ConfigError(f"{path} has the ending {path.suffix!r}, which is no picture. Use one of {', '.join(known)}.")


def draw_backtest(forecasts: pd.DataFrame, path: Path) -> str:
    """Draw a panel for each of the first series of a backtest and say what was drawn.

    Parameters
    ----------
    forecasts : DataFrame
        `Backtest.forecasts`.
    path : Path
    """
    from tsssm.plotting import plot_backtest

    names = list(forecasts["series"].unique())
    shown = names[:_MOST_PANELS]
    figure, axes = new_figure(len(shown))
    for name, ax in zip(shown, axes):
        plot_backtest(forecasts, series=name, ax=ax)
    save_figure(figure, path)
    rest = f" (the first {len(shown)} of {len(names)} series)" if len(shown) < len(names) else ""
    return f"plot written to {path}{rest}"
