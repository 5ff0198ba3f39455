"""The causal convolution: checks, dtypes and the choice of a backend."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from ..arguments import check_sequence, check_shapes, computed_dtype
from ..backends import choose_backend, prepared
from .chunked import causal_conv1d_chunked
from .cpu import causal_conv1d_cpu
from .gpu import causal_conv1d_gpu
from .parameters import check_parameters
from .reference import causal_conv1d_reference

__all__ = ["causal_conv1d"]

BACKENDS: dict[str, Callable[..., tuple[Tensor, Tensor]]] = {
    "reference": causal_conv1d_reference,
    "chunked": causal_conv1d_chunked,
    "cpu": causal_conv1d_cpu,
    "triton": causal_conv1d_gpu,
}


def causal_conv1d(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    *,
    activation: str | None = None,
    initial_state: Tensor | None = None,
    resets: Tensor | None = None,
    backend: str | None = None,
) -> tuple[Tensor, Tensor]:
    """A short convolution along time, channel by channel, that sees no later step.

    ::

        y_t = activation(bias + sum_j weight_j * x_{t-width+1+j})

    Parameters
    ----------
    x : Tensor, shape (batch, length, channels)
        Inputs, of a floating dtype; none of the sizes 0.
    weight : Tensor, shape (width, channels)
        The taps, the current input's last; at least one.
    bias : Tensor, shape (channels,), optional
        Added to the sum.
    activation : {"silu"}, optional
        Applied to the sum.
    initial_state : Tensor, shape (batch, width - 1, channels), optional
        The inputs before the first step. Default: zeros, the start of a sequence.
    resets : Tensor of bool, shape (batch, length), optional
        Where true, a new sequence begins: neither earlier inputs nor `initial_state` reach this step or later ones.
    backend : {"reference", "chunked", "cpu", "triton"}, optional
        ``"reference"`` is the loop that defines the operator, ``"chunked"`` a sum of shifted products in plain torch
        for any device, ``"cpu"`` compiled loops and ``"triton"`` kernels for GPUs, which compute in float32. If left
        out, the environment variable ``TSSSM_BACKEND`` decides, else ``"cpu"`` or ``"triton"`` runs where it can (CPU
        or GPU tensors, none of them float64), ``"chunked"`` elsewhere.

    Returns
    -------
    output : Tensor, shape (batch, length, channels)
        Of `x`'s dtype.
    final_state : Tensor, shape (batch, width - 1, channels)
        The last inputs, zeros in place of those before the last reset; float32 (float64 for float64 inputs).

    Raises
    ------
    ValueError
        If shapes or dtypes do not fit, a size is 0, or the activation or backend is unknown or cannot serve the inputs.

    Notes
    -----
    Differentiable in every floating-point input and through the final state; with ``"cpu"`` and ``"triton"`` once and
    in reverse mode. Computed in float32 (float64 if any input is). The backward pass of these two keeps the inputs
    alone.

    The layout is (batch, length, channels), and `weight` that of ``torch.nn.Conv1d(groups=channels)``, transposed:
    ``conv.weight[:, 0].t()``.

    References
    ----------
    Gu, A. and Dao, T. (2023). Mamba: Linear-time sequence modeling with selective state spaces. arXiv 2312.00752.

    Examples
    --------
    >>> import torch
    >>> x = torch.tensor([1.0, 2.0, 4.0]).view(1, 3, 1)
    >>> y, state = causal_conv1d(x, torch.ones(2, 1))
    >>> y.flatten(), state.flatten()
    (tensor([1., 3., 6.]), tensor([4.]))
    """
    check_sequence("causal_conv1d", "x", x, "batch, length, channels")
    check_parameters("causal_conv1d", x, weight, bias, activation)
    batch, length, channels = x.shape
    state_shape = (batch, len(weight) - 1, channels)
    expected = {"initial_state": (initial_state, state_shape), "resets": (resets, (batch, length))}
    given = f"x of shape {tuple(x.shape)} and weight of shape {tuple(weight.shape)}"
    check_shapes("causal_conv1d", expected, given, resets)
    dtype = computed_dtype((x, weight, bias, initial_state))
    form = choose_backend(backend, BACKENDS, x, dtype)
    convolve = BACKENDS[form]
    inputs, weight, bias, state = prepared(form, (x, weight, bias, initial_state), dtype)
    y, last = convolve(inputs, weight, bias, activation, state, resets)
    return y.to(x.dtype), last
