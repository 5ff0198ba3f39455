"""Parameters that training does not shrink."""

from __future__ import annotations

from torch import Tensor

__all__ = ["without_weight_decay"]


def without_weight_decay(*parameters: Tensor) -> None:
    """Mark parameters whose zero means nothing, such as logarithms of rates: ``_no_weight_decay = True``.

    The training reads the mark. Parameters of one axis are exempt in any case.

    Examples
    --------
    >>> import torch
    >>> rates = torch.nn.Parameter(torch.zeros(4, 3))
    >>> without_weight_decay(rates)
    >>> rates._no_weight_decay
    True
    """
    for parameter in parameters:
        parameter._no_weight_decay = True  # type: ignore[attr-defined]
