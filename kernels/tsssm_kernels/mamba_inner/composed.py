"""The definition of `mamba_inner`: the operators it is made of, one after the other."""

from __future__ import annotations

from functools import partial

from torch import Tensor
from torch.nn.functional import linear, silu

from ..selective_scan import selective_scan
from ..short_convolution import short_convolution

__all__ = ["mamba_inner_chunked", "mamba_inner_reference"]


def _compose(
    backend: str,
    xz: Tensor,
    conv_weight: Tensor,
    conv_bias: Tensor,
    x_projection_weight: Tensor,
    delta_projection_weight: Tensor,
    delta_projection_bias: Tensor,
    A: Tensor,
    D: Tensor,
    *,
    tail: Tensor | None = None,
    initial_state: Tensor | None = None,
    time_gaps: Tensor | None = None,
    resets: Tensor | None = None,
) -> tuple[Tensor, Tensor, Tensor]:
    """Run it with one form of the scan; arguments as in `mamba_inner`, all of one floating dtype."""
    x, z = xz.chunk(2, dim=-1)
    if tail is None:
        tail = x.new_zeros(len(x), len(conv_weight) - 1, x.shape[-1])
    x, tail = short_convolution(x, conv_weight, conv_bias, tail, resets)
    x = silu(x)
    (_, rank), n_state = delta_projection_weight.shape, A.shape[1]
    low, B, C = linear(x, x_projection_weight).split((rank, n_state, n_state), dim=-1)
    y, state = selective_scan(
        x,
        linear(low, delta_projection_weight),
        A,
        B,
        C,
        D,
        z,
        delta_projection_bias,
        delta_softplus=True,
        time_gaps=time_gaps,
        initial_state=initial_state,
        resets=resets,
        backend=backend,
    )
    return y, tail, state


mamba_inner_reference = partial(_compose, "reference")
mamba_inner_chunked = partial(_compose, "chunked")
