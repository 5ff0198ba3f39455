"""Which Triton there is, told without importing it."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from tsssm_kernels import gpu_launch


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("__version__ = '3.6.0'\n", (3, 6)),
        ('"""isort:skip_file"""\n__version__ = "3.10.1+git1234"\n', (3, 10)),
        ("__version__ = '3.6rc1'\n", (3, 6)),
        ("import os\n", None),
    ],
)
def test_the_version_is_read_from_the_source(text, version, tmp_path, monkeypatch):
    source = tmp_path / "__init__.py"
    source.write_text(text)
    monkeypatch.setattr(gpu_launch, "find_spec", lambda name: SimpleNamespace(origin=str(source)))
    assert gpu_launch._triton_version() == version


@pytest.mark.parametrize(
    "found", [None, SimpleNamespace(origin=None)]
)  # none, and a folder that happens to be called so
def test_what_is_no_triton_is_none(found, monkeypatch):
    monkeypatch.setattr(gpu_launch, "find_spec", lambda name: found)
    assert gpu_launch._triton_version() is None
