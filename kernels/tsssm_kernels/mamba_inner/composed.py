"""`mamba_inner` as the operators it is made of, one after the other: its definition, and its form on GPUs."""

from __future__ import annotations

from functools import partial

from torch import Tensor
from torch.nn.functional import linear

from ..causal_conv1d import causal_conv1d
from ..selective_scan import selective_scan

__all__ = ["mamba_inner_chunked", "mamba_inner_gpu", "mamba_inner_reference"]


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
    """Run it with one form of convolution and scan; arguments as in `mamba_inner`.

    All of one floating dtype, but for the kernels on GPUs, which convert as they load: there the products are of that
    of `xz`.
    """
    x, z = xz.chunk(2, dim=-1)
    x, tail = causal_conv1d(
        x, conv_weight, conv_bias, activation="silu", initial_state=tail, resets=resets, backend=backend
    )
    (_, rank), n_state = delta_projection_weight.shape, A.shape[1]
    low, B, C = linear(x, x_projection_weight.to(x.dtype)).split((rank, n_state, n_state), dim=-1)
    y, state = selective_scan(
        x,
        linear(low, delta_projection_weight.to(low.dtype)),
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
mamba_inner_gpu = partial(_compose, "triton")
