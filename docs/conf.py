"""Sphinx settings: Markdown pages (MyST), reference from the docstrings (autodoc, numpydoc), theme furo."""

from __future__ import annotations

import sys
from pathlib import Path

root = Path(__file__).parents[1]
sys.path[:0] = [str(root), str(root / "kernels"), str(root / "datasets")]  # builds from a checkout, installed or not

from tsssm import __version__  # noqa: E402

project = "tsssm"
author = "The tsssm developers"
copyright = author
version = release = __version__

extensions = ["myst_parser", "numpydoc", "sphinx.ext.autodoc", "sphinx.ext.mathjax"]
exclude_patterns = ["_build", "drawings"]
default_role = "py:obj"  # single backticks in docstrings link to what they name, if it is in the reference

myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3

autodoc_member_order = "bysource"
autodoc_typehints = "none"  # the docstrings say types with shapes
numpydoc_show_class_members = False

html_theme = "furo"
html_title = "tsssm"
html_show_copyright = False
html_show_sphinx = False


def escape_bars(app, what: str, name: str, thing, options, lines: list[str]) -> None:
    """Keep |x|, an absolute value in the formulas of metrics, from being read as a substitution."""
    if name.startswith("tsssm.metrics."):
        lines[:] = [line if "``" in line or ">>>" in line else line.replace("|", r"\|") for line in lines]


def setup(app) -> None:
    """Connect the above."""
    app.connect("autodoc-process-docstring", escape_bars)
