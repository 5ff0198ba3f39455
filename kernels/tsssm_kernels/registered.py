"""Registration of compiled loops and kernels as operators of torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NoReturn

import torch
from torch import Tensor
from torch.autograd import forward_ad

__all__ = ["differentiable", "registered", "without_derivative"]

Forward = Callable[..., Sequence[Tensor]]


def registered(
    name: str, schema: str, devices: Sequence[str] = ("cpu",)
) -> Callable[[Callable], torch._ops.OpOverload]:
    """Register a function of tensors on a device as the operator ``tsssm::<name>``, which takes its place.

    ``torch.library.custom_op`` would do the same, but imports ``torch._dynamo`` at the first call: more than a second
    of a process that only forecasts.

    Parameters
    ----------
    name : str
    schema : str
        Arguments and results as torch writes them; the function writes to none of its arguments, and gives new tensors.
    devices : sequence of str
        Types of the devices whose tensors it takes.

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
        torch.library.impl(f"tsssm::{name}", tuple(devices), function)
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


def differentiable(
    name: str,
    arguments: Mapping[str, str],
    results: int,
    kept: int,
    *,
    forward: Forward,
    backward: Callable[..., Sequence[Tensor | None]],
    shapes: Callable[..., Sequence[Sequence[int]]],
    dtypes: Callable[..., Sequence[torch.dtype]] | None = None,
    devices: Sequence[str] = ("cpu",),
) -> Callable[..., tuple[Tensor, ...]]:
    """Register a forward and a backward function as one operator, differentiable once, in reverse mode.

    Parameters
    ----------
    name : str
        Of the operator, ``tsssm::<name>``; the backward pass becomes ``tsssm::<name>_backward``.
    arguments : mapping of str to str
        Type of each argument as torch writes it: "Tensor", "Tensor?", "bool", "int", "float".
    results : int
        How many tensors the operator gives.
    kept : int
        How many more it keeps for the backward pass.
    forward : Callable
        ``forward(*arguments, keep)`` gives the results and, after them, what the backward pass needs: with `keep`
        False those may be empty.
    backward : Callable
        ``backward(gradients, kept, *arguments)``, with None for gradients that are zero, gives the gradient of each
        tensor among the arguments, None for those that have none.
    shapes : Callable
        ``shapes(*arguments, keep)`` gives the shapes of what `forward` gives.
    dtypes : Callable, optional
        ``dtypes(*arguments, keep)`` gives their dtypes. Default: that of the first tensor.
    devices : sequence of str
        Types of the devices whose tensors it takes.

    Returns
    -------
    Callable
        Of the arguments; gives a tuple of results. Refuses tensors with a forward-mode tangent, which torch would
        lose without a word.

    Examples
    --------
    >>> squared = differentiable(
    ...     "squared", {"x": "Tensor"}, 1, 0,
    ...     forward=lambda x, keep: (x * x,),
    ...     backward=lambda gradients, kept, x: (2 * x * gradients[0],),
    ...     shapes=lambda x, keep: (x.shape,),
    ... )
    >>> x = torch.tensor(3.0, requires_grad=True)
    >>> torch.autograd.grad(squared(x), x)
    (tensor(6.),)
    """
    listed = ", ".join(f"{kind} {argument}" for argument, kind in arguments.items())
    tensors = [i for i, kind in enumerate(arguments.values()) if kind.startswith("Tensor")]

    # one by one: autograd takes .2 ms to pack and unpack a list of tensors
    run = registered(name, f"({listed}, bool keep) -> ({', '.join(['Tensor'] * (results + kept))})", devices)(
        lambda *args: _as_returned(forward(*args))
    )

    def _backward(gradients: list[Tensor | None], kept: list[Tensor], *args: Any) -> list[Tensor]:
        # something is kept, but the call was without `keep`, and is differentiated all the same
        if kept and not any(tensor.numel() for tensor in kept):
            kept = list(forward(*args, True))[results:]
        made = backward(gradients, kept, *args)
        first = args[tensors[0]]
        return [first.new_empty(0) if gradient is None else gradient for gradient in made]

    schema = f"(Tensor?[] gradients, Tensor[] kept, {listed}) -> Tensor[]"
    run_backward = registered(f"{name}_backward", schema, devices)(_backward)

    @torch.library.register_fake(run)
    def _(*args: Any) -> Tensor | tuple[Tensor, ...]:
        first, made = args[tensors[0]], shapes(*args)
        kinds = [first.dtype] * len(made) if dtypes is None else dtypes(*args)
        return _as_returned([first.new_empty(shape, dtype=kind) for shape, kind in zip(made, kinds, strict=True)])

    @torch.library.register_fake(run_backward)
    def _(gradients: list[Tensor | None], kept: list[Tensor], *args: Any) -> list[Tensor]:
        given = [args[i] for i in tensors]
        return [x.new_empty(x.shape) if _is_real(x) else given[0].new_empty(0) for x in given]

    def keep_for_backward(ctx: Any, inputs: tuple[Any, ...], output: Tensor | tuple[Tensor, ...]) -> None:
        *args, _ = inputs
        ctx.set_materialize_grads(False)
        states = output[results:] if isinstance(output, tuple) else ()
        ctx.mark_non_differentiable(*states)
        ctx.others = [None if i in tensors else arg for i, arg in enumerate(args)]
        ctx.save_for_backward(*states, *(args[i] for i in tensors))

    def differentiate(ctx: Any, *gradients: Tensor | None) -> tuple[Any, ...]:
        saved = ctx.saved_tensors
        states, given = list(saved[:kept]), saved[kept:]
        args = list(ctx.others)
        for i, tensor in zip(tensors, given):
            args[i] = tensor
        made = run_backward(list(gradients[:results]), states, *args)
        into: list[Any] = [None] * (len(args) + 1)
        for i, tensor, gradient in zip(tensors, given, made):
            if _is_real(tensor):
                into[i] = gradient
        return tuple(into)

    torch.library.register_autograd(run, differentiate, setup_context=keep_for_backward)
    without_derivative(run_backward)

    def call(*args: Any) -> tuple[Tensor, ...]:
        given = [args[i] for i in tensors if args[i] is not None]
        if forward_ad._current_level >= 0 and any(forward_ad.unpack_dual(x).tangent is not None for x in given):
            raise RuntimeError(
                f"{name} has no forward-mode derivative: the compiled operators are differentiable once, in "
                "reverse mode. For more, pass backend='reference'."
            )
        keep = torch.is_grad_enabled() and any(tensor.requires_grad for tensor in given)
        made = run(*args, keep)
        return made[:results] if isinstance(made, tuple) else (made,)

    return call


def _is_real(x: Tensor | None) -> bool:
    return x is not None and x.is_floating_point()


def _as_returned(tensors: Sequence[Tensor]) -> Tensor | tuple[Tensor, ...]:
    """As an operator returns so many tensors: one is not in a tuple."""
    return tensors[0] if len(tensors) == 1 else tuple(tensors)
