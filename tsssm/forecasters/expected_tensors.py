"""Saved tensors are the ones that the configuration describes: the same names, shapes and types."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor

from tsssm.errors import ModelFileError

__all__ = ["Expected", "check_tensors", "refuse_nan"]


class Expected(NamedTuple):
    """What a tensor should be."""

    shape: tuple[int, ...]
    dtype: torch.dtype

    @classmethod
    def of(cls, tensor: Tensor) -> Expected:
        """What a tensor is."""
        return cls(tuple(tensor.shape), tensor.dtype)


def check_tensors(tensors: Mapping[str, Tensor], expected: Mapping[str, Expected], what: str) -> None:
    """Refuse other names, shapes or types.

    Raises
    ------
    ModelFileError
        Naming the first tensors at fault; `what` says what they are.

    Examples
    --------
    >>> check_tensors({"a": torch.ones(2)}, {"a": Expected((2,), torch.float32)}, "the weights")
    """
    if expected.keys() != tensors.keys():
        missing, unknown = sorted(expected.keys() - tensors.keys()), sorted(tensors.keys() - expected.keys())
        raise ModelFileError(_text(what, f"missing {missing[:3]}, unknown {unknown[:3]}"))
    for name, should in expected.items():
        seen = Expected.of(tensors[name])
        if seen != should:
            raise ModelFileError(
                _text(what, f"{name} has shape {seen.shape} of {seen.dtype}, not {should.shape} of {should.dtype}")
            )


def _text(what: str, fault: str) -> str:
    return f"{what} do not fit the configuration: {fault}. Restore the folder, or save the model again."


def refuse_nan(tensors: Mapping[str, Tensor], what: str) -> None:
    """Refuse tensors from which nothing could be forecast.

    Raises
    ------
    ModelFileError
        Naming the first that holds NaN.
    """
    for name, tensor in tensors.items():
        if tensor.is_floating_point() and bool(tensor.isnan().any()):
            raise ModelFileError(f"{what} hold NaN, in {name}. Fit and save the model again.")
