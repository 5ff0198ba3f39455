"""mLSTM: a matrix of keys and values with an exponential input gate, divided by what its keys sum to."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import layer_norm, logsigmoid

from tsssm.errors import ConfigError
from tsssm_kernels import DecayState, decay_attention, decay_attention_step

from .mixer import Mixer
from .swiglu import SwiGLU

__all__ = ["MLSTM", "MLSTMState"]

GATE_CAP = 15.0  # no raw gate is larger
EPS = 1e-6  # of the divisor and of the heads' norm
FORGET_BIASES = (3.0, 6.0)  # of the first head and of the last


class MLSTMState(NamedTuple):
    """State of `MLSTM`; memory and key sum are ``exp(scale)`` times what they hold.

    Attributes
    ----------
    memory : Tensor, (batch, n_heads, K, V)
        The weighted sum of keys and values, float32 (float64 in a float64 model), like the others.
    key_sum : Tensor, (batch, n_heads, K)
        The weighted sum of the keys.
    scale : Tensor, (batch, n_heads)
        The logarithm of the largest weight.
    """

    memory: Tensor
    key_sum: Tensor
    scale: Tensor


class MLSTM(Mixer):
    """The mLSTM of xLSTM, as in the blocks of xLSTM 7B: without convolution, gated at the output.

    ::

        q, k, v, o = W_q u, W_k u, W_v u, W_o u           heads of V = d_model / n_heads values and K = V / 2 keys
        i, f    = cap(W_i u + b_i), cap(W_f u + b_f)      of each head; cap(x) = 15 tanh(x / 15)
        C_t     = sigmoid(f_t) C_{t-1} + exp(i_t) k_t v_t' / sqrt(K)
        n_t     = sigmoid(f_t) n_{t-1} + exp(i_t) k_t / sqrt(K)
        h_t     = C_t' q_t / max(|q_t' n_t|, 1)
        out_t   = W_out (sigmoid(o_t) * LayerNorm(h_t))   normed by heads

    The exponential gate lets one step outweigh all before it: what was stored can be revised. C and n are kept divided
    by the largest weight, so that none overflows. A block puts a `SwiGLU` behind it.

    Parameters
    ----------
    d_model : int
        Width of the sequence, divisible by `n_heads` into heads of an even size.
    layer_index, n_layers : int
        Position in the stack and its depth; the output weights are divided by ``sqrt(2 n_layers)`` at the start.
    n_heads : int, default 4
        Heads.
    mlp_width : int, optional
        Hidden units of the block's `SwiGLU`.

    Notes
    -----
    At the start the gates do not see the input: b_f runs evenly from 3 to 6 over the heads (they forget 5% to 0.25% a
    step), and b_i is normal with a deviation of 0.1, as in the first xLSTM. xLSTM 7B starts it at -10, where memories
    begin so weak that the norm's epsilon of 1e-6 outweighs them. To the divisor, as kept, 1e-6 is added. `norm_weight`
    and the gates' bias carry the attribute ``_no_weight_decay = True``.

    References
    ----------
    Beck, M. et al. (2024). xLSTM: Extended long short-term memory. arXiv 2405.04517.
    Beck, M. et al. (2025). xLSTM 7B: A recurrent LLM for fast and efficient inference. arXiv 2503.13427.

    Examples
    --------
    >>> import torch
    >>> mixer = MLSTM(16)
    >>> y, state = mixer(torch.randn(2, 30, 16))
    >>> y.shape, state.memory.shape, mixer.state_bytes()
    (torch.Size([2, 30, 16]), torch.Size([2, 4, 2, 4]), 176)
    """

    name = "mlstm"

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
        if n_heads < 1 or d_model % n_heads or (d_model // n_heads) % 2:
            raise ConfigError(
                f"mLSTM needs heads of an even size: d_model={d_model} over n_heads={n_heads} is no even number of "
                f"channels each. Choose d_model as a multiple of {2 * max(n_heads, 1)}, or another n_heads."
            )
        self.n_heads = n_heads
        self.swiglu: dict[str, Any] = {"layer_index": layer_index, "n_layers": n_layers, "width": mlp_width}
        self.in_projection = nn.Linear(d_model, 3 * d_model, bias=False)
        self.gates = nn.Linear(d_model, 2 * n_heads)
        self.norm_weight = nn.Parameter(torch.ones(d_model))
        self.out_projection = nn.Linear(d_model, d_model, bias=False)
        self._initialise(n_layers)

    @torch.no_grad()
    def _initialise(self, n_layers: int) -> None:
        self.gates.weight.zero_()
        enter, forget = self.gates.bias.chunk(2)
        enter.normal_(std=0.1)
        forget.copy_(torch.linspace(*FORGET_BIASES, self.n_heads))
        self.out_projection.weight.div_(math.sqrt(2 * n_layers))
        for parameter in (self.norm_weight, self.gates.bias):
            parameter._no_weight_decay = True  # type: ignore[attr-defined]

    def channel_mixer(self) -> SwiGLU:
        """The `SwiGLU` behind the mLSTM, see `Mixer.channel_mixer`."""
        return SwiGLU(self.out_projection.out_features, **self.swiglu)

    def forward(
        self,
        x: Tensor,
        state: MLSTMState | None = None,
        resets: Tensor | None = None,
        time_gaps: Tensor | None = None,
        shared: dict[str, Any] | None = None,
    ) -> tuple[Tensor, MLSTMState]:
        """Mix a whole sequence, see `Mixer.forward`; `time_gaps` scale the logarithms of the decays."""
        q, k, v, o = self._project(x)
        enter, log_decay = self._gates(x)
        y, after = decay_attention(
            q,
            k,
            v,
            log_decay,
            input_gate=enter,
            normalizer="bounded",
            eps=EPS,
            time_gaps=time_gaps,
            initial_state=None if state is None else _decay_state(state),
            resets=resets,
        )
        return self._out(y, o), _own_state(after)

    def step(self, x_t: Tensor, state: MLSTMState, shared: dict[str, Any] | None = None) -> tuple[Tensor, MLSTMState]:
        """Mix one step, see `Mixer.step`."""
        q, k, v, o = self._project(x_t)
        enter, log_decay = self._gates(x_t)
        y, after = decay_attention_step(
            q, k, v, _decay_state(state), log_decay, input_gate=enter, normalizer="bounded", eps=EPS
        )
        return self._out(y, o), _own_state(after)

    def initial_state(
        self, batch_size: int, device: torch.device | str | None = None, dtype: torch.dtype | None = None
    ) -> MLSTMState:
        """Zeros, see `Mixer.initial_state`."""
        device, dtype = self._placement(device, dtype)
        size = self.out_projection.in_features // self.n_heads
        options: dict[str, Any] = {"device": device, "dtype": torch.promote_types(dtype, torch.float32)}
        return MLSTMState(
            torch.zeros(batch_size, self.n_heads, size // 2, size, **options),
            torch.zeros(batch_size, self.n_heads, size // 2, **options),
            torch.zeros(batch_size, self.n_heads, **options),
        )

    def _project(self, u: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Queries, keys and values of heads, keys scaled, and the raw output gate, (..., d_model)."""
        d_model = self.out_projection.in_features
        *rows, o = self.in_projection(u).split([d_model // 2, d_model // 2, d_model, d_model], dim=-1)
        q, k, v = (part.unflatten(-1, (self.n_heads, -1)) for part in rows)
        return q, k * k.shape[-1] ** -0.5, v, o

    def _gates(self, u: Tensor) -> tuple[Tensor, Tensor]:
        """Logarithms of what enters and of the decay, (..., n_heads)."""
        enter, forget = (GATE_CAP * torch.tanh(self.gates(u) / GATE_CAP)).chunk(2, dim=-1)
        return enter, logsigmoid(forget)

    def _out(self, y: Tensor, o: Tensor) -> Tensor:
        normed = layer_norm(y, y.shape[-1:], eps=EPS).flatten(-2) * self.norm_weight
        return self.out_projection(torch.sigmoid(o) * normed)


def _decay_state(state: MLSTMState) -> DecayState:
    return DecayState(memory=state.memory, key_sum=state.key_sum, scale=state.scale)


def _own_state(state: DecayState) -> MLSTMState:
    return MLSTMState(state.memory, state.key_sum, state.scale)
