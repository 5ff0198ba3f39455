"""Causal softmax attention over a window of the last tokens."""

from __future__ import annotations

import math
from collections.abc import Mapping
from numbers import Integral
from typing import Any

import torch
from torch import Tensor, nn

from tsssm.errors import ConfigError
from tsssm_kernels import WindowState, window_attention, window_attention_step

from .counts import check_optional_counts
from .heads import check_heads
from .mixer import Mixer
from .mlp import MLP
from .residual_projection import residual_projection

__all__ = ["Attention"]


class Attention(Mixer):
    """Multi-head softmax attention to the last `window` tokens, with rotary positions.

    ::

        q, k, v = W_q u, W_k u, W_v u                     heads of d_model / n_heads channels, q and k rotated
        y_t     = W_o sum_j softmax_j(q_t . k_j / sqrt(head_dim)) v_j        max(0, t - window + 1) <= j <= t

    The mixer of a transformer, with a state of fixed size: the window counts the token itself and is the same in
    training, batch prediction and streams. In a forecaster it is the training context unless set. What lies further
    back is forgotten altogether. A block puts an MLP behind it.

    Parameters
    ----------
    d_model : int
        Width of the sequence, divisible by `n_heads` into heads of an even size.
    layer_index, n_layers : int
        Position in the stack and its depth; the output weights are divided by ``sqrt(2 n_layers)`` at the start.
    n_heads : int, default 4
        Heads.
    window : int, default 30
        Tokens that a token sees, itself included.
    rotary_base : float, default 1000
        Of the rotary positions' geometric series of frequencies. Language models take 10,000 for thousands of tokens;
        over a few dozen patches a smaller base leaves fewer pairs of features nearly still.
    mlp_width : int, optional
        Hidden units of the block's MLP. Default: 9/8 d_model + 54 rounded down to a multiple of 4, with which a block
        has about the parameters of a Mamba block of the same width.

    Notes
    -----
    `time_gaps` are ignored: there is no decay. The state is a `tsssm_kernels.WindowState`, a ring of the window's
    turned keys and values.

    References
    ----------
    Vaswani, A. et al. (2017). Attention is all you need. arXiv 1706.03762.
    Su, J. et al. (2021). RoFormer: Enhanced transformer with rotary position embedding. arXiv 2104.09864.

    Examples
    --------
    >>> import torch
    >>> mixer = Attention(16, window=10)
    >>> y, state = mixer(torch.randn(2, 30, 16))
    >>> y.shape, state.keys.shape, mixer.state_bytes()
    (torch.Size([2, 30, 16]), torch.Size([2, 10, 4, 4]), 1288)
    """

    name = "attention"
    state_setting = "window"

    def __init__(
        self,
        d_model: int,
        *,
        layer_index: int = 0,
        n_layers: int = 1,
        n_heads: int = 4,
        window: int = 30,
        rotary_base: float = 1000.0,
        mlp_width: int | None = None,
    ):
        super().__init__()
        _check(d_model, n_heads, window, rotary_base)
        check_optional_counts(self.name, mlp_width=mlp_width)
        self.n_heads, self.window, self.rotary_base = n_heads, window, float(rotary_base)
        width = _mlp_width(d_model) if mlp_width is None else mlp_width
        self.mlp = {"layer_index": layer_index, "n_layers": n_layers, "width": width}
        self.in_projection = nn.Linear(d_model, 3 * d_model, bias=False)
        self.out_projection = residual_projection(d_model, d_model, 2 * n_layers)

    @classmethod
    def settings_for(cls, context_tokens: int) -> dict[str, Any]:
        """The window is the training context, see `Mixer.settings_for`."""
        return {"window": context_tokens}

    @classmethod
    def size_setting(cls, d_model: int, settings: Mapping[str, Any]) -> tuple[str, int]:
        """The width of the MLP, see `Mixer.size_setting`."""
        return "mlp_width", _mlp_width(d_model)

    def channel_mixer(self) -> MLP:
        """The MLP behind the attention, see `Mixer.channel_mixer`."""
        return MLP(self.out_projection.out_features, **self.mlp)

    def forward(
        self,
        x: Tensor,
        state: WindowState | None = None,
        resets: Tensor | None = None,
        time_gaps: Tensor | None = None,
        shared: dict[str, Any] | None = None,
    ) -> tuple[Tensor, WindowState]:
        """Mix a whole sequence, see `Mixer.forward`; `time_gaps` are ignored."""
        y, after = window_attention(
            *self._project(x), self.window, rotary_base=self.rotary_base, initial_state=state, resets=resets
        )
        return self.out_projection(y.flatten(-2)), _in_dtype(after, x.dtype if state is None else state.keys.dtype)

    def step(self, x_t: Tensor, state: WindowState, shared: dict[str, Any] | None = None) -> tuple[Tensor, WindowState]:
        """Mix one step, see `Mixer.step`."""
        y, after = window_attention_step(*self._project(x_t), state, rotary_base=self.rotary_base)
        return self.out_projection(y.flatten(-2)), _in_dtype(after, state.keys.dtype)

    def initial_state(
        self, batch_size: int, device: torch.device | str | None = None, dtype: torch.dtype | None = None
    ) -> WindowState:
        """An empty ring, see `Mixer.initial_state`."""
        device, dtype = self._placement(device, dtype)
        shape = (batch_size, self.window, self.n_heads, self.out_projection.in_features // self.n_heads)
        empty = torch.zeros(shape, device=device, dtype=dtype)
        return WindowState(empty, empty.clone(), torch.zeros(batch_size, dtype=torch.int64, device=device))

    def _project(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Queries, keys and values: (..., d_model) -> three of (..., heads, head_dim)."""
        q, k, v = self.in_projection(x).unflatten(-1, (3, self.n_heads, -1)).unbind(-3)
        return q, k, v


def _in_dtype(state: WindowState, dtype: torch.dtype) -> WindowState:
    """The operator computes in float32 at least; a ring is kept in the dtype of the mixer's inputs."""
    return WindowState(state.keys.to(dtype), state.values.to(dtype), state.position)


def _check(d_model: int, n_heads: int, window: int, rotary_base: float) -> None:
    for name, value in (("n_heads", n_heads), ("window", window)):
        if isinstance(value, bool) or not isinstance(value, Integral):
            raise ConfigError(f"attention needs an integer for {name}; got {name}={value!r}")
    check_heads("attention", d_model, n_heads, multiple=2)
    if window < 1:
        raise ConfigError(f"attention needs a window of at least 1 token, itself; got window={window}")
    if not 1 < rotary_base < math.inf:
        raise ConfigError(f"rotary_base must be a number above 1; got {rotary_base!r}")


def _mlp_width(d_model: int) -> int:
    return (9 * d_model // 8 + 54) // 4 * 4
