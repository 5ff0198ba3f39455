"""RWKV's channel mixer: a squared-ReLU network on a token and the one before."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from .counts import check_optional_counts, check_switches
from .mixer import Mixer
from .token_shift import tokens_before

__all__ = ["RWKVChannelMix", "RWKVChannelMixState", "channel_mix_width"]


class RWKVChannelMixState(NamedTuple):
    """State of `RWKVChannelMix`: the last token, (batch, d_model)."""

    last: Tensor


class RWKVChannelMix(Mixer):
    """What stands behind the time mixing in an RWKV block.

    ::

        s_t = x_{t-1} - x_t
        y_t = W_v relu(W_k (x_t + mu_k * s_t))^2                                       RWKV-7
        y_t = sigmoid(W_r (x_t + mu_r * s_t)) * W_v relu(W_k (x_t + mu_k * s_t))^2     RWKV-6, gated

    Parameters
    ----------
    d_model : int
        Width of the sequence.
    layer_index, n_layers : int
        Position in the stack and its depth, which the initial values of mu depend on.
    width : int, optional
        Hidden units. Default: 4 d_model, gated 3.5 d_model rounded down to a multiple of 32 (at least 32).
    gated : bool, default False
        Whether with the receptance W_r, as in RWKV-6.

    Notes
    -----
    At the start W_v (and W_r) are zero.

    References
    ----------
    Peng, B. et al. (2024). Eagle and Finch: RWKV with matrix-valued states. arXiv 2404.05892.
    Peng, B. et al. (2025). RWKV-7 "Goose" with expressive dynamic state evolution. arXiv 2503.14456.

    Examples
    --------
    >>> import torch
    >>> mixer = RWKVChannelMix(16)
    >>> y, state = mixer(torch.randn(2, 30, 16))
    >>> y.shape, mixer.state_bytes()
    (torch.Size([2, 30, 16]), 64)
    """

    name = "rwkv_channel_mix"

    def __init__(
        self,
        d_model: int,
        *,
        layer_index: int = 0,
        n_layers: int = 1,
        width: int | None = None,
        gated: bool = False,
    ):
        super().__init__()
        check_optional_counts(self.name, width=width)
        check_switches(self.name, gated=gated)
        width = channel_mix_width(d_model, gated) if width is None else width
        depth = 1 - layer_index / n_layers
        share = torch.arange(d_model) / d_model
        self.mu_k = nn.Parameter(1 - share ** (depth**3 if gated else depth**4))
        self.expand = nn.Linear(d_model, width, bias=False)
        self.contract = nn.Linear(width, d_model, bias=False)
        nn.init.zeros_(self.contract.weight)
        self.receptance: nn.Linear | None = None
        if gated:
            self.mu_r = nn.Parameter(self.mu_k.detach().clone())
            self.receptance = nn.Linear(d_model, d_model, bias=False)
            nn.init.zeros_(self.receptance.weight)

    @classmethod
    def size_setting(cls, d_model: int, settings: Mapping[str, Any]) -> tuple[str, int]:
        """The hidden units, see `Mixer.size_setting`."""
        return "width", channel_mix_width(d_model, settings.get("gated", False))

    def forward(
        self,
        x: Tensor,
        state: RWKVChannelMixState | None = None,
        resets: Tensor | None = None,
        time_gaps: Tensor | None = None,
        shared: dict[str, Any] | None = None,
    ) -> tuple[Tensor, RWKVChannelMixState]:
        """Map every step, see `Mixer.forward`; time gaps change nothing."""
        before = tokens_before(x, None if state is None else state.last, resets)
        return self._mix(x, before), RWKVChannelMixState(x[:, -1])

    def step(
        self, x_t: Tensor, state: RWKVChannelMixState, shared: dict[str, Any] | None = None
    ) -> tuple[Tensor, RWKVChannelMixState]:
        """Map one step, see `Mixer.step`."""
        return self._mix(x_t, state.last), RWKVChannelMixState(x_t)

    def initial_state(
        self, batch_size: int, device: torch.device | str | None = None, dtype: torch.dtype | None = None
    ) -> RWKVChannelMixState:
        """Zeros, see `Mixer.initial_state`."""
        device, dtype = self._placement(device, dtype)
        return RWKVChannelMixState(torch.zeros(batch_size, len(self.mu_k), device=device, dtype=dtype))

    def _mix(self, x: Tensor, before: Tensor) -> Tensor:
        change = before - x
        y = self.contract(torch.relu(self.expand(x + change * self.mu_k)).square())
        return y if self.receptance is None else torch.sigmoid(self.receptance(x + change * self.mu_r)) * y


def channel_mix_width(d_model: int, gated: bool) -> int:
    """Hidden units of an `RWKVChannelMix` unless set.

    Examples
    --------
    >>> channel_mix_width(64, gated=False), channel_mix_width(64, gated=True)
    (256, 224)
    """
    return max(32, int(3.5 * d_model) // 32 * 32) if gated else 4 * d_model
