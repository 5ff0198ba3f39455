"""The sLSTM on GPUs, registered as an operator of torch."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ..gpu_launch import blocks, contiguous, dot_settings, launch, power_of_two
from ..gpu_tiles import find_tile
from ..registered import differentiable
from .cpu import ARGUMENTS
from .state import SLSTMState

__all__ = ["slstm_gpu"]

KEPT = 5  # numbers of each step, and ...
ENDS = 2  # ... of each series, for each number of the output


def slstm_gpu(gates: Tensor, recurrent: Tensor, state: SLSTMState, resets: Tensor | None) -> tuple[Tensor, SLSTMState]:
    """Run the kernels; arguments as in `slstm`, of floating dtypes up to float32."""
    y, *parts = _slstm(gates, recurrent, *state, resets)
    return y, SLSTMState(*parts)


def _constants(what: str, gates: Tensor, recurrent: Tensor) -> dict[str, Any]:
    tile = find_tile(f"slstm.{what}", gates.shape[-1], gates.device)
    return tile | {"WIDTH": _whole(gates.shape[-1])} | dot_settings(gates, recurrent)


def _whole(width: int) -> int:
    """A width as the kernels have it, in products and in what is kept."""
    return power_of_two(width, least=16)


def _shapes(gates, recurrent, y, c, n, m, resets, keep) -> list[tuple[int, ...]]:
    batch, length, heads, _, width = gates.shape
    whole = _whole(width)
    kept = [(batch, length, heads, KEPT, whole), (batch, heads, ENDS, whole)] if keep else [(0,), (0,)]
    return [(batch, length, heads, width), *[(batch, heads, width)] * 4, *kept]


def _dtypes(gates: Tensor, *others: Any) -> list[torch.dtype]:
    return [gates.dtype, *[torch.float32] * 6]


def _forward(gates, recurrent, y, c, n, m, resets, keep) -> list[Tensor]:
    from .gpu_kernels import slstm_forward

    shapes = _shapes(gates, recurrent, y, c, n, m, resets, keep)
    made = [gates.new_empty(shape, dtype=dtype) for shape, dtype in zip(shapes, _dtypes(gates))]
    (batch, length, heads, _, width), constants = gates.shape, _constants("forward", gates, recurrent)
    inputs = contiguous(gates, recurrent, resets, y, c, n, m)
    outputs = made if keep else [*made[:5], None, None]
    grid = (blocks(batch, constants["SERIES"]), heads)
    launch(slstm_forward, grid, (*inputs, *outputs, batch, length, heads, width), constants)
    return made


def _backward(gradients, kept, gates, recurrent, y, c, n, m, resets) -> list[Tensor | None]:
    from .gpu_kernels import slstm_backward

    (batch, length, heads, _, width), constants = gates.shape, _constants("backward", gates, recurrent)
    made = [torch.empty_like(x, memory_format=torch.contiguous_format) for x in (gates, y, c, n, m)]
    inputs = contiguous(recurrent, resets, *kept, *gradients)
    grid = (blocks(batch, constants["SERIES"]), heads)
    launch(slstm_backward, grid, (*inputs, *made, batch, length, heads, width), constants)
    return [made[0], _of_recurrent(made[0], recurrent, kept[0], y, resets), *made[1:], None]


def _of_recurrent(grad_gates: Tensor, recurrent: Tensor, kept: Tensor, y: Tensor, resets: Tensor | None) -> Tensor:
    """Gradient of the recurrent weights: of each head, outputs before, of all series and steps, times gates."""
    outputs = (kept[:, :-1, :, 2] * kept[:, :-1, :, 4])[..., : y.shape[-1]]
    before = torch.cat([y.float().unsqueeze(1), outputs], dim=1)
    if resets is not None:
        before = torch.where(resets[..., None, None], 0.0, before)
    seen = grad_gates.float().flatten(3).flatten(0, 1).transpose(0, 1)  # (heads, batch * length, 4 * width)
    with torch.autocast(y.device.type, enabled=False):
        summed = before.flatten(0, 1).permute(1, 2, 0) @ seen
    return summed.unflatten(-1, (4, -1)).transpose(1, 2).to(recurrent.dtype).contiguous()


_slstm = differentiable(
    "slstm_triton",
    ARGUMENTS,
    5,
    2,
    forward=_forward,
    backward=_backward,
    shapes=_shapes,
    dtypes=_dtypes,
    devices=("cpu", "cuda"),
)
