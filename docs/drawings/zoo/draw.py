"""Draw the pictures of the zoo; ``python docs/drawings/zoo/draw.py [folder]`` writes them, here unless told."""

from __future__ import annotations

import sys
from pathlib import Path

import matplotlib as mpl
from block import draw_block
from sketch import draw_sketch
from sketches import SKETCHES


def main(folder: Path, kind: str = "svg") -> None:
    """Write one file a mixer, and one of the block around them."""
    metadata = {"Date": None} if kind == "svg" else None
    settings = {"svg.hashsalt": "tsssm", "font.family": "DejaVu Sans", "mathtext.fontset": "dejavusans"}
    with mpl.rc_context(settings):
        figures = {name: draw_sketch(name, sketch) for name, sketch in SKETCHES.items()} | {"block": draw_block()}
        for name, figure in figures.items():
            figure.savefig(folder / f"{name}.{kind}", metadata=metadata, facecolor="white", dpi=100)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent)
