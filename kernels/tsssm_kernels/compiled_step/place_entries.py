"""Entries of the vocabulary: numbers that are put side by side, or moved to other places."""

from __future__ import annotations

import torch
from torch import Tensor

from . import opcodes
from .instructions import Instruction, Part
from .layout import STREAMS, CannotCompileError, View
from .recording import Call
from .translation import Translation, entry, for_any_stream, part_of

__all__: list[str] = []


@entry("cat")
def _concatenate(to: Translation, call: Call) -> None:
    result, axis = call.results[0], call.arguments["dim"] % call.results[0].ndim
    parts = [tensor for tensor in call.arguments["tensors"] if tensor.numel()]
    whole, begin = to.result(result, parts), 0
    if axis == whole.batch:
        raise CannotCompileError("streams joined to streams")
    for tensor in parts:
        piece = to.layout.view(result.narrow(axis, begin, tensor.shape[axis]))
        to.elements_to(opcodes.COPY, piece, tensor)
        begin += tensor.shape[axis]


@entry("stack")
def _stack(to: Translation, call: Call) -> None:
    result, axis = call.results[0], call.arguments["dim"] % call.results[0].ndim
    tensors = call.arguments["tensors"]
    to.result(result, [tensor.unsqueeze(axis) for tensor in tensors])
    for i, tensor in enumerate(tensors):
        to.elements_to(opcodes.COPY, to.layout.view(result.select(axis, i)), tensor)


@entry("complex")
def _complex(to: Translation, call: Call) -> None:
    given, result = call.arguments, call.results[0]
    to.result(result, [given["real"], given["imag"]])
    for part, name in zip(torch.view_as_real(result).unbind(-1), ("real", "imag")):
        to.elements_to(opcodes.COPY, to.layout.view(part), given[name])


@entry("repeat")
def _repeat(to: Translation, call: Call) -> None:
    source, repeats = call.arguments["self"], call.arguments["repeats"]
    source = source[(None,) * (len(repeats) - source.ndim)]
    if any(count != 1 and size != 1 for count, size in zip(repeats, source.shape)):
        raise CannotCompileError("repeat of more than single numbers")
    to.elements(opcodes.COPY, call.results[0], source)


@entry("scatter.src")
def _scatter(to: Translation, call: Call) -> None:
    given, result = call.arguments, call.results[0]
    view = to.result(result, [given["self"]])
    to.elements_to(opcodes.COPY, view, given["self"])
    axis = given["dim"] % result.ndim
    if axis == view.batch:
        raise CannotCompileError("chosen streams")
    index, source = (_moved(to, given[name], view) for name in ("index", "src"))
    strides = tuple(0 if i == axis else stride for i, stride in enumerate(view.strides))
    target = Part(view.buffer, view.offset, strides, view.strides[axis])
    _move(to, opcodes.SCATTER, index.sizes, [target, part_of(source, index.sizes), part_of(index, index.sizes)],
          view.sizes[axis])  # fmt: skip


def _moved(to: Translation, tensor: Tensor, like: View) -> View:
    """A view of what is moved, or says where to; of one stream's share if it is a constant."""
    view = to.layout.view(tensor)
    if view.batch is None and like.batch is not None:
        if tensor.shape[like.batch] % STREAMS:
            raise CannotCompileError("a constant that does not count streams as what it goes with")
        view = to.layout.view(for_any_stream(tensor, like.batch))
    return view


@entry("gather")
def _gather(to: Translation, call: Call) -> None:
    given, result = call.arguments, call.results[0]
    view = to.result(result, [given["index"], given["self"]])
    source, axis = _moved(to, given["self"], view), given["dim"] % result.ndim
    if axis == view.batch:
        raise CannotCompileError("chosen streams")
    strides = tuple(0 if i == axis else stride for i, stride in enumerate(source.strides))
    parts = [part_of(view, view.sizes), Part(source.buffer, source.offset, strides, source.strides[axis])]
    _move(to, opcodes.GATHER, view.sizes, [*parts, to.operand(given["index"], view)], source.sizes[axis])


@entry("index.Tensor")
def _index(to: Translation, call: Call) -> None:
    given, result = call.arguments, call.results[0]
    axes = [axis for axis, index in enumerate(given["indices"]) if index is not None]
    if len(axes) != 1 or given["indices"][axes[0]].ndim != 1 or to.layout.known(given["indices"][axes[0]]):
        raise CannotCompileError("indices other than constant ones of one axis")
    (axis,) = axes
    if given["indices"][axis].dtype != torch.int64:
        raise CannotCompileError("numbers that are chosen by truth values")
    source = to.layout.view(given["self"])
    if axis == source.batch:
        raise CannotCompileError("chosen streams")
    index = given["indices"][axis].remainder(source.sizes[axis])  # negative ones count from the end
    view = to.result(result, [given["self"]])
    strides = tuple(0 if i == axis else stride for i, stride in enumerate(source.strides))
    parts = [part_of(view, view.sizes), Part(source.buffer, source.offset, strides, source.strides[axis])]
    named = index.view([-1 if i == axis else 1 for i in range(result.ndim)])
    _move(to, opcodes.GATHER, view.sizes, [*parts, to.operand(named, view)], source.sizes[axis])


def _move(to: Translation, kind: int, sizes: tuple[int, ...], parts: list[Part], count: int) -> None:
    shown = [axis for axis, size in enumerate(sizes) if size != 1]
    parts = [Part(p.buffer, p.offset, tuple(p.strides[axis] for axis in shown), p.summed) for p in parts]
    to.instructions.append(Instruction(kind, 0, tuple(sizes[axis] for axis in shown), parts, count))
