"""What is drawn of each mixer."""

from __future__ import annotations

import numpy as np
from glyphs import (
    BLUE,
    BY_KEY,
    BY_NUMBER,
    CELL,
    COLUMNS,
    EVENLY,
    KEY,
    ORANGE,
    ROWS,
    VALUE,
    Glyph,
    arrow,
    column,
    dials,
    kernel,
    matrix,
    moved,
    number,
    one_row,
    outer_product,
    read_by,
    row,
    sign,
    together,
    turns_of_pairs,
    weights,
    window,
)
from matplotlib.axes import Axes
from sketch import Sketch, Station

SHIFTED = r"tokens $x_t$ and $x_{t-1}$, mixed by channels"
MATRIX = "a matrix S for each head,\nkeys × values"
ADDS = "adds key × value:\n$S + k\\,v^{\\mathsf{T}}$"

SIZES = np.array([[0.95, 0.8, 0.9], [0.7, 1.0, 0.85], [0.9, 0.75, 0.95]])
ANGLES = np.radians([[20.0, 100.0, 200.0], [300.0, 60.0, 150.0], [250.0, 340.0, 110.0]])
FADES = np.array([[0.95, 0.8, 0.5], [0.9, 0.7, 0.6], [0.95, 0.85, 0.55]])
TURNS = np.radians([[15.0, 45.0, 100.0], [20.0, 60.0, 110.0], [15.0, 50.0, 95.0]])

LOOKS = 0.15, 0.85, 0.1, 0.3, 0.05, 0.2, 0.45  # weights of an attention's window
SEEN = len(LOOKS)
CORRECTED = 1  # the row that a delta rule rewrites, as drawn


def colour_of(own: bool) -> str:
    """Orange for what is the mixer's own."""
    return ORANGE if own else BLUE


def write(key: str = "k", value: str = "v", *, own: bool = False) -> Glyph:
    """A product of a key and a value enters."""
    return moved(outer_product(key, value, colour=colour_of(own)), 0.9, -1.2)


def read(query: str = "q", *, own: bool = False) -> Glyph:
    """A query takes a sum of rows."""
    return moved(read_by(query, colour=colour_of(own)), 0.9, 1.2)


def with_sum(glyph: Glyph, *names: str, own: bool = False) -> Glyph:
    """A matrix, to its right a vector of one number a key, and behind it single numbers."""
    first, *others = names
    parts = [moved(glyph, -1.4), moved(column(KEY, first, colour=colour_of(own)), (COLUMNS / 2 + 0.5) * CELL)]
    for i, name in enumerate(others):
        parts.append(moved(number(0.6, name, colour=colour_of(own)), (COLUMNS / 2 + 2.1 + i) * CELL, CELL * 1.5))
    return moved(together(*parts), -1.0 if others else 0.0)


def with_mean(glyph: Glyph, *, own: bool = False) -> Glyph:
    """A matrix, below it one more row, that does not turn, and to the right a count."""
    below, count = row(VALUE, "m", colour=colour_of(own)), number(0.6, "z", colour=colour_of(own))
    return together(
        moved(glyph, 0, 1.0),
        moved(below, 0, 1.0 - (ROWS / 2 + 0.9) * CELL),
        moved(count, (COLUMNS / 2 + 0.9) * CELL, 1.0),
    )


def corrected(ax: Axes, x: float, y: float) -> None:
    """A row loses the value it had, at its right, and gets another, from its left."""
    one_row(CORRECTED)(ax, x, y)
    height, edge = y + (ROWS / 2 - 0.5 - CORRECTED) * CELL, COLUMNS / 2 * CELL
    arrow(ax, (x - edge - 2.4, height), (x - edge - 0.2, height), color=ORANGE)
    arrow(ax, (x + edge + 0.2, height), (x + edge + 2.4, height), color=ORANGE)


def features(n: int, shares: float) -> Glyph:
    """A matrix of many keys."""
    return together(*(moved(row([shares] * COLUMNS), 0, (i - (n - 1) / 2) * CELL) for i in range(n)))


def vectors(names: str, shares: np.ndarray, *, own: str = "") -> Glyph:
    """Vectors side by side, those of `own` in orange."""
    return together(
        *(
            moved(column(shares[:, i], name, colour=colour_of(name in own)), (i - (len(names) - 1) / 2) * 2.4 * CELL)
            for i, name in enumerate(names)
        )
    )


