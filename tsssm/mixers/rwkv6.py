"""RWKV-6: a matrix of keys and values with a decay of its own for each key and step."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import silu

from tsssm_kernels import DecayState, decay_attention, decay_attention_step

from .counts import check_counts
from .heads import split_heads
from .rwkv_time_mix import Places, RWKVTimeMix
from .weight_decay import without_weight_decay

__all__ = ["RWKV6", "RWKV6State"]

SHIFTED = ("w", "k", "v", "r", "g")  # inputs, each with its own share of the token before; the published order


class RWKV6State(NamedTuple):
    """State of `RWKV6`.

    Attributes
    ----------
    memory : Tensor, (batch, n_heads, K, V)
        What the heads have stored, one row a key.
    last : Tensor, (batch, d_model)
        The last token.
    """

    memory: Tensor
    last: Tensor


class RWKV6(RWKVTimeMix):
    """Time mixing of RWKV-6 ("Finch").

    ::

        s_t = x_{t-1} - x_t
        x^i_t = x_t + s_t * (mu_i + A_i2 tanh(A_i1 (x_t + s_t * mu_x)))           i in w, k, v, r, g
        r, k, v = W_r x^r, W_k x^k, W_v x^v
        g   = -exp(w_0 + W_2 tanh(W_1 x^w))                                       logarithm of the decay, of each key
        o_t = (S_{t-1} + (u * k_t) v_t')' r_t
        S_t = diag(exp(g_t)) S_{t-1} + k_t v_t'
        y_t = W_o (GroupNorm(o_t) silu(W_g x^g))

    A block puts an `RWKVChannelMix` with a gate behind it.

    Parameters
    ----------
    d_model : int
        Width of the sequence, divisible by `n_heads`.
    layer_index, n_layers : int
        Position in the stack and its depth, which initial values depend on.
    n_heads : int, default 4
        Heads.
    mix_rank, decay_rank : int, default 32 and 64
        Ranks of the maps from a token to its shares of the token before, and to its decays.
    channel_width : int, optional
        Hidden units of the block's `RWKVChannelMix`.

    Notes
    -----
    Initial values are those of the published code: among them a zero W_o and decays that differ between channels.
    Vectors carry the attribute ``_no_weight_decay = True``.

    References
    ----------
    Peng, B. et al. (2024). Eagle and Finch: RWKV with matrix-valued states. arXiv 2404.05892.

    Examples
    --------
    >>> import torch
    >>> mixer = RWKV6(16)
    >>> y, state = mixer(torch.randn(2, 30, 16))
    >>> y.shape, state.memory.shape, mixer.state_bytes()
    (torch.Size([2, 30, 16]), torch.Size([2, 4, 4, 4]), 320)
    """

    name = "rwkv6"
    State = RWKV6State
    gated = True

    def __init__(
        self,
        d_model: int,
        *,
        layer_index: int = 0,
        n_layers: int = 1,
        n_heads: int = 4,
        mix_rank: int = 32,
        decay_rank: int = 64,
        channel_width: int | None = None,
    ):
        super().__init__(d_model, layer_index, n_layers, n_heads, channel_width)
        check_counts(self.name, mix_rank=mix_rank, decay_rank=decay_rank)
        self.mu_x = nn.Parameter(torch.empty(d_model))
        self.mu = nn.Parameter(torch.empty(len(SHIFTED), d_model))
        self.mix_in = nn.Linear(d_model, len(SHIFTED) * mix_rank, bias=False)
        self.mix_out = nn.Parameter(torch.empty(len(SHIFTED), mix_rank, d_model))
        self.receptance, self.key, self.value, self.gate, self.output = (
            nn.Linear(d_model, d_model, bias=False) for _ in range(5)
        )
        self.w_0 = nn.Parameter(torch.empty(d_model))
        self.w_in, self.w_out = nn.Linear(d_model, decay_rank, bias=False), nn.Linear(decay_rank, d_model, bias=False)
        self.bonus = nn.Parameter(torch.empty(n_heads, self.head_size))
        self.norm_weight, self.norm_bias = (nn.Parameter(torch.empty(d_model)) for _ in range(2))
        self._initialise(layer_index, n_layers)

    @torch.no_grad()
    def _initialise(self, layer_index: int, n_layers: int) -> None:
        first_to_last, left, share, along = Places.of(self.d_model, layer_index, n_layers)
        plain, half = 1 - share**left, 1 - share ** (left / 2)
        self.mu_x.copy_(plain)
        for mu, value in zip(self.mu, (plain, plain, plain - 0.3 * first_to_last, half, half)):
            mu.copy_(value)
        for zero in (self.mix_in.weight, self.w_in.weight, self.output.weight, self.norm_bias):
            zero.zero_()
        for small in (self.mix_out, self.w_out.weight):
            small.uniform_(-0.01, 0.01)
        for linear, gain in ((self.key, 0.1), (self.gate, 0.1), (self.receptance, 1.0), (self.value, 1.0)):
            nn.init.orthogonal_(linear.weight, gain=gain)
        self.w_0.copy_(-6 + 5 * along ** (0.7 + 1.3 * first_to_last))
        zigzag = 0.1 * ((torch.arange(self.d_model) + 1).remainder(3) - 1)
        self.bonus.copy_((first_to_last * (1 - along) + zigzag).view_as(self.bonus))
        self.norm_weight.fill_(((layer_index + 1) / n_layers) ** 0.7)
        without_weight_decay(self.mu, self.bonus, *(vector for vector in self.parameters() if vector.ndim == 1))

    def _project(self, x: Tensor, before: Tensor, shared: dict[str, Any] | None) -> tuple[tuple[Tensor, ...], Tensor]:
        change = before - x
        shares = torch.tanh(self.mix_in(x + change * self.mu_x)).unflatten(-1, (len(SHIFTED), -1))
        moved = (part @ out for part, out in zip(shares.unbind(-2), self.mix_out))
        x_w, x_k, x_v, x_r, x_g = (x + change * (mu + own) for mu, own in zip(self.mu, moved))
        g = -torch.exp(self.w_0 + self.w_out(torch.tanh(self.w_in(x_w))))
        rows = (self.receptance(x_r), self.key(x_k), self.value(x_v), g)
        return tuple(split_heads(part, self.n_heads) for part in rows), silu(self.gate(x_g))

    def _attend(
        self, rows: tuple[Tensor, ...], memory: Tensor | None, time_gaps: Tensor | None, resets: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        before = None if memory is None else DecayState(memory)
        r, k, v, g = rows
        y, after = decay_attention(
            r, k, v, g, bonus=self.bonus, time_gaps=time_gaps, initial_state=before, resets=resets
        )
        return y, after.memory

    def _attend_step(self, rows: tuple[Tensor, ...], memory: Tensor) -> tuple[Tensor, Tensor]:
        r, k, v, g = rows
        y, after = decay_attention_step(r, k, v, DecayState(memory), g, bonus=self.bonus)
        return y, after.memory
