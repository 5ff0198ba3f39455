"""What the time mixing of RWKV-6 and of RWKV-7 share."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import group_norm

from .counts import check_optional_counts
from .heads import check_heads
from .mixer import Mixer
from .rwkv_channel_mix import RWKVChannelMix, channel_mix_width
from .token_shift import tokens_before

__all__ = ["Places", "RWKVTimeMix"]

NORM_EPS = 64e-5  # of the heads' group norm, as in RWKV


class RWKVTimeMix(Mixer):
    """Heads that see each token and the one before, normed and gated, with an `RWKVChannelMix` behind them.

    A subclass says how tokens are projected (`_project`), what recurrence runs (`_attend`, `_attend_step`) and, where
    more than what the heads give is let out, what (`_out`).

    Parameters
    ----------
    d_model, layer_index, n_layers, n_heads, channel_width
        As in both mixers.

    Attributes
    ----------
    State : class attribute
        The mixer's state, a NamedTuple of `memory`, (batch, n_heads, K, V), and the last token, (batch, d_model).
    gated : class attribute
        Whether the `RWKVChannelMix` is.

    Examples
    --------
    >>> from tsssm.mixers import RWKV6, RWKV7
    >>> [mixer.size_setting(64, {}) for mixer in (RWKV6, RWKV7)]
    [('channel_width', 224), ('channel_width', 256)]
    """

    state_setting = "n_heads"
    State: ClassVar[Any]
    gated: ClassVar[bool]
    output: nn.Linear
    norm_weight: nn.Parameter
    norm_bias: nn.Parameter

    def __init__(self, d_model: int, layer_index: int, n_layers: int, n_heads: int, channel_width: int | None):
        super().__init__()
        check_heads(self.name, d_model, n_heads)
        check_optional_counts(self.name, channel_width=channel_width)
        self.d_model, self.n_heads, self.head_size = d_model, n_heads, d_model // n_heads
        self.channel: dict[str, Any] = {"layer_index": layer_index, "n_layers": n_layers, "width": channel_width}

    @classmethod
    def size_setting(cls, d_model: int, settings: Mapping[str, Any]) -> tuple[str, int]:
        """The hidden units of the `RWKVChannelMix`, see `Mixer.size_setting`."""
        return "channel_width", channel_mix_width(d_model, cls.gated)

    def channel_mixer(self) -> RWKVChannelMix:
        """RWKV's channel mixing, see `Mixer.channel_mixer`."""
        return RWKVChannelMix(self.d_model, gated=self.gated, **self.channel)

    def forward(
        self,
        x: Tensor,
        state: Any = None,
        resets: Tensor | None = None,
        time_gaps: Tensor | None = None,
        shared: dict[str, Any] | None = None,
    ) -> tuple[Tensor, Any]:
        """Mix a whole sequence, see `Mixer.forward`; `time_gaps` scale the logarithms of the decays."""
        memory, last = (None, None) if state is None else state
        rows, gate = self._project(x, tokens_before(x, last, resets), shared)
        y, memory = self._attend(rows, memory, time_gaps, resets)
        return self._out(y, rows, gate), self.State(memory, x[:, -1])

    def step(self, x_t: Tensor, state: Any, shared: dict[str, Any] | None = None) -> tuple[Tensor, Any]:
        """Mix one step, see `Mixer.step`."""
        rows, gate = self._project(x_t, state.last, shared)
        y, memory = self._attend_step(rows, state.memory)
        return self._out(y, rows, gate), self.State(memory, x_t)

    def initial_state(
        self, batch_size: int, device: torch.device | str | None = None, dtype: torch.dtype | None = None
    ) -> Any:
        """Zeros, see `Mixer.initial_state`."""
        device, dtype = self._placement(device, dtype)
        shape = (batch_size, self.n_heads, self.head_size, self.head_size)
        return self.State(
            torch.zeros(shape, device=device, dtype=torch.promote_types(dtype, torch.float32)),
            torch.zeros(batch_size, self.d_model, device=device, dtype=dtype),
        )

    @abstractmethod
    def _project(self, x: Tensor, before: Tensor, shared: dict[str, Any] | None) -> tuple[tuple[Tensor, ...], Tensor]:
        """What the recurrence takes, receptances, keys and values first, by heads, and the gate, (..., d_model)."""

    @abstractmethod
    def _attend(
        self, rows: tuple[Tensor, ...], memory: Tensor | None, time_gaps: Tensor | None, resets: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """What is read at each step of a sequence, (batch, length, n_heads, V), and the memory behind it."""

    @abstractmethod
    def _attend_step(self, rows: tuple[Tensor, ...], memory: Tensor) -> tuple[Tensor, Tensor]:
        """The same for one step."""

    def _out(self, y: Tensor, rows: tuple[Tensor, ...], gate: Tensor) -> Tensor:
        return self.output(self._normed(y, gate.shape) * gate)

    def _normed(self, y: Tensor, shape: torch.Size) -> Tensor:
        """Heads normed each by itself, and joined to channels."""
        flat = y.reshape(-1, self.d_model)
        return group_norm(flat, self.n_heads, self.norm_weight, self.norm_bias, NORM_EPS).view(shape)


class Places(NamedTuple):
    """Where a layer stands in its stack, and channels in a token: what RWKV's initial values are functions of.

    Examples
    --------
    >>> places = Places.of(4, layer_index=1, n_layers=3)
    >>> places.first_to_last, places.left, places.share, places.along[-1]
    (0.5, 0.6666..., tensor([0.0000, 0.2500, 0.5000, 0.7500]), tensor(1.))
    """

    first_to_last: float  # 0 in the first layer, 1 in the last
    left: float  # share of the stack from this layer on
    share: Tensor  # (d_model,) from 0 to just below 1
    along: Tensor  # (d_model,) from 0 to 1

    @classmethod
    def of(cls, d_model: int, layer_index: int, n_layers: int) -> Places:
        """The places of a layer."""
        channels = torch.arange(d_model)
        return cls(
            first_to_last=layer_index / max(n_layers - 1, 1),
            left=1 - layer_index / n_layers,
            share=channels / d_model,
            along=channels / max(d_model - 1, 1),
        )
