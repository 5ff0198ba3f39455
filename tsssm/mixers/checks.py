"""The promises of a mixer, as checks that any mixer can be put through."""

from __future__ import annotations

import copy
import itertools
import operator
import pickle
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from .mixer import Mixer
from .settings import setting_names

__all__ = ["check_mixer"]

BATCH, LENGTH = 3, 13  # a prime length: no multiple of any block
RESET_PATTERNS = ((0,), (1,), (5,), (LENGTH - 1,), (4, 5, 6), tuple(range(LENGTH)))
EXACT, SINGLE = 1e-9, 1e-4  # relative tolerances in float64 and float32


def check_mixer(mixer_class: type[Mixer], d_model: int = 16, **settings: Any) -> None:
    """Check that a mixer keeps what `Mixer` promises; all parameters are made random first.

    Checked are: shapes and dtypes; that a whole sequence, single steps and a sequence cut anywhere agree, and two
    layers that hand something down with their steps; that resets equal separate sequences; that gradients reach every
    parameter and the input; that series of a batch do not touch; that the future does not reach the past; that states
    are NamedTuples, batch first, of constant size and left unchanged; that copies, state dicts and pickles give equal
    outputs; that settings which follow from the context are the constructor's and change no shape of a parameter; that
    a channel mixer is a mixer apart; that parameters have the same shapes in all layers but the first, and can be
    counted on the device "meta".

    Parameters
    ----------
    mixer_class : Mixer subclass
        The class, constructed as ``mixer_class(d_model, layer_index=.., n_layers=.., **settings)``.
    d_model : int, default 16
        Width to check with.
    **settings
        The mixer's own settings.

    Raises
    ------
    AssertionError
        If a promise is broken; the message says which.

    Notes
    -----
    The global random state is left as it was. Pickling is checked where the class can be imported by its name.

    Examples
    --------
    >>> from tsssm.mixers import Mamba
    >>> check_mixer(Mamba, d_model=8, state_size=4)
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        for check in CHECKS:
            check(_Case(mixer_class, d_model, settings))


@dataclass
class _Case:
    mixer_class: type[Mixer]
    d_model: int
    settings: dict[str, Any]

    def build(self, dtype: torch.dtype = torch.float64, layer_index: int = 0) -> Mixer:
        """A mixer with random parameters; zeros at the start would hide faults."""
        mixer = self.mixer_class(self.d_model, layer_index=layer_index, n_layers=2, **self.settings).to(dtype)
        with torch.no_grad():
            for parameter in mixer.parameters():
                parameter.normal_(std=0.4)
        return mixer

    def inputs(self, length: int = LENGTH, dtype: torch.dtype = torch.float64) -> Tensor:
        return torch.randn(BATCH, length, self.d_model, dtype=dtype)

    def promise(self, kept: bool, promise: str) -> None:
        if not kept:
            raise AssertionError(f"{self.mixer_class.__qualname__} breaks a promise of mixers: {promise}.")

    def equal(self, got: Iterable[Tensor], expected: Iterable[Tensor], promise: str, tolerance: float = EXACT) -> None:
        """Compare tensor by tensor; non-finite numbers never agree."""
        for one, other in zip(got, expected, strict=True):
            shapes = f"{promise} (shapes {tuple(one.shape)} and {tuple(other.shape)})"
            self.promise(one.shape == other.shape, shapes)
            error = float((one - other).abs().max() / (1 + other.abs().max()))
            self.promise(error <= tolerance, f"{promise} (relative error {error:.1e})")


def _run(mixer: Mixer, x: Tensor, state: Any = None, resets: Tensor | None = None) -> list[Tensor]:
    """Output and final state in one list."""
    y, state = mixer(x, state, resets)
    return [y, *state]


def _run_steps(mixer: Mixer, x: Tensor, state: Any) -> list[Tensor]:
    outputs = []
    for x_t in x.unbind(1):
        y_t, state = mixer.step(x_t, state)
        outputs.append(y_t)
    return [torch.stack(outputs, dim=1), *state]


def _resets(*positions: int) -> Tensor:
    """The same resets in every row but the last, which has none."""
    resets = torch.zeros(BATCH, LENGTH, dtype=torch.bool)
    resets[:-1, list(positions)] = True
    return resets


@torch.no_grad()
def _shapes_and_dtypes(case: _Case) -> None:
    for dtype in (torch.float32, torch.float64):
        mixer = case.build(dtype)
        for length in (1, 2, LENGTH):
            x = case.inputs(length, dtype)
            y, _ = mixer(x)
            case.promise(y.shape == x.shape and y.dtype == dtype, "forward gives the shape and dtype of its input")
        y_t, _ = mixer.step(x[:, 0], mixer.initial_state(BATCH))
        case.promise(y_t.shape == x[:, 0].shape and y_t.dtype == dtype, "step gives the shape and dtype of its input")
    case.promise(bool(y.isfinite().all()), "outputs are finite")


@torch.no_grad()
def _state_is_a_named_tuple(case: _Case) -> None:
    mixer = case.build()
    first = mixer.initial_state(BATCH)
    named = isinstance(first, tuple) and hasattr(first, "_fields") and all(isinstance(t, Tensor) for t in first)
    case.promise(named, "a state is a NamedTuple of tensors")
    case.promise(all(tensor.shape[:1] == (BATCH,) for tensor in first), "the first axis of a state is the batch")
    for length in (1, 2, 3 * LENGTH):
        _, state = mixer(case.inputs(length))
        same = [(t.shape, t.dtype) for t in state] == [(t.shape, t.dtype) for t in first]
        case.promise(same and type(state) is type(first), "states after any length are like the initial state")
    size = sum(tensor.numel() * tensor.element_size() for tensor in state)
    case.promise(mixer.state_bytes() * BATCH == size, "state_bytes is the size of the state per series")


@torch.no_grad()
def _state_is_left_unchanged(case: _Case) -> None:
    mixer, x = case.build(), case.inputs()
    _, state = mixer(x)
    before = copy.deepcopy(state)
    mixer(x, state)
    mixer.step(x[:, 0], state)
    case.equal(state, before, "forward and step leave the state they are given unchanged", tolerance=0)


@torch.no_grad()
def _steps_equal_parallel(case: _Case) -> None:
    for dtype, tolerance in ((torch.float64, EXACT), (torch.float32, SINGLE)):
        mixer, x = case.build(dtype), case.inputs(3 * LENGTH, dtype)
        whole = _run(mixer, x)
        case.equal(
            _run_steps(mixer, x, mixer.initial_state(BATCH)), whole, "step by step equals the whole sequence", tolerance
        )
        case.equal(_run(mixer, x, mixer.initial_state(BATCH)), whole, "no state is the initial state", tolerance)


@torch.no_grad()
def _layers_that_share_equal_their_steps(case: _Case) -> None:
    layers, x = [case.build(layer_index=index) for index in range(2)], case.inputs()

    def through_both(run: Callable[..., tuple[Tensor, Any]], x: Tensor, states: list) -> tuple[Tensor, list]:
        shared: dict[str, Any] = {}
        after = []
        for layer, state in zip(layers, states):
            x, state = run(layer, x, state, shared=shared)
            after.append(state)
        return x, after

    whole, _ = through_both(case.mixer_class.__call__, x, [None, None])
    outputs, states = [], [layer.initial_state(BATCH) for layer in layers]
    for x_t in x.unbind(1):
        y_t, states = through_both(case.mixer_class.step, x_t, states)
        outputs.append(y_t)
    promise = "step by step equals the whole sequence in layers behind one another, which share what `shared` holds"
    case.equal([torch.stack(outputs, dim=1)], [whole], promise)


@torch.no_grad()
def _split_equals_whole(case: _Case) -> None:
    mixer, x = case.build(), case.inputs()
    whole = _run(mixer, x)
    for cut in range(1, LENGTH):
        y_first, state = mixer(x[:, :cut])
        for resume in (_run, _run_steps):
            y_second, *last = resume(mixer, x[:, cut:], state)
            parts = [torch.cat([y_first, y_second], dim=1), *last]
            case.equal(parts, whole, f"a sequence cut after step {cut} and resumed equals the whole sequence")


@torch.no_grad()
def _resets_equal_separate_sequences(case: _Case) -> None:
    mixer, x = case.build(), case.inputs()
    _, earlier = mixer(case.inputs())
    for positions in RESET_PATTERNS:
        together = _run(mixer, x, earlier, _resets(*positions))
        bounds = sorted({0, *positions, LENGTH})
        outputs, state = [], earlier
        for start, stop in itertools.pairwise(bounds):
            y, state = mixer(x[:, start:stop], None if start in positions else state)
            outputs.append(y)
        separate = [torch.cat(outputs, dim=1), *state]
        without = _run(mixer, x, earlier)
        expected = [torch.cat([a[:-1], b[-1:]]) for a, b in zip(separate, without)]
        case.equal(together, expected, f"resets at steps {list(positions)} equal separate sequences")


@torch.no_grad()
def _unit_time_gaps_change_nothing(case: _Case) -> None:
    mixer, x = case.build(), case.inputs()
    y, state = mixer(x, time_gaps=torch.ones(x.shape[:2], dtype=x.dtype))
    case.equal([y, *state], _run(mixer, x), "time gaps of one equal no time gaps")


def _gradients_reach_everything(case: _Case) -> None:
    mixer, x = case.build(), case.inputs().requires_grad_()
    y, _ = mixer(x)
    y.square().sum().backward()
    for name, tensor in [("the input", x), *mixer.named_parameters()]:
        grad = tensor.grad
        reached = grad is not None and bool(grad.isfinite().all()) and bool((grad != 0).any())
        case.promise(reached, f"a finite gradient that is not zero reaches every parameter and the input, not {name}")


@torch.no_grad()
def _series_do_not_touch(case: _Case) -> None:
    mixer, x = case.build(), case.inputs()
    order = torch.tensor([2, 0, 1])
    whole = _run(mixer, x)
    permuted = [tensor[order] for tensor in whole]
    case.equal(_run(mixer, x[order]), permuted, "series in another order give the same outputs in that order")
    changed = x.clone()
    changed[1] = 10 * torch.randn_like(changed[1])
    others = [tensor[[0, 2]] for tensor in _run(mixer, changed)]
    case.equal(others, [tensor[[0, 2]] for tensor in whole], "one series of a batch does not change another")


@torch.no_grad()
def _future_does_not_reach_the_past(case: _Case) -> None:
    mixer, x = case.build(), case.inputs()
    y, _ = mixer(x)
    for t in range(1, LENGTH):
        changed = x.clone()
        changed[:, t:] = 10 * torch.randn_like(changed[:, t:])
        for resets in (None, _resets(t)):
            y_changed, _ = mixer(changed, resets=resets)
            case.equal([y_changed[:, :t]], [y[:, :t]], f"causal: steps from {t} on do not change earlier outputs")


@torch.no_grad()
def _copies_are_equal(case: _Case) -> None:
    mixer, x = case.build(), case.inputs()
    whole = _run(mixer, x)
    case.equal(_run(mixer, x), whole, "the same input gives the same output", tolerance=0)
    case.equal(_run(copy.deepcopy(mixer), x), whole, "a deep copy gives the same output", tolerance=0)
    other = case.build()
    other.load_state_dict(mixer.state_dict())
    case.equal(_run(other, x), whole, "a state dict carries everything", tolerance=0)
    if _importable(case.mixer_class):
        case.equal(_run(pickle.loads(pickle.dumps(mixer)), x), whole, "a pickle gives the same output", tolerance=0)


@torch.no_grad()
def _settings_follow_from_the_context(case: _Case) -> None:
    shapes = set()
    for context_tokens in (1, 7, 1000):
        settings = case.mixer_class.settings_for(context_tokens)
        named = set(settings) <= set(setting_names(case.mixer_class))
        case.promise(named, f"settings_for gives settings of the constructor, not {sorted(settings)}")
        mixer = case.mixer_class(case.d_model, layer_index=0, n_layers=2, **{**settings, **case.settings})
        shapes.add(str([(name, tuple(tensor.shape)) for name, tensor in mixer.state_dict().items()]))
    case.promise(len(shapes) == 1, "settings_for changes no shape of a parameter")


@torch.no_grad()
def _channel_mixer_stands_apart(case: _Case) -> None:
    mixer, x = case.build(), case.inputs()
    channel = mixer.channel_mixer()
    if channel is None:
        return
    case.promise(isinstance(channel, Mixer), "channel_mixer gives a Mixer or None")
    y, _ = channel.to(x.dtype)(x)
    case.promise(y.shape == x.shape, "a channel mixer keeps the mixer's width")
    own = {id(parameter) for parameter in mixer.parameters()}
    apart = not any(id(parameter) in own for parameter in channel.parameters())
    case.promise(apart, "a channel mixer shares no parameter with the mixer")


def _built_without_memory_and_alike(case: _Case) -> None:
    shapes = set()
    try:
        with torch.device("meta"):
            for index, depth in ((1, 2), (1, 4), (3, 4)):
                mixer = case.mixer_class(case.d_model, layer_index=index, n_layers=depth, **case.settings)
                shapes.add(str([(name, tuple(parameter.shape)) for name, parameter in mixer.named_parameters()]))
    except (RuntimeError, NotImplementedError) as error:
        promise = f'the constructor reads no numbers out of tensors, for it runs on the device "meta" too ({error})'
        raise AssertionError(f"{case.mixer_class.__qualname__} breaks a promise of mixers: {promise}") from error
    case.promise(len(shapes) == 1, "parameters have the same shapes in all layers but the first")


def _importable(cls: type) -> bool:
    """Whether pickle can find the class; one defined inside a function it cannot."""
    try:
        return operator.attrgetter(cls.__qualname__)(sys.modules[cls.__module__]) is cls
    except (AttributeError, KeyError):
        return False


CHECKS: tuple[Callable[[_Case], None], ...] = (
    _state_is_a_named_tuple,
    _shapes_and_dtypes,
    _state_is_left_unchanged,
    _steps_equal_parallel,
    _layers_that_share_equal_their_steps,
    _split_equals_whole,
    _resets_equal_separate_sequences,
    _unit_time_gaps_change_nothing,
    _gradients_reach_everything,
    _series_do_not_touch,
    _future_does_not_reach_the_past,
    _copies_are_equal,
    _settings_follow_from_the_context,
    _channel_mixer_stands_apart,
    _built_without_memory_and_alike,
)
