"""Addresses of tensors' memory, for kernels.

To a kernel a NumPy array is an object whose references it counts wherever it is named, in the middle of the loops; an
address is a number.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

__all__ = ["addresses"]


def addresses(tensors: Any) -> Any:
    """The same tuple with the addresses of its tensors, 0 for None; the tensors must live on while these are in use.

    Raises
    ------
    ValueError
        If a tensor is not float32, contiguous and on the CPU: a kernel would misread it, and here it is no crash yet.

    Examples
    --------
    >>> addresses((None,))
    (0,)
    """
    found = [0 if tensor is None else _address(tensor) for tensor in tensors]
    return type(tensors)(*found) if hasattr(tensors, "_fields") else tuple(found)


def _address(tensor: Tensor) -> int:
    if tensor.device.type != "cpu" or tensor.dtype != torch.float32 or not tensor.is_contiguous():
        raise ValueError(
            f"backend is 'cpu', which needs all tensors float32 and on the CPU; one is {tensor.dtype} on "
            f"{tensor.device}. Move it, or use another backend."
        )
    return tensor.data_ptr()
