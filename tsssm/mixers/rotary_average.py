"""The rotary average: a decayed mean of the past, and a turning one that sees lags."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from tsssm_kernels import DecayState, decay_attention, decay_attention_step

from .heads import check_heads, split_heads
from .mixer import Mixer
from .swiglu import SwiGLU

__all__ = ["RotaryAverage", "RotaryAverageState"]

TIME_CONSTANTS = 2.0, 60.0  # tokens, of the first head and of the last
PERIODS = 2.5, 60.0  # tokens, of a head's first angle and of its last


class RotaryAverageState(NamedTuple):
    """State of `RotaryAverage`.

    Attributes
    ----------
    memory : Tensor, (batch, n_heads, K + 1, V)
        What turns, one row a key, and in the last row what does not: the decayed sum of the values.
    decay_sum : Tensor, (batch, n_heads)
        The decayed number of steps.
    """

    memory: Tensor
    decay_sum: Tensor


class RotaryAverage(Mixer):
    """Decayed mean of the values, changed by queries that ask how far back what lies.

    ::

        q, k, v = W_q u, W_k u, W_v u                     heads of d_model / n_heads channels
        S_t = lambda R S_{t-1} + k_t v_t'                 R turns pairs of keys by a fixed angle each step
        m_t = lambda m_{t-1} + v_t
        z_t = lambda z_{t-1} + 1
        y_t = W_o (m_t + S_t' q_t / sqrt(K)) / z_t

    Written as sums over the past, value j has the weight ``(1 + q_i . R^(i-j) k_j / sqrt(K)) lambda^(i-j)``, divided
    by the sum of ``lambda^(i-j)``. Each head has one decay and K/2 angles, both learned and the same at all steps: the
    angles are lags, such as a week of daily tokens, and decays that do not turn cannot see seven tokens back without
    the six between. There is no convolution, gate or norm. A block puts a `SwiGLU` behind it.

    Parameters
    ----------
    d_model : int
        Width of the sequence, divisible by `n_heads` into heads of an even size.
    layer_index, n_layers : int
        Position in the stack and its depth; the output weights are divided by ``sqrt(2 n_layers)`` at the start.
    n_heads : int, default 4
        Heads.
    mlp_width : int, optional
        Hidden units of the block's `SwiGLU`; with its default a block has about the parameters of an attention block.

    Notes
    -----
    At the start the decays' time constants are 2 to 60 tokens, and each head's periods 2.5 to 60 tokens, evenly on a
    logarithmic scale. `log_rate` and `angles` carry the attribute ``_no_weight_decay = True``.

    References
    ----------
    Near to it: Sun, Y. et al. (2023). Retentive network. arXiv 2307.08621. Here the angles are learned, the sum of the
    decays stands in place of a group norm, and a constant key beside the ones that turn.

    Examples
    --------
    >>> import torch
    >>> mixer = RotaryAverage(16)
    >>> y, state = mixer(torch.randn(2, 30, 16))
    >>> y.shape, state.memory.shape, mixer.state_bytes()
    (torch.Size([2, 30, 16]), torch.Size([2, 4, 5, 4]), 336)
    """

    name = "rotary_average"

    def __init__(
        self,
        d_model: int,
        *,
        layer_index: int = 0,
        n_layers: int = 1,
        n_heads: int = 4,
        mlp_width: int | None = None,
    ):
        super().__init__()
        check_heads("the rotary average", d_model, n_heads, multiple=2)
        self.n_heads = n_heads
        self.swiglu: dict[str, Any] = {"layer_index": layer_index, "n_layers": n_layers, "width": mlp_width}
        self.in_projection = nn.Linear(d_model, 3 * d_model, bias=False)
        self.out_projection = nn.Linear(d_model, d_model, bias=False)
        self.log_rate = nn.Parameter(-_log_spaced(TIME_CONSTANTS, n_heads).log())
        periods = _log_spaced(PERIODS, d_model // n_heads // 2)
        self.angles = nn.Parameter((2 * math.pi / periods).repeat(n_heads, 1))
        with torch.no_grad():
            self.out_projection.weight.div_(math.sqrt(2 * n_layers))
        for parameter in (self.log_rate, self.angles):
            parameter._no_weight_decay = True  # type: ignore[attr-defined]

    def channel_mixer(self) -> SwiGLU:
        """The `SwiGLU` behind the average, see `Mixer.channel_mixer`."""
        return SwiGLU(self.out_projection.out_features, **self.swiglu)

    def forward(
        self,
        x: Tensor,
        state: RotaryAverageState | None = None,
        resets: Tensor | None = None,
        time_gaps: Tensor | None = None,
        shared: dict[str, Any] | None = None,
    ) -> tuple[Tensor, RotaryAverageState]:
        """Mix a whole sequence, see `Mixer.forward`; `time_gaps` scale the logarithms of the decays, and the angles."""
        q, k, v, log_decay = self._project(x)
        y, after = decay_attention(
            q,
            k,
            v,
            log_decay,
            angles=self.angles,
            normalizer="decays",
            time_gaps=time_gaps,
            initial_state=None if state is None else _decay_state(state),
            resets=resets,
        )
        return self.out_projection(y.flatten(-2)), _own_state(after)

    def step(
        self, x_t: Tensor, state: RotaryAverageState, shared: dict[str, Any] | None = None
    ) -> tuple[Tensor, RotaryAverageState]:
        """Mix one step, see `Mixer.step`."""
        q, k, v, log_decay = self._project(x_t)
        y, after = decay_attention_step(
            q, k, v, _decay_state(state), log_decay, angles=self.angles, normalizer="decays"
        )
        return self.out_projection(y.flatten(-2)), _own_state(after)

    def initial_state(
        self, batch_size: int, device: torch.device | str | None = None, dtype: torch.dtype | None = None
    ) -> RotaryAverageState:
        """Zeros, see `Mixer.initial_state`."""
        device, dtype = self._placement(device, dtype)
        size = self.out_projection.in_features // self.n_heads
        options: dict[str, Any] = {"device": device, "dtype": torch.promote_types(dtype, torch.float32)}
        return RotaryAverageState(
            torch.zeros(batch_size, self.n_heads, size + 1, size, **options),
            torch.zeros(batch_size, self.n_heads, **options),
        )

    def _project(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Queries and keys with the constant that does not turn, values, and the logarithms of the decays."""
        q, k, v = (split_heads(part, self.n_heads) for part in self.in_projection(x).chunk(3, dim=-1))
        one = q.new_ones(*q.shape[:-1], 1)
        log_decay = (-self.log_rate.exp()).expand(v.shape[:-1])
        return torch.cat([q * q.shape[-1] ** -0.5, one], dim=-1), torch.cat([k, one], dim=-1), v, log_decay


def _log_spaced(ends: tuple[float, float], count: int) -> Tensor:
    low, high = (math.log(end) for end in ends)
    return torch.linspace(low, high, count).exp()


def _decay_state(state: RotaryAverageState) -> DecayState:
    return DecayState(memory=state.memory, decay_sum=state.decay_sum)


def _own_state(state: DecayState) -> RotaryAverageState:
    assert state.decay_sum is not None
    return RotaryAverageState(state.memory, state.decay_sum)
