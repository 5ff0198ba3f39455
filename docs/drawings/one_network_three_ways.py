"""Draw the one network run three ways; ``python docs/drawings/one_network_three_ways.py`` writes the SVG beside it."""

from __future__ import annotations

import sys
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

INK, BLUE, PALE, ORANGE, GREY = "#22303c", "#2b6ca3", "#d9e8f4", "#d9772b", "#9aa5ae"
WIDTH = 1.6  # of a patch
STATE = "state"


def box(ax: Axes, x: float, y: float, width: float, height: float, text: str = "", *, face=PALE, edge=BLUE, size=9):
    """A rounded box with a text in its middle; x, y is its lower left corner."""
    shape = "round,pad=0,rounding_size=0.08"
    ax.add_patch(FancyBboxPatch((x, y), width, height, boxstyle=shape, facecolor=face, edgecolor=edge, linewidth=1.1))
    ax.text(x + width / 2, y + height / 2, text, ha="center", va="center", fontsize=size, color=INK)


def arrow(ax: Axes, start: tuple[float, float], end: tuple[float, float], *, color=INK, curve: float = 0.0):
    """An arrow from start to end."""
    style = {"arrowstyle": "-|>", "color": color, "linewidth": 1.1, "shrinkA": 0, "shrinkB": 0}
    ax.annotate("", end, start, arrowprops=style | {"connectionstyle": f"arc3,rad={curve}"})


def series(ax: Axes, x: float, y: float, first: float, last: float, *, color=INK, dashed: bool = False):
    """A stretch of a series, from `first` to `last` in patches; x is where patch 0 begins."""
    t = np.linspace(first, last, 200)
    height = 0.19 * np.sin(2 * np.pi * t + 0.6) + 0.07 * np.sin(5 * t)
    ax.plot(x + t * WIDTH, y + height, color=color, linewidth=1.3, linestyle=(0, (3, 2)) if dashed else "-")


def patches(ax: Axes, x: float, y: float, n: int):
    """Dotted lines between patches."""
    for k in range(n + 1):
        ax.plot([x + k * WIDTH] * 2, [y - 0.38, y + 0.38], color=GREY, linewidth=0.8, linestyle=":")


def title(ax: Axes, y: float, head: str, text: str):
    """What a row shows."""
    ax.text(0.1, y, head, fontsize=11, fontweight="bold", color=INK, va="center")
    ax.text(0.1, y - 0.42, text, fontsize=8.8, color=INK, va="top", linespacing=1.35)


def tokens_through_network(ax: Axes, x: float, y: float, n: int, *, speaking: range):
    """A row of n tokens through the blocks, the state handed on; tokens in `speaking` have a head."""
    for k in range(n):
        left = x + k * WIDTH
        box(ax, left + 0.15, y, WIDTH - 0.3, 0.5, "blocks")
        arrow(ax, (left + WIDTH / 2, y - 0.42), (left + WIDTH / 2, y))
        if k:
            arrow(ax, (left - 0.15, y + 0.25), (left + 0.15, y + 0.25), color=BLUE)
        if k in speaking:
            arrow(ax, (left + WIDTH / 2, y + 0.5), (left + WIDTH / 2, y + 0.86), color=ORANGE)


def draw_training(ax: Axes, y: float):
    """Every token forecasts, every forecast counts."""
    x = 4.3
    title(
        ax,
        y + 1.55,
        "Training",
        "All tokens of a window at once,\nby a parallel scan. At every token\nthe next horizon is forecast, and\n"
        "every forecast counts in the loss.",
    )
    series(ax, x, y, 0, 6)
    patches(ax, x, y, 6)
    tokens_through_network(ax, x, y + 0.8, 5, speaking=range(0))
    for k in range(5):
        arrow(ax, (x + (k + 0.5) * WIDTH, y + 1.3), (x + (k + 0.98) * WIDTH, y + 2.0), color=ORANGE, curve=-0.2)
        series(ax, x, y + 2.05, k + 1.06, k + 1.92, color=ORANGE, dashed=True)
    ax.text(x + 5.5 * WIDTH, y + 1.05, "5 forecasts,\n5 losses", fontsize=8.8, color=ORANGE, ha="center", va="center")


