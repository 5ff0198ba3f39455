"""Entries of the vocabulary: sums, maxima, and what is made of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from . import opcodes
from .layout import CannotCompileError, View
from .recording import Call
from .translation import VOCABULARY, Entry, Translation, entry

__all__ = ["softmax_or_nothing"]


def _reduction(function: int, mean: bool = False) -> Entry:
    def translate(to: Translation, call: Call) -> None:
        source, result = call.arguments["self"], call.results[0]
        if result.dtype == torch.bool or (
            result.dtype != source.dtype and not (source.dtype == torch.bool and result.dtype == torch.int64)
        ):
            raise CannotCompileError(f"a sum of {source.dtype} as {result.dtype}")
        axes = _axes(call.arguments["dim"], source.ndim)
        if to.layout.view(source).batch in axes:
            raise CannotCompileError("a sum over streams")
        count = math.prod(source.shape[axis] for axis in axes)
        kept = result if call.arguments["keepdim"] else _with_axes(result, axes)
        view = to.result(kept, [source])
        to.reduce(function, view, to.layout.view(source), axes, 1.0 / count if mean else 1.0)

    return translate


VOCABULARY |= {
    "sum.dim_IntList": _reduction(opcodes.SUM),
    "mean.dim": _reduction(opcodes.SUM, mean=True),
    "amax": _reduction(opcodes.LARGEST),
}


def _axes(dim: Any, ndim: int) -> list[int]:
    if not dim and dim != 0:
        raise CannotCompileError("a sum over streams")
    return [axis % ndim for axis in (dim if isinstance(dim, list | tuple) else [dim])]


def _with_axes(tensor: Tensor, axes: Sequence[int]) -> Tensor:
    for axis in sorted(axes):
        tensor = tensor.unsqueeze(axis)
    return tensor


@entry("linalg_vector_norm")
def _norm(to: Translation, call: Call) -> None:
    source, result = call.arguments["self"], call.results[0]
    if call.arguments["ord"] != 2:
        raise CannotCompileError(f"a norm of order {call.arguments['ord']}")
    axes = _axes(call.arguments["dim"], source.ndim)
    view = to.result(result if call.arguments["keepdim"] else _with_axes(result, axes), [source])
    values = to.layout.view(source)
    squares = to.room(values, values.sizes)
    to.elements_to(opcodes.SQUARE, squares, values)
    to.reduce(opcodes.SUM, view, squares, axes)
    to.elements_to(opcodes.SQRT, view, view)


@entry("native_layer_norm")
def _layer_norm(to: Translation, call: Call) -> None:
    given, source = call.arguments, call.arguments["input"]
    view = to.result(call.results[0], [source])
    axes = list(range(source.ndim - len(given["normalized_shape"]), source.ndim))
    _normalise(to, view, to.layout.view(source), axes, given["eps"])
    _scale(to, view, given["weight"], given["bias"])


@entry("native_group_norm")
def _group_norm(to: Translation, call: Call) -> None:
    given, source = call.arguments, call.arguments["input"]
    if source.ndim != 2:
        raise CannotCompileError("a group norm of more than channels")
    grouped = [tensor.unflatten(1, (given["group"], -1)) for tensor in (call.results[0], source)]
    to.result(call.results[0], [source])
    view, values = (to.layout.view(tensor) for tensor in grouped)
    _normalise(to, view, values, [2], given["eps"])
    _scale(to, to.layout.view(call.results[0]), given["weight"], given["bias"])


def _normalise(to: Translation, view: View, values: View, axes: Sequence[int], eps: float) -> None:
    count = math.prod(values.sizes[axis] for axis in axes)
    mean = to.room(values, [1 if axis in axes else size for axis, size in enumerate(values.sizes)])
    variance, squares = to.room(values, mean.sizes), to.room(values, values.sizes)
    to.reduce(opcodes.SUM, mean, values, axes, 1.0 / count)
    to.elements_to(opcodes.ADD, view, values, mean, constant=-1.0)
    to.elements_to(opcodes.SQUARE, squares, view)
    to.reduce(opcodes.SUM, variance, squares, axes, 1.0 / count)
    to.elements_to(opcodes.ADD, variance, variance, eps)
    to.elements_to(opcodes.RSQRT, variance, variance)
    to.elements_to(opcodes.MULTIPLY, view, view, variance)


def _scale(to: Translation, view: View, weight: Tensor | None, bias: Tensor | None) -> None:
    if weight is not None:
        to.elements_to(opcodes.MULTIPLY, view, view, weight)
    if bias is not None:
        to.elements_to(opcodes.ADD, view, view, bias)


@entry("_softmax")
def _softmax(to: Translation, call: Call) -> None:
    source = call.arguments["self"]
    view = to.result(call.results[0], [source])
    to.elements_to(opcodes.COPY, view, source)
    _softmax_of(to, view, call.arguments["dim"] % source.ndim)


@entry("_safe_softmax")
def _safe_softmax(to: Translation, call: Call) -> None:
    source = call.arguments["self"]
    view = to.result(call.results[0], [source])
    to.elements_to(opcodes.COPY, view, source)
    softmax_or_nothing(to, view, call.arguments["dim"] % source.ndim)


def softmax_or_nothing(to: Translation, view: View, axis: int) -> None:
    """In place; zeros where all numbers are -inf."""
    nothing = to.room(view, [1 if other == axis else size for other, size in enumerate(view.sizes)])
    to.reduce(opcodes.LARGEST, nothing, view, [axis])
    to.elements_to(opcodes.EQUAL, nothing, nothing, -math.inf)
    _softmax_of(to, view, axis)
    to.elements_to(opcodes.WHERE, view, nothing, 0.0, view)


def _softmax_of(to: Translation, view: View, axis: int) -> None:
    """In place."""
    one = to.room(view, [1 if other == axis else size for other, size in enumerate(view.sizes)])
    to.reduce(opcodes.LARGEST, one, view, [axis])
    to.elements_to(opcodes.ADD, view, view, one, constant=-1.0)
    to.elements_to(opcodes.EXP, view, view)
    to.reduce(opcodes.SUM, one, view, [axis])
    to.elements_to(opcodes.DIVIDE, view, view, one)
