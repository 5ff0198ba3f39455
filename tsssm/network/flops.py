"""How many floating-point operations a call takes."""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import flop_registry, sdpa_flop_count

__all__ = ["count_flops"]

# operations on each element of the input: sums, and norms with their mean, variance and scaling
_ON_INPUTS = {"mean": 1, "sum": 1, "amax": 1, "cumsum": 1, "linalg_vector_norm": 2}
_NORMS = {"native_group_norm": 8, "native_layer_norm": 8}
_ON_OUTPUTS = {"glu": 2, "log_sigmoid_forward": 3, "addcmul": 2, "addcmul_": 2}


def count_flops(call: Callable[[], Any]) -> int:
    """Floating-point operations of a call in plain torch.

    A product of matrices counts a multiplication and an addition for each pair of numbers, an elementary function of a
    number (such as an exponential) one, moving numbers nothing. Operators of this project's own, which torch sees as
    one, are not looked into: count a step, not a sequence.

    Parameters
    ----------
    call : callable
        Called once, without arguments.

    Examples
    --------
    >>> import torch
    >>> a, b = torch.ones(3, 4), torch.ones(4, 5)
    >>> count_flops(lambda: (a @ b).exp())
    135
    """
    counter = _Counter()
    with torch.no_grad(), counter:
        call()
    return counter.flops


class _Counter(TorchDispatchMode):
    def __init__(self) -> None:
        super().__init__()
        self.flops = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: dict | None = None) -> Any:
        out = func(*args, **(kwargs or {}))
        self.flops += _flops(func, args, kwargs or {}, out)
        return out


def _flops(func: Any, args: tuple, kwargs: dict, out: Any) -> int:
    name = func.overloadpacket.__name__
    if func.overloadpacket in flop_registry:
        return flop_registry[func.overloadpacket](*args, **kwargs, out_val=out)
    if name.startswith("_scaled_dot_product"):
        query, key, value = (tuple(tensor.shape) for tensor in args[:3])
        return sdpa_flop_count(query, key, value)
    if name in _ON_INPUTS:
        return _ON_INPUTS[name] * args[0].numel()
    first = next((leaf for leaf in tree_leaves(out) if isinstance(leaf, Tensor)), None)
    if first is None or not (first.is_floating_point() or first.is_complex()):
        return 0
    if torch.Tag.pointwise in func.tags or name in _ON_OUTPUTS or name in _NORMS:
        moved = name in ("clone", "where", "copy_", "_to_copy")
        return 0 if moved else (_ON_OUTPUTS | _NORMS).get(name, 1) * prod(first.shape)
    return 0
