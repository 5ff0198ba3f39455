"""A step of many streams, compiled from the calls that one run of it makes."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from ..thread_pool import count_shares, run_shares
from . import number_entries, opcodes, place_entries, product_entries, reduction_entries  # noqa: F401  (the vocabulary)
from .instructions import Instruction, chosen, encode, plan
from .layout import STREAMS, Buffer, CannotCompileError, View
from .loops import addresses_of
from .recording import record
from .translation import Translation

__all__ = ["CompiledStep", "compile_step"]

_TOGETHER = 8  # streams stepped together, so that weights are read once for all of them
_ROOM = 1 << 18  # bytes between their instructions, at most: with the weights they fit the second cache
_TOLERANCE = 1e-4  # relative: a translation is right, or far off
_ALIGNED = 64  # bytes


class CompiledStep:
    """A function of one step of many streams, as a list of instructions that a compiled loop runs.

    Made by `compile_step`. Called with tensors like the ones it was made with, for any number of streams, it gives new
    tensors; it keeps nothing of a call, and threads may share it. A stream's numbers do not depend, to the last bit, on
    which others are stepped with it.

    Examples
    --------
    >>> import torch
    >>> step = compile_step(lambda x, total: [total + x, x > total], [torch.ones(1, 2), torch.zeros(1, 2)])
    >>> step(torch.ones(3, 2), torch.full((3, 2), 4.0))[0].shape
    torch.Size([3, 2])
    """

    def __init__(self, translation: Translation, inputs: Sequence[Tensor], results: Sequence[Tensor]):
        self._inputs = [(tensor.shape[1:], tensor.dtype) for tensor in inputs]
        # NumPy's memory: for large arrays it asks for large pages, and new small pages take half of a step's time
        self._results = [(tensor.shape[1:], tensor.new_empty(0).numpy().dtype) for tensor in results]
        self._sources = list(translation.sources.values())
        self._compiled_from = self._state_of_sources()
        instructions = [chosen(instruction) for instruction in translation.instructions]
        places, self._room = plan(instructions)
        self._constants, self._constants_at, offsets = _joined(instructions)
        self._together = max(1, min(_TOGETHER, _ROOM // max(self._room, 1)))
        self._one = encode(instructions, places, offsets, 1)
        self._many = encode(instructions, places, offsets, self._together)
        self._loops: np.ndarray | None = None
        self._nanoseconds = sum(_nanoseconds(instruction) for instruction in instructions)

    def is_current(self) -> bool:
        """Whether the parameters still hold the numbers that it was compiled with.

        Of others that have been put in their place nothing is known here.
        """
        return self._state_of_sources() == self._compiled_from

    def _state_of_sources(self) -> list[int]:
        return [x._version for x in self._sources] + [x.data_ptr() for x in self._sources]

    def __call__(self, *inputs: Tensor) -> list[Tensor]:
        """Step all streams.

        Parameters
        ----------
        *inputs : Tensor, shape (streams, ...)
            Shapes and dtypes as at `compile_step`, but for the number of streams.

        Raises
        ------
        ValueError
            If there are more or fewer tensors, or shapes, dtypes or devices differ.
        IndexError
            If an index among the inputs leads out of its tensor.
        """
        from .interpreter import run

        if self._loops is None:
            self._loops = addresses_of(self._one[0][:, 0])
        if len(inputs) != len(self._inputs):
            raise ValueError(f"the step takes {len(self._inputs)} tensors; got {len(inputs)}.")
        streams = inputs[0].shape[0]
        given = [self._checked(i, x, streams) for i, x in enumerate(inputs)]
        made = [torch.from_numpy(np.empty((streams, *shape), dtype)) for shape, dtype in self._results]
        outside = [x.data_ptr() for x in (*given, *made)]
        shares = count_shares(self._nanoseconds * streams, -(-streams // self._together))
        lost = [0] * shares

        def work(share: int) -> None:
            first, last = share * streams // shares, (share + 1) * streams // shares
            together = self._together if last - first > 1 else 1
            rows, numbers = self._many if together > 1 else self._one
            room = np.empty(self._room * together + _ALIGNED, np.uint8)
            bases = np.array([0, self._constants_at, *outside], np.int64)
            lost[share] = run(rows, numbers, self._loops, room, bases, first, last, together)

        run_shares(work, shares)
        if any(lost):
            raise IndexError(f"{sum(lost)} indices lie outside of what they point into.")
        return made

    def _checked(self, i: int, x: Tensor, streams: int) -> Tensor:
        shape, dtype = self._inputs[i]
        if x.shape != (streams, *shape) or x.dtype is not dtype or not x.is_cpu:
            raise ValueError(
                f"input {i} of the step must be {dtype} on the CPU of shape {(streams, *shape)}; got {x.dtype} on "
                f"{x.device}, {tuple(x.shape)}."
            )
        if x.is_conj() or x.is_neg():
            x = x.resolve_conj().resolve_neg()
        return x if x.is_contiguous() else x.contiguous()


@torch.no_grad()
def compile_step(function: Callable[..., Sequence[Tensor]], inputs: Sequence[Tensor]) -> CompiledStep:
    """Compile a function that steps many streams by one, each by itself.

    The function is run once with a recorder beneath it; what it asks of torch becomes a list of instructions, which
    one loop, compiled once for all lists, runs for a few streams at a time. So the function stays the only definition,
    and the compiled step costs neither calls of torch nor a compiler's time. Its results are compared with the
    function's own.

    Parameters
    ----------
    function : Callable
        Of tensors whose first axis counts streams; gives tensors of the same kind. It must treat streams alike and
        apart, and do the same whatever the numbers are.
    inputs : sequence of Tensor, shape (streams, ...)
        Legal inputs of float32, float64, int64 or bool, of one stream or more.

    Returns
    -------
    CompiledStep

    Raises
    ------
    CannotCompileError
        If the function asks for something that compiled steps do not know, or the results differ.

    Notes
    -----
    What the function decides in Python, by shapes or settings, is decided once and for all.

    Examples
    --------
    >>> import torch
    >>> linear = torch.nn.Linear(3, 2)
    >>> step = compile_step(lambda x, state: [state + torch.tanh(linear(x))], [torch.ones(1, 3), torch.zeros(1, 2)])
    >>> x, state = torch.randn(5, 3), torch.randn(5, 2)
    >>> torch.allclose(step(x, state)[0], state + torch.tanh(linear(x)), atol=1e-6)
    True
    """
    try:
        return _compile(function, _examples(inputs))
    except CannotCompileError as reason:
        raise CannotCompileError(f"this step cannot be compiled: {reason}") from None


def _compile(function: Callable[..., Sequence[Tensor]], examples: Sequence[Tensor]) -> CompiledStep:
    calls, results = record(function, examples)
    translation = Translation()
    for i, example in enumerate(examples):
        if example.numel():
            translation.layout.place(example, 0, outside=i)
    for call in calls:
        translation.translate(call)
    for i, result in enumerate(results):
        if not isinstance(result, Tensor):
            raise CannotCompileError(f"a result that is no tensor but {result!r}")
        if result.numel():
            _give(translation, result, len(examples) + i)
    step = CompiledStep(translation, examples, results)
    _compare(step(*examples), results)
    few = [example[: STREAMS // 2] for example in examples]
    _compare(step(*few), list(function(*few)))
    return step


def _examples(inputs: Sequence[Tensor]) -> list[Tensor]:
    """Some streams like the first of the inputs, each a little different."""
    generator = torch.Generator().manual_seed(0)
    examples = []
    for x in inputs:
        if x.device.type != "cpu":
            raise CannotCompileError(f"a tensor on {x.device}")
        example = x[:1].detach().expand(STREAMS, *x.shape[1:]).clone(memory_format=torch.contiguous_format)
        if x.is_floating_point() or x.is_complex():
            example += 0.1 * torch.randn(example.shape, generator=generator, dtype=x.dtype)
        examples.append(example)
    return examples


def _give(translation: Translation, result: Tensor, number: int) -> None:
    """Have a result written to the caller's memory: at once, where it is all there is in its own."""
    if not result.ndim or result.shape[0] != STREAMS:
        raise CannotCompileError(f"a result of shape {tuple(result.shape)}, whose first axis does not count streams")
    known = translation.layout.known(result)
    if known:
        view = translation.layout.view(result)
        if view.batch != 0:
            raise CannotCompileError("a result whose first axis does not count streams")
        if view.buffer.outside is None and _is_whole(view):
            view.buffer.outside = number
            return
    copy = torch.empty_like(result, memory_format=torch.contiguous_format)
    translation.layout.place(copy, 0, outside=number)
    source: Tensor | View = translation.layout.view(result) if known else result
    translation.elements_to(opcodes.COPY, translation.layout.view(copy), source)


