"""RWKV-7: a matrix of keys and values with a decay for each key, corrected along one direction at each step."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import logsigmoid, normalize

from tsssm_kernels import delta_rule, delta_rule_step

from .counts import check_switches
from .heads import split_heads
from .rwkv_time_mix import Places, RWKVTimeMix
from .weight_decay import without_weight_decay

__all__ = ["RWKV7", "RWKV7State"]

SHIFTED = ("r", "w", "k", "v", "a", "g")  # inputs, each with its own share of the token before


class RWKV7State(NamedTuple):
    """State of `RWKV7`.

    Attributes
    ----------
    memory : Tensor, (batch, n_heads, K, V)
        What the heads have stored, one row a key.
    last : Tensor, (batch, d_model)
        The last token.
    """

    memory: Tensor
    last: Tensor


class RWKV7(RWKVTimeMix):
    """Time mixing of RWKV-7 ("Goose").

    ::

        x^i_t = x_t + mu_i (x_{t-1} - x_t)                                        i in r, w, k, v, a, g
        r, k', v' = W_r x^r, W_k x^k, W_v x^v
        g     = -exp(-1/2) sigmoid(w_0 + W_w2 tanh(W_w1 x^w))                     logarithm of the decay, of each key
        alpha = sigmoid(a_0 + W_a2 W_a1 x^a)                                      rate of correction, of each key
        kappa = k' k_k / |k' k_k|                                                 by heads
        k     = k' (1 + (alpha - 1) k_a)
        v     = v' + (v_first - v') sigmoid(v_0 + W_v2 W_v1 x^v)                  v_first: v' of the first layer
        S_t   = diag(exp(g_t)) S_{t-1} - b_t c_t' S_{t-1} + k_t v_t'
        y_t   = W_o ((GroupNorm(S_t' r_t) + (sum r_t k_t r_k) v_t) sigmoid(W_g1 x^g) W_g2)

    with ``b = kappa alpha`` and ``c = kappa`` as RWKV-7 is published, or, `bounded`, ``b = c = kappa sqrt(alpha)``. A
    block puts an `RWKVChannelMix` behind it.

    Parameters
    ----------
    d_model : int
        Width of the sequence, divisible by `n_heads`.
    layer_index, n_layers : int
        Position in the stack and its depth, which initial values depend on. Layers after the first take values of the
        first RWKV-7 layer from what layers share; where nothing is shared, they use their own.
    n_heads : int, default 4
        Heads.
    bounded : bool, default True
        Whether what is read and what is written back lie along one direction. Each transition is then a symmetric
        matrix with eigenvalues between -0.46 and 1, for alpha at most 1 and decays between 0.545 and 1: no state can
        grow but by what enters. As published, each transition has such eigenvalues too, but inputs exist for which
        products of many grow without end, by more than 13% a step.
    channel_width : int, optional
        Hidden units of the block's `RWKVChannelMix`.

    Notes
    -----
    Where alpha is the same for all keys both forms are one up to the choice of alpha. Initial values are those of the
    published code: among them a zero W_o, decays and rates that differ between channels, and low-rank maps (of rank 32
    or a multiple) that begin at zero. Vectors carry the attribute ``_no_weight_decay = True``.

    References
    ----------
    Peng, B. et al. (2025). RWKV-7 "Goose" with expressive dynamic state evolution. arXiv 2503.14456.

    Examples
    --------
    >>> import torch
    >>> mixer = RWKV7(16)
    >>> y, state = mixer(torch.randn(2, 30, 16))
    >>> y.shape, state.memory.shape, mixer.state_bytes()
    (torch.Size([2, 30, 16]), torch.Size([2, 4, 4, 4]), 320)
    """

    name = "rwkv7"
    State = RWKV7State
    gated = False

    def __init__(
        self,
        d_model: int,
        *,
        layer_index: int = 0,
        n_layers: int = 1,
        n_heads: int = 4,
        bounded: bool = True,
        channel_width: int | None = None,
    ):
        super().__init__(d_model, layer_index, n_layers, n_heads, channel_width)
        check_switches(self.name, bounded=bounded)
        self.bounded, self.is_first = bounded, layer_index == 0
        self.mu = nn.Parameter(torch.empty(len(SHIFTED), d_model))
        self.receptance, self.key, self.value, self.output = (nn.Linear(d_model, d_model, bias=False) for _ in range(4))
        decay_rank, value_rank, gate_rank = (_rank(factor, d_model) for factor in (2.5, 1.7, 5.0))
        self.w_in, self.w_out = _low_rank(d_model, decay_rank)
        self.a_in, self.a_out = _low_rank(d_model, decay_rank)
        self.g_in, self.g_out = _low_rank(d_model, gate_rank)
        self.w_0, self.a_0, self.k_k, self.k_a = (nn.Parameter(torch.empty(d_model)) for _ in range(4))
        self.r_k = nn.Parameter(torch.empty(n_heads, self.head_size))
        if not self.is_first:
            self.v_in, self.v_out = _low_rank(d_model, value_rank)
            self.v_0 = nn.Parameter(torch.empty(d_model))
        self.norm_weight, self.norm_bias = (nn.Parameter(torch.empty(d_model)) for _ in range(2))
        self._initialise(layer_index, n_layers)

    @torch.no_grad()
    def _initialise(self, layer_index: int, n_layers: int) -> None:
        first_to_last, left, share, along = Places.of(self.d_model, layer_index, n_layers)
        size = self.head_size
        in_head = 2 * torch.arange(self.d_model).remainder(size) / max(size - 1, 1) - 1
        curve = in_head * in_head.abs()
        exponents = {"r": 0.2, "g": 0.2, "k": 0.7, "v": 0.7, "w": 0.9, "a": 0.9}
        for mu, name in zip(self.mu, SHIFTED):
            mu.copy_(1 - share ** (exponents[name] * left))
        self.w_0.copy_(-5.5 + 6 * along ** (1 + first_to_last**0.3) + 2.5 * curve)
        self.a_0.copy_(-0.19 + 0.3 * curve + 0.4 * (along - 0.5))
        self.k_k.copy_(0.71 - 0.1 * (along - 0.5))
        self.k_a.fill_(1.02)
        self.r_k.fill_(-0.04)
        if not self.is_first:
            self.v_0.copy_(0.73 - 0.4 * (along - 0.5))
        bound = self.d_model**-0.5
        for linear, factor in ((self.receptance, 0.5), (self.key, 0.05), (self.value, 0.5)):
            nn.init.uniform_(linear.weight, -factor * bound, factor * bound)
        nn.init.zeros_(self.output.weight)
        self.norm_weight.fill_(((layer_index + 1) / n_layers) ** 0.7)
        self.norm_bias.zero_()
        without_weight_decay(self.mu, self.r_k, *(vector for vector in self.parameters() if vector.ndim == 1))

    def _project(self, x: Tensor, before: Tensor, shared: dict[str, Any] | None) -> tuple[tuple[Tensor, ...], Tensor]:
        change = before - x
        x_r, x_w, x_k, x_v, x_a, x_g = (x + change * mu for mu in self.mu)
        r, raw_k, v = self.receptance(x_r), self.key(x_k), self.value(x_v)
        g = -math.exp(-0.5) * torch.sigmoid(self.w_0 + self.w_out(torch.tanh(self.w_in(x_w))))
        raw_alpha = self.a_0 + self.a_out(self.a_in(x_a))
        alpha = torch.sigmoid(raw_alpha)
        # behind another mixer the first RWKV-7 layer is mixed with itself, so that no weight is idle
        first = v if shared is None else shared.setdefault("rwkv7 first value", v)
        if not self.is_first and shared is not None:
            v = v + (first - v) * torch.sigmoid(self.v_0 + self.v_out(self.v_in(x_v)))
        k = raw_k * (1 + (alpha - 1) * self.k_a)
        kappa = normalize(split_heads(raw_k * self.k_k, self.n_heads), dim=-1)
        # the root is taken of the logarithm: where a rate runs to zero its own has no finite slope
        rate = split_heads(torch.exp(0.5 * logsigmoid(raw_alpha)) if self.bounded else alpha, self.n_heads)
        read, written = (kappa * rate,) * 2 if self.bounded else (kappa, kappa * rate)
        r, k, v, g = (split_heads(part, self.n_heads) for part in (r, k, v, g))
        gate = self.g_out(torch.sigmoid(self.g_in(x_g)))
        return (r, k, v, -read, written, g), gate

    def _attend(
        self, rows: tuple[Tensor, ...], memory: Tensor | None, time_gaps: Tensor | None, resets: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        return delta_rule(*rows, time_gaps=time_gaps, initial_state=memory, resets=resets)

    def _attend_step(self, rows: tuple[Tensor, ...], memory: Tensor) -> tuple[Tensor, Tensor]:
        r, k, v, a, b, g = rows
        return delta_rule_step(r, k, v, a, b, memory, g)

    def _out(self, y: Tensor, rows: tuple[Tensor, ...], gate: Tensor) -> Tensor:
        r, k, v, *_ = rows
        own = (r * k * self.r_k).sum(-1, keepdim=True) * v
        return self.output((self._normed(y, gate.shape) + own.flatten(-2)) * gate)


def _rank(factor: float, d_model: int) -> int:
    """A multiple of 32, as in the published code."""
    return max(32, round(factor * math.sqrt(d_model) / 32) * 32)


def _low_rank(d_model: int, rank: int) -> tuple[nn.Linear, nn.Linear]:
    """Two maps whose product begins at zero."""
    down, up = nn.Linear(d_model, rank, bias=False), nn.Linear(rank, d_model, bias=False)
    nn.init.zeros_(down.weight)
    nn.init.orthogonal_(up.weight, gain=0.1)
    return down, up
