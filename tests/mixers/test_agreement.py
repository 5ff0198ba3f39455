"""The comparisons of recipes/benchmarks/agreement.py, for those of its packages that are installed.

They are too large to be asked for; `test_independent_formulas.py` compares with what the tests do ask for.
"""

from __future__ import annotations

import importlib.util
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "recipes" / "benchmarks"


def load_script():
    sys.path.insert(0, str(BENCHMARKS))
    try:
        spec = importlib.util.spec_from_file_location("agreement", BENCHMARKS / "agreement.py")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(BENCHMARKS))
    return module


SCRIPT = load_script()


@pytest.mark.parametrize(
    ("package", "compare"),
    [
        pytest.param(package, compare, id=f"{mixer}-{package}-{i}")
        for i, (mixer, package, _, compare) in enumerate(SCRIPT.COMPARISONS)
    ],
)
def test_a_mixer_computes_what_another_package_does(package, compare):
    try:
        version(package)
    except PackageNotFoundError:
        pytest.skip(f"{package} is not installed: see recipes/benchmarks/agreement.py")
    assert SCRIPT.largest_difference(compare) < 1e-5
