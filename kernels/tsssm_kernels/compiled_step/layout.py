"""Where the numbers of one stream lie, for every tensor that was seen while a batch of streams was stepped."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from .opcodes import BOOL, FLOAT32, FLOAT64, INT64

__all__ = ["STREAMS", "Buffer", "CannotCompileError", "Layout", "View"]

# streams of the batch that is recorded: the sizes of no network are multiples of it by chance, and where one is, the
# index maps below, or the comparison at the end, find out
STREAMS = 13
_NEXT_STREAM = 1 << 40  # from a stream's number to the next one's, in an index map
_TYPES = {torch.float32: FLOAT32, torch.float64: FLOAT64, torch.int64: INT64, torch.bool: BOOL}


class CannotCompileError(ValueError):
    """A step asks for something that compiled steps do not know."""


@dataclass(eq=False)
class Buffer:
    """Memory of one stream: `size` numbers of a type; `value` where it is the same for all streams."""

    size: int
    kind: int
    value: np.ndarray | None = None
    outside: int | None = None  # number among the inputs and outputs


@dataclass(frozen=True)
class View:
    """Some numbers of a buffer, axis by axis as torch has them, the batch's axis shortened to one stream's share."""

    buffer: Buffer
    offset: int
    sizes: tuple[int, ...]
    strides: tuple[int, ...]
    batch: int | None  # the axis that also counts streams; None for constants

    def along(self, sizes: tuple[int, ...]) -> tuple[int, ...]:
        """Strides along more or longer axes, 0 where the numbers repeat."""
        missing = len(sizes) - len(self.sizes)
        own = [0 if size == 1 else stride for size, stride in zip(self.sizes, self.strides)]
        return (0,) * missing + tuple(own)


@dataclass
class Layout:
    """Views of tensors. What depends on no input is a constant."""

    _memory: dict[int, tuple[Buffer, Tensor]] = field(default_factory=dict)  # by address: buffer, index map

    def known(self, tensor: Tensor) -> bool:
        """Whether the tensor, or what it is a view of, belongs to the streams."""
        return tensor.untyped_storage().data_ptr() in self._memory

    def place(self, tensor: Tensor, batch: int, outside: int | None = None) -> Buffer:
        """A new buffer for a tensor with memory of its own, whose axis `batch` counts streams.

        Complex numbers that are neither input nor output lie apart, all real parts before all imaginary ones: loops
        are fast over what lies side by side.
        """
        apart = tensor.is_complex() and outside is None
        tensor = _as_real(tensor)
        if tensor.dtype not in _TYPES:
            raise CannotCompileError(f"a tensor of {tensor.dtype}")
        if tensor.shape[batch] % STREAMS:
            raise CannotCompileError(f"a tensor of shape {tuple(tensor.shape)} that mixes streams")
        sizes = list(tensor.shape)
        sizes[batch] //= STREAMS
        # in torch's order of axes in memory: what is one axis to torch, in a view of it, is one here
        order = sorted(range(tensor.ndim), key=tensor.stride, reverse=True)
        if apart:
            order = [tensor.ndim - 1, *(axis for axis in order if axis != tensor.ndim - 1)]
        ordered = np.arange(int(np.prod(sizes))).reshape([sizes[axis] for axis in order])
        inner = ordered.transpose(np.argsort(order))
        streams = np.arange(STREAMS).reshape(-1, *[1] * (len(sizes) - batch))
        # the streams come first in their axis wherever a tensor is made: what splits a batch's axis keeps them there
        split = np.expand_dims(inner, batch) + streams * _NEXT_STREAM
        index = torch.empty_strided(tensor.shape, tensor.stride(), dtype=torch.int64)
        index.copy_(torch.from_numpy(split.reshape(tensor.shape)))
        buffer = Buffer(inner.size, _TYPES[tensor.dtype], outside=outside)
        self._memory[tensor.untyped_storage().data_ptr()] = buffer, index
        return buffer

    def view(self, tensor: Tensor) -> View:
        """Where a stream's part of the tensor lies; of complex numbers with a last axis of two parts."""
        tensor = _as_real(tensor)
        if not self.known(tensor):
            return _constant(tensor)
        buffer, index = self._memory[tensor.untyped_storage().data_ptr()]
        if not tensor.numel():
            raise CannotCompileError("a tensor without numbers")
        if _TYPES.get(tensor.dtype) != buffer.kind:
            raise CannotCompileError(f"numbers looked at as {tensor.dtype} that are not")
        numbers = index.as_strided(tensor.shape, tensor.stride(), tensor.storage_offset()).numpy()
        first = int(numbers.flat[0])
        sizes, strides, batch = list(tensor.shape), [0] * tensor.ndim, None
        for axis, size in enumerate(tensor.shape):
            line = numbers[(0,) * axis + (slice(None),) + (0,) * (tensor.ndim - axis - 1)] - first
            if (line >= _NEXT_STREAM).any():
                if batch is not None or size % STREAMS:
                    raise CannotCompileError(f"a view of shape {tuple(tensor.shape)} that mixes streams")
                batch, sizes[axis] = axis, size // STREAMS
                line = line[: sizes[axis]]
            strides[axis] = int(line[1]) if len(line) > 1 else 0
        found = View(buffer, first, tuple(sizes), tuple(strides), batch)
        if batch is None or not np.array_equal(_numbers(found), numbers):
            raise CannotCompileError(
                f"a view of shape {tuple(tensor.shape)} that is not the same one of each of the streams"
            )
        return found


def _as_real(tensor: Tensor) -> Tensor:
    return torch.view_as_real(tensor.resolve_conj()) if tensor.is_complex() else tensor


def _numbers(view: View) -> np.ndarray:
    """The index map that a view stands for."""
    assert view.batch is not None
    inner = np.full(view.sizes, view.offset)
    for axis, (size, stride) in enumerate(zip(view.sizes, view.strides)):
        inner = inner + (np.arange(size) * stride).reshape(-1, *[1] * (len(view.sizes) - axis - 1))
    streams = np.arange(STREAMS).reshape(-1, *[1] * (len(view.sizes) - view.batch))
    sizes = list(view.sizes)
    sizes[view.batch] *= STREAMS
    return (np.expand_dims(inner, view.batch) + streams * _NEXT_STREAM).reshape(sizes)


def _constant(tensor: Tensor) -> View:
    if tensor.dtype not in _TYPES:
        raise CannotCompileError(f"a constant of {tensor.dtype}")
    array = np.ascontiguousarray(
        tensor.detach().to(torch.float32 if tensor.dtype == torch.bool else tensor.dtype).numpy()
    )
    kind = FLOAT32 if tensor.dtype == torch.bool else _TYPES[tensor.dtype]
    strides = tuple(stride // array.itemsize for stride in array.strides)
    return View(Buffer(array.size, kind, array.ravel()), 0, tuple(tensor.shape), strides, None)
