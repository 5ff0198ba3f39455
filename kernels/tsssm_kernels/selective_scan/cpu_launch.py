"""Run the CPU kernels of the scan over shares of the work, and lay out tensors as they want them."""

from __future__ import annotations

import math

from torch import Tensor
from torch.nn.functional import pad

from ..addresses import addresses
from ..thread_pool import count_shares, run_ranges
from .cpu_arrays import CHUNK, Gradients, Inputs, Sizes

__all__ = [
    "LANES",
    "checkpoint_shape",
    "even",
    "launch_backward",
    "launch_forward",
    "own_states",
    "pack",
    "pack_rows",
    "pack_states",
    "unpack",
    "unpack_rows",
    "unpack_states",
]

LANES = 16
FORWARD, BACKWARD = 0.3, 0.7  # nanoseconds for each step, channel and number of state
LOG2_E = 1 / math.log(2)


def pack(tensor: Tensor) -> Tensor:
    """Fill up the channels, the last axis, to whole blocks of sixteen."""
    missing = -tensor.shape[-1] % LANES
    return (pad(tensor, (0, missing)) if missing else tensor).contiguous()


def unpack(packed: Tensor, channels: int) -> Tensor:
    """The real channels of the last axis."""
    return packed[..., :channels].contiguous()


def pack_rows(rows: Tensor) -> Tensor:
    """(..., channels, n) -> (..., blocks, n, 16)."""
    missing = -rows.shape[-2] % LANES
    rows = pad(rows, (0, 0, 0, missing)) if missing else rows
    return rows.unflatten(-2, (-1, LANES)).transpose(-1, -2).contiguous()


def unpack_rows(packed: Tensor, channels: int) -> Tensor:
    """(..., blocks, n, 16) -> (..., channels, n)."""
    rows = packed.transpose(-1, -2).flatten(-3, -2)
    return rows[..., :channels, :].contiguous()


def even(n_state: int) -> int:
    """Numbers of the state that the kernels work with: they take two at once."""
    return n_state + n_state % 2


def pack_states(states: Tensor) -> Tensor:
    """(..., channels, state) -> (..., blocks, even state, 16)."""
    return pack_rows(pad(states, (0, 1)) if states.shape[-1] % 2 else states)


def own_states(states: Tensor | None, sizes: Sizes, like: Tensor) -> Tensor:
    """`pack_states` in memory of its own, to be written to; zeros for None."""
    if states is None:
        return like.new_zeros(sizes.series, sizes.blocks, sizes.state, LANES)
    packed = pack_states(states)
    return packed.clone() if packed.data_ptr() == states.data_ptr() else packed


def unpack_states(packed: Tensor, channels: int, n_state: int) -> Tensor:
    """(..., blocks, even state, 16) -> (..., channels, state)."""
    return unpack_rows(packed[..., :n_state, :], channels)


def checkpoint_shape(batch: int, length: int, blocks: int, n_state: int) -> tuple[int, ...]:
    """Shape of the states before each chunk."""
    return batch, -(-length // CHUNK), blocks, even(n_state), LANES


def launch_forward(sizes: Sizes, inputs: Inputs, state: Tensor, checkpoints: Tensor | None) -> Tensor:
    """Run the scan; packed `state` (batch, blocks, state, 16) becomes the final one, `checkpoints` are filled if given.

    Returns the output, (batch * length, blocks * 16).
    """
    from .cpu_kernels import scan_forward

    batch, items = len(state), len(state) * sizes.groups
    y = state.new_empty(batch * sizes.length, sizes.blocks * LANES)
    shares = count_shares(FORWARD * y.numel() * sizes.state, items)
    at, arrays = addresses(inputs), addresses((state, y, checkpoints))

    def work(_: int, *scratch_and_bounds: int) -> None:
        scan_forward(sizes, at, *arrays, *scratch_and_bounds)

    run_ranges(work, items, shares, _scratch_size(sizes, backward=False))
    return y


def launch_backward(
    sizes: Sizes, inputs: Inputs, grad_y: Tensor, checkpoints: Tensor, grad_state: Tensor, grads: dict[str, Tensor]
) -> dict[str, Tensor]:
    """Gradients by the names of `Gradients`, ranges and groups added up.

    `grad_state`, packed, of the final state, becomes that of the initial one. `grads` holds memory that the caller
    wants some written to, where a group is one.
    """
    from .cpu_kernels import scan_backward

    n_rows, items = len(grad_y), len(grad_state) * sizes.groups
    width, blocks, groups = sizes.blocks * LANES, sizes.blocks, sizes.groups
    shares = count_shares(BACKWARD * grad_y.numel() * sizes.state, items)
    new, zeros = grad_y.new_empty, grad_y.new_zeros
    made = {
        "u": new(n_rows, sizes.grad_u_stride),
        "delta": new(n_rows if sizes.rank == 0 else 0, width),
        "low": new(groups, n_rows if sizes.rank else 0, sizes.low_stride),
        "up": zeros(shares, blocks, sizes.rank, LANES),
        "bias": zeros(shares, width),
        "A": zeros(shares, blocks, sizes.state, LANES),
        "B": new(groups, n_rows, sizes.B_stride),
        "C": new(groups, n_rows, sizes.C_stride),
        "D": zeros(shares, width),
        "z": new(0 if inputs.z is None else n_rows, sizes.z_stride),
        "gaps": new(groups, 0 if inputs.gaps is None else n_rows),
        "state": grad_state,
    } | grads
    at, into = addresses(inputs), addresses(Gradients(**made))

    def work(share: int, scratch: int, *bounds: int) -> None:
        scan_backward(sizes, at, grad_y.data_ptr(), checkpoints.data_ptr(), into, scratch, share, *bounds)

    run_ranges(work, items, shares, _scratch_size(sizes, backward=True))
    for name in ("up", "bias", "A", "D", "B", "C", "low", "gaps"):
        made[name] = made[name][0] if len(made[name]) == 1 else made[name].sum(0)
    return made


def _scratch_size(sizes: Sizes, backward: bool) -> int:
    """Numbers that one call of a kernel needs, in whole cache lines."""
    scalars = CHUNK * (2 * sizes.state + 1)
    vectors = CHUNK * (2 * sizes.state + sizes.rank + 1) if backward else 0
    return -(-scalars // LANES) * LANES + vectors * LANES
