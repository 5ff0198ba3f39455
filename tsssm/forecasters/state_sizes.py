"""The sizes that a mixer's state can have, largest first, each built only when it is asked for."""

from __future__ import annotations

import inspect
import operator
from bisect import bisect_left
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from numbers import Integral
from typing import Any, NamedTuple

import torch

from tsssm.errors import ConfigError
from tsssm.forecasters.spec import ModelSpec
from tsssm.mixers import Mixer
from tsssm.mixers.layer_parameters import stack_parameters
from tsssm.mixers.stack_settings import settings_of

__all__ = ["StateSize", "StateSizes"]

MORE_IS_SMALLER = "n_heads"  # more heads are smaller ones, and a head's state is the square of its size


class StateSize(NamedTuple):
    """One size of a mixer's state.

    Attributes
    ----------
    size : int
        Its `Mixer.state_setting`.
    is_own : bool
        Whether it is the one that the settings say.
    state_bytes : int
        Of a layer, its channel mixer included.
    """

    size: int
    is_own: bool
    state_bytes: int


@dataclass
class StateSizes:
    """Sizes of one mixer's state by their share of its own size, as `spec` has it.

    Raises
    ------
    ConfigError
        The mixer names a setting that is no whole number.
    """

    mixer: type[Mixer]
    spec: ModelSpec

    @cached_property
    def own(self) -> dict[str, Any]:
        """The mixer's settings."""
        return settings_of(self.mixer, self.spec.mixer_settings)

    @cached_property
    def shares(self) -> list[Fraction]:
        """Of its own size, 1 first; the mixer may refuse some."""
        own, sizes = self._own_size, self._sizes
        return [Fraction(own, size) if self.has_heads else Fraction(size, own) for size in sizes]

    @property
    def has_heads(self) -> bool:
        """Whether more is smaller. What heads take need not fall with every one more: their sizes are rounded."""
        return self.mixer.state_setting == MORE_IS_SMALLER

    def at(self, proportion: Fraction) -> StateSize:
        """The largest share that is at most this one and that the mixer takes; the smallest it takes if none is."""
        first = bisect_left(self.shares, -proportion, key=operator.neg)
        by_closeness = [*range(first, len(self.shares)), *reversed(range(first))]
        index = next(i for i in by_closeness if self._bytes(i) is not None)  # its own size at the latest
        return StateSize(self._sizes[index], index == 0, self._bytes(index) or 0)

    @cached_property
    def _sizes(self) -> list[int]:
        """Largest state first."""
        if self.mixer.state_setting is None:
            return [1]
        own = self._own_size
        return [own, *(range(own + 1, self.spec.d_model + 1) if self.has_heads else range(own - 1, 0, -1))]

    @cached_property
    def _own_size(self) -> int:
        """As the settings say, else the mixer's default."""
        name = self.mixer.state_setting
        if name is None:
            return 1
        parameter = inspect.signature(self.mixer.__init__).parameters.get(name)
        size = self.own.get(name, None if parameter is None else parameter.default)
        if not isinstance(size, Integral):
            raise ConfigError(
                f"state_budget: the mixer {self.mixer.name!r} says state_setting={name!r}, but its size there is "
                f"{size!r}, no whole number. Set it in mixer_settings, or leave state_budget out."
            )
        return int(size)

    def _bytes(self, index: int) -> int | None:
        if index not in self._known:
            name = self.mixer.state_setting
            changed = {} if index == 0 or name is None else {name: self._sizes[index]}
            self._known[index] = _state_bytes(self.mixer, self.spec.d_model, {**self.own, **changed})
        return self._known[index]

    @cached_property
    def _known(self) -> dict[int, int | None]:
        return {}


def _state_bytes(mixer: type[Mixer], d_model: int, settings: dict[str, Any]) -> int | None:
    """Of a layer, its channel mixer included; None where the mixer cannot be built so."""
    try:
        stack_parameters((mixer,), d_model, settings)
    except ConfigError:  # heads that do not divide the width
        return None
    with torch.random.fork_rng(devices=[]), torch.device("meta"):
        layer = mixer(d_model, **settings).float()
        channel = layer.channel_mixer()
    return layer.state_bytes() + (0 if channel is None else channel.float().state_bytes())
