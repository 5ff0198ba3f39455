"""The weight of the input itself as part of the kernel's first tap."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["with_skip"]


def with_skip(kernel: Tensor, skip: Tensor | None) -> Tensor:
    """The kernel that does the same without `skip`.

    Examples
    --------
    >>> with_skip(torch.ones(2, 1), torch.ones(1)).flatten()
    tensor([2., 1.])
    """
    return kernel if skip is None else torch.cat([kernel[:1] + skip, kernel[1:]])
