"""The script of the first hour finds what the pages print, and tells when it does not come true."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "docs" / "first_hour.py"


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("first_hour", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    sys.modules["first_hour"] = module
    spec.loader.exec_module(module)
    return module


def write_page(folder: Path, text: str) -> Path:
    page = folder / "page.md"
    page.write_text(text, encoding="utf-8")
    return page


def session(page: Path) -> subprocess.CompletedProcess:
    command = [sys.executable, str(SCRIPT), "--session", str(page)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, cwd=page.parent)


def test_every_command_and_block_of_the_pages_is_found(script):
    if not (ROOT / "README.md").exists():
        pytest.skip("there is no README.md in this checkout")
    for name in script.PAGES:
        text, blocks = (ROOT / name).read_text(encoding="utf-8"), script.blocks_of(ROOT / name)
        assert len(blocks) == text.count("```bash") + text.count("```python")
        lines = text.splitlines()
        for block in blocks:
            assert lines[block.line - 2] == f"```{block.language}"
            assert lines[block.line - 1] == block.text.splitlines()[0]
    commands = [c for b in script.blocks_of(ROOT / "README.md") if b.language == "bash" for c in script.commands_of(b)]
    assert "make demo" in commands
    assert "python -m pip install -e . -c constraints.txt" in commands


def test_comments_and_continued_lines(script):
    block = script.Block("bash", "# first\nmake demo   # all of it\npip install \\\n  -e .\n\necho a#b\n", 1)
    assert [" ".join(command.split()) for command in script.commands_of(block)] == [
        "make demo",
        "pip install -e .",
        "echo a#b",
    ]


def test_blocks_are_one_session(tmp_path):
    page = write_page(tmp_path, "```python\nx = 2\n```\n\n```python\n>>> x + 1\n3\n>>> [x,   x]\n[2, 2]\n```\n")
    done = session(page)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "page.md, line 6: x + 1" in done.stdout


@pytest.mark.parametrize(("block", "told"), [(">>> 1 + 1\n3\n", 'page.md", line 2'), ("x = 1 / 0\n", "line 2")])
def test_what_does_not_come_true_fails(tmp_path, block, told):
    done = session(write_page(tmp_path, f"```python\n{block}```\n\n```python\nprint('never')\n```\n"))
    assert done.returncode == 1
    assert told in done.stdout + done.stderr
    assert "never" not in done.stdout


def test_a_command_that_fails_is_told(script, tmp_path, capsys):
    environment = script.clean_environment(tmp_path)
    assert script.run(["bash", "-e", "-c", "true"], "fine", tmp_path, environment)
    assert not script.run(["bash", "-e", "-c", "echo why; exit 3"], "broken", tmp_path, environment)
    said = capsys.readouterr().out
    assert "why\n" in said
    assert "broken: FAILED with exit code 3" in said


def test_the_environment_is_that_of_a_new_user(script, tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", "/somewhere")
    monkeypatch.setenv("TSSSM_BACKEND", "reference")
    environment = script.clean_environment(tmp_path)
    assert "PYTHONPATH" not in environment
    assert "TSSSM_BACKEND" not in environment
    assert environment["PATH"].startswith(f"{tmp_path / 'bin'}:")
