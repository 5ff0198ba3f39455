"""What every operator must fulfil, checked on its own examples."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import torch
from torch import Tensor

from .compiled_step import CannotCompileError, compile_step

__all__ = ["CHECKS", "HALF_TYPES", "Operator", "check_kernels", "check_operator", "find_operators"]

Inputs = dict[str, Any]
Make = Callable[[torch.Generator, int, int], Inputs]

FORWARD, BACKWARD = 1e-5, 1e-4  # relative errors (Frobenius norm) in float32 against the reference in float64
HALF = 2e-2  # of outputs, states and gradients, where inputs and gradients are rounded to half types
HALF_TYPES = (torch.bfloat16, torch.float16)
IN_FLOAT32 = ("cpu", "triton")  # forms that know no float64


@dataclass(frozen=True)
class Operator:
    """An operator and examples of its inputs.

    Parameters
    ----------
    function : Callable
        ``function(**inputs, initial_state=, resets=, backend=)`` gives an output, (batch, length, ...), and a final
        state: a tensor or a named tuple of tensors, each with the batch first; None for parts that are not there.
    step : Callable
        ``step(**inputs, state=)`` with inputs without the axis of length (and ``time_gap`` for ``time_gaps``) gives the
        step's output and the state after it.
    sequences : tuple of str
        The inputs that have axes (batch, length, ...); the others are parameters, for all series and steps.
    cases : mapping of str to Callable
        ``make(generator, batch, length)`` gives float32 inputs by name.
    hard : mapping of str to Callable, optional
        More of them, with which numbers are hard to get right.
    wide : mapping of str to Callable, optional
        More of them, which take several of the blocks that kernels cut keys and values into.
    backends : tuple of str
        The operator's forms on a CPU, besides the reference.
    on_gpu : bool
        Whether there are kernels for GPUs, ``backend="triton"``; `check_kernels` is for them.

    Examples
    --------
    >>> operator = find_operators()["decay_attention"]
    >>> operator.backends
    ('chunked', 'cpu')
    """

    function: Callable[..., tuple[Tensor, Any]]
    step: Callable[..., tuple[Tensor, Any]]
    sequences: tuple[str, ...]
    cases: Mapping[str, Make]
    hard: Mapping[str, Make] = field(default_factory=dict)
    wide: Mapping[str, Make] = field(default_factory=dict)
    backends: tuple[str, ...] = ("chunked", "cpu")
    on_gpu: bool = False


def find_operators() -> dict[str, Operator]:
    """The operators of this package by name: of each folder, what its ``conformance.py`` calls ``OPERATOR``."""
    package = importlib.import_module(__package__)
    folders = [module.name for module in pkgutil.iter_modules(package.__path__) if module.ispkg]
    found = {}
    for name in folders:
        if any(module.name == "conformance" for module in pkgutil.iter_modules([f"{package.__path__[0]}/{name}"])):
            found[name] = importlib.import_module(f"{__package__}.{name}.conformance").OPERATOR
    return found


def check_operator(operator: Operator) -> None:
    """Run all `CHECKS` on all of an operator's cases, and those of accuracy on the hard and the wide ones.

    Raises
    ------
    AssertionError
        Naming the case, the check and what was off.

    Examples
    --------
    One of the checks on one of the cases:

    >>> operator = find_operators()["delta_rule"]
    >>> CHECKS["empty_is_refused"](operator, operator.cases["no decay (DeltaNet)"])
    """
    for name, make in operator.cases.items():
        for check in CHECKS.values():
            _in_words(name, check, operator, make)
    for name, make in operator.hard.items():
        _in_words(name, check_accuracy_when_hard, operator, make)
    for name, make in operator.wide.items():
        _in_words(name, check_forms_equal_reference, operator, make)


def _in_words(name: str, check: Callable, operator: Operator, make: Make) -> None:
    try:
        check(operator, make)
    except AssertionError as error:
        raise AssertionError(f"{operator.function.__name__}, case {name!r}, {check.__name__}: {error}") from None


def check_forms_equal_reference(operator: Operator, make: Make) -> None:
    """Every form has the output, final state and gradients of the loop in float64, with resets and without."""
    for length in (1, 16, 37):
        inputs = make(_generator(), 3, length)
        for resets in (None, torch.rand(3, length, generator=_generator()) < 0.2):
            _compare_with_reference(operator, inputs, resets)


def check_accuracy_when_hard(
    operator: Operator, make: Make, length: int = 300, limits: tuple[float, float] = (FORWARD, BACKWARD)
) -> None:
    """The same on inputs that make it hard, within relative errors of outputs and states, and of gradients."""
    _compare_with_reference(operator, make(_generator(), 1, length), None, limits)


def check_state_carries_on(operator: Operator, make: Make) -> None:
    """A sequence cut in two, the state handed over, is the whole."""
    for backend in _all_backends(operator):
        inputs = _of_backend(make(_generator(), 2, 37), backend)
        whole, last = operator.function(**inputs, backend=backend)
        for cut in (1, 16, 36):
            first, between = operator.function(**_in_time(operator, inputs, slice(0, cut)), backend=backend)
            rest = _in_time(operator, inputs, slice(cut, 37)) | {"initial_state": between}
            second, state = operator.function(**rest, backend=backend)
            _assert_close(f"{backend}, cut at {cut}", whole, torch.cat([first, second], dim=1))
            _assert_states_close(f"{backend}, cut at {cut}", last, state)


def check_resets_separate(operator: Operator, make: Make) -> None:
    """A reset begins a new sequence, whatever the series beside it do."""
    for backend in _all_backends(operator):
        inputs = _of_backend(make(_generator(), 2, 37), backend)
        for starts in ((0,), (36,), (7, 8, 20), (16,)):
            resets = torch.zeros(2, 37, dtype=torch.bool)
            resets[0, list(starts)] = True
            together, last = operator.function(**inputs, resets=resets, backend=backend)
            alone, _ = operator.function(**inputs, backend=backend)
            _assert_close(f"{backend}, series without resets {starts}", alone[1], together[1])
            first = _of_series(operator, inputs, [0])
            bounds = [0, *starts, 37] if starts[0] else [*starts, 37]
            for start, stop in zip(bounds, bounds[1:]):
                part = _in_time(operator, first, slice(start, stop))
                if start in starts:
                    part.pop("initial_state", None)
                y, state = operator.function(**part, backend=backend)
                _assert_close(f"{backend}, resets {starts}, from {start}", y, together[:1, start:stop])
            _assert_states_close(f"{backend}, resets {starts}", state, _map_state(last, lambda part: part[:1]))


def check_steps_equal_sequence(operator: Operator, make: Make) -> None:
    """Step by step, the same numbers; the state before a step is left as it is."""
    inputs = make(_generator(), 2, 19)
    whole, last = operator.function(**inputs)
    state = _first_state(inputs, last)
    for t in range(19):
        before = [part.clone() for part in _parts(state)]
        y, after = operator.step(**_of_step(operator, inputs, t), state=state)
        _assert(all(map(torch.equal, before, _parts(state))), f"step {t} changed the state that it was given")
        _assert_close(f"step {t}", whole[:, t], y)
        state = after
    _assert_states_close("state after the steps", last, state)


def check_steps_compile(operator: Operator, make: Make) -> None:
    """A compiled step gives the same numbers."""
    inputs = make(_generator(), 5, 7)
    whole, last = operator.function(**inputs)
    state = _first_state(inputs, last)
    names = [name for name in _of_step(operator, inputs, 0) if {name, f"{name}s"} & {*operator.sequences}]

    def step(*tensors: Tensor) -> list[Tensor]:
        given = dict(zip(names, tensors))
        before = _unflat({"state": state}, dict(zip(parts, tensors[len(names) :])))
        y, after = operator.step(**(_of_step(operator, inputs, 0) | given), **before)
        return [y, *_parts(after)]

    parts = [name for name, _ in _flat({"state": state})]
    numbers = _parts(state)
    compiled = None
    for t in range(7):
        given = [_of_step(operator, inputs, t)[name] for name in names]
        try:
            compiled = compiled or compile_step(step, [*given, *numbers])
        except CannotCompileError as reason:
            raise AssertionError(str(reason)) from None
        y, *numbers = compiled(*given, *numbers)
        _assert_close(f"compiled step {t}", whole[:, t], y)
    for index, (wanted, part) in enumerate(zip(_parts(last), numbers, strict=True)):
        _assert_close(f"part {index} of the state after compiled steps", wanted, part)


def check_series_do_not_touch(operator: Operator, make: Make) -> None:
    """Series in another order give the same outputs in that order; so does each by itself."""
    for backend in _all_backends(operator):
        inputs = _of_backend(make(_generator(), 5, 21), backend)
        y, state = operator.function(**inputs, backend=backend)
        for order in ([3, 1, 4, 0, 2], [2]):
            other, other_state = operator.function(**_of_series(operator, inputs, order), backend=backend)
            _assert_close(f"{backend}, series {order}", y[order], other)
            chosen = _of_series(operator, {"initial_state": state}, order)["initial_state"]
            _assert_states_close(f"{backend}, series {order}", chosen, other_state)


def check_inputs_stay(operator: Operator, make: Make) -> None:
    """Neither inputs nor incoming gradients are written to, and inputs may be views."""
    for backend in _all_backends(operator):
        inputs = _of_backend(make(_generator(), 2, 19), backend)
        before = [tensor.clone() for tensor in _tensors(inputs)]
        expected = _run(operator, inputs, None, backend)
        _assert(all(map(torch.equal, before, _tensors(inputs))), f"{backend} wrote to its inputs")
        views = _map_inputs(inputs, lambda x: x.transpose(0, -1).contiguous().transpose(0, -1))
        for name, value in _run(operator, views, None, backend).items():
            _assert_close(f"{backend}, {name} of views", expected[name], value)


def check_half_types(operator: Operator, make: Make) -> None:
    """Inputs in bfloat16 are computed in float32, and so is the state."""
    for backend in _all_backends(operator):
        inputs = _map_inputs(make(_generator(), 2, 37), _halved)
        y, state = operator.function(**inputs, backend=backend)
        _assert(y.dtype == torch.bfloat16, f"{backend} gives {y.dtype} for bfloat16")
        for part in _parts(state):
            right = part.dtype in (torch.float32, torch.complex64)
            _assert(right or not _is_continuous(part), f"{backend}: a state of {part.dtype}")
        expected, _ = operator.function(**_map_inputs(inputs, _doubled), backend="reference")
        _assert_close(f"{backend}, bfloat16", expected, y, HALF)


def check_threads(operator: Operator, make: Make) -> None:
    """Calls from many threads at once, forward and backward, repeat the serial ones bit for bit."""
    many = [make(_generator(seed), 4, 200) for seed in range(3)]
    serial = [_run(operator, inputs, None, None) for inputs in many]
    with ThreadPoolExecutor(6) as callers:
        results = list(callers.map(lambda inputs: _run(operator, inputs, None, None), many * 3))
    for index, result in enumerate(results):
        for name, value in serial[index % 3].items():
            _assert(torch.equal(result[name], value), f"{name} of a call beside others differs")


def check_gradients(operator: Operator, make: Make) -> None:
    """Gradients of the forms that know float64, against finite differences."""
    inputs = _map_inputs(make(_generator(), 1, 5), _doubled)
    names, tensors = zip(*((name, x.requires_grad_()) for name, x in _flat(inputs) if _is_continuous(x)))

    def outputs(backend: str, *tensors: Tensor) -> tuple[Tensor, ...]:
        y, state = operator.function(**_unflat(inputs, dict(zip(names, tensors))), backend=backend)
        return (y, *(part for part in _parts(state) if _is_continuous(part)))

    for backend in ("reference", *(name for name in operator.backends if name not in IN_FLOAT32)):
        right = torch.autograd.gradcheck(partial(outputs, backend), tensors, fast_mode=True)
        _assert(right, f"{backend}: gradients are off")


def check_empty_is_refused(operator: Operator, make: Make) -> None:
    """An empty batch or sequence is refused in words."""
    inputs = make(_generator(), 2, 3)
    inputs.pop("initial_state", None)
    for what, part in (
        ("batch", _of_series(operator, inputs, [])),
        ("length", _in_time(operator, inputs, slice(0, 0))),
    ):
        try:
            operator.function(**part)
        except ValueError as error:
            _assert("none of them 0" in str(error), f"no {what}: the message does not say what is wrong: {error}")
        else:
            raise AssertionError(f"a {what} of 0 is not refused")


def check_more_derivatives(operator: Operator, make: Make) -> None:
    """A second derivative, and one in forward mode, are right or refused: never zero without a word."""
    inputs = make(_generator(), 1, 4)
    name = next(name for name, x in inputs.items() if name in operator.sequences and x.is_floating_point())
    x = inputs[name]

    def total(x: Tensor, backend: str | None = None) -> Tensor:
        return operator.function(**(inputs | {name: x}), backend=backend)[0].square().sum()

    def second(backend: str | None) -> Tensor:
        at = x.clone().requires_grad_()
        (gradient,) = torch.autograd.grad(total(at, backend), at, create_graph=True)
        return torch.autograd.grad(gradient.sum(), at)[0]

    def forward_mode(backend: str | None) -> Tensor:
        return torch.func.jvp(lambda x: total(x, backend), (x,), (torch.ones_like(x),))[1]

    for derivative in (second, forward_mode):
        try:
            got = derivative(None)
        except RuntimeError as error:
            _assert("reference" in str(error) or "once_differentiable" in str(error), f"refused without help: {error}")
        else:
            _assert_close(derivative.__name__, derivative("reference"), got, 1e-3)


def check_kernels(
    operator: Operator,
    make: Make,
    device: str = "cpu",
    lengths: Sequence[int] = (19,),
    half_types: Sequence[torch.dtype] = HALF_TYPES,
) -> None:
    """The kernels for GPUs against the loop in float64: outputs, states and all gradients.

    In float32 with resets and without, within 1e-5, and 1e-4 of gradients; in half types with resets, at the last of
    the lengths, within 2e-2 (Frobenius norm).

    Parameters
    ----------
    operator : Operator
    make : Callable
        One of the operator's cases.
    device : str
        Of a GPU. On the CPU kernels are interpreted, which is slow: in a process with ``TRITON_INTERPRET=1``.
    lengths : sequence of int
    half_types : sequence of torch.dtype
        bfloat16 and float16, or fewer: in the interpreter the plainest and the fullest case of an operator will do.

    Raises
    ------
    AssertionError
        Naming what was off.
    """
    on_gpu = replace(operator, backends=("triton",))
    for length in lengths:
        inputs = _map_tensors(make(_generator(), 2, length), lambda x: x.to(device))
        resets = torch.rand(2, length, generator=_generator()).to(device) < 0.3
        for begins in (None, resets):
            _compare_with_reference(on_gpu, inputs, begins)
    for kind in half_types:
        _compare_half_types(on_gpu, _map_inputs(inputs, partial(_halved, kind=kind)), resets)


CHECKS: dict[str, Callable[[Operator, Make], None]] = {
    check.__name__.removeprefix("check_"): check
    for check in (
        check_forms_equal_reference,
        check_state_carries_on,
        check_resets_separate,
        check_steps_equal_sequence,
        check_steps_compile,
        check_series_do_not_touch,
        check_inputs_stay,
        check_half_types,
        check_threads,
        check_gradients,
        check_empty_is_refused,
        check_more_derivatives,
    )
}


def _first_state(inputs: Inputs, like: Any) -> Any:
    """The state that a sequence begins with."""
    state = inputs.get("initial_state")
    return _map_state(like, torch.zeros_like) if state is None else state


def _of_step(operator: Operator, inputs: Inputs, t: int) -> Inputs:
    """The inputs of one step."""
    names = {name: "time_gap" if name == "time_gaps" else name for name in inputs if name != "initial_state"}
    return {new: inputs[name][:, t] if name in operator.sequences else inputs[name] for name, new in names.items()}


def _generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def _assert(fulfilled: bool, message: str) -> None:
    if not fulfilled:
        raise AssertionError(message)


def _assert_close(what: str, expected: Tensor, got: Tensor, limit: float = FORWARD) -> None:
    _assert(got.shape == expected.shape, f"{what}: shape {tuple(got.shape)} instead of {tuple(expected.shape)}")
    expected = _doubled(expected)
    off = float((_doubled(got) - expected).norm() / expected.norm().clamp(min=1e-20)) if expected.numel() else 0.0
    _assert(off < limit, f"{what}: relative error {off:.1e}, limit {limit:.0e}")


def _assert_states_close(what: str, expected: Any, got: Any) -> None:
    for index, (wanted, part) in enumerate(zip(_parts(expected), _parts(got), strict=True)):
        _assert_close(f"{what}, part {index} of the state", wanted, part)


def _is_continuous(x: Tensor) -> bool:
    """Whether its numbers are real or complex, neither counts nor truth values."""
    return x.is_floating_point() or x.is_complex()


def _doubled(x: Tensor) -> Tensor:
    return x.to(torch.complex128 if x.is_complex() else torch.float64)


def _halved(x: Tensor, kind: torch.dtype = torch.bfloat16) -> Tensor:
    """Complex numbers stay: there are none of such parts."""
    return x if x.is_complex() else x.to(kind)


def _all_backends(operator: Operator) -> tuple[str, ...]:
    return ("reference", *operator.backends)


def _of_backend(inputs: Inputs, backend: str) -> Inputs:
    return inputs if backend in IN_FLOAT32 else _map_inputs(inputs, _doubled)


def _compare_with_reference(
    operator: Operator, inputs: Inputs, resets: Tensor | None, limits: tuple[float, float] = (FORWARD, BACKWARD)
) -> None:
    double = _map_inputs(inputs, _doubled)
    expected = _run(operator, double, resets, "reference")
    for backend in operator.backends:
        for given in (inputs,) if backend in IN_FLOAT32 else (inputs, double):
            got = _run(operator, given, resets, backend)
            for name, value in expected.items():
                limit = limits[0] if name.startswith("out") else limits[1]
                _assert_close(f"{backend}, {name}", value, got[name], limit)


def _compare_half_types(operator: Operator, inputs: Inputs, resets: Tensor) -> None:
    """Outputs and gradients have half types, states have float32; all are as exact as half types allow."""
    kinds = {name: x.dtype for name, x in _flat(inputs)}
    kind = next(iter(kinds.values()))
    expected = _run(operator, _map_inputs(inputs, _doubled), resets, "reference")
    for backend in operator.backends:
        got = _run(operator, inputs, resets, backend)
        for name, value in expected.items():
            wanted = torch.float32 if name.startswith("output state") else kinds.get(name, kind)
            right = got[name].dtype in (wanted, torch.complex64) or not _is_continuous(got[name])
            _assert(right, f"{backend}: {name} of {got[name].dtype} instead of {wanted}, for inputs of {kind}")
            _assert_close(f"{backend}, {kind}, {name}", value, got[name], HALF)


def _run(operator: Operator, inputs: Inputs, resets: Tensor | None, backend: str | None) -> dict[str, Tensor]:
    """Output, parts of the state, and gradients of a random weighting of them all, by name."""
    named = {name: x.detach().requires_grad_() for name, x in _flat(inputs) if _is_continuous(x)}
    y, state = operator.function(**_unflat(inputs, named), resets=resets, backend=backend)
    outputs = {"output": y} | {f"output state {i}": part for i, part in enumerate(_parts(state))}
    generator = _generator(1)
    total: Any = sum(
        (x.double() * torch.randn(x.shape, generator=generator, dtype=torch.float64).to(x.device)).sum()
        for x in (torch.view_as_real(x) if x.is_complex() else x for x in outputs.values())
        if x.is_floating_point()
    )
    gradients = torch.autograd.grad(total, list(named.values()), allow_unused=True, materialize_grads=True)
    return {name: x.detach() for name, x in outputs.items()} | dict(zip(named, gradients))


def _parts(state: Any) -> list[Tensor]:
    return [state] if isinstance(state, Tensor) else [part for part in state if part is not None]


def _map_state(state: Any, change: Callable[[Tensor], Tensor]) -> Any:
    if isinstance(state, Tensor):
        return change(state)
    return type(state)(*(None if part is None else change(part) for part in state))


def _map_inputs(inputs: Inputs, change: Callable[[Tensor], Tensor]) -> Inputs:
    """Change every tensor of real or complex numbers."""

    def changed(x: Any) -> Any:
        if isinstance(x, Tensor):
            return change(x) if _is_continuous(x) else x
        return _map_state(x, changed) if isinstance(x, tuple) else x

    return {name: changed(x) for name, x in inputs.items()}


def _map_tensors(inputs: Inputs, change: Callable[[Tensor], Tensor]) -> Inputs:
    """Change every tensor."""

    def changed(x: Any) -> Any:
        return change(x) if isinstance(x, Tensor) else _map_state(x, change) if isinstance(x, tuple) else x

    return {name: changed(x) for name, x in inputs.items()}


def _flat(inputs: Inputs) -> Iterator[tuple[str, Tensor]]:
    for name, x in inputs.items():
        if isinstance(x, Tensor):
            yield name, x
        elif isinstance(x, tuple):
            yield from ((f"{name} {i}", part) for i, part in enumerate(x) if part is not None)


def _unflat(inputs: Inputs, tensors: Mapping[str, Tensor]) -> Inputs:
    """The inputs with some of their tensors, named as by `_flat`, replaced."""
    return {
        name: type(x)(*(tensors.get(f"{name} {i}", part) for i, part in enumerate(x)))
        if isinstance(x, tuple)
        else tensors.get(name, x)
        for name, x in inputs.items()
    }


def _tensors(inputs: Inputs) -> list[Tensor]:
    return [x for _, x in _flat(inputs)]


def _in_time(operator: Operator, inputs: Inputs, steps: slice) -> Inputs:
    return {name: x[:, steps] if name in operator.sequences else x for name, x in inputs.items()}


def _of_series(operator: Operator, inputs: Inputs, order: list[int]) -> Inputs:
    def chosen(name: str, x: Any) -> Any:
        if name == "initial_state":
            return _map_state(x, lambda part: part[order])
        return x[order] if name in operator.sequences else x

    return {name: chosen(name, x) for name, x in inputs.items()}
