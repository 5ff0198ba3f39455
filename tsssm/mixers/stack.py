"""The mixers of a network, layer by layer: of one kind, of a pattern or of a list."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from numbers import Integral
from typing import TypeAlias

from tsssm.errors import ConfigError

from .mixer import Mixer
from .pattern import MOST_LAYERS, NAME, read_pattern, write_pattern
from .registry import find_mixer, known_mixers

__all__ = ["Stack", "pattern_layers", "read_stack", "stack_name"]

Stack: TypeAlias = tuple[type[Mixer], ...]

ALONE = 2  # layers, where one mixer is named and no number


def read_stack(mixer: object, n_layers: int | str = "auto", mixers: Iterable[type[Mixer]] = ()) -> Stack:
    """The mixer of each layer, first to last.

    Parameters
    ----------
    mixer : str, Mixer subclass, or sequence of these
        A short name such as ``"mamba"``, a pattern such as ``"mamba*3+attention"``, a class, or a list of them.
    n_layers : int or "auto", default "auto"
        The pattern is repeated until there are as many layers; "auto": once, and a single mixer, of which no number is
        named, twice: ``"mamba"`` has two layers, ``"mamba*1"`` one.
    mixers : iterable of Mixer subclasses, default ()
        Further classes that names may mean.

    Raises
    ------
    ConfigError
        A name is not known, the pattern is none (the message points at the character), `n_layers` is no number of
        layers, or the pattern does not go into it a whole number of times.

    Examples
    --------
    >>> [mixer.name for mixer in read_stack("mamba*2+attention")]
    ['mamba', 'mamba', 'attention']
    >>> [mixer.name for mixer in read_stack(["mamba", "attention"], n_layers=4)]
    ['mamba', 'attention', 'mamba', 'attention']
    """
    layers = pattern_layers(mixer, mixers)
    if n_layers == "auto":
        n_layers = ALONE if _is_one_mixer(mixer) else len(layers)
    if not isinstance(n_layers, Integral) or isinstance(n_layers, bool) or n_layers < 1:
        raise ConfigError(f'n_layers must be an integer of at least 1 or "auto"; got {n_layers!r}')
    repeats, rest = divmod(int(n_layers), len(layers))
    if len(layers) * repeats > MOST_LAYERS:
        raise ConfigError(f"n_layers={n_layers} is more than the {MOST_LAYERS} layers that a stack may have")
    if rest or not repeats:
        raise ConfigError(
            f"n_layers={n_layers} does not fit mixer={mixer!r}, which has {len(layers)} layers and is repeated as a "
            f"whole. Choose a multiple of {len(layers)}, or leave n_layers out."
        )
    return layers * repeats


def _is_one_mixer(mixer: object) -> bool:
    """Whether one mixer is named, without a number or brackets."""
    if isinstance(mixer, str):
        return NAME.fullmatch(mixer.strip()) is not None
    return not isinstance(mixer, Sequence) or (len(mixer) == 1 and _is_one_mixer(mixer[0]))


def pattern_layers(mixer: object, mixers: Iterable[type[Mixer]] = ()) -> Stack:
    """The layers that a pattern, a list or a single mixer names, before they are repeated; see `read_stack`."""
    if isinstance(mixer, str):
        known = known_mixers(mixers)
        is_name = NAME.fullmatch(mixer)
        return (find_mixer(mixer, mixers),) if is_name else tuple(known[name] for name in read_pattern(mixer, known))
    parts = mixer if isinstance(mixer, Sequence) else [mixer]
    if not parts:
        raise ConfigError("mixer is an empty list: name one mixer or more")
    own = {*mixers, *(find_mixer(part) for part in parts if not isinstance(part, str))}  # type: ignore[arg-type]
    known_mixers(own)  # two of one name could not be told apart when the model is loaded
    layers: list[type[Mixer]] = []
    for part in parts:
        layers += pattern_layers(part, own) if isinstance(part, str) else [find_mixer(part)]  # type: ignore[arg-type]
    return tuple(layers)


def stack_name(stack: Stack) -> str:
    """The pattern of a stack, or the name of its only kind: ``read_stack(stack_name(s), len(s))`` is ``s`` again.

    Examples
    --------
    >>> stack_name(read_stack("(mamba*2+attention)*2"))
    'mamba*2+attention'
    """
    return write_pattern([mixer.name for mixer in stack])
