"""The plain formulas of the package flash-linear-attention, where it is installed."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest


def load_formulas(path: str) -> ModuleType:
    """A module of ``fla.ops`` by its path there; by itself, since the package around it needs a GPU's compiler."""
    package = importlib.util.find_spec("fla")
    if package is None or importlib.util.find_spec("einops") is None:
        pytest.skip("fla-core is not installed (pip install fla-core)")
    file = Path(package.submodule_search_locations[0]) / "ops" / path
    spec = importlib.util.spec_from_file_location("fla_" + path.replace("/", "_").removesuffix(".py"), file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
