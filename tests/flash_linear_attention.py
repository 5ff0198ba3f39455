"""The plain formulas of the package flash-linear-attention, where it is installed."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch


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


@contextmanager
def in_float64(formulas: ModuleType) -> Iterator[None]:
    """Within it, formulas that go down to float32 stay in float64."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(formulas, "torch", _DoubleTorch("torch"))
        patch.setattr(torch.Tensor, "float", torch.Tensor.double)
        yield


class _DoubleTorch(ModuleType):
    """torch, with float64 for its float32."""

    float32 = float = torch.float64

    def __getattr__(self, name: str) -> Any:
        return getattr(torch, name)
