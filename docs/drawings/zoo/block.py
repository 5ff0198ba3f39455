"""The residual block around every mixer."""

from __future__ import annotations

from glyphs import GREY, INK, ORANGE, arrow
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from sketch import empty_axes, polyline, rounded

WIDTH, HEIGHT = 70.0, 20.0
LINE = 6.0  # height of the stream that passes by


def draw_block() -> Figure:
    """A stream of features, and two parts that read it, normed, and add to it."""
    figure, ax = empty_axes(WIDTH, HEIGHT)
    arrow(ax, (8.0, LINE), (62.6, LINE), color=GREY)
    ax.text(0.6, LINE, "features\nof a token", fontsize=8.6, color=INK, va="center")
    ax.text(63.2, LINE, "to the\nnext layer", fontsize=8.6, color=INK, va="center")
    _branch(ax, 9.6, "sequence mixer", "mixes steps: the one part\nthat sees the past", state=True)
    _branch(ax, 36.5, "channel mixer", "mixes the channels of a step;\nonly if the mixer asks for one", state=False)
    return figure


def _branch(ax: Axes, x: float, name: str, text: str, *, state: bool):
    """Off the stream, through norm and mixer, and back onto it by addition."""
    top = 12.2
    polyline(ax, [(x, LINE), (x, top), (x + 1.6, top)], colour=INK)
    _part(ax, x + 1.6, top, 5.6, "norm")
    arrow(ax, (x + 7.2, top), (x + 8.6, top))
    _part(ax, x + 8.6, top, 12.4, name, own=state)
    polyline(ax, [(x + 21.0, top), (x + 23.0, top), (x + 23.0, LINE + 1.1)], colour=INK)
    ax.text(x + 23.0, LINE, "+", fontsize=12, color=INK, ha="center", va="center", bbox=_round("white", INK))
    ax.text(x + 11.5, LINE - 3.0, text, fontsize=8.3, color=INK, ha="center", va="center", linespacing=1.3)
    if state:
        _part(ax, x + 10.6, top + 5.0, 8.4, "state", own=True, height=2.6)
        arrow(ax, (x + 12.6, top + 3.7), (x + 12.6, top + 1.7), color=ORANGE)
        arrow(ax, (x + 17.0, top + 1.7), (x + 17.0, top + 3.7), color=ORANGE)


def _part(ax: Axes, x: float, y: float, width: float, text: str, *, own: bool = False, height: float = 3.4):
    rounded(ax, x, y - height / 2, width, height, own=own)
    ax.text(x + width / 2, y, text, fontsize=8.8, color=INK, ha="center", va="center")


def _round(face: str, edge: str) -> dict[str, object]:
    return {"boxstyle": "circle,pad=0.12", "facecolor": face, "edgecolor": edge, "linewidth": 1.1}
