"""Run the Python blocks of a Markdown page in order, in one namespace."""

from __future__ import annotations

import doctest
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

_FENCE = re.compile(r"^```python[ \t]*\n(.*?)^```[ \t]*$", re.MULTILINE | re.DOTALL)
_FLAGS = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS


@dataclass(frozen=True)
class CodeBlock:
    """The code of one fence and the line of the page on which it begins (from 1)."""

    source: str
    line: int


def blocks_of(page: Path) -> list[CodeBlock]:
    """The fences of a page that say ``python``; others (shell, text) are not run."""
    text = page.read_text(encoding="utf-8")
    return [CodeBlock(m.group(1), text.count("\n", 0, m.start(1)) + 1) for m in _FENCE.finditer(text)]


def run_blocks(blocks: list[CodeBlock], page: Path) -> dict:
    """Run blocks in order; a block with ``>>>`` is a doctest, whose outputs must be as printed."""
    namespace: dict = {"__name__": "__page__"}
    for block in blocks:
        if ">>>" in block.source:
            _run_doctest(block, page, namespace)
        else:
            # blank lines in front, so that a traceback points to the line of the page
            exec(compile("\n" * (block.line - 1) + block.source, str(page), "exec"), namespace)
    return namespace


def _run_doctest(block: CodeBlock, page: Path, namespace: dict) -> None:
    test = doctest.DocTestParser().get_doctest(block.source, {}, page.name, str(page), block.line - 1)
    test.globs = namespace
    report: list[str] = []
    doctest.DocTestRunner(optionflags=_FLAGS).run(test, out=report.append, clear_globs=False)
    if report:
        pytest.fail("".join(report), pytrace=False)


@pytest.fixture
def run_page(tmp_path, monkeypatch) -> Iterator:
    """Run all blocks of a page in an empty working directory, with no data folders of the user's own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TSSSM_DATA_HOME", raising=False)
    monkeypatch.setenv("MPLBACKEND", "agg")
    yield lambda page: run_blocks(blocks_of(page), page)
    import sys

    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close("all")


@pytest.fixture
def page_blocks():
    """The function that finds a page's blocks."""
    return blocks_of
