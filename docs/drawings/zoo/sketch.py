"""The one layout of all mixers' pictures: what is remembered, forgotten, written and read, and what the token says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from glyphs import BLUE, GREY, INK, ORANGE, PALE, Glyph, arrow
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

UNIT = 10  # per inch
WIDTH, HEIGHT = 70.0, 31.0
STATIONS = "remembers", "forgets", "writes", "reads"
PANEL, GAP = 15.9, 1.6
LEFT = (WIDTH - 4 * PANEL - 3 * GAP) / 2
BOTTOM, TOP = 6.6, 25.2
TOKEN_BOTTOM, TOKEN_TOP = 0.6, 3.2
OWN_FACE = "#fbe9d9"


@dataclass(frozen=True)
class Station:
    """One of the four things a mixer does; `token` names what the token gives to it, "" is nothing.

    `own` marks what makes the mixer different from its kin.
    """

    glyph: Glyph
    caption: str
    token: str = ""
    own: bool = False


@dataclass(frozen=True)
class Sketch:
    """A mixer's picture."""

    difference: str
    stations: Sequence[Station]
    token: str = r"token $u_t$"
    own_token: bool = False
    reads_before_writing: bool = False
    hears_itself: bool = False


def rounded(ax: Axes, x: float, y: float, width: float, height: float, *, own: bool = False):
    """A rounded box, orange if it is a mixer's own."""
    style = {"facecolor": OWN_FACE if own else PALE, "edgecolor": ORANGE if own else BLUE}
    shape = FancyBboxPatch((x, y), width, height, boxstyle="round,pad=0,rounding_size=0.7", linewidth=1.1, **style)
    ax.add_patch(shape)


def polyline(ax: Axes, points: Sequence[tuple[float, float]], *, colour: str):
    """Straight pieces, the last with a head."""
    ax.plot(*zip(*points[:-1]), color=colour, linewidth=1.1, solid_capstyle="butt")
    arrow(ax, points[-2], points[-1], color=colour)


def empty_axes(width: float, height: float) -> tuple[Figure, Axes]:
    """Axes over a whole figure, in tenths of inches."""
    figure = Figure(figsize=(width / UNIT, height / UNIT))
    ax = figure.add_axes((0, 0, 1, 1))
    ax.set(xlim=(0, width), ylim=(0, height))
    ax.set_axis_off()
    return figure, ax


def draw_sketch(name: str, sketch: Sketch) -> Figure:
    """The picture of a mixer."""
    figure, ax = empty_axes(WIDTH, HEIGHT)
    ax.text(LEFT, 29.5, name, fontsize=10.5, fontweight="bold", color=INK, va="center")
    ax.text(WIDTH - LEFT, 29.5, sketch.difference, fontsize=8.6, color=INK, va="center", ha="right")
    for i, station in enumerate(sketch.stations):
        _panel(ax, LEFT + i * (PANEL + GAP), STATIONS[i], station)
    _token(ax, sketch)
    _flow(ax, sketch)
    return figure


def middle(i: int) -> float:
    """Of a panel, along x."""
    return LEFT + i * (PANEL + GAP) + PANEL / 2


def _panel(ax: Axes, x: float, head: str, station: Station):
    rounded(ax, x, BOTTOM, PANEL, TOP - BOTTOM, own=station.own)
    centre = x + PANEL / 2
    ax.text(centre, TOP - 1.5, head, fontsize=9, fontweight="bold", color=INK, ha="center", va="center")
    station.glyph(ax, centre, 17.0)
    ax.text(centre, BOTTOM + 2.75, station.caption, fontsize=7.8, color=INK, ha="center", va="center", linespacing=1.3)


def _token(ax: Axes, sketch: Sketch):
    x = LEFT + PANEL + GAP
    rounded(ax, x, TOKEN_BOTTOM, WIDTH - LEFT - x, TOKEN_TOP - TOKEN_BOTTOM, own=sketch.own_token)
    height = (TOKEN_BOTTOM + TOKEN_TOP) / 2
    ax.text((x + WIDTH - LEFT) / 2, height, sketch.token, fontsize=8.6, color=INK, ha="center", va="center")
    for i, station in enumerate(sketch.stations[1:], start=1):
        label = {"fontsize": 7.8, "va": "center", "ha": "left"}
        between = TOKEN_TOP + 1.3
        if station.token:
            at = middle(i) - 3.2
            arrow(ax, (at, TOKEN_TOP), (at, BOTTOM), color=ORANGE if station.own else INK)
            ax.text(at + 0.8, between, station.token, color=INK, **label)
        else:
            ax.text(middle(i), between, "not from the token", color="#5c6872", **label | {"ha": "center"})


def _flow(ax: Axes, sketch: Sketch):
    """From station to station, and from what was written back to what is remembered."""
    height = (TOP + BOTTOM) / 2
    for i in range(2 if sketch.reads_before_writing else 3):
        right = LEFT + i * (PANEL + GAP) + PANEL
        arrow(ax, (right, height), (right + GAP, height))
    back = TOP + 1.3
    points = [(middle(2), TOP), (middle(2), back), (middle(0), back), (middle(0), TOP)]
    polyline(ax, points, colour=GREY)
    ax.text(middle(1), back + 0.9, "next step", fontsize=7.4, color="#5c6872", ha="center", va="center")
    if sketch.reads_before_writing:
        over = [(middle(0) + 3, TOP), (middle(0) + 3, TOP + 0.6), (middle(3), TOP + 0.6), (middle(3), TOP)]
        polyline(ax, over, colour=ORANGE)
    if sketch.hears_itself:
        below = BOTTOM - 0.9
        ax.plot([middle(1) + 4, middle(3) + 6], [below] * 2, color=ORANGE, linewidth=1.1)
        ax.plot([middle(3) + 6] * 2, [below, BOTTOM], color=ORANGE, linewidth=1.1)
        for at in (middle(1) + 4, middle(2) + 4, middle(3) + 3):
            arrow(ax, (at, below), (at, BOTTOM), color=ORANGE)
