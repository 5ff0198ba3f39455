"""The inside of a Mamba block: checks, dtypes and the choice of a backend."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from ..backends import choose_backend, prepared
from .composed import mamba_inner_chunked, mamba_inner_gpu, mamba_inner_reference
from .cpu import mamba_inner_cpu
from .shapes import check_shapes

__all__ = ["mamba_inner"]

BACKENDS: dict[str, Callable[..., tuple[Tensor, Tensor, Tensor]]] = {
    "reference": mamba_inner_reference,
    "chunked": mamba_inner_chunked,
    "cpu": mamba_inner_cpu,
    "triton": mamba_inner_gpu,
}


def mamba_inner(
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
    backend: str | None = None,
) -> tuple[Tensor, Tensor, Tensor]:
    """What stands between the two outer projections of a Mamba block, as one operator.

    ::

        x, z    = xz
        x       = silu(causal_conv1d(x))
        r, B, C = W_x x
        y       = selective_scan(x, W_delta r, A, B, C, D, z, b_delta, delta_softplus=True)

    Parameters
    ----------
    xz : Tensor, shape (batch, length, 2 * channels)
        Inputs and gates, a floating dtype; batch and length at least 1.
    conv_weight : Tensor, shape (taps, channels)
        Taps of the convolution, the current input's last; at least 2.
    conv_bias : Tensor, shape (channels,)
        Bias of the convolution.
    x_projection_weight : Tensor, shape (rank + 2 * state, channels)
        From convolved inputs to low-rank step sizes, B and C.
    delta_projection_weight : Tensor, shape (channels, rank)
        From low-rank step sizes to those of the channels.
    delta_projection_bias : Tensor, shape (channels,)
        Added to the step sizes before their softplus.
    A : Tensor, shape (channels, state)
        Decay rates, negative.
    D : Tensor, shape (channels,)
        Weight of the convolved input in the output.
    tail : Tensor, shape (batch, taps - 1, channels), optional
        The inputs before the first step. Default: zeros, the start of a sequence.
    initial_state : Tensor, shape (batch, channels, state), optional
        The scan's state before the first step. Default: zeros, the start of a sequence.
    time_gaps : Tensor, shape (batch, length), optional
        Time since the step before, in steps: scales the logarithm of the decay.
    resets : Tensor of bool, shape (batch, length), optional
        Where true, a new sequence begins: neither `tail`, `initial_state` nor earlier steps reach it.
    backend : {"reference", "chunked", "cpu", "triton"}, optional
        As in `selective_scan`. ``"reference"``, ``"chunked"`` and, for GPUs, ``"triton"`` are the operators above one
        after the other with that form of convolution and scan, ``"cpu"`` is compiled.

    Returns
    -------
    output : Tensor, shape (batch, length, channels)
        Of `xz`'s dtype.
    tail : Tensor, shape (batch, taps - 1, channels)
        The last inputs, of `tail`'s dtype, or of `xz`'s.
    state : Tensor, shape (batch, channels, state)
        The scan's state after the last step, float32 (float64 for float64 inputs).

    Raises
    ------
    ValueError
        If shapes or dtypes do not fit, or the backend is unknown or cannot serve the inputs.

    Notes
    -----
    Differentiable once in every floating-point input, through `tail` and `state` too. Computed in float32 (float64 if
    any input is), whatever the inputs' dtype, and under autocast; with ``"triton"`` all but the two projections, which
    are of `xz`'s dtype or autocast's. The backward pass of ``"cpu"`` is written by hand: between the passes it keeps
    the convolved inputs, their projection and every eighth state.

    References
    ----------
    Gu, A. and Dao, T. (2023). Mamba: Linear-time sequence modeling with selective state spaces.

    Examples
    --------
    >>> import torch
    >>> weights = {"conv_weight": torch.ones(4, 8), "conv_bias": torch.zeros(8), "D": torch.ones(8)}
    >>> weights |= {"x_projection_weight": torch.ones(1 + 2 * 3, 8), "A": -torch.ones(8, 3)}
    >>> weights |= {"delta_projection_weight": torch.ones(8, 1), "delta_projection_bias": torch.zeros(8)}
    >>> y, tail, state = mamba_inner(torch.ones(2, 5, 16), **weights)
    >>> y.shape, tail.shape, state.shape
    (torch.Size([2, 5, 8]), torch.Size([2, 3, 8]), torch.Size([2, 8, 3]))
    """
    if xz.ndim != 3 or 0 in xz.shape or not xz.is_floating_point():
        raise ValueError(
            f"mamba_inner: xz must be floating point of shape (batch, length, 2 * channels), none of them 0; got "
            f"{xz.dtype}, {tuple(xz.shape)}."
        )
    tensors = {
        "xz": xz,
        "conv_weight": conv_weight,
        "conv_bias": conv_bias,
        "x_projection_weight": x_projection_weight,
        "delta_projection_weight": delta_projection_weight,
        "delta_projection_bias": delta_projection_bias,
        "A": A,
        "D": D,
        "tail": tail,
        "initial_state": initial_state,
        "time_gaps": time_gaps,
    }
    check_shapes((*tensors, "resets"), (*tensors.values(), resets), (xz.shape[0], xz.shape[1]))
    double = any(tensor is not None and tensor.dtype == torch.float64 for tensor in tensors.values())
    dtype = torch.float64 if double else torch.float32
    form = choose_backend(backend, BACKENDS, xz, dtype, ("selective_scan.forward", A.shape[1]))
    inner = BACKENDS[form]
    cast = dict(zip(tensors, prepared(form, tensors.values(), dtype)))
    y, last, state = inner(**cast, resets=resets)
    return y.to(xz.dtype), last.to(xz.dtype if tail is None else tail.dtype), state
