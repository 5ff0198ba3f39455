"""Retention (RetNet): linear attention that turns, with a fixed decay for each head."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import silu

from .head_mixer import HeadInputs, HeadMixer
from .heads import norm_heads

__all__ = ["Retention", "RetentionState"]

NORM_EPS = 1e-5
ROTARY_BASE = 10_000.0


class RetentionState(NamedTuple):
    """State of `Retention`: what the heads have stored, (batch, n_heads, K, V), one row a key, turned as of now."""

    memory: Tensor


class Retention(HeadMixer):
    """Multi-scale retention.

    ::

        q, k, v = W_q u, W_k u, W_v u                     d_model channels of keys, twice as many of values, by heads
        S_t     = lambda_h R S_{t-1} + k_t v_t' / sqrt(K)            R turns pairs of keys by a fixed angle each step
        y_t     = W_o (RMSNorm(S_t' q_t) silu(W_g u_t))              the norm by heads, without weights

    with ``lambda_h = 1 - 2^(-5 - h)`` and angles ``10000^(-i / (K/2 - 1))``, both fixed. A block puts a `SwiGLU` behind
    it.

    Parameters
    ----------
    d_model : int
        Width of the sequence, divisible by `n_heads` into heads of an even size.
    layer_index, n_layers : int
        Position in the stack and its depth.
    n_heads : int, default 4
        Heads.
    mlp_width : int, optional
        Hidden units of the block's `SwiGLU`.

    Notes
    -----
    Keys i and K/2 + i turn together (published: 2i and 2i + 1, the same up to the order of channels). The projections
    begin as published (Xavier, with gains 2^-2.5 and, for the output, 1/2).

    References
    ----------
    Sun, Y. et al. (2023). Retentive network: A successor to transformer for large language models. arXiv 2307.08621.

    Examples
    --------
    >>> import torch
    >>> mixer = Retention(16)
    >>> y, state = mixer(torch.randn(2, 30, 16))
    >>> y.shape, state.memory.shape, mixer.state_bytes()
    (torch.Size([2, 30, 16]), torch.Size([2, 4, 4, 8]), 512)
    """

    name = "retention"
    State = RetentionState
    log_decay: Tensor
    angles: Tensor

    def __init__(
        self,
        d_model: int,
        *,
        layer_index: int = 0,
        n_layers: int = 1,
        n_heads: int = 4,
        mlp_width: int | None = None,
    ):
        widths = (d_model, d_model, 2 * d_model, 2 * d_model)  # the last is the output gate's
        super().__init__(d_model, layer_index, n_layers, n_heads, mlp_width, widths=widths, even=True)
        self.out_projection = nn.Linear(2 * d_model, d_model, bias=False)
        for part in self.in_projection.weight.detach().split(widths):
            nn.init.xavier_uniform_(part, gain=2**-2.5)
        nn.init.xavier_uniform_(self.out_projection.weight, gain=0.5)
        exponents = torch.linspace(0, 1, self.head_size // 2)
        log_decay = torch.log1p(-(2.0 ** (-5.0 - torch.arange(n_heads, dtype=torch.float64))))
        self.register_buffer("log_decay", log_decay.to(self.in_projection.weight.dtype), persistent=False)
        self.register_buffer("angles", (ROTARY_BASE**-exponents).repeat(n_heads, 1), persistent=False)

    def _project(self, x: Tensor) -> HeadInputs:
        q, k, v, gate = self._rows(x)
        log_decay = self.log_decay.expand(v.shape[:-1])
        return HeadInputs(q, k * k.shape[-1] ** -0.5, v, log_decay, angles=self.angles, output_gate=gate)

    def _out(self, y: Tensor, output_gate: Tensor) -> Tensor:
        return self.out_projection(norm_heads(y, None, NORM_EPS) * silu(output_gate))
