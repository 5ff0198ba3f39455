"""What the pages show is what happens: every Python block of every page is run."""

from __future__ import annotations

from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
PAGES = sorted(path for path in (ROOT / "docs").rglob("*.md") if "_build" not in path.parts)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT / "docs").as_posix())
def test_page_runs(run_page, page):
    run_page(page)


def test_readme_runs(run_page):
    if not README.exists():
        pytest.skip("there is no README.md in this checkout")
    run_page(README)


def test_the_pages_that_teach_have_code(page_blocks):
    for name in ("quickstart", "data_in_and_out", "streaming", "plain_trainer", "adding_a_mixer", "limits"):
        assert page_blocks(ROOT / "docs" / f"{name}.md"), f"{name}.md has no Python block"


def write_page(folder: Path, text: str) -> Path:
    page = folder / "page.md"
    page.write_text(text, encoding="utf-8")
    return page


def test_blocks_share_one_namespace(run_page, tmp_path):
    page = write_page(
        tmp_path, "```python\nx = 2\n```\n\n```python\n>>> x + 1\n3\n>>> y = x\n```\n\n```python\nz = y\n```\n"
    )
    assert run_page(page)["z"] == 2


def test_shell_blocks_are_not_run(run_page, tmp_path):
    page = write_page(tmp_path, "```bash\nexit 1\n```\n\n```text\nnot code\n```\n\n```python\nran = True\n```\n")
    assert run_page(page)["ran"]


def test_a_wrong_output_fails(run_page, tmp_path):
    page = write_page(tmp_path, "# Page\n\n```python\n>>> 1 + 1\n3\n```\n")
    with pytest.raises(pytest.fail.Exception, match=r'page\.md", line 4'):
        run_page(page)


def test_an_error_fails_at_its_line(run_page, tmp_path):
    page = write_page(tmp_path, "# Page\n\n```python\nx = 1\nx / 0\n```\n")
    with pytest.raises(ZeroDivisionError) as caught:
        run_page(page)
    assert caught.traceback[-1].lineno + 1 == 5


def test_a_warning_fails(run_page, tmp_path):
    page = write_page(tmp_path, "```python\nimport warnings\nwarnings.warn('beware')\n```\n")
    with pytest.raises(UserWarning, match="beware"):
        run_page(page)
