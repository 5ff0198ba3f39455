"""Small signs for states and what happens to them; each is a function of axes and the middle to draw it around."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.patches import Circle, Rectangle

sys.path.append(str(Path(__file__).parents[1]))  # the drawings share colours and arrows

from one_network_three_ways import BLUE, GREY, INK, ORANGE, PALE, arrow

Glyph = Callable[[Axes, float, float], None]

CELL = 1.35  # side of a number
TOKEN = 1.45  # side of a token of a window
ROWS, COLUMNS = 4, 5  # of a matrix, as drawn
LETTER = 8.2  # font size of a letter beside a vector

FULL = np.full((ROWS, COLUMNS), 0.75)
EVENLY = np.full((ROWS, 1), 0.45)
BY_KEY = np.array([[0.95], [0.3], [0.7], [0.12]])
BY_NUMBER = np.exp(-np.outer([0.05, 0.35, 0.9, 1.6], [0.3, 2.0, 0.8, 0.15, 1.3]))
KEY, VALUE = np.array([0.2, 0.9, 0.1, 0.5]), np.array([0.8, 0.3, 0.6, 0.15, 0.9])


def tint(share: float, colour: str = BLUE) -> tuple[float, ...]:
    """White for 0, the colour for 1."""
    return tuple(1 - share * (1 - part) for part in to_rgb(colour))


def numbers(ax: Axes, x: float, y: float, shares: np.ndarray, *, colour: str = BLUE, side: float = CELL):
    """A table of squares around (x, y), the darker the larger their share."""
    rows, columns = shares.shape
    for i in range(rows):
        for j in range(columns):
            corner = x + (j - columns / 2) * side, y + (rows / 2 - 1 - i) * side
            face = tint(float(shares[i, j]), colour)
            ax.add_patch(Rectangle(corner, side, side, facecolor=face, edgecolor=colour, linewidth=0.7))


def letter(ax: Axes, x: float, y: float, text: str, side: str = "center"):
    """A symbol beside what it names; `side` is the edge of the text that stands at x."""
    ax.text(x, y, text, fontsize=LETTER, color=INK, ha=side, va="center")


def together(*glyphs: Glyph) -> Glyph:
    """All of them at one place."""

    def draw(ax: Axes, x: float, y: float):
        for glyph in glyphs:
            glyph(ax, x, y)

    return draw


def moved(glyph: Glyph, right: float = 0.0, up: float = 0.0) -> Glyph:
    """The same elsewhere."""
    return lambda ax, x, y: glyph(ax, x + right, y + up)


def matrix(shares: np.ndarray = FULL, *, colour: str = BLUE) -> Glyph:
    """A matrix of ROWS keys and COLUMNS values; shares are broadcast."""
    return lambda ax, x, y: numbers(ax, x, y, np.broadcast_to(shares, (ROWS, COLUMNS)), colour=colour)


def column(shares: Sequence[float] | np.ndarray, name: str = "", *, colour: str = BLUE) -> Glyph:
    """A standing vector, its name above."""

    def draw(ax: Axes, x: float, y: float):
        numbers(ax, x, y, np.asarray(shares)[:, None], colour=colour)
        letter(ax, x, y + len(shares) / 2 * CELL + 0.85, name)

    return draw


def row(shares: Sequence[float] | np.ndarray, name: str = "", *, colour: str = BLUE) -> Glyph:
    """A lying vector, its name to the right."""

    def draw(ax: Axes, x: float, y: float):
        numbers(ax, x, y, np.asarray(shares)[None, :], colour=colour)
        letter(ax, x + len(shares) / 2 * CELL + 0.4, y, name, "left")

    return draw


def number(share: float, name: str, *, colour: str = BLUE) -> Glyph:
    """One number, its name above."""
    return column([share], name, colour=colour)


def turn(*, colour: str = ORANGE, radius: float = 1.0) -> Glyph:
    """An arrow that turns."""

    def draw(ax: Axes, x: float, y: float):
        angles = np.radians(np.linspace(150, -100, 60))
        ax.plot(x + radius * np.cos(angles), y + radius * np.sin(angles), color=colour, linewidth=1.5)
        end = x + radius * np.cos(angles[-1]), y + radius * np.sin(angles[-1])
        arrow(ax, end, (end[0] - 0.75, end[1] + 0.12), color=colour)

    return draw


def turns_of_pairs(colour: str = ORANGE) -> Glyph:
    """Arrows beside a matrix that turn its rows two by two."""
    left = -COLUMNS / 2 * CELL - 1.6
    return together(*(moved(turn(colour=colour, radius=0.85), left, up * CELL) for up in (1.0, -1.0)))


def outer_product(key: str, value: str, *, colour: str = BLUE) -> Glyph:
    """A key at the left, a value above, and their product."""
    return together(
        matrix(np.outer(KEY, VALUE) * 0.9, colour=colour),
        moved(column(KEY, colour=colour), -(COLUMNS / 2 + 1) * CELL),
        moved(row(VALUE, colour=colour), 0, (ROWS / 2 + 1) * CELL),
        lambda ax, x, y: letter(ax, x - (COLUMNS / 2 + 1.75) * CELL, y, key, "right"),
        lambda ax, x, y: letter(ax, x + (COLUMNS / 2 + 0.3) * CELL, y + (ROWS / 2 + 1) * CELL, value, "left"),
    )


def read_by(query: str, *, colour: str = BLUE, below: str = "y") -> Glyph:
    """A query at the left, and below what it reads of the matrix."""
    return together(
        matrix(FULL * 0.4),
        moved(column(KEY[::-1], colour=colour), -(COLUMNS / 2 + 1) * CELL),
        moved(row(VALUE[::-1], colour=colour), 0, -(ROWS / 2 + 1) * CELL),
        lambda ax, x, y: letter(ax, x - (COLUMNS / 2 + 1.75) * CELL, y, query, "right"),
        lambda ax, x, y: letter(ax, x + (COLUMNS / 2 + 0.3) * CELL, y - (ROWS / 2 + 1) * CELL, below, "left"),
    )


def one_row(which: int, *, colour: str = ORANGE, share: float = 0.9) -> Glyph:
    """One row of a matrix, filled anew; with share 0 it is emptied and struck out."""

    def draw(ax: Axes, x: float, y: float):
        height = y + (ROWS / 2 - 0.5 - which) * CELL
        numbers(ax, x, height, np.full((1, COLUMNS), share), colour=colour)
        if not share:
            ends = [x - COLUMNS / 2 * CELL, x + COLUMNS / 2 * CELL]
            ax.plot(ends, [height, height], color=colour, linewidth=1.6)

    return draw


def dials(
    sizes: np.ndarray, angles: np.ndarray, *, colour: str = BLUE, before: tuple[np.ndarray, np.ndarray] | None = None
) -> Glyph:
    """Complex numbers as hands in circles, by size and angle; those before are dotted."""

    def hand(ax: Axes, x: float, y: float, size: float, angle: float, **style):
        tip = x + 0.85 * size * np.cos(angle), y + 0.85 * size * np.sin(angle)
        ax.plot([x, tip[0]], [y, tip[1]], solid_capstyle="round", **style)

    def draw(ax: Axes, x: float, y: float):
        rows, columns = sizes.shape
        for i in range(rows):
            for j in range(columns):
                middle = x + (j - (columns - 1) / 2) * 2.15, y + ((rows - 1) / 2 - i) * 2.15
                ax.add_patch(Circle(middle, 0.95, facecolor=PALE, edgecolor=BLUE, linewidth=0.7))
                if before is not None:
                    hand(ax, *middle, before[0][i, j], before[1][i, j], color=GREY, linewidth=1.2, linestyle=":")
                hand(ax, *middle, sizes[i, j], angles[i, j], color=colour, linewidth=1.6)

    return draw


def window(n: int, *, new: bool = False, gone: bool = False, rows: int = 1, colour: str = BLUE) -> Glyph:
    """Tokens side by side, the newest at the right; with `gone` the oldest leaves, with `new` one enters."""

    def draw(ax: Axes, x: float, y: float):
        shares = np.full((rows, n), 0.55)
        numbers(ax, x, y, shares, side=TOKEN)
        left, right = x - (n / 2) * TOKEN, x + (n / 2) * TOKEN
        bottom = y - rows / 2 * TOKEN
        if gone:
            hole = {"facecolor": "white", "edgecolor": colour, "linewidth": 1.4}
            ax.add_patch(Rectangle((left, bottom), TOKEN, rows * TOKEN, **hole))
            arrow(ax, (left + 0.72, bottom - 0.2), (left + 0.72, bottom - 2.0), color=colour)
        if new:
            face = tint(0.9, colour)
            ax.add_patch(Rectangle((right - TOKEN, bottom), TOKEN, rows * TOKEN, facecolor=face, edgecolor=colour))
            arrow(
                ax, (right - 0.72, y + rows / 2 * TOKEN + 2.0), (right - 0.72, y + rows / 2 * TOKEN + 0.2), color=colour
            )

    return draw


def weights(heights: Sequence[float], *, colour: str = ORANGE) -> Glyph:
    """A bar over each token of a window: its weight."""

    def draw(ax: Axes, x: float, y: float):
        for i, height in enumerate(heights):
            left = x + (i - len(heights) / 2) * TOKEN + 0.25
            ax.add_patch(Rectangle((left, y + 1.1), 0.95, 3.2 * height, facecolor=tint(0.75, colour), edgecolor=colour))

    return draw


def kernel(n: int, *, colour: str = ORANGE) -> Glyph:
    """A weight for each lag, as a curve over a window."""

    def draw(ax: Axes, x: float, y: float):
        lags = np.linspace(0, n - 1, 120)
        curve = np.exp(-lags / 3.0) * np.cos(2 * np.pi * lags / 3.2)
        ax.plot(x + (n / 2 - 0.5 - lags) * TOKEN, y + 2.75 + 1.7 * curve, color=colour, linewidth=1.6)
        ax.plot([x - n / 2 * TOKEN, x + n / 2 * TOKEN], [y + 2.75] * 2, color=GREY, linewidth=0.6)

    return draw


def sign(text: str, right: float, up: float) -> Glyph:
    """A letter somewhere beside."""
    return lambda ax, x, y: letter(ax, x + right, y + up, text)


__all__ = [
    "BLUE",
    "BY_KEY",
    "BY_NUMBER",
    "CELL",
    "COLUMNS",
    "EVENLY",
    "GREY",
    "INK",
    "KEY",
    "ORANGE",
    "PALE",
    "ROWS",
    "VALUE",
    "Glyph",
    "arrow",
    "column",
    "dials",
    "kernel",
    "matrix",
    "moved",
    "number",
    "one_row",
    "outer_product",
    "read_by",
    "row",
    "sign",
    "together",
    "turns_of_pairs",
    "weights",
    "window",
]
