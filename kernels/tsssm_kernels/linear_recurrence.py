"""The first-order linear recurrence, elementwise over any trailing axes, without a loop over time steps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

__all__ = ["CHUNK", "ChunkProducts", "linear_recurrence", "linear_recurrence_"]

ChunkProducts = Callable[[slice], Tensor]

CHUNK = 32  # the loop's length, whatever the sequence's; up to here one pass suffices


def linear_recurrence(a: Tensor, b: Tensor, initial: Tensor | None = None) -> Tensor:
    """All states of ``h_t = a_t * h_{t-1} + b_t``.

    The sequence is cut into chunks that advance side by side, so the number of tensor operations grows with the
    logarithm of the length. Products of `a` are formed within chunks only as far as they are needed; with
    ``|a| <= 1`` they may underflow to zero, harmlessly, and never overflow. ``a_t = 0`` starts a new sequence.

    Parameters
    ----------
    a, b : Tensor, shape (batch, length, ...)
        Factors and inputs, real or complex, of the same shape and dtype. Length at least 1.
    initial : Tensor, shape (batch, ...), optional
        The state before the first step; zero if left out.

    Returns
    -------
    Tensor, shape (batch, length, ...)
        The states, differentiable once in all three inputs.

    Raises
    ------
    ValueError
        If the shapes do not fit.

    Examples
    --------
    >>> import torch
    >>> linear_recurrence(torch.full((1, 4), 0.5), torch.ones(1, 4))
    tensor([[1.0000, 1.5000, 1.7500, 1.8750]])
    """
    if a.shape != b.shape or a.ndim < 2 or 0 in a.shape:
        raise ValueError(
            f"linear_recurrence: a and b must have the same non-empty shape (batch, length, ...); "
            f"a has {tuple(a.shape)}, b has {tuple(b.shape)}."
        )
    expected = (a.shape[0], *a.shape[2:])
    if initial is None:
        initial = b.new_zeros(expected)
    elif initial.shape != expected:
        raise ValueError(f"linear_recurrence: initial must have shape {expected}; got {tuple(initial.shape)}.")
    return _LinearRecurrence.apply(a, b, initial)


class _LinearRecurrence(torch.autograd.Function):
    """The gradient of a linear recurrence is the same recurrence, run backwards."""

    @staticmethod
    def forward(ctx: Any, a: Tensor, b: Tensor, initial: Tensor) -> Tensor:
        states = b.clone(memory_format=torch.contiguous_format)
        linear_recurrence_(a, states, initial)
        ctx.save_for_backward(a, initial, states)
        return states

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_states: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        a, initial, states = ctx.saved_tensors
        grad_b = grad_states.clone(memory_format=torch.contiguous_format)
        linear_recurrence_(a[:, 1:].conj(), grad_b[:, :-1], grad_b[:, -1], reverse=True)
        previous = torch.cat([initial.unsqueeze(1), states[:, :-1]], dim=1)
        return grad_b * previous.conj(), grad_b, a[:, 0].conj() * grad_b[:, 0]


def linear_recurrence_(
    a: Tensor, b: Tensor, initial: Tensor, *, reverse: bool = False, products: ChunkProducts | None = None
) -> None:
    """Turn the inputs `b` into the states, in place, without autograd.

    Shapes are those of `linear_recurrence`; a length of 0 is a no-op. With `reverse`, time runs from the end:
    ``h_t = a_t * h_{t+1} + b_t`` and `initial` stands after the last step. Who knows a better way to the products of
    `a` over whole chunks than multiplying passes `products`: for a slice of steps, a multiple of `CHUNK` long, it
    gives them, (batch, chunks, ...).
    """
    length = a.shape[1]
    body = 0 if length < 2 * CHUNK else length - length % CHUNK
    # the steps that fill no chunk come last in the order of the recurrence
    chunks = slice(length - body, length) if reverse else slice(0, body)
    rest = slice(0, length - body) if reverse else slice(body, length)
    if body:
        of_chunks = _multiply(a[:, chunks]) if products is None else products(chunks)
        _advance_chunks(a[:, chunks], b[:, chunks], of_chunks, initial, reverse)
        initial = b[:, chunks][:, 0 if reverse else -1]
    _advance(a[:, rest], b[:, rest], initial, reverse)


def _advance(a: Tensor, b: Tensor, state: Tensor, reverse: bool) -> None:
    """Step by step, for the few steps of one chunk; `a`, `b` (batch, steps, ...), `state` (batch, ...)."""
    steps = list(zip(a.unbind(1), b.unbind(1)))
    for a_t, b_t in reversed(steps) if reverse else steps:
        state = b_t.addcmul_(a_t, state)


def _advance_chunks(a: Tensor, b: Tensor, products: Tensor, initial: Tensor, reverse: bool) -> None:
    """Find the state before every chunk by the same recurrence over chunks, then advance all chunks together.

    A chunk takes a state to ``product * state + end``, where `end` is what it leads to from zero.
    """
    steps = list(zip(_in_chunks(a).unbind(2), _in_chunks(b).unbind(2)))
    if reverse:
        steps.reverse()
    end = steps[0][1].clone()
    for a_t, b_t in steps[1:]:
        torch.addcmul(b_t, a_t, end, out=end)
    linear_recurrence_(products, end, initial, reverse=reverse)
    first = initial.unsqueeze(1)
    state = torch.cat([end[:, 1:], first] if reverse else [first, end[:, :-1]], dim=1)
    for a_t, b_t in steps[:-1]:
        state = b_t.addcmul_(a_t, state)
    steps[-1][1].copy_(end)  # known already, and with fewer roundings


def _multiply(a: Tensor) -> Tensor:
    first, *others = _in_chunks(a).unbind(2)
    product = first.clone()
    for a_t in others:
        product.mul_(a_t)
    return product


def _in_chunks(tensor: Tensor) -> Tensor:
    return tensor.unflatten(1, (-1, CHUNK))  # (batch, length, ...) -> (batch, chunks, CHUNK, ...)
