"""Registration of compiled loops as operators of torch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn

import torch

__all__ = ["registered", "without_derivative"]


def registered(name: str, schema: str) -> Callable[[Callable], torch._ops.OpOverload]:
    """Register a function of CPU tensors as the operator ``tsssm::<name>``, which takes its place.

    ``torch.library.custom_op`` would do the same, but imports ``torch._dynamo`` at the first call: more than a second
    of a process that only forecasts.

    Parameters
    ----------
    name : str
    schema : str
        Arguments and results as torch writes them; the function writes to none of its arguments, and gives new tensors.

    Examples
    --------
    >>> @registered("doubled", "(Tensor x) -> Tensor")
    ... def doubled(x):
    ...     return x + x
    >>> doubled(torch.ones(2))
    tensor([2., 2.])
    """

    def register(function: Callable) -> torch._ops.OpOverload:
        torch.library.define(f"tsssm::{name}", schema, tags=(torch.Tag.pt2_compliant_tag,))
        torch.library.impl(f"tsssm::{name}", "cpu", function)
        return getattr(torch.ops.tsssm, name).default

    return register


def without_derivative(operator: torch._ops.OpOverload) -> None:
    """Have the operator refuse to be differentiated; torch would warn, and give wrong derivatives."""

    def refuse(ctx: Any, *gradients: Any) -> NoReturn:
        raise RuntimeError(
            f"{operator} has no derivative: the compiled operators are differentiable once. For more, pass "
            "backend='reference'."
        )

    torch.library.register_autograd(operator, refuse)
