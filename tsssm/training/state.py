"""All that training goes on from: weights, the optimiser's memory, the step."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import Optimizer

__all__ = ["TrainingState"]

_WEIGHT, _MEMORY, _CURVE = "weight.", "optimizer.", "curve."


@dataclass(frozen=True)
class TrainingState:
    """Where a training is. Nothing else is needed to go on: each step's random numbers come from seed and step alone.

    Attributes
    ----------
    step : int
        Steps taken.
    weights : dict of str to Tensor
        The network's, on the CPU.
    memory : dict of int to dict
        What the optimiser keeps of each parameter.
    curve : dict of str to ndarray
        ``step``, ``loss`` and ``learning_rate`` of each step so far.
    """

    step: int
    weights: dict[str, Tensor]
    memory: dict[int, dict[str, Tensor]]
    curve: dict[str, np.ndarray]

    @classmethod
    def of(
        cls, step: int, network: nn.Module, optimizer: Optimizer | None, curve: dict[str, list[float]]
    ) -> TrainingState:
        """A copy of where training is; before the first step there is no optimiser."""
        remembered = {} if optimizer is None else optimizer.state_dict()["state"]
        memory = {p: {name: _copy(value) for name, value in kept.items()} for p, kept in remembered.items()}
        weights = {name: _copy(value) for name, value in network.state_dict().items()}
        return cls(step, weights, memory, {name: np.asarray(values) for name, values in curve.items()})

    def restore(self, optimizer: Optimizer) -> None:
        """Give a fresh optimiser of the same parameters this memory."""
        plain = optimizer.state_dict()
        plain["state"] = {p: {name: _copy(v) for name, v in kept.items()} for p, kept in self.memory.items()}
        optimizer.load_state_dict(plain)

    def is_finite(self) -> bool:
        """Whether every weight is a number."""
        return all(bool(torch.isfinite(value).all()) for value in self.weights.values())

    def to_tensors(self) -> dict[str, Tensor]:
        """Flat names and contiguous tensors, for a file."""
        tensors = {_WEIGHT + name: value.contiguous() for name, value in self.weights.items()}
        for parameter, kept in self.memory.items():
            tensors |= {f"{_MEMORY}{parameter}.{name}": value.contiguous() for name, value in kept.items()}
        return tensors | {_CURVE + name: torch.from_numpy(values.copy()) for name, values in self.curve.items()}

    @classmethod
    def from_tensors(cls, step: int, tensors: dict[str, Tensor]) -> TrainingState:
        """The inverse of `to_tensors`."""
        memory: dict[int, dict[str, Tensor]] = {}
        for name in (name for name in tensors if name.startswith(_MEMORY)):
            parameter, kept = name.removeprefix(_MEMORY).split(".")
            memory.setdefault(int(parameter), {})[kept] = tensors[name]
        weights = {name.removeprefix(_WEIGHT): t for name, t in tensors.items() if name.startswith(_WEIGHT)}
        curve = {name.removeprefix(_CURVE): t.numpy() for name, t in tensors.items() if name.startswith(_CURVE)}
        return cls(step, weights, memory, curve)


def _copy(tensor: Tensor) -> Tensor:
    return tensor.detach().cpu().clone()
