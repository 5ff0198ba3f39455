"""S4D: complex numbers that decay and turn at fixed rates, channel by channel."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu, glu

from tsssm.errors import ConfigError
from tsssm_kernels import diagonal_scan, diagonal_scan_step

from .counts import check_counts
from .mixer import Mixer
from .residual_projection import residual_projection
from .weight_decay import without_weight_decay

__all__ = ["S4D", "S4DState"]

STATE_SIZE = 32
STEP_RANGE = 1e-3, 1e-1  # of the step sizes at the start


class S4DState(NamedTuple):
    """State of `S4D`.

    Attributes
    ----------
    real, imaginary : Tensor, (batch, d_model, state_size / 2)
        Parts of the complex numbers whose conjugates are not written down.
    """

    real: Tensor
    imaginary: Tensor


class S4D(Mixer):
    """Diagonal state-space model with complex rates that do not depend on the input.

    ::

        log A  = Delta (-exp(log_decay) + i frequency)                       by channel and number of state
        B      = (exp(log A) - 1) / (-exp(log_decay) + i frequency)          zero-order hold
        x_t    = exp(log A) x_{t-1} + B u_t
        y_t    = 2 Re(sum_n C_n x_tn) + D u_t
        out    = GLU(W gelu(y_t) + b)

    Parameters
    ----------
    d_model : int
        Width of the sequence.
    layer_index, n_layers : int
        Position in the stack and its depth; the output weights are divided by ``sqrt(n_layers)`` at the start.
    state_size : int, default 32
        Numbers of state of a channel, even: half as many complex ones.
    initial : {"lin", "inv", "real"}, default "lin"
        Rates at the start, for n from 0: ``-1/2 + i pi n``; ``-1/2 + i (N / pi) (N / (2 n + 1) - 1)``; ``-(n + 1)``.

    Notes
    -----
    At the start Delta is log-uniform in [1e-3, 1e-1], C complex normal, D normal. `log_step`, `log_decay` and
    `frequency` carry the attribute ``_no_weight_decay = True``.

    References
    ----------
    Gu, A., Gupta, A., Goel, K. and Ré, C. (2022). On the parameterization and initialization of diagonal state space
    models. arXiv 2206.11893.

    Examples
    --------
    >>> import torch
    >>> mixer = S4D(16)
    >>> y, state = mixer(torch.randn(2, 30, 16))
    >>> y.shape, state.real.shape, mixer.state_bytes()
    (torch.Size([2, 30, 16]), torch.Size([2, 16, 16]), 2048)
    """

    name = "s4d"
    state_setting = "state_size"

    def __init__(
        self,
        d_model: int,
        *,
        layer_index: int = 0,
        n_layers: int = 1,
        state_size: int = STATE_SIZE,
        initial: str = "lin",
    ):
        super().__init__()
        check_counts(self.name, state_size=state_size)
        if state_size % 2:
            raise ConfigError(f"s4d needs an even state_size of at least 2; got {state_size}")
        decays, frequencies = _rates(state_size, initial)
        low, high = (math.log(bound) for bound in STEP_RANGE)
        self.log_step = nn.Parameter(torch.empty(d_model).uniform_(low, high))
        self.log_decay = nn.Parameter(decays.log().repeat(d_model, 1))
        self.frequency = nn.Parameter(frequencies.repeat(d_model, 1))
        self.C = nn.Parameter(torch.randn(d_model, state_size // 2, 2) * math.sqrt(0.5))
        self.D = nn.Parameter(torch.randn(d_model))
        self.out_projection = residual_projection(d_model, 2 * d_model, n_layers, bias=True)
        without_weight_decay(self.log_step, self.log_decay, self.frequency)

    @classmethod
    def size_setting(cls, d_model: int, settings: Mapping[str, Any]) -> tuple[str, int]:
        """The numbers of state, an even number, see `Mixer.size_setting`."""
        return "state_size", STATE_SIZE

    def forward(
        self,
        x: Tensor,
        state: S4DState | None = None,
        resets: Tensor | None = None,
        time_gaps: Tensor | None = None,
        shared: dict[str, Any] | None = None,
    ) -> tuple[Tensor, S4DState]:
        """Mix a whole sequence, see `Mixer.forward`; `time_gaps` scale decays and turns."""
        before = None if state is None else torch.complex(*state)
        y, after = diagonal_scan(x, *self._matrices(), self.D, time_gaps=time_gaps, initial_state=before, resets=resets)
        return glu(self.out_projection(gelu(y))), S4DState(after.real, after.imag)

    def step(self, x_t: Tensor, state: S4DState, shared: dict[str, Any] | None = None) -> tuple[Tensor, S4DState]:
        """Mix one step, see `Mixer.step`."""
        y, after = diagonal_scan_step(x_t, *self._matrices(), torch.complex(*state), self.D)
        return glu(self.out_projection(gelu(y))), S4DState(after.real, after.imag)

    def initial_state(
        self, batch_size: int, device: torch.device | str | None = None, dtype: torch.dtype | None = None
    ) -> S4DState:
        """Zeros, see `Mixer.initial_state`."""
        device, dtype = self._placement(device, dtype)
        shape, wide = (batch_size, *self.log_decay.shape), torch.promote_types(dtype, torch.float32)
        return S4DState(*(torch.zeros(shape, device=device, dtype=wide) for _ in range(2)))

    def _matrices(self) -> tuple[Tensor, Tensor, Tensor]:
        """The logarithm of a step's transition, B and C, complex (d_model, state_size / 2)."""
        wide = torch.promote_types(self.log_decay.dtype, torch.float32)  # there are no complex numbers of 16 bits
        log_step, log_decay, frequency, C = (
            parameter.to(wide) for parameter in (self.log_step, self.log_decay, self.frequency, self.C)
        )
        rates = torch.complex(-log_decay.exp(), frequency)
        log_A = log_step.exp().unsqueeze(-1) * rates
        return log_A, torch.expm1(log_A) / rates, torch.view_as_complex(C)


def _rates(state_size: int, initial: str) -> tuple[Tensor, Tensor]:
    """Decays, positive, and frequencies of the continuous system at the start."""
    n = torch.arange(state_size // 2, dtype=torch.float32)
    half = torch.full_like(n, 0.5)
    if initial == "lin":
        return half, math.pi * n
    if initial == "inv":
        return half, state_size / math.pi * (state_size / (2 * n + 1) - 1)
    if initial == "real":
        return n + 1, torch.zeros_like(n)
    raise ConfigError(f'initial must be "lin", "inv" or "real"; got {initial!r}')
