"""What a function of tensors asks of torch, call by call."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

__all__ = ["Call", "record", "tensors_in"]


@dataclass(frozen=True)
class Call:
    """One call of an operator, with what it was given and what it gave."""

    operator: torch._ops.OpOverload
    arguments: dict[str, Any]
    results: tuple[Tensor, ...]
    versions: tuple[int, ...]  # of the tensors among the arguments, after the call


class _Recorder(TorchDispatchMode):
    def __init__(self) -> None:
        super().__init__()
        self.calls: list[Call] = []

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Torch would import `torch._dynamo`, a second's work, to keep it away from here, where it never is."""
        return False

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        results = func(*args, **(kwargs or {}))
        names = [argument.name for argument in func._schema.arguments]
        arguments = {argument.name: argument.default_value for argument in func._schema.arguments}
        arguments |= dict(zip(names, args)) | dict(kwargs or {})
        versions = tuple(tensor._version for tensor in tensors_in(list(arguments.values())))
        self.calls.append(Call(func, arguments, tuple(tensors_in(results)), versions))
        return results


def record(function: Callable[..., Sequence[Tensor]], inputs: Sequence[Tensor]) -> tuple[list[Call], list[Tensor]]:
    """Run a function once: its calls in order, and its results.

    The calls hold on to all tensors, so that no two of them ever lie at one place in memory.
    """
    with _Recorder() as recorder:
        results = list(function(*inputs))
    return recorder.calls, results


def tensors_in(value: Any) -> Iterator[Tensor]:
    """The tensors of an argument or result, lists and tuples looked through."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, list | tuple):
        for part in value:
            yield from tensors_in(part)
