"""Causal softmax attention over a window of the last tokens."""

from __future__ import annotations

import math
from numbers import Integral
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

from tsssm.errors import ConfigError

from .banded_attention import banded_attention
from .mixer import Mixer
from .mlp import MLP
from .rotary import rotate

__all__ = ["Attention", "AttentionState"]


class AttentionState(NamedTuple):
    """State of an `Attention` mixer: a ring of the window's tokens.

    Parameters
    ----------
    keys : Tensor, shape (batch, window, heads, head_dim)
        Rotated keys; the token at position p of its sequence lies in slot ``p % window``, empty slots are zero.
    values : Tensor, shape (batch, window, heads, head_dim)
    position : Tensor of int64, shape (batch,)
        Tokens since the sequence began.
    """

    keys: Tensor
    values: Tensor
    position: Tensor


class Attention(Mixer):
    """Multi-head softmax attention to the last `window` tokens, with rotary positions.

    ::

        q, k, v = W_q u, W_k u, W_v u                     heads of d_model / n_heads channels, q and k rotated
        y_t     = W_o sum_j softmax_j(q_t . k_j / sqrt(head_dim)) v_j        max(0, t - window + 1) <= j <= t

    The mixer of a transformer, with a state of fixed size: the window counts the token itself and is the same in
    training, batch prediction and streams. In a forecaster it is the training context unless set. What lies further
    back is forgotten altogether. A block puts an MLP behind it.

    Parameters
    ----------
    d_model : int
        Width of the sequence, divisible by `n_heads` into heads of an even size.
    layer_index, n_layers : int
        Position in the stack and its depth; the output weights are divided by ``sqrt(2 n_layers)`` at the start.
    n_heads : int, default 4
        Heads.
    window : int, default 30
        Tokens that a token sees, itself included.
    rotary_base : float, default 1000
        Of the rotary positions' geometric series of frequencies. Language models take 10,000 for thousands of tokens;
        over a few dozen patches a smaller base leaves fewer pairs of features nearly still.
    mlp_width : int, optional
        Hidden units of the block's MLP. Default: 9/8 d_model + 54 rounded down to a multiple of 4, with which a block
        has about the parameters of a Mamba block of the same width.

    Notes
    -----
    `time_gaps` are ignored: there is no decay. Long sequences are cut into blocks of the window's length, so that
    memory grows with length times window.

    References
    ----------
    Vaswani, A. et al. (2017). Attention is all you need. arXiv 1706.03762.
    Su, J. et al. (2021). RoFormer: Enhanced transformer with rotary position embedding. arXiv 2104.09864.

    Examples
    --------
    >>> import torch
    >>> mixer = Attention(16, window=10)
    >>> y, state = mixer(torch.randn(2, 30, 16))
    >>> y.shape, state.keys.shape, mixer.state_bytes()
    (torch.Size([2, 30, 16]), torch.Size([2, 10, 4, 4]), 1288)
    """

    name = "attention"

    def __init__(
        self,
        d_model: int,
        *,
        layer_index: int = 0,
        n_layers: int = 1,
        n_heads: int = 4,
        window: int = 30,
        rotary_base: float = 1000.0,
        mlp_width: int | None = None,
    ):
        super().__init__()
        _check(d_model, n_heads, window, rotary_base)
        self.n_heads, self.window, self.rotary_base = n_heads, window, float(rotary_base)
        width = _mlp_width(d_model) if mlp_width is None else mlp_width
        self.mlp = {"layer_index": layer_index, "n_layers": n_layers, "width": width}
        self.in_projection = nn.Linear(d_model, 3 * d_model, bias=False)
        self.out_projection = nn.Linear(d_model, d_model, bias=False)
        with torch.no_grad():
            self.out_projection.weight.div_(math.sqrt(2 * n_layers))

    @classmethod
    def settings_for(cls, context_tokens: int) -> dict[str, Any]:
        """The window is the training context, see `Mixer.settings_for`."""
        return {"window": context_tokens}

    def channel_mixer(self) -> MLP:
        """The MLP behind the attention, see `Mixer.channel_mixer`."""
        return MLP(self.out_projection.out_features, **self.mlp)

    def forward(
        self,
        x: Tensor,
        state: AttentionState | None = None,
        resets: Tensor | None = None,
        time_gaps: Tensor | None = None,
        shared: dict[str, Any] | None = None,
    ) -> tuple[Tensor, AttentionState]:
        """Mix a whole sequence, see `Mixer.forward`; `time_gaps` are ignored."""
        start = x.new_zeros(len(x), dtype=torch.int64) if state is None else state.position
        position = _positions(start, x.shape[1], resets)  # (B, L)
        q, k, v = self._project(x, position[:1] if state is None and resets is None else position)
        if state is not None:
            past = _last_slots(start, self.window)  # (B, window), oldest first
            k, v = (torch.cat([_take(old, past).to(new), new], 1) for old, new in ((state.keys, k), (state.values, v)))
        # how far each token may look back: neither beyond its sequence's first token nor out of the window
        reach = (position + 1).clamp(max=self.window)
        y = banded_attention(q, k, v, self.window, None if state is None and resets is None else reach)
        after = self._ring(k, v, position[:, -1] + 1, x.dtype if state is None else state.keys.dtype)
        return self.out_projection(y.flatten(-2)), after

    def step(
        self, x_t: Tensor, state: AttentionState, shared: dict[str, Any] | None = None
    ) -> tuple[Tensor, AttentionState]:
        """Mix one step, see `Mixer.step`."""
        q, k, v = self._project(x_t, state.position)  # (B, heads, head_dim) each
        slot = (state.position % self.window)[:, None, None, None].expand(-1, 1, *k.shape[1:])
        keys = state.keys.scatter(1, slot, k[:, None].to(state.keys))
        values = state.values.scatter(1, slot, v[:, None].to(state.values))
        filled = torch.arange(self.window, device=x_t.device) <= state.position[:, None]  # (B, window)
        y = scaled_dot_product_attention(
            q[:, :, None].to(keys), keys.transpose(1, 2), values.transpose(1, 2), attn_mask=filled[:, None, None]
        )
        return self.out_projection(y.flatten(1).to(x_t.dtype)), AttentionState(keys, values, state.position + 1)

    def initial_state(
        self, batch_size: int, device: torch.device | str | None = None, dtype: torch.dtype | None = None
    ) -> AttentionState:
        """An empty ring, see `Mixer.initial_state`."""
        device, dtype = self._placement(device, dtype)
        shape = (batch_size, self.window, self.n_heads, self.out_projection.in_features // self.n_heads)
        empty = torch.zeros(shape, device=device, dtype=dtype)
        return AttentionState(empty, empty.clone(), torch.zeros(batch_size, dtype=torch.int64, device=device))

    def _project(self, x: Tensor, position: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Rotated queries and keys, and values: (..., d_model) -> three of (..., heads, head_dim)."""
        projected = self.in_projection(x).unflatten(-1, (3, self.n_heads, -1))
        q, k = rotate(projected[..., :2, :, :], position[..., None], self.rotary_base).unbind(-3)
        return q, k, projected[..., 2, :, :]

    def _ring(self, keys: Tensor, values: Tensor, position: Tensor, dtype: torch.dtype) -> AttentionState:
        """The state after tokens of which the last are given, (B, tokens, heads, head_dim)."""
        slots = torch.arange(self.window, device=keys.device)
        age = (position[:, None] - 1 - slots) % self.window  # (B, window): tokens since a slot was written
        filled = (age < position[:, None])[..., None, None]
        index = (keys.shape[1] - 1 - age).clamp(min=0)
        ring_keys, ring_values = (torch.where(filled, _take(x, index), 0.0).to(dtype) for x in (keys, values))
        return AttentionState(ring_keys, ring_values, position)


def _check(d_model: int, n_heads: int, window: int, rotary_base: float) -> None:
    for name, value in (("n_heads", n_heads), ("window", window)):
        if isinstance(value, bool) or not isinstance(value, Integral):
            raise ConfigError(f"attention needs an integer for {name}; got {name}={value!r}")
    if n_heads < 1 or d_model % n_heads or (d_model // n_heads) % 2:
        raise ConfigError(
            f"attention needs heads of an even size: d_model={d_model} over n_heads={n_heads} is no even number of "
            f"channels each. Choose d_model as a multiple of {2 * max(n_heads, 1)}, or another n_heads."
        )
    if window < 1:
        raise ConfigError(f"attention needs a window of at least 1 token, itself; got window={window}")
    if not 1 < rotary_base < math.inf:
        raise ConfigError(f"rotary_base must be a number above 1; got {rotary_base!r}")


def _mlp_width(d_model: int) -> int:
    return (9 * d_model // 8 + 54) // 4 * 4


def _positions(start: Tensor, length: int, resets: Tensor | None) -> Tensor:
    """Position of each token since its sequence began, (B, length) int64."""
    index = torch.arange(length, device=start.device)
    running = start[:, None] + index
    if resets is None:
        return running
    last_reset = torch.where(resets, index, -1).cummax(1).values
    return torch.where(last_reset >= 0, index - last_reset, running)


def _last_slots(position: Tensor, window: int) -> Tensor:
    """Slots of the `window` tokens before `position`, oldest first, (B, window)."""
    return (position[:, None] + torch.arange(window, device=position.device)) % window


def _take(x: Tensor, index: Tensor) -> Tensor:
    """Rows of the second axis, (B, N, ...) and (B, M) -> (B, M, ...)."""
    return x[torch.arange(len(x), device=x.device)[:, None], index]
