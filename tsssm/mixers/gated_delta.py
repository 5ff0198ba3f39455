"""Gated DeltaNet: a matrix of keys and values that forgets, and is corrected along each new key."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import silu, softplus

from tsssm.errors import ConfigError
from tsssm_kernels import gated_delta_rule, gated_delta_rule_step

from .counts import check_counts, check_optional_counts, check_switches
from .heads import norm_heads, split_heads
from .mixer import Mixer
from .residual_projection import residual_projection
from .short_convolution import ShortConvolution
from .step_sizes import step_size_bias
from .weight_decay import without_weight_decay

__all__ = ["GatedDelta", "GatedDeltaState"]

N_HEADS = 4
LENGTH_EPS = 1e-6  # of the keys' and queries' squared length
NORM_EPS = 1e-5
DECAY_RATES = (1e-2, 16.0)  # A at the start, uniform


class GatedDeltaState(NamedTuple):
    """State of `GatedDelta`.

    Attributes
    ----------
    memory : Tensor, (batch, n_heads, key_size, value_size)
        What the heads have stored, float32 (float64 in a float64 model).
    tail : Tensor, (batch, conv_width - 1, n_heads * (2 * key_size + value_size))
        The convolution's last inputs.
    """

    memory: Tensor
    tail: Tensor


class GatedDelta(Mixer):
    """Gated DeltaNet: what a key holds is replaced, not added to, and all of it decays.

    ::

        q, k, v, z, b, a = W_in u                         z: n_heads * value_size channels; a and b: one of each head
        q, k, v = silu(conv([q, k, v]))
        q, k    = q / |q|, k / |k|                        by heads
        beta    = sigmoid(b)
        g       = -A softplus(a + dt_bias)                logarithm of the decay
        S_t     = exp(g_t) S_{t-1}
        S_t     = S_t + beta_t k_t (v_t - S_t' k_t)'
        out_t   = W_out (RMSNorm(S_t' q_t / sqrt(K)) * silu(z_t))

    Each step reads what the key held and moves it towards the new value, by beta: one value can be rewritten while the
    others stay. As keys have length 1 and beta is below 1, no state can grow but by what enters. The mixer is a whole
    block: nothing is put behind it.

    Parameters
    ----------
    d_model : int
        Width of the sequence.
    layer_index, n_layers : int
        Position in the stack and its depth; the output weights are divided by ``sqrt(n_layers)`` at the start.
    n_heads : int, default 4
        Heads.
    key_size : int, optional
        Length K of a head's keys. Default: 3/4 of ``d_model / n_heads``, rounded down.
    value_size : int, optional
        Length of a head's values. Default: twice `key_size`.
    conv_width : int, default 4
        Taps of the convolution, at least 2.
    gated : bool, default True
        Whether there are a decay and an output gate; without them it is DeltaNet, which forgets only what it replaces,
        and ignores time gaps.

    Notes
    -----
    At the start A is uniform in [0.01, 16] and softplus(dt_bias) log-uniform in [1e-3, 1e-1], as the authors have it
    but for the 0.01; elsewhere dt_bias is found as 1, which forgets within a few steps. The norm comes before the gate.
    `A_log`, `dt_bias` and `norm_weight` carry the attribute ``_no_weight_decay = True``.

    References
    ----------
    Yang, S., Kautz, J. and Hatamizadeh, A. (2024). Gated delta networks. arXiv 2412.06464.
    Yang, S. et al. (2024). Parallelizing linear transformers with the delta rule. arXiv 2406.06484.

    Examples
    --------
    >>> import torch
    >>> mixer = GatedDelta(16)
    >>> y, state = mixer(torch.randn(2, 30, 16))
    >>> y.shape, state.memory.shape, mixer.state_bytes()
    (torch.Size([2, 30, 16]), torch.Size([2, 4, 3, 6]), 864)
    """

    name = "gated_delta"
    state_setting = "n_heads"

    def __init__(
        self,
        d_model: int,
        *,
        layer_index: int = 0,
        n_layers: int = 1,
        n_heads: int = N_HEADS,
        key_size: int | None = None,
        value_size: int | None = None,
        conv_width: int = 4,
        gated: bool = True,
    ):
        super().__init__()
        check_counts(self.name, n_heads=n_heads)
        check_optional_counts(self.name, key_size=key_size, value_size=value_size)
        check_switches(self.name, gated=gated)
        key_size = _key_size(d_model, n_heads) if key_size is None else key_size
        value_size = 2 * key_size if value_size is None else value_size
        if key_size < 1:
            raise ConfigError(
                f"the delta rule needs at least one head, with a key and a value of at least 1 number: "
                f"d_model={d_model} gives n_heads={n_heads}, key_size={key_size} and value_size={value_size}"
            )
        self.n_heads, self.gated = n_heads, gated
        keys, values = n_heads * key_size, n_heads * value_size
        self.sizes = [2 * keys + values, n_heads, *((n_heads, values) if gated else ())]
        self.head_sizes = [key_size, key_size, value_size]
        self.in_projection = nn.Linear(d_model, sum(self.sizes), bias=False)
        self.convolution = ShortConvolution(self.sizes[0], conv_width, bias=False, activation="silu")
        if self.gated:
            self.A_log = nn.Parameter(torch.empty(n_heads).uniform_(*DECAY_RATES).log_())
            self.dt_bias = nn.Parameter(step_size_bias(n_heads))
        self.norm_weight = nn.Parameter(torch.ones(value_size))
        self.out_projection = residual_projection(values, d_model, n_layers)
        without_weight_decay(*(parameter for parameter in self.parameters() if parameter.ndim == 1))

    @classmethod
    def size_setting(cls, d_model: int, settings: Mapping[str, Any]) -> tuple[str, int]:
        """The length of the values, see `Mixer.size_setting`."""
        key_size = settings.get("key_size")
        key_size = _key_size(d_model, settings.get("n_heads", N_HEADS)) if key_size is None else key_size
        return "value_size", 2 * key_size

    def forward(
        self,
        x: Tensor,
        state: GatedDeltaState | None = None,
        resets: Tensor | None = None,
        time_gaps: Tensor | None = None,
        shared: dict[str, Any] | None = None,
    ) -> tuple[Tensor, GatedDeltaState]:
        """Mix a whole sequence, see `Mixer.forward`; `time_gaps` scale the logarithms of the decays."""
        convolved, beta, log_decay, z = self._project(x)
        convolved, tail = self.convolution(convolved, None if state is None else state.tail, resets)
        y, memory = gated_delta_rule(
            *self._heads(convolved),
            beta,
            log_decay,
            time_gaps=time_gaps if self.gated else None,
            initial_state=None if state is None else state.memory,
            resets=resets,
        )
        return self._out(y, z), GatedDeltaState(memory, tail)

    def step(
        self, x_t: Tensor, state: GatedDeltaState, shared: dict[str, Any] | None = None
    ) -> tuple[Tensor, GatedDeltaState]:
        """Mix one step, see `Mixer.step`."""
        convolved, beta, log_decay, z = self._project(x_t)
        convolved, tail = self.convolution.step(convolved, state.tail)
        y, memory = gated_delta_rule_step(*self._heads(convolved), beta, state.memory, log_decay)
        return self._out(y, z), GatedDeltaState(memory, tail)

    def initial_state(
        self, batch_size: int, device: torch.device | str | None = None, dtype: torch.dtype | None = None
    ) -> GatedDeltaState:
        """Zeros, see `Mixer.initial_state`."""
        device, dtype = self._placement(device, dtype)
        taps, convolved = self.convolution.weight.shape
        wide = torch.promote_types(dtype, torch.float32)
        return GatedDeltaState(
            torch.zeros(batch_size, self.n_heads, *self.head_sizes[1:], device=device, dtype=wide),
            torch.zeros(batch_size, taps - 1, convolved, device=device, dtype=dtype),
        )

    def _project(self, u: Tensor) -> tuple[Tensor, Tensor, Tensor | None, Tensor | None]:
        """What is convolved (queries, keys and values), beta, and with gates the decays' logarithms and the gate."""
        convolved, b, *gates = self.in_projection(u).split(self.sizes, dim=-1)
        if not gates:
            return convolved, torch.sigmoid(b), None, None
        a, z = gates
        return convolved, torch.sigmoid(b), -torch.exp(self.A_log) * softplus(a + self.dt_bias), z

    def _heads(self, convolved: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Queries and keys, (..., n_heads, key_size), and values, (..., n_heads, value_size)."""
        parts = convolved.split([self.n_heads * size for size in self.head_sizes], dim=-1)
        q, k, v = (split_heads(part, self.n_heads) for part in parts)
        return _of_length_one(q) * q.shape[-1] ** -0.5, _of_length_one(k), v

    def _out(self, y: Tensor, z: Tensor | None) -> Tensor:
        normed = norm_heads(y, self.norm_weight, NORM_EPS)
        return self.out_projection(normed if z is None else normed * silu(z))


def _key_size(d_model: int, n_heads: int) -> int:
    return 3 * d_model // (4 * n_heads) if n_heads > 0 else 0


def _of_length_one(x: Tensor) -> Tensor:
    return x * torch.rsqrt(x.square().sum(-1, keepdim=True) + LENGTH_EPS)
