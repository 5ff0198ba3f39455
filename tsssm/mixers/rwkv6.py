"""RWKV-6: a matrix of keys and values with a decay of its own for each key and step."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import group_norm, silu

from tsssm_kernels import DecayState, decay_attention, decay_attention_step

from .heads import check_heads, split_heads
from .mixer import Mixer
from .rwkv_channel_mix import RWKVChannelMix
from .token_shift import tokens_before

__all__ = ["RWKV6", "RWKV6State"]

NORM_EPS = 64e-5  # of the heads' group norm, as in RWKV
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


class RWKV6(Mixer):
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
        super().__init__()
        check_heads("RWKV-6", d_model, n_heads)
        self.n_heads = n_heads
        self.channel: dict[str, Any] = {"layer_index": layer_index, "n_layers": n_layers, "width": channel_width}
        self.mu_x = nn.Parameter(torch.empty(d_model))
        self.mu = nn.Parameter(torch.empty(len(SHIFTED), d_model))
        self.mix_in = nn.Linear(d_model, len(SHIFTED) * mix_rank, bias=False)
        self.mix_out = nn.Parameter(torch.empty(len(SHIFTED), mix_rank, d_model))
        self.receptance, self.key, self.value, self.gate, self.output = (
            nn.Linear(d_model, d_model, bias=False) for _ in range(5)
        )
        self.w_0 = nn.Parameter(torch.empty(d_model))
        self.w_in, self.w_out = nn.Linear(d_model, decay_rank, bias=False), nn.Linear(decay_rank, d_model, bias=False)
        self.bonus = nn.Parameter(torch.empty(n_heads, d_model // n_heads))
        self.norm_weight, self.norm_bias = (nn.Parameter(torch.empty(d_model)) for _ in range(2))
        self._initialise(layer_index, n_layers)

    @torch.no_grad()
    def _initialise(self, layer_index: int, n_layers: int) -> None:
        d_model = len(self.mu_x)
        first_to_last, depth = layer_index / max(n_layers - 1, 1), 1 - layer_index / n_layers
        share = torch.arange(d_model) / d_model
        along = torch.arange(d_model) / max(d_model - 1, 1)
        plain, half = 1 - share**depth, 1 - share ** (depth / 2)
        self.mu_x.copy_(plain)
        for mu, value in zip(self.mu, (plain, plain, plain + 0.3 * first_to_last, half, half)):
            mu.copy_(value)
        for zero in (self.mix_in.weight, self.w_in.weight, self.output.weight, self.norm_bias):
            zero.zero_()
        for small in (self.mix_out, self.w_out.weight):
            small.uniform_(-0.01, 0.01)
        for linear, gain in ((self.key, 0.1), (self.gate, 0.1), (self.receptance, 1.0), (self.value, 1.0)):
            nn.init.orthogonal_(linear.weight, gain=gain)
        self.w_0.copy_(-6 + 5 * along ** (0.7 + 1.3 * first_to_last))
        zigzag = 0.1 * ((torch.arange(d_model) + 1).remainder(3) - 1)
        self.bonus.copy_((first_to_last * (1 - along) + zigzag).view_as(self.bonus))
        self.norm_weight.fill_(((layer_index + 1) / n_layers) ** 0.7)
        for parameter in self.parameters():
            if parameter.ndim == 1 or parameter is self.mu or parameter is self.bonus:
                parameter._no_weight_decay = True  # type: ignore[attr-defined]

    def channel_mixer(self) -> RWKVChannelMix:
        """RWKV's channel mixing, see `Mixer.channel_mixer`."""
        return RWKVChannelMix(len(self.mu_x), gated=True, **self.channel)

    def forward(
        self,
        x: Tensor,
        state: RWKV6State | None = None,
        resets: Tensor | None = None,
        time_gaps: Tensor | None = None,
        shared: dict[str, Any] | None = None,
    ) -> tuple[Tensor, RWKV6State]:
        """Mix a whole sequence, see `Mixer.forward`; `time_gaps` scale the logarithms of the decays."""
        r, k, v, g, gate = self._project(x, tokens_before(x, None if state is None else state.last, resets))
        y, after = decay_attention(
            r,
            k,
            v,
            g,
            bonus=self.bonus,
            time_gaps=time_gaps,
            initial_state=None if state is None else DecayState(state.memory),
            resets=resets,
        )
        return self._out(y, gate), RWKV6State(after.memory, x[:, -1])

    def step(self, x_t: Tensor, state: RWKV6State, shared: dict[str, Any] | None = None) -> tuple[Tensor, RWKV6State]:
        """Mix one step, see `Mixer.step`."""
        r, k, v, g, gate = self._project(x_t, state.last)
        y, after = decay_attention_step(r, k, v, DecayState(state.memory), g, bonus=self.bonus)
        return self._out(y, gate), RWKV6State(after.memory, x_t)

    def initial_state(
        self, batch_size: int, device: torch.device | str | None = None, dtype: torch.dtype | None = None
    ) -> RWKV6State:
        """Zeros, see `Mixer.initial_state`."""
        device, dtype = self._placement(device, dtype)
        heads, size = self.bonus.shape
        wide = torch.promote_types(dtype, torch.float32)
        return RWKV6State(
            torch.zeros(batch_size, heads, size, size, device=device, dtype=wide),
            torch.zeros(batch_size, heads * size, device=device, dtype=dtype),
        )

    def _project(self, x: Tensor, before: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        """Receptances, keys, values and log-decays, (..., heads, size) each, and the output gate, (..., d_model)."""
        change = before - x
        shares = torch.tanh(self.mix_in(x + change * self.mu_x)).unflatten(-1, (len(SHIFTED), -1))
        moved = (part @ out for part, out in zip(shares.unbind(-2), self.mix_out))
        x_w, x_k, x_v, x_r, x_g = (x + change * (mu + own) for mu, own in zip(self.mu, moved))
        g = -torch.exp(self.w_0 + self.w_out(torch.tanh(self.w_in(x_w))))
        r, k, v, g = (
            split_heads(part, self.n_heads) for part in (self.receptance(x_r), self.key(x_k), self.value(x_v), g)
        )
        return r, k, v, g, silu(self.gate(x_g))

    def _out(self, y: Tensor, gate: Tensor) -> Tensor:
        flat = y.reshape(-1, gate.shape[-1])
        normed = group_norm(flat, self.n_heads, self.norm_weight, self.norm_bias, NORM_EPS).view(gate.shape)
        return self.output(normed * gate)