def draw_batch(ax: Axes, y: float):
    """Only the last token speaks."""
    x = 4.3
    title(
        ax,
        y + 1.55,
        "predict and backtest",
        "The same pass over a history of\nany length. Patches are laid so\nthat the last one ends with the last\n"
        "observation; what lies before the\nfirst is padding, and unobserved.",
    )
    series(ax, x, y, 0.4, 5)
    series(ax, x, y, 5, 6.0, color=ORANGE, dashed=True)
    patches(ax, x, y, 5)
    ax.text(x + 0.2 * WIDTH, y, "padding", fontsize=7.5, color=GREY, ha="center", va="center")
    tokens_through_network(ax, x, y + 0.8, 5, speaking=range(4, 5))
    ax.text(x + 4.5 * WIDTH, y + 1.84, "head: quantiles of each step", fontsize=8.8, color=ORANGE, ha="center")
    arrow(ax, (x + 5.0 * WIDTH, y + 1.66), (x + 5.5 * WIDTH, y + 0.42), color=ORANGE, curve=-0.25)


def draw_stream(ax: Axes, y: float):
    """One step with the state of one phase."""
    x = 4.3
    title(
        ax,
        y + 1.75,
        "stream.update",
        "One observation, one step. The\nnewest P observations are a token;\nit advances the phase whose turn it\n"
        "is, and the forecast is fresh. The\nsize of the state never changes.",
    )
    series(ax, x, y, 0, 1, color=GREY)
    ax.plot([x + WIDTH], [y + 0.19 * np.sin(0.6) + 0.07 * np.sin(5)], "o", color=ORANGE, markersize=6)
    patches(ax, x, y, 1)
    ax.text(x + 1.08 * WIDTH, y - 0.15, "new observation n", fontsize=8.8, color=ORANGE, va="center")
    for k in range(6):
        now = k == 2
        box(
            ax,
            x + k * 0.56,
            y + 1.72,
            0.46,
            0.42,
            str(k),
            face="#f7dfc8" if now else PALE,
            edge=ORANGE if now else BLUE,
        )
    ax.text(x + 3.5, y + 1.93, "…  P phases, each a state;  n mod P has its turn", fontsize=8.8, color=INK, va="center")
    box(ax, x + 2.6, y + 0.75, 1.7, 0.52, "blocks: step")
    arrow(ax, (x + 0.5 * WIDTH, y + 0.42), (x + 2.6, y + 0.92), curve=-0.15)
    arrow(ax, (x + 1.27, y + 1.7), (x + 2.75, y + 1.29), color=BLUE)
    ax.text(x + 1.62, y + 1.3, STATE, fontsize=8.2, color=BLUE, ha="center")
    arrow(ax, (x + 3.7, y + 1.29), (x + 1.45, y + 1.7), color=BLUE)
    ax.text(x + 3.55, y + 1.45, f"next {STATE}", fontsize=8.2, color=BLUE)
    arrow(ax, (x + 4.3, y + 1.01), (x + 5.1, y + 1.01), color=ORANGE)
    ax.text(x + 5.2, y + 1.01, "head: the same forecast as predict(y[:n])", fontsize=8.8, color=ORANGE, va="center")


def draw() -> Figure:
    """The whole drawing."""
    figure = Figure(figsize=(9.6, 6.8), layout="constrained")
    ax = figure.subplots()
    ax.set(xlim=(0, 14.6), ylim=(-0.55, 9.8), aspect="equal")
    ax.set_axis_off()
    draw_training(ax, 7.4)
    draw_batch(ax, 3.9)
    draw_stream(ax, 0.0)
    for y in (6.55, 3.0):
        ax.plot([0.1, 14.5], [y, y], color=GREY, linewidth=0.6)
    return figure


def main(path: Path) -> None:
    """Write the drawing to a file; its type follows from the ending."""
    with mpl.rc_context({"svg.hashsalt": "tsssm", "font.family": "DejaVu Sans"}):
        draw().savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None, facecolor="white", dpi=110)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).with_suffix(".svg"))