FOUR = np.array([[0.8, 0.5, 0.3, 0.7], [0.3, 0.7, 0.9, 0.2], [0.9, 0.4, 0.6, 0.5], [0.5, 0.8, 0.2, 0.9]])

SKETCHES = {
    "linear_attention": Sketch(
        "sums everything, forgets nothing",
        [
            Station(with_sum(matrix(), "z"), "a matrix S for each head,\nkeys × values, and\nthe sum z of the keys"),
            Station(with_sum(matrix(), "z"), "nothing", own=True),
            Station(write("φ(k)"), "adds φ(key) × value:\n$S + \\phi(k)\\,v^{\\mathsf{T}}$\n$z + \\phi(k)$", "k, v"),
            Station(
                read("φ(q)", own=True),
                "a weighted mean:\n$S^{\\mathsf{T}}\\phi(q)\\; /\\; z^{\\mathsf{T}}\\phi(q)$",
                "q",
                own=True,
            ),
        ],
    ),
    "based": Sketch(
        "linear attention with products of channels for keys",
        [
            Station(
                features(6, 0.75), "S and z: a row for 1, for\neach channel of a key,\nfor each pair of them", own=True
            ),
            Station(features(6, 0.75), "nothing"),
            Station(write("φ(k)"), "adds φ(key) × value:\n$S + \\phi(k)\\,v^{\\mathsf{T}}$\n$z + \\phi(k)$", "k, v"),
            Station(
                read("φ(q)", own=True), "a mean with weights\n$1 + s + s^2/2$,  $s \\propto q\\cdot k$", "q", own=True
            ),
        ],
    ),
    "rotary_average": Sketch(
        "a fading mean, and a turning memory that sees lags",
        [
            Station(
                with_mean(matrix(), own=True),
                "a matrix S for each head,\na sum m of values, and\na count z of steps",
                own=True,
            ),
            Station(
                together(with_mean(matrix(EVENLY, colour=ORANGE), own=True), moved(turns_of_pairs(), 0, 1.0)),
                "a share λ of all stays,\npairs of S's rows turn;\nboth rates are learned",
                own=True,
            ),
            Station(write(), "adds key × value to S,\nthe value to m, 1 to z", "k, v"),
            Station(
                read(own=True), "a mean, changed by q:\n$(m + S^{\\mathsf{T}} q\\,/\\sqrt{K})\\; /\\; z$", "q", own=True
            ),
        ],
    ),
    "retention": Sketch(
        "fades and turns at rates nobody learns",
        [
            Station(matrix(), MATRIX),
            Station(
                together(moved(matrix(EVENLY, colour=ORANGE), 1.2), moved(turns_of_pairs(), 1.2)),
                "a share of each head\nstays, pairs of rows turn;\nboth set once for all",
                own=True,
            ),
            Station(write(), ADDS, "k, v"),
            Station(read(), "$S^{\\mathsf{T}} q$, normed by heads,\ntimes a gate", "q, gate"),
        ],
    ),
    "s4d": Sketch(
        "numbers that fade and turn like damped oscillators",
        [
            Station(dials(SIZES, ANGLES), "complex numbers,\nseveral a channel", own=True),
            Station(
                dials(SIZES * FADES, ANGLES + TURNS, colour=ORANGE, before=(SIZES, ANGLES)),
                "each fades and turns at\nits own learned rate,\nalike at all steps",
                own=True,
            ),
            Station(
                together(
                    moved(dials(SIZES[:, :1], np.zeros((3, 1))), 1.6),
                    moved(column(KEY[:3], colour=BLUE), -4.2),
                    lambda ax, x, y: arrow(ax, (x - 3.0, y), (x - 0.1, y)),
                ),
                "adds the channel to\neach of its numbers:\n$x + B\\,u$",
                "u",
            ),
            Station(
                together(
                    moved(dials(SIZES, ANGLES), -1.6),
                    moved(column(VALUE[:3], "y"), 6.0),
                    lambda ax, x, y: arrow(ax, (x + 2.0, y), (x + 5.0, y)),
                ),
                "sums with fixed weights:\n$2\\,\\mathrm{Re}(C \\cdot x) + D\\,u$",
                "u",
            ),
        ],
    ),
    "gla": Sketch(
        "each key fades as the token says",
        [
            Station(matrix(), MATRIX),
            Station(matrix(BY_KEY, colour=ORANGE), "a share of each row\nstays, as the token says", "shares", own=True),
            Station(write(), ADDS, "k, v"),
            Station(read(), "$S^{\\mathsf{T}} q$, normed by heads,\ntimes a gate", "q, gate"),
        ],
    ),
    "rwkv6": Sketch(
        "keys fade by the token; its own value has a weight apart",
        [
            Station(matrix(), MATRIX + ",\nand the last token"),
            Station(matrix(BY_KEY), "a share of each row\nstays, as the token says", "shares"),
            Station(write(), ADDS, "k, v"),
            Station(
                read("r", own=True),
                "S before this step, and\nk × v with weights u:\n$(S + (u\\,k)\\,v^{\\mathsf{T}})^{\\mathsf{T}} r$",
                "r, k, v, gate",
                own=True,
            ),
        ],
        token=SHIFTED + ", as the token says",
        own_token=True,
        reads_before_writing=True,
    ),
    "mamba": Sketch(
        "each number of state fades at a rate of its own",
        [
            Station(matrix(), "a row of N numbers\nfor each channel"),
            Station(
                matrix(BY_NUMBER, colour=ORANGE),
                "a share $e^{\\Delta A}$ stays:\nΔ by channel from the\ntoken, A learned",
                "Δ",
                own=True,
            ),
            Station(write("Δx", "B"), "adds input × B:\n$h + \\Delta\\,x\\,B$", "x, B, Δ"),
            Station(
                together(
                    moved(matrix(), -1.0, -1.2),
                    moved(row(VALUE, "C"), -1.0, (ROWS / 2 + 0.5) * CELL),
                    moved(column(KEY), (COLUMNS / 2 + 0.6) * CELL, -1.2),
                    sign("y", (COLUMNS / 2 + 1.6) * CELL, -1.2),
                ),
                "each channel by C:\n$y = C\\cdot h + D\\,x$,\ntimes a gate",
                "C, x, gate",
            ),
        ],
        token=r"token $u_t$;  x after a short convolution over the last tokens",
    ),
    "mamba2": Sketch(
        "Mamba with one rate a head: a larger state for it",
        [
            Station(matrix(), "a matrix S for each head,\nN × channels"),
            Station(
                matrix(EVENLY, colour=ORANGE),
                "a share $e^{\\Delta A}$ of each\nhead stays, as the\ntoken says",
                "Δ",
                own=True,
            ),
            Station(write("B", "Δx"), "adds $B\\,(\\Delta x)^{\\mathsf{T}}$;\nheads share B", "x, B, Δ"),
            Station(read("C"), "$S^{\\mathsf{T}} C + D\\,x$,\ntimes a gate, normed;\nheads share C", "C, x, gate"),
        ],
        token=r"token $u_t$;  x, B, C after a short convolution over the last tokens",
    ),
    "mamba3": Sketch(
        "fades and turns as the token says, and writes two steps",
        [
            Station(matrix(), "a matrix S for each head,\nthe last key and value,\nand the angles so far"),
            Station(
                together(moved(matrix(EVENLY, colour=ORANGE), 1.2), moved(turns_of_pairs(), 1.2)),
                "a share of each head\nstays, pairs of rows turn:\nboth as the token says",
                "Δ, A, angle",
                own=True,
            ),
            Station(
                write("k", "x", own=True),
                "adds a share λ of this\nkey × value, and 1 - λ\nof the last one",
                "x, k, Δ, λ",
                own=True,
            ),
            Station(read(), "$S^{\\mathsf{T}} q + D\\,x$,\ntimes a gate", "q, x, gate"),
        ],
    ),
    "deltanet": Sketch(
        "replaces what a key held",
        [
            Station(matrix(), MATRIX),
            Station(matrix(), "nothing but what\nis replaced"),
            Station(
                together(matrix(np.full((ROWS, 1), 0.1)), corrected),
                "moves what the key holds\ntowards v, by β:\n$S + \\beta\\,k\\,(v - S^{\\mathsf{T}} k)^{\\mathsf{T}}$",
                "k, v, β",
                own=True,
            ),
            Station(read(), "$S^{\\mathsf{T}} q$, normed by heads", "q"),
        ],
        token=r"token $u_t$;  q, k, v after a short convolution over the last tokens",
    ),
    "gated_delta": Sketch(
        "fades, and replaces what a key held",
        [
            Station(matrix(), MATRIX),
            Station(
                matrix(EVENLY, colour=ORANGE),
                "a share $e^{g}$ of each\nhead stays, as the\ntoken says",
                "share",
                own=True,
            ),
            Station(
                together(matrix(np.full((ROWS, 1), 0.1)), corrected),
                "moves what the key holds\ntowards v, by β:\n$S + \\beta\\,k\\,(v - S^{\\mathsf{T}} k)^{\\mathsf{T}}$",
                "k, v, β",
                own=True,
            ),
            Station(read(), "$S^{\\mathsf{T}} q$, normed by heads,\ntimes a gate", "q, gate"),
        ],
        token=r"token $u_t$;  q, k, v after a short convolution over the last tokens",
    ),
    "rwkv7": Sketch(
        "each key fades, and one direction is taken off",
        [
            Station(matrix(), MATRIX + ",\nand the last token"),
            Station(
                together(matrix(BY_KEY, colour=ORANGE), one_row(2, share=0.0)),
                "a share of each row stays,\nand what lies along c\nis taken off, by α",
                "shares, c, α",
                own=True,
            ),
            Station(write(), ADDS, "k, v"),
            Station(
                read("r"), "$S^{\\mathsf{T}} r$, normed by heads,\nand the own value,\ntimes a gate", "r, k, v, gate"
            ),
        ],
        token=SHIFTED + " with learned shares",
        own_token=True,
    ),
    "mlstm": Sketch(
        "one step may outweigh all before it",
        [
            Station(
                with_sum(matrix(), "n", "m"), "a matrix C for each head,\nthe sum n of its keys,\nits largest weight m"
            ),
            Station(with_sum(matrix(EVENLY), "n"), "a share sigmoid(f) of\neach head stays", "f"),
            Station(
                write(own=True),
                "adds key × value with\na weight $e^{i}$, which may\nbe far above 1",
                "k, v, i",
                own=True,
            ),
            Station(
                read(own=True),
                "divided by the keys' sum:\n$C^{\\mathsf{T}} q\\; /\\; \\max(|n^{\\mathsf{T}} q|, 1)$,\ntimes a gate",
                "q, gate",
                own=True,
            ),
        ],
    ),
    "slstm": Sketch(
        "its gates hear what it said before",
        [
            Station(
                vectors("cnmy", FOUR, own="y"), "vectors: cell c, its\nweights' sum n, their\nlargest m, the last y"
            ),
            Station(vectors("cn", FOUR[:, :2] * 0.5), "a share sigmoid(f) of\neach channel stays", "f", own=True),
            Station(
                vectors("cn", FOUR[:, 2:]),
                "$c + e^{i}\\,\\tanh z$\n$n + e^{i}$",
                "i, z",
                own=True,
            ),
            Station(vectors("y", FOUR[:, 1:2], own="y"), "a weighted mean:\n$\\mathrm{sigmoid}(o)\\; c\\,/\\,n$", "o"),
        ],
        token=r"token $u_t$;  i, f after a short convolution over the last tokens",
        hears_itself=True,
    ),
    "attention": Sketch(
        "keeps the last tokens whole, and looks among them",
        [
            Station(window(SEEN, rows=2), "keys and values of the\nlast tokens: the window", own=True),
            Station(window(SEEN, rows=2, gone=True, colour=ORANGE), "the oldest token,\nall of it at once", own=True),
            Station(window(SEEN, rows=2, new=True), "puts key and value\nat the end", "k, v"),
            Station(
                moved(together(window(SEEN), weights(LOOKS)), 0, -2.0),
                "a mean of the values,\nweights by the query:\n$\\mathrm{softmax}(q \\cdot k_j)$",
                "q",
                own=True,
            ),
        ],
    ),
    "long_convolution": Sketch(
        "keeps the last inputs, weighs them by their lag",
        [
            Station(window(SEEN), "the last inputs, as many\nas the kernel sees", own=True),
            Station(window(SEEN, gone=True, colour=ORANGE), "the oldest input", own=True),
            Station(window(SEEN, new=True), "puts the gated input\nat the end", "v, gate"),
            Station(
                moved(together(window(SEEN), kernel(SEEN)), 0, -2.0),
                "a sum with a learned\nweight for each lag,\ntimes a gate",
                "gate",
                own=True,
            ),
        ],
    ),
}
