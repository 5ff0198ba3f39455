"""Mamba-3: a trapezoidal rule, keys and queries that turn with the input, and several inputs at once."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import relu, rms_norm, silu, softplus

from tsssm.errors import ConfigError
from tsssm_kernels import DecayState, decay_attention, linear_recurrence

from .counts import check_counts, check_optional_counts
from .inner_heads import count_inner_heads
from .residual_projection import residual_projection
from .step_sizes import step_size_bias
from .swiglu_behind import SwiGLUBehind
from .weight_decay import without_weight_decay

__all__ = ["Mamba3", "Mamba3State"]

NORM_EPS = 1e-5
SLOWEST = 1e-4  # -A is no smaller
STEP_SIZES = 1e-2, 1.0  # at the start


class Mamba3State(NamedTuple):
    """State of `Mamba3`, float32 (float64 in a float64 model); R is the rank.

    Attributes
    ----------
    memory : Tensor, (batch, heads, state_size, head_size)
        The heads' states.
    angles : Tensor, (batch, heads, n_angles)
        How far keys and queries have turned, in [0, 2 pi).
    keys : Tensor, (batch, heads, R, state_size)
        The last keys, turned.
    values : Tensor, (batch, heads, head_size)
        The last values.
    """

    memory: Tensor
    angles: Tensor
    keys: Tensor
    values: Tensor


class _Parts(NamedTuple):
    """What one step takes; the leading axes are (batch,) or (batch, length)."""

    queries: Tensor  # (..., heads, R, state_size), normed and biased
    keys: Tensor  # the same
    values: Tensor  # (..., heads, head_size)
    gate: Tensor  # the same
    log_decay: Tensor  # (..., heads)
    own_tap: Tensor  # the same: weight of the step's own key and value
    last_tap: Tensor  # the same: of those of the step before
    turns: Tensor  # (..., heads, n_angles)


class Mamba3(SwiGLUBehind):
    """Mamba-3: `Mamba2` without convolution, with inputs by the trapezoidal rule and a state that turns.

    ::

        z, x, B, C, r, a, l, w = W_in u                   z, x: inner = expand * d_model channels; r, a, l: one a head
        delta   = softplus(r + b_delta)
        A       = -max(f(a), 1e-4)                        f(a) = 1 + a for a >= 0, 1 / (1 - a) below
        lambda  = sigmoid(l)
        phi_t   = phi_{t-1} + pi tanh(w) delta_t          by heads, for each of n_angles pairs of keys
        k_t     = Turn(phi_t) (RMSNorm(B) w_B + b_B)
        q_t     = Turn(phi_t) (RMSNorm(C) w_C + b_C)
        S_t     = exp(delta_t A_t) (S_{t-1} + (1 - lambda_t) delta_t k_{t-1} x_{t-1}') + lambda_t delta_t k_t x_t'
        y_t     = (S_t' q_t + D x_t) * silu(z_t)
        out_t   = W_out y_t

    A state whose keys turn is a complex one: it follows rhythms, at a speed that the input sets. With a rank R above 1
    (multi-input, multi-output) each step writes R keys and reads R queries, with values, gates and outputs scaled for
    each::

        S_t     = exp(..) (S_{t-1} + .. sum_r k^r_{t-1} (x_{t-1} m^r_x)') + .. sum_r k^r_t (x_t m^r_x)'
        y_t     = sum_r m^r_o * (S_t' q^r_t + D x_t m^r_x) * silu(z_t m^r_z)

    A block puts a `SwiGLU` behind it.

    Parameters
    ----------
    d_model : int
        Width of the sequence.
    layer_index, n_layers : int
        Position in the stack and its depth; the output weights are divided by ``sqrt(2 n_layers)`` at the start.
    state_size : int, default 32
        Numbers of state per channel.
    head_size : int, default 16
        Channels of a head.
    expand : int, default 2
        Inner width in units of `d_model`; in fact it is the multiple of `head_size`, at least one, that comes nearest.
    n_groups : int, default 1
        Groups of neighbouring heads that share B and C but for the bias; divides the number of heads.
    rank : int, default 1
        Keys written and queries read at each step. Of the state the last keys alone grow with it; the time that whole
        sequences take grows with it too.
    n_angles : int, optional
        Pairs of keys, (0, 1), (2, 3) and so on, that turn; the keys behind them do not. Default: a quarter of
        `state_size`, so that half of the keys turn.
    mlp_width : int, optional
        Hidden units of the block's `SwiGLU`.

    Notes
    -----
    The defaults are for widths of some 64; as published, for language, `state_size` is 128, `head_size` 64 and a rank
    above 1 is 4. `time_gaps` scale the logarithms of the decays and the turns. The function f is that of the authors'
    code since 2026-06; in the paper it is softplus. At the start b_B, w_B, D and m_z are 1, m_x and m_o ``1 / rank``,
    b_C and w_C ``1 / sqrt(state_size)``, and softplus(b_delta) is log-uniform in [1e-2, 1]. The last two are not as
    published (1, and [1e-3, 1e-1]), which is made for thousands of tokens: over tens of patches the state hardly fades
    or turns with it, and what it says is too loud to learn from. All of these and w_B, w_C carry the attribute
    ``_no_weight_decay = True``.

    References
    ----------
    Lahoti, A. et al. (2026). Mamba-3. arXiv 2603.15569.

    Examples
    --------
    >>> import torch
    >>> mixer = Mamba3(16)
    >>> y, state = mixer(torch.randn(2, 30, 16))
    >>> y.shape, state.memory.shape, mixer.state_bytes()
    (torch.Size([2, 30, 16]), torch.Size([2, 2, 32, 16]), 4544)
    """

    name = "mamba3"
    state_setting = "state_size"

    def __init__(
        self,
        d_model: int,
        *,
        layer_index: int = 0,
        n_layers: int = 1,
        state_size: int = 32,
        head_size: int = 16,
        expand: int = 2,
        n_groups: int = 1,
        rank: int = 1,
        n_angles: int | None = None,
        mlp_width: int | None = None,
    ):
        super().__init__(d_model, layer_index, n_layers, mlp_width)
        check_counts(self.name, state_size=state_size, rank=rank)
        check_optional_counts(self.name, n_angles=n_angles)
        n_angles = state_size // 4 if n_angles is None else n_angles
        _check(state_size, n_angles)
        heads = count_inner_heads(self.name, d_model, expand, head_size, n_groups)
        inner, keys = heads * head_size, rank * n_groups * state_size
        self.n_groups, self.rank, self.n_angles = n_groups, rank, n_angles
        self.sizes = [inner, inner, keys, keys, heads, heads, heads, n_angles]
        self.in_projection = nn.Linear(d_model, sum(self.sizes), bias=False)
        scale = state_size**-0.5  # of what is read: as many products as keys are summed
        self.key_weight, self.query_weight = (nn.Parameter(torch.full((state_size,), x)) for x in (1.0, scale))
        self.key_bias, self.query_bias = (nn.Parameter(torch.full((heads, rank, state_size), x)) for x in (1.0, scale))
        self.delta_bias = nn.Parameter(step_size_bias(heads, *STEP_SIZES))
        self.D = nn.Parameter(torch.ones(heads))
        if rank > 1:
            self.value_scale, self.out_scale = (
                nn.Parameter(torch.full((heads, rank, head_size), 1 / rank)) for _ in range(2)
            )
            self.gate_scale = nn.Parameter(torch.ones(heads, rank, head_size))
        without_weight_decay(*(part for part in self.parameters() if part is not self.in_projection.weight))
        self.out_projection = residual_projection(inner, d_model, 2 * n_layers)

    def forward(
        self,
        x: Tensor,
        state: Mamba3State | None = None,
        resets: Tensor | None = None,
        time_gaps: Tensor | None = None,
        shared: dict[str, Any] | None = None,
    ) -> tuple[Tensor, Mamba3State]:
        """Mix a whole sequence, see `Mixer.forward`; `time_gaps` scale the logarithms of the decays, and the turns.

        A step has as many positions in the heads' sequence as it has keys: each writes one key and is read by one
        query, and the first alone decays.
        """
        parts = self._project(x)
        state = self.initial_state(len(x), x.device, x.dtype) if state is None else state
        angles = _turned_so_far(parts.turns, state.angles, resets, time_gaps)
        wide = state.memory.dtype
        queries, keys = (_turned(part, angles).to(wide) for part in (parts.queries, parts.keys))
        values = self._scaled(parts.values).to(wide)
        own, last = parts.own_tap.to(wide), parts.last_tap.to(wide)
        if resets is not None:
            last = last.masked_fill(resets.unsqueeze(-1), 0.0)
        entered = last[:, 0, :, None, None] * _sum_of_products(state.keys, self._scaled(state.values).to(wide))
        # what the next step adds of this one's keys is added at once, and taken off what this step's queries read
        ahead = torch.cat([last[:, 1:], torch.zeros_like(last[:, :1])], dim=1)
        rows = (queries, (own + ahead)[..., None, None] * keys, values)
        q, k, v = (part.transpose(2, 3).flatten(1, 2) for part in rows)  # (batch, length * rank, heads, ..)
        y, after = decay_attention(
            q,
            k,
            v,
            self._at_first_positions(parts.log_decay.to(wide)),
            time_gaps=None if time_gaps is None else self._at_first_positions(time_gaps),
            initial_state=DecayState(state.memory + entered),
            resets=None if resets is None else self._at_first_positions(resets),
        )
        y = y.unflatten(1, (-1, self.rank)).transpose(2, 3)
        unread = torch.ones(self.rank, self.rank, device=x.device, dtype=wide).triu(1)  # keys behind a query's position
        changes = own[..., None, None] * unread - ahead[..., None, None] * (1 - unread)
        y = y + (queries @ keys.transpose(-1, -2) * changes) @ values
        last_of_all = (angles[:, -1], keys[:, -1], parts.values[:, -1])
        return self._out(y.to(x.dtype), parts), Mamba3State(after.memory, *(part.to(wide) for part in last_of_all))

    def step(self, x_t: Tensor, state: Mamba3State, shared: dict[str, Any] | None = None) -> tuple[Tensor, Mamba3State]:
        """Mix one step, see `Mixer.step`."""
        parts = self._project(x_t)
        angles = torch.remainder(state.angles + parts.turns, 2 * math.pi)
        queries, keys = (_turned(part, angles) for part in (parts.queries, parts.keys))
        entered = parts.last_tap[..., None, None] * _sum_of_products(state.keys, self._scaled(state.values))
        enters = parts.own_tap[..., None, None] * _sum_of_products(keys, self._scaled(parts.values))
        kept = parts.log_decay.to(state.memory.dtype).exp()[..., None, None]  # bfloat16 would make 1 of 0.999
        memory = kept * (state.memory + entered) + enters
        y = (memory.unsqueeze(2) * queries.unsqueeze(-1)).sum(-2)
        after = Mamba3State(memory, angles, keys, parts.values)
        return self._out(y.to(x_t.dtype), parts), Mamba3State(*(part.to(memory.dtype) for part in after))

    def initial_state(
        self, batch_size: int, device: torch.device | str | None = None, dtype: torch.dtype | None = None
    ) -> Mamba3State:
        """Zeros, see `Mixer.initial_state`."""
        device, dtype = self._placement(device, dtype)
        heads, rank, state_size = self.key_bias.shape
        size = self.out_projection.in_features // heads
        options: dict[str, Any] = {"device": device, "dtype": torch.promote_types(dtype, torch.float32)}
        return Mamba3State(
            torch.zeros(batch_size, heads, state_size, size, **options),
            torch.zeros(batch_size, heads, self.n_angles, **options),
            torch.zeros(batch_size, heads, rank, state_size, **options),
            torch.zeros(batch_size, heads, size, **options),
        )

    def _project(self, u: Tensor) -> _Parts:
        z, x, B, C, r, a, mix, speed = self.in_projection(u).split(self.sizes, dim=-1)
        delta, mix = softplus(r + self.delta_bias), torch.sigmoid(mix)
        rate = torch.clamp(relu(a) + 1 / (1 + relu(-a)), min=SLOWEST)
        return _Parts(
            queries=self._of_heads(C, self.query_weight, self.query_bias),
            keys=self._of_heads(B, self.key_weight, self.key_bias),
            values=x.unflatten(-1, (len(self.D), -1)),
            gate=z.unflatten(-1, (len(self.D), -1)),
            log_decay=-rate * delta,
            own_tap=mix * delta,
            last_tap=(1 - mix) * delta,
            turns=math.pi * torch.tanh(speed).unsqueeze(-2) * delta.unsqueeze(-1),
        )

    def _of_heads(self, raw: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        """Normed keys or queries of groups, with the biases of heads: (..., heads, rank, state_size)."""
        groups = raw.unflatten(-1, (self.rank, self.n_groups, -1)).transpose(-3, -2)
        normed = rms_norm(groups, groups.shape[-1:], weight.to(groups.dtype), NORM_EPS)
        return (normed.unsqueeze(-3) + bias.unflatten(0, (self.n_groups, -1))).flatten(-4, -3)

    def _scaled(self, values: Tensor) -> Tensor:
        """Values for each key, (..., heads, rank, head_size)."""
        values = values.unsqueeze(-2)
        return values if self.rank == 1 else values * self.value_scale

    def _at_first_positions(self, of_steps: Tensor) -> Tensor:
        """Of (batch, length, ...): each step's at the first of its `rank` positions, and zero at the others."""
        others = torch.zeros_like(of_steps).unsqueeze(2).expand(-1, -1, self.rank - 1, *of_steps.shape[2:])
        return torch.cat([of_steps.unsqueeze(2), others], dim=2).flatten(1, 2)

    def _out(self, y: Tensor, parts: _Parts) -> Tensor:
        """From what each query has read, (..., heads, rank, head_size)."""
        y = y + self.D[:, None, None] * self._scaled(parts.values)
        gate = parts.gate.unsqueeze(-2)
        gated = y * silu(gate) if self.rank == 1 else y * silu(gate * self.gate_scale) * self.out_scale
        return self.out_projection(gated.sum(-2).flatten(-2))


def _turned_so_far(turns: Tensor, initial: Tensor, resets: Tensor | None, time_gaps: Tensor | None) -> Tensor:
    """The sum of the turns of a sequence, (batch, length, heads, angles), in [0, 2 pi).

    In float64: over thousands of steps float32 would lose the angle.
    """
    turns64 = turns.double() if time_gaps is None else turns.double() * time_gaps[..., None, None]
    keep = torch.ones_like(turns64)
    if resets is not None:
        keep = keep.masked_fill(resets[..., None, None], 0.0)
    total = linear_recurrence(keep, turns64, initial.double())
    return torch.remainder(total, 2 * math.pi).to(initial.dtype)


def _turned(x: Tensor, angles: Tensor) -> Tensor:
    """The first pairs of the last axis, (2i, 2i + 1), turned by the angles (..., heads, pairs); x has an axis more."""
    pairs = angles.shape[-1]
    cos, sin = (part.to(x.dtype).unsqueeze(-2) for part in (angles.cos(), angles.sin()))
    turning, still = x[..., : 2 * pairs], x[..., 2 * pairs :]
    first, second = turning.unflatten(-1, (pairs, 2)).unbind(-1)
    turned = torch.stack([cos * first - sin * second, sin * first + cos * second], dim=-1)
    return torch.cat([turned.flatten(-2), still], dim=-1)


def _sum_of_products(keys: Tensor, values: Tensor) -> Tensor:
    """Of (..., rank, keys) and (..., rank, values): (..., keys, values)."""
    return (keys.unsqueeze(-1) * values.unsqueeze(-2)).sum(-3)


def _check(state_size: int, n_angles: int) -> None:
    if not 1 <= n_angles <= state_size // 2:
        raise ConfigError(
            f"Mamba-3 turns at least one pair of keys, and no more than there are: n_angles={n_angles} with "
            f"state_size={state_size}. A state_size of 4 or more has a default that fits."
        )