def _is_whole(view: View) -> bool:
    """Whether a view is all of its buffer, in the order of memory."""
    whole = [math.prod(view.sizes[axis + 1 :]) for axis in range(len(view.sizes))]
    ordered = all(size == 1 or stride == own for size, stride, own in zip(view.sizes, view.strides, whole))
    return ordered and view.offset == 0 and view.buffer.size == math.prod(view.sizes)


def _compare(made: Sequence[Tensor], results: Sequence[Tensor]) -> None:
    for i, (x, expected) in enumerate(zip(made, results)):
        x, expected = (torch.view_as_real(y) if y.is_complex() else y for y in (x, expected))
        finite = expected.isfinite()
        same = torch.equal(x[~finite].nan_to_num(7.0), expected[~finite].nan_to_num(7.0))
        x, expected = (torch.where(finite, y, 0).clamp(-1e30, 1e30).double() for y in (x, expected))
        if not same or torch.linalg.norm(x - expected) > _TOLERANCE * torch.linalg.norm(expected) + 1e-30:
            raise CannotCompileError(f"its result {i}, which comes out differently")


def _joined(instructions: Sequence[Instruction]) -> tuple[np.ndarray, int, dict[Buffer, int]]:
    """All constants in one piece of memory, the address they begin at, and where each lies from there on."""
    offsets: dict[Buffer, int] = {}
    size = 0
    for buffer in (part.buffer for instruction in instructions for part in instruction.parts):
        if buffer.value is not None and buffer not in offsets:
            offsets[buffer] = size
            size += -(-buffer.value.nbytes // _ALIGNED) * _ALIGNED
    joined = np.zeros(size + _ALIGNED, np.uint8)
    begin = -joined.ctypes.data % _ALIGNED
    for buffer, offset in offsets.items():
        assert buffer.value is not None
        joined[begin + offset : begin + offset + buffer.value.nbytes] = buffer.value.view(np.uint8)
    return joined, joined.ctypes.data + begin, offsets


def _nanoseconds(instruction: Instruction) -> float:
    """About how long an instruction takes for one stream: to tell small work from large."""
    numbers = math.prod(instruction.sizes) * instruction.summed
    wide = instruction.kind in (opcodes.ELEMENTS_WIDE, opcodes.REDUCE_WIDE, opcodes.SMALL_WIDE)
    return 10.0 + numbers * (3.0 if wide else 0.1)
