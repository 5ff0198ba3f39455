"""No forward makes a tensor of numbers of the host, or reads one: a GPU would wait, and no CUDA graph holds either."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch
from torch.overrides import TorchFunctionMode

import tsssm
from tsssm.mixers import MLP, read_stack
from tsssm.mixers.registry import known_mixers
from tsssm.network import ForecastNetwork, token_features

OF_THE_HOST = {"tensor", "new_tensor", "as_tensor", "from_numpy", "item", "tolist", "cpu", "numpy"} | {
    f"__{kind}__" for kind in ("float", "int", "bool", "index")
}
HOUSE = Path(tsssm.__file__).parent  # operators stand elsewhere


class Watch(TorchFunctionMode):
    """Notes such calls that files of the house make."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def __torch_function__(self, function, types, args=(), kwargs=None):
        if getattr(function, "__name__", "") in OF_THE_HOST:
            frame = sys._getframe(1)
            while Path(torch.__file__).parent in Path(frame.f_code.co_filename).parents:
                frame = frame.f_back
            if HOUSE in Path(frame.f_code.co_filename).parents:
                self.seen.append((function.__name__, frame.f_code.co_filename, frame.f_lineno))
        return function(*args, **(kwargs or {}))


def watched(stack) -> list[tuple]:
    sizes = {"patch_length": 4, "n_covariates": 0, "horizon": 3, "levels": (0.1, 0.5, 0.9), "d_model": 16}
    network = ForecastNetwork(stack, **sizes)
    values, place = torch.randn(2, 36), torch.zeros(2, 9, dtype=torch.float64)
    resets, state = torch.zeros(2, 9, dtype=torch.bool), network.initial_state(2)
    with Watch() as watch:
        tokens = token_features(values, torch.zeros(2, 36, 0), place, place + 1)
        hidden, _ = network(tokens, resets=resets)
        network.head(hidden, None).sum().backward()
        network.step(tokens[:, 0], state)
    return watch.seen


@pytest.mark.parametrize("mixer", sorted(known_mixers()))
def test_no_mixer_copies_numbers_to_the_device_or_back(mixer):
    assert watched(read_stack(mixer)) == []


class Copies(MLP):
    name = "copies"

    def forward(self, x, state=None, resets=None, time_gaps=None, shared=None):
        y, state = super().forward(x, state)
        return y * y.new_tensor(2.0), state


def test_the_watch_sees_a_copy(monkeypatch):
    monkeypatch.setattr(sys.modules[__name__], "HOUSE", Path(__file__).parent)
    assert {name for name, *_ in watched([Copies])} == {"new_tensor"}
