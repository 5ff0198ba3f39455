"""Compiled loops: cached where a folder can be written, compiled anew where helpers changed."""

import os
import subprocess
import sys
import textwrap

import numba
import numpy as np

from tsssm_kernels.compiling import compile_serial


def double(x):
    return x * 2


def test_without_a_place_for_the_cache_it_compiles_all_the_same(monkeypatch):
    njit = numba.njit

    def no_place(*args, cache=False, **kwargs):
        if cache:
            raise RuntimeError("cannot cache function: no locator available")
        return njit(*args, **kwargs)

    monkeypatch.setattr(numba, "njit", no_place)
    assert compile_serial(double)(21) == 42


HELPER = """
from numba.extending import register_jitable

@register_jitable
def scale(x):
    return x * {factor}
"""
LOOP = """
import helper
from tsssm_kernels.compiling import compile_serial

def loop(x):
    return helper.scale(x)

loop = compile_serial(loop, helpers=(helper,))
value = loop(1)
print(value, sum(loop.stats.cache_hits.values()))
"""


def run(folder, **environment):
    command = f"import sys; sys.path[:0] = {[str(folder), *filter(None, sys.path)]!r}\nimport loop"
    done = subprocess.run(
        [sys.executable, "-c", command],
        capture_output=True,
        text=True,
        timeout=300,
        env={**os.environ, **environment},
    )
    assert done.returncode == 0, done.stderr
    return [int(part) for part in done.stdout.split()]


def test_the_cache_sees_a_helper_in_another_file_change(tmp_path):
    (tmp_path / "loop.py").write_text(textwrap.dedent(LOOP))
    (tmp_path / "helper.py").write_text(HELPER.format(factor=3))
    assert run(tmp_path) == [3, 0]
    assert run(tmp_path) == [3, 1]  # from the cache
    (tmp_path / "helper.py").write_text(HELPER.format(factor=1000))
    assert run(tmp_path) == [1000, 0]


def test_a_process_that_can_write_no_cache_folder_runs_all_the_same(tmp_path):
    """Files stand where the folders would: beside the module, and as the user's cache and home."""
    (tmp_path / "loop.py").write_text(textwrap.dedent(LOOP))
    (tmp_path / "helper.py").write_text(HELPER.format(factor=3))
    (tmp_path / "__pycache__").write_text("")
    (tmp_path / "taken").write_text("")
    places = dict.fromkeys(("NUMBA_CACHE_DIR", "XDG_CACHE_HOME", "HOME", "LOCALAPPDATA"), str(tmp_path / "taken"))
    assert run(tmp_path, **places) == [3, 0]


def test_the_gil_is_released():
    compiled = compile_serial(double)
    assert compiled(np.float32(2)) == 4
    assert compiled.targetoptions["nogil"]
    assert not compiled.targetoptions.get("parallel", False)
