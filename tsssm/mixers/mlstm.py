"""mLSTM: a matrix of keys and values with an exponential input gate, divided by what its keys sum to."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import layer_norm, logsigmoid

from .head_mixer import HeadInputs, HeadMixer
from .residual_projection import residual_projection
from .weight_decay import without_weight_decay

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


class MLSTM(HeadMixer):
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
    State = MLSTMState
    normalizer = "bounded"
    eps = EPS

    def __init__(
        self,
        d_model: int,
        *,
        layer_index: int = 0,
        n_layers: int = 1,
        n_heads: int = 4,
        mlp_width: int | None = None,
    ):
        widths = (d_model // 2, d_model // 2, d_model, d_model)  # the last is the output gate's
        super().__init__(d_model, layer_index, n_layers, n_heads, mlp_width, widths=widths, even=True)
        self.gates = nn.Linear(d_model, 2 * n_heads)
        self.norm_weight = nn.Parameter(torch.ones(d_model))
        self.out_projection = residual_projection(d_model, d_model, 2 * n_layers)
        with torch.no_grad():
            self.gates.weight.zero_()
            enter, forget = self.gates.bias.chunk(2)
            enter.normal_(std=0.1)
            forget.copy_(torch.linspace(*FORGET_BIASES, n_heads))
        without_weight_decay(self.norm_weight, self.gates.bias)

    def _project(self, x: Tensor) -> HeadInputs:
        q, k, v, o = self._rows(x)
        enter, forget = (GATE_CAP * torch.tanh(self.gates(x) / GATE_CAP)).chunk(2, dim=-1)
        return HeadInputs(q, k * k.shape[-1] ** -0.5, v, logsigmoid(forget), input_gate=enter, output_gate=o)

    def _out(self, y: Tensor, output_gate: Tensor) -> Tensor:
        normed = layer_norm(y, y.shape[-1:], eps=EPS).flatten(-2) * self.norm_weight
        return self.out_projection(torch.sigmoid(output_gate) * normed)
