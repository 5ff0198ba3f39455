"""Choose the sizes of the mixers' states so that a stream of one series stays within a number of bytes."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

from tsssm.errors import ConfigError
from tsssm.forecasters.blank import blank_model, smallest_stream_bytes
from tsssm.forecasters.spec import ModelSpec
from tsssm.forecasters.state_sizes import StateSizes
from tsssm.mixers import Mixer
from tsssm.mixers.stack import Stack
from tsssm.mixers.stack_settings import SEPARATOR, kinds

__all__ = ["within_budget"]


def within_budget(spec: ModelSpec, stack: Stack | None, budget: int) -> tuple[ModelSpec, str]:
    """The largest states, none larger than the settings say, with which a stream of one series fits.

    The stream is one with ``refresh="patch"``, without a base with "step". All mixers are made smaller in one
    proportion, each by its `Mixer.state_setting`.

    Parameters
    ----------
    spec : ModelSpec
    stack : tuple of Mixer types or None
    budget : int
        Bytes of one series.

    Returns
    -------
    spec : ModelSpec
        With other mixer settings, where the budget asks for it.
    note : str
        What was chosen.

    Raises
    ------
    ConfigError
        Not even the smallest states fit.
    """
    model = blank_model(spec, stack)
    needed, refresh = smallest_stream_bytes(model)
    if needed <= budget:
        return spec, _note({}, needed, budget, refresh)
    phases = spec.patch_length if refresh == "step" else 1
    rest = needed - phases * (0 if model.network is None else model.network.state_bytes())
    search = _Search(stack or (), {mixer: StateSizes(mixer, spec) for mixer in kinds(stack or ())}, rest, phases)
    fitting, least = search.fitting(budget)
    if not fitting:
        lags = f", of them {8 * spec.lags:,} the {spec.lags} values that the base looks back on" if spec.base else ""
        raise ConfigError(
            f"state_budget: {budget:,} bytes hold no state of this forecaster; the smallest takes {least:,}{lags}. "
            "Raise it, or lower d_model, n_layers, patch_length or context_length."
        )
    taken, sizes = max(fitting, key=lambda choice: choice[0])  # the first of equals: the largest
    return replace(spec, mixer_settings={**spec.mixer_settings, **sizes}), _note(sizes, taken, budget, refresh)


@dataclass
class _Search:
    """All mixers of a stack in one proportion to their own sizes."""

    stack: Stack
    sizes: Mapping[type[Mixer], StateSizes]
    rest: int  # bytes of a stream beside the network's states, of which there are as many as phases
    phases: int

    def fitting(self, budget: int) -> tuple[list[tuple[int, dict[str, int]]], int]:
        """Choices within the budget, bytes and settings, largest proportion first; and the least bytes of any.

        Bytes grow with the proportion, so a bisection finds the largest that fits: of every stretch along which mixers
        with heads stay as they are, for theirs do not always grow.
        """
        found, least = [], self.taken(Fraction(1))
        for stretch in self.stretches():
            least = min(least, self.taken(stretch[-1]))
            first = bisect_left(stretch, True, key=lambda proportion: self.taken(proportion) <= budget)
            if first < len(stretch):
                found.append((self.taken(stretch[first]), self.settings(stretch[first])))
        return found, least

    def stretches(self) -> list[list[Fraction]]:
        """Proportions, falling, along each of which no number of heads changes."""
        shares = {share for sizes in self.sizes.values() for share in sizes.shares}
        cuts = {share for sizes in self.sizes.values() if sizes.has_heads for share in sizes.shares}
        stretches: list[list[Fraction]] = [[]]
        for share in sorted(shares, reverse=True):
            stretches[-1].append(share)
            if share in cuts:  # below it the heads are the next more
                stretches.append([])
        return [stretch for stretch in stretches if stretch]

    def taken(self, proportion: Fraction) -> int:
        """Bytes of a stream."""
        layers = (self.sizes[mixer].at(proportion).state_bytes for mixer in self.stack)
        return self.rest + self.phases * sum(layers)

    def settings(self, proportion: Fraction) -> dict[str, int]:
        """The settings that are not the mixers' own."""
        chosen = {}
        for mixer, sizes in self.sizes.items():
            size = sizes.at(proportion)
            if not size.is_own:
                name = mixer.state_setting or ""
                chosen[name if len(self.sizes) == 1 else f"{mixer.name}{SEPARATOR}{name}"] = size.size
        return chosen


def _note(sizes: dict[str, Any], needed: int, budget: int, refresh: str) -> str:
    chosen = ", ".join(f"{name}={size}" for name, size in sizes.items()) or "all sizes as they are set"
    return f'state_budget of {budget:,} bytes: {chosen}; a stream of one series takes {needed:,} (refresh="{refresh}")'
