"""Colours that remain apart for colour-blind eyes and in grey print.

The hues are from Okabe and Ito (2008), Color Universal Design.
"""

from __future__ import annotations

__all__ = ["ACTUAL", "BASE", "FORECAST", "NETWORK", "RULE", "tint"]

ACTUAL = "#3a3a3a"
FORECAST = "#0072B2"
BASE = "#D55E00"
NETWORK = "#009E73"
RULE = "#b0b0b0"


def tint(colour: str, strength: float) -> str:
    """Mix a colour with white.

    Parameters
    ----------
    colour : str
        As "#rrggbb".
    strength : float
        1 is the colour itself, 0 is white.

    Returns
    -------
    str
        As "#rrggbb".

    Examples
    --------
    >>> tint("#000000", 0.2)
    '#cccccc'
    """
    channels = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return "#" + "".join(f"{round(255 - strength * (255 - channel)):02x}" for channel in channels)
