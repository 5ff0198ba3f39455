"""Drawings in the docs come from scripts that still run and still say the same."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

DRAWINGS = Path(__file__).parents[2] / "docs" / "drawings"
SCRIPTS = sorted(DRAWINGS.glob("*.py"))
ZOO = DRAWINGS / "zoo"


def words(svg: Path) -> list[str]:
    """The texts of a drawing, which matplotlib writes as comments beside their outlines."""
    lines = svg.read_text(encoding="utf-8").splitlines()
    return [line.strip()[5:-4] for line in lines if line.strip().startswith("<!-- ")]


def test_there_are_drawings():
    assert SCRIPTS


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
def test_drawing_is_up_to_date(script, tmp_path):
    drawn = tmp_path / "drawn.svg"
    done = subprocess.run(
        [sys.executable, "-W", "error", str(script), str(drawn)], capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    assert len(words(drawn)) > 3
    assert words(drawn) == words(script.with_suffix(".svg")), f"run python docs/drawings/{script.name}"


def test_drawings_of_the_zoo_are_up_to_date(tmp_path):
    done = subprocess.run(
        [sys.executable, "-W", "error", str(ZOO / "draw.py"), str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    drawn = {svg.name: words(svg) for svg in tmp_path.glob("*.svg")}
    assert all(len(texts) > 3 for texts in drawn.values())
    assert drawn == {svg.name: words(svg) for svg in ZOO.glob("*.svg")}, "run python docs/drawings/zoo/draw.py"
