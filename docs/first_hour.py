"""The first hour of a new user: follow README and the quickstart to the letter in an empty environment, and time it.

    python docs/first_hour.py                           # all of it, tests included
    python docs/first_hour.py --without "make test"     # leave out commands that contain this

A copy of this checkout and a fresh virtual environment are made in a temporary folder. Then every shell command and
every Python block of the two pages is run in the order of the pages, as printed there: outputs that a block shows must
come out. It stops at the first that fails. Needs Python 3.11, 3.12 or 3.13 and what README says: make and a package
index; nothing that is installed for the Python that runs it is used.
"""

from __future__ import annotations

import argparse
import doctest
import os
import re
import shutil
import subprocess
import sys
import tempfile
import venv
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

PAGES = ("README.md", "docs/quickstart.md")
NOT_COPIED = (".git", ".venv", ".wheel-venv", "__pycache__", ".*_cache", "dist", "build", "_build", "*.egg-info")
SAME_BUT_FOR_SPACE = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS
FENCE = re.compile(r"^```(bash|python)[ \t]*\n(.*?)^```[ \t]*$", re.MULTILINE | re.DOTALL)


class Block(NamedTuple):
    """A fence of a page: its language, its text and the line of the page on which it begins."""

    language: str
    text: str
    line: int


def blocks_of(page: Path) -> list[Block]:
    """The shell and Python fences of a page, in order."""
    text = page.read_text(encoding="utf-8")
    return [Block(m[1], m[2], text.count("\n", 0, m.start(2)) + 1) for m in FENCE.finditer(text)]


def commands_of(block: Block) -> Iterator[str]:
    """The commands of a shell block, without comments."""
    for line in block.text.replace("\\\n", " ").splitlines():
        command = re.sub(r"(^|\s)#.*", "", line).strip()
        if command:
            yield command


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Follow README and the quickstart in an empty environment.")
    parser.add_argument("--without", action="append", default=[], metavar="TEXT", help="leave out such commands")
    parser.add_argument("--session", type=Path, metavar="PAGE", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.session is not None:
        return run_session(options.session)
    with tempfile.TemporaryDirectory(prefix="first-hour-") as work:
        return follow_pages(Path(work), options.without)


def follow_pages(work: Path, without: list[str]) -> int:
    """Make the environment and run all; 1 if something failed."""
    checkout, begin = work / "checkout", os.times()
    print("  by the clock, of processors")
    shutil.copytree(Path(__file__).resolve().parents[1], checkout, ignore=shutil.ignore_patterns(*NOT_COPIED))
    venv.create(work / "venv", with_pip=True)
    report("an empty environment", begin)
    environment = clean_environment(work / "venv")
    for page in PAGES:
        blocks = blocks_of(checkout / page)
        for command in [c for block in blocks if block.language == "bash" for c in commands_of(block)]:
            if any(text in command for text in without):
                print(f"{'left out':>23}  {page}: {command}", flush=True)
            elif not run(["bash", "-e", "-c", command], f"{page}: {command}", checkout, environment):
                return 1
        folder = work / Path(page).stem
        folder.mkdir()
        python = work / "venv" / "bin" / "python"
        if not run([python, __file__, "--session", checkout / page], f"{page}: Python", folder, environment, show=True):
            return 1
    report("all in all", begin)
    return 0


def clean_environment(folder: Path) -> dict[str, str]:
    """The variables of a shell in which the virtual environment is active and nothing of ours is set."""
    ours = ("PYTHON", "TSSSM_", "VIRTUAL_ENV", "NUMBA_", "OMP_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    return kept | {"VIRTUAL_ENV": str(folder), "PATH": f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}"}


def run(command: list, title: str, folder: Path, environment: dict[str, str], *, show: bool = False) -> bool:
    """Run a command and say how long it took; its output is shown if it fails, or if `show`."""
    begin = os.times()
    done = subprocess.run(
        command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    failed = done.returncode != 0
    if failed or show:
        print(done.stdout[-4000:], end="", flush=True)
    report(title + (f": FAILED with exit code {done.returncode}" if failed else ""), begin)
    return not failed


def run_session(page: Path) -> int:
    """Run a page's Python blocks as one session of this interpreter; 1 if an output is not as printed."""
    namespace: dict = {"__name__": "__main__"}
    for block in blocks_of(page):
        if block.language != "python":
            continue
        begin = os.times()
        if ">>>" in block.text:
            test = doctest.DocTestParser().get_doctest(block.text, {}, page.name, str(page), block.line - 1)
            test.globs = namespace
            if doctest.DocTestRunner(optionflags=SAME_BUT_FOR_SPACE).run(test, clear_globs=False).failed:
                return 1
        else:
            exec(compile("\n" * (block.line - 1) + block.text, str(page), "exec"), namespace)
        first = block.text.strip().splitlines()[0].removeprefix(">>> ")
        report(f"{page.name}, line {block.line}: {first}", begin)
    return 0


def report(what: str, begin: os.times_result) -> None:
    """Say how long something took, by the clock and of processors: on a busy machine the two differ."""
    end = os.times()
    print(f"{end.elapsed - begin.elapsed:9.1f} s {sum(end[:4]) - sum(begin[:4]):9.1f} s  {what}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
