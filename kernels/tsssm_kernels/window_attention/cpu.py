"""Window attention on the CPU: compiled loops, registered as an operator of torch."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import pad

from ..addresses import addresses
from ..registered import differentiable
from ..thread_pool import count_shares, run_ranges
from .cpu_arrays import BLOCK, Gradients, Inputs, Outputs, Sizes, up
from .rotation import turns_at

__all__ = ["attend_cpu"]

FORWARD, BACKWARD = 0.07, 0.15  # nanoseconds for each query, key that it may see and feature


def _lay_out(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    past_keys: Tensor | None,
    past_values: Tensor | None,
    position: Tensor | None,
    turns: Tensor | None,
    window: int,
    scale: float,
) -> tuple[Sizes, Inputs]:
    (_, length, heads, width), (kv_heads, values) = q.shape, v.shape[2:]
    past, own_positions = 0 if past_keys is None else past_keys.shape[1], int(position is not None)
    sizes = Sizes(length, past, heads, kv_heads, width, values, window, own_positions, scale)
    if position is None:
        reach = q.new_full((1, up(length)), window)
    else:
        reach = pad((position + 1).clamp(max=window).float(), (0, up(length) - length), value=1.0)
    inputs = Inputs(
        q=q.contiguous(),
        k=k.contiguous(),
        v=v.contiguous(),
        past_keys=None if past_keys is None else past_keys.contiguous(),
        past_values=None if past_values is None else past_values.contiguous(),
        reach=reach,
        turns=turns,
    )
    return sizes, inputs


def _turns(q: Tensor, position: Tensor | None, rotary_base: float) -> Tensor:
    """Cosines and sines, (1 or batch, 2, width / 2, whole blocks of steps)."""
    length = q.shape[1]
    at = torch.arange(length).unsqueeze(0) if position is None else position
    by_step = turns_at(at, rotary_base, q.shape[-1], q.dtype)  # (N, length, 2, width / 2)
    return pad(by_step.permute(0, 2, 3, 1), (0, up(length) - length)).contiguous()


def _shapes(q, k, v, past_keys, past_values, position, window, rotary_base, scale, keep) -> list[tuple[int, ...]]:
    batch, length, heads, width = q.shape
    turning = rotary_base is not None
    of_queries = (batch, heads, up(length)) if keep else (0,)
    return [
        (batch, length, heads, v.shape[3]),
        tuple(k.shape) if turning else (0,),
        of_queries,
        of_queries,
        (1 if position is None else batch, 2, width // 2, up(length)) if turning and keep else (0,),
    ]


def _count_shares(nanoseconds: float, sizes: Sizes, items: int) -> int:
    seen = min(sizes.window, sizes.past + sizes.length) + BLOCK / 2
    of_item = sizes.length * sizes.heads / sizes.kv_heads * seen * (up(sizes.width) + up(sizes.values))
    return count_shares(nanoseconds * items * of_item, items)


def _forward(q, k, v, past_keys, past_values, position, window, rotary_base, scale, keep) -> list[Tensor]:
    from .cpu_kernels import forward

    turns = None if rotary_base is None else _turns(q, position, rotary_base)
    sizes, inputs = _lay_out(q, k, v, past_keys, past_values, position, turns, window, scale)
    shapes = _shapes(q, k, v, past_keys, past_values, position, window, rotary_base, scale, keep)
    made = [q.new_empty(shape) for shape in shapes[:4]]
    at, into = addresses(inputs), addresses(Outputs(*made))
    into = into._replace(keys=into.keys if turns is not None else 0, peaks=into.peaks if keep else 0)
    items, row = len(q) * sizes.kv_heads, up(sizes.width) + up(sizes.values)
    shares = _count_shares(FORWARD, sizes, items)
    room = _count_rows(sizes) * row + BLOCK * row + _count_seen(sizes) * BLOCK

    def work(_: int, *scratch_and_bounds: int) -> None:
        forward(sizes, at, into, *scratch_and_bounds)

    run_ranges(work, items, shares, room)
    return [*made, turns if turns is not None and keep else q.new_empty(0)]


def _backward(
    gradients, kept, q, k, v, past_keys, past_values, position, window, rotary_base, scale
) -> list[Tensor | None]:
    from .cpu_kernels import backward

    grad_y, grad_keys = gradients
    peaks, inverses, turns = kept
    turns = None if rotary_base is None else turns
    sizes, inputs = _lay_out(q, k, v, past_keys, past_values, position, turns, window, scale)
    if grad_y is None:
        grad_y = q.new_zeros(*q.shape[:3], v.shape[3])
    incoming = (grad_y.contiguous(), None if grad_keys is None or turns is None else grad_keys.contiguous())
    grads = Gradients(*(None if x is None else torch.empty_like(x) for x in inputs[:5]))
    at, from_outputs, into = addresses(inputs), addresses(Outputs(None, None, peaks, inverses)), addresses(grads)
    gradients_at = addresses(incoming)
    items, row = len(q) * sizes.kv_heads, up(sizes.width) + up(sizes.values)
    shares = _count_shares(BACKWARD, sizes, items)
    room = 2 * (_count_rows(sizes) * row + BLOCK * row + _count_seen(sizes) * BLOCK)

    def work(_: int, *scratch_and_bounds: int) -> None:
        backward(sizes, at, from_outputs, *gradients_at, into, *scratch_and_bounds)

    run_ranges(work, items, shares, room)
    return [*grads, None]


def _count_rows(sizes: Sizes) -> int:
    """Rows of keys and values in a kernel's own memory."""
    return sizes.past + sizes.length + BLOCK


def _count_seen(sizes: Sizes) -> int:
    """Keys that a block of queries sees, at most, and as many more as are taken at once."""
    return min(sizes.window + BLOCK, sizes.past + sizes.length) + BLOCK


_attend = differentiable(
    "window_attention",
    {
        "q": "Tensor",
        "k": "Tensor",
        "v": "Tensor",
        "past_keys": "Tensor?",
        "past_values": "Tensor?",
        "position": "Tensor?",
        "window": "int",
        "rotary_base": "float?",
        "scale": "float",
    },
    2,
    3,
    forward=_forward,
    backward=_backward,
    shapes=_shapes,
)


def attend_cpu(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    past_keys: Tensor | None,
    past_values: Tensor | None,
    position: Tensor | None,
    window: int,
    rotary_base: float | None,
    scale: float,
) -> tuple[Tensor, Tensor]:
    """Outputs and turned keys, see `window_attention_composed`; all float32."""
    q, k, v = q.contiguous(), k.contiguous(), v.contiguous()  # here, not again in the backward pass
    y, keys = _attend(q, k, v, past_keys, past_values, position, window, rotary_base, scale)
    return y, k if rotary_base is None else keys
