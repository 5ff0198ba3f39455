"""The rotary average: a decayed mean of the past, and a turning one that sees lags."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn

from .head_mixer import HeadInputs, HeadMixer
from .residual_projection import residual_projection
from .weight_decay import without_weight_decay

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


class RotaryAverage(HeadMixer):
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
    State = RotaryAverageState
    normalizer = "decays"

    def __init__(
        self,
        d_model: int,
        *,
        layer_index: int = 0,
        n_layers: int = 1,
        n_heads: int = 4,
        mlp_width: int | None = None,
    ):
        widths = (d_model, d_model, d_model)
        super().__init__(d_model, layer_index, n_layers, n_heads, mlp_width, widths=widths, even=True)
        self.out_projection = residual_projection(d_model, d_model, 2 * n_layers)
        self.log_rate = nn.Parameter(-_log_spaced(TIME_CONSTANTS, n_heads).log())
        periods = _log_spaced(PERIODS, self.head_size // 2)
        self.angles = nn.Parameter((2 * math.pi / periods).repeat(n_heads, 1))
        without_weight_decay(self.log_rate, self.angles)

    def _project(self, x: Tensor) -> HeadInputs:
        q, k, v = self._rows(x)
        one = q.new_ones(*q.shape[:-1], 1)  # the key that does not turn
        q, k = torch.cat([q * q.shape[-1] ** -0.5, one], dim=-1), torch.cat([k, one], dim=-1)
        return HeadInputs(q, k, v, (-self.log_rate.exp()).expand(v.shape[:-1]), angles=self.angles)

    def _memory_shape(self) -> tuple[int, int]:
        return self.head_size + 1, self.head_size


def _log_spaced(ends: tuple[float, float], count: int) -> Tensor:
    low, high = (math.log(end) for end in ends)
    return torch.linspace(low, high, count).exp()
