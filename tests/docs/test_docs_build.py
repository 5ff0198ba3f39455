"""The site builds without a warning, and holds every public name."""

from __future__ import annotations

import importlib
import importlib.util
import os
import shutil
import subprocess
import sys
import zlib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NEEDED = ("sphinx", "myst_parser", "numpydoc", "furo")
MISSING = [name for name in NEEDED if importlib.util.find_spec(name) is None]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(bool(MISSING), reason=f"not installed: {', '.join(MISSING)} (they come with the extra docs)"),
]

# packages whose public names the reference promises to hold in full
IN_REFERENCE = ("tsssm", "tsssm.errors", "tsssm.metrics", "tsssm.mixers", "tsssm.network", "tsssm.plotting")


def build(source: Path, out: Path) -> subprocess.CompletedProcess:
    path = os.pathsep.join(p for p in sys.path if p)
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-b", "html", "-d", str(out / "trees")]
    return subprocess.run(
        [*command, str(source), str(out / "html")],
        capture_output=True,
        text=True,
        timeout=600,
        env=os.environ | {"PYTHONPATH": path},
    )


def inventory(html: Path) -> set[str]:
    """Names in the site's object inventory: four lines of head, then compressed lines that begin with the name."""
    data = (html / "objects.inv").read_bytes().split(b"\n", 4)[4]
    return {line.split(" ", 1)[0] for line in zlib.decompress(data).decode().splitlines()}


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("site")
    done = build(ROOT / "docs", out)
    assert done.returncode == 0, done.stderr
    return out / "html"


def test_every_page_is_built(site):
    for page in (ROOT / "docs").rglob("*.md"):
        if "_build" not in page.parts:
            assert (site / page.relative_to(ROOT / "docs")).with_suffix(".html").is_file(), page


@pytest.mark.parametrize("package", [*IN_REFERENCE, "tsssm_kernels", "tsssm_datasets"])
def test_public_names_are_in_the_reference(site, package):
    known = inventory(site)
    for name in importlib.import_module(package).__all__:
        listed = (
            {f"{package}.{name}"} if package != "tsssm_datasets" else {f"{package}.{name}", f"{package}.errors.{name}"}
        )
        assert listed & known, f"{package}.{name} is not in docs/api"


def test_a_page_with_a_broken_link_fails(tmp_path):
    docs = tmp_path / "docs"
    docs.mkdir()
    shutil.copy(ROOT / "docs" / "conf.py", docs)
    (docs / "index.md").write_text("# Page\n\nSee [this](nowhere.md).\n", encoding="utf-8")
    done = build(docs, tmp_path / "out")
    assert done.returncode != 0
    assert "nowhere.md" in done.stderr
