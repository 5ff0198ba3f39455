"""The sLSTM on the CPU: compiled loops, registered as an operator of torch."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import pad

from ..addresses import addresses
from ..registered import differentiable
from ..thread_pool import count_groups, count_shares, run_ranges
from .cpu_arrays import ENDS, KEPT, SERIES, Gradients, Inputs, Outputs, Sizes
from .state import SLSTMState

__all__ = ["ARGUMENTS", "slstm_cpu"]

ARGUMENTS = dict.fromkeys(("gates", "recurrent", "y", "c", "n", "m"), "Tensor") | {"resets": "Tensor?"}

LANES = 16
FORWARD, BACKWARD = 0.04, 0.035  # nanoseconds for each step, number and number that its gates see ...
GATES = 200  # ... and for the gates themselves as if they saw so many more


def _whole(width: int) -> int:
    return -(-width // LANES) * LANES


def _sizes(gates: Tensor) -> Sizes:
    batch, length, heads, _, width = gates.shape
    groups = count_groups(batch, heads)
    enough = -(-batch // SERIES) * groups >= torch.get_num_threads()
    return Sizes(batch, length, heads, groups, width, SERIES if enough else 1)


def _items(sizes: Sizes) -> int:
    return -(-sizes.batch // sizes.together) * sizes.groups


def _shares(sizes: Sizes, nanoseconds: float) -> int:
    work = nanoseconds * sizes.batch * sizes.length * sizes.heads * _whole(sizes.width) * (sizes.width + GATES)
    return count_shares(work, _items(sizes))


def _pack(recurrent: Tensor) -> Tensor:
    """(heads, 4, summed, width) -> (heads, 2, vectors, summed, 2, 16): a step's loads one after the other."""
    missing = -recurrent.shape[-1] % LANES
    packed = pad(recurrent, (0, missing)).unflatten(-1, (-1, LANES)).unflatten(1, (2, 2))
    return packed.permute(0, 1, 4, 3, 2, 5).contiguous()


def _lay_out(gates: Tensor, recurrent: Tensor, y: Tensor, resets: Tensor | None) -> Inputs:
    begins = None if resets is None else resets.float().contiguous()
    return Inputs(gates.contiguous(), _pack(recurrent), y.contiguous(), begins)


def _shapes(gates, recurrent, y, c, n, m, resets, keep) -> list[tuple[int, ...]]:
    batch, length, heads, _, width = gates.shape
    state = batch, heads, width
    return [
        (batch, length, heads, width),
        state,
        state,
        state,
        (batch, length, heads, KEPT, _whole(width)) if keep else (0,),
        (batch, heads, ENDS, _whole(width)) if keep else (0,),
    ]


def _forward(gates, recurrent, y, c, n, m, resets, keep) -> list[Tensor]:
    from .cpu_kernels import forward

    sizes, inputs = _sizes(gates), _lay_out(gates, recurrent, y, resets)
    made = [gates.new_empty(shape) for shape in _shapes(gates, recurrent, y, c, n, m, resets, keep)]
    for state, initial in zip(made[1:4], (c, n, m)):
        state.copy_(initial)
    at, into = addresses(inputs), addresses(Outputs(*made))
    into = into._replace(kept=into.kept if keep else 0)
    items, shares = _items(sizes), _shares(sizes, FORWARD)
    room = SERIES * (4 + 6 * sizes.heads) * _whole(sizes.width)

    def work(_: int, *scratch_and_bounds: int) -> None:
        forward(sizes, at, into, *scratch_and_bounds)

    run_ranges(work, items, shares, room)
    return made


def _backward(gradients, kept, gates, recurrent, y, c, n, m, resets) -> list[Tensor | None]:
    from .cpu_kernels import backward

    sizes, inputs = _sizes(gates), _lay_out(gates, recurrent.mT, y, resets)
    grad_y, *of_states = gradients
    grad_y = gates.new_zeros(*gates.shape[:3], sizes.width) if grad_y is None else grad_y.contiguous()
    of_states = [torch.zeros_like(inputs.y) if of is None else of.contiguous().clone() for of in of_states]
    grads = Gradients(torch.empty_like(inputs.gates), torch.empty_like(inputs.y), *of_states)
    at, into = addresses(inputs), addresses(grads)
    kept_at = addresses((kept[0], kept[1], grad_y))
    items, shares = _items(sizes), _shares(sizes, BACKWARD)
    room = (1 + SERIES * (4 + 4 * sizes.heads)) * _whole(sizes.width)

    def work(_: int, *scratch_and_bounds: int) -> None:
        backward(sizes, at, *kept_at, into, *scratch_and_bounds)

    run_ranges(work, items, shares, room)
    return [grads.gates, _of_recurrent(grads.gates, kept, y, resets), grads.y, grads.c, grads.n, grads.m, None]


def _of_recurrent(grad_gates: Tensor, kept: list[Tensor], y: Tensor, resets: Tensor | None) -> Tensor:
    """Gradient of the recurrent weights, (heads, 4, width, width): of each step, outputs before times gates."""
    width = y.shape[-1]
    outputs = kept[0][:, :-1, :, 2, :width] * kept[0][:, :-1, :, 4, :width]
    before = torch.cat([y.unsqueeze(1), outputs], dim=1)
    if resets is not None:
        before = torch.where(resets[..., None, None], 0.0, before)
    summed = before.flatten(0, 1).permute(1, 2, 0) @ grad_gates.flatten(3).flatten(0, 1).transpose(0, 1)
    return summed.unflatten(-1, (4, width)).transpose(1, 2).contiguous()


_slstm = differentiable(
    "slstm",
    ARGUMENTS,
    4,
    2,
    forward=_forward,
    backward=_backward,
    shapes=_shapes,
)


def slstm_cpu(gates: Tensor, recurrent: Tensor, state: SLSTMState, resets: Tensor | None) -> tuple[Tensor, SLSTMState]:
    """The sLSTM, all float32; as `slstm_reference`."""
    y, c, n, m = _slstm(gates, recurrent, *state, resets)
    return y, SLSTMState(y[:, -1], c, n, m)
