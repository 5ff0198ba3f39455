"""The long convolution: checks, dtypes and the choice of a backend."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from ..arguments import check_sequence, check_shapes, computed_dtype
from ..backends import choose_backend, prepared
from .chunked import long_convolution_chunked
from .cpu import long_convolution_cpu
from .parameters import check_parameters
from .reference import long_convolution_reference

__all__ = ["long_convolution"]

BACKENDS: dict[str, Callable[..., tuple[Tensor, Tensor]]] = {
    "reference": long_convolution_reference,
    "chunked": long_convolution_chunked,
    "cpu": long_convolution_cpu,
}


def long_convolution(
    u: Tensor,
    kernel: Tensor,
    skip: Tensor | None = None,
    *,
    initial_state: Tensor | None = None,
    resets: Tensor | None = None,
    backend: str | None = None,
) -> tuple[Tensor, Tensor]:
    """A convolution along time, channel by channel, whose kernel may be as long as the sequence; no later step is seen.

    ::

        y_t = sum_{s <= t} kernel_s * u_{t-s} + skip * u_t

    Parameters
    ----------
    u : Tensor, shape (batch, length, channels)
        Inputs, of a floating dtype; none of the sizes 0.
    kernel : Tensor, shape (taps, channels)
        Weights of the inputs by their age, the current one's first; at least one. There may be more than steps.
    skip : Tensor, shape (channels,), optional
        One more weight of the current input.
    initial_state : Tensor, shape (batch, taps - 1, channels), optional
        The inputs before the first step. Default: zeros, the start of a sequence.
    resets : Tensor of bool, shape (batch, length), optional
        Where true, a new sequence begins: neither earlier inputs nor `initial_state` reach this step or later ones.
    backend : {"reference", "chunked", "cpu"}, optional
        ``"reference"`` is the loop that defines the operator, ``"chunked"`` fast Fourier transforms in plain torch for
        any device, ``"cpu"`` the faster of compiled sums (kernels of some hundred taps) and such transforms, in
        float32. If left out, the environment variable ``TSSSM_BACKEND`` decides, else ``"cpu"`` runs where it can (CPU
        tensors, none of them float64), ``"chunked"`` elsewhere.

    Returns
    -------
    output : Tensor, shape (batch, length, channels)
        Of `u`'s dtype.
    final_state : Tensor, shape (batch, taps - 1, channels)
        The last inputs, zeros in place of those before the last reset; float32 (float64 for float64 inputs). With it,
        a sequence may be fed in blocks, of any sizes.

    Raises
    ------
    ValueError
        If shapes or dtypes do not fit, a size is 0, or the backend is unknown or cannot serve the inputs.

    Notes
    -----
    The taps count as in mathematics, the current input's first; in `causal_conv1d` it is the last, as in layers.

    Differentiable in every floating-point input and through the final state; with ``"cpu"`` once and in reverse mode.
    Inputs and outputs are float32 (float64 if any input is); transforms run in float64 on a CPU, in that dtype
    elsewhere. There the error of a float32 transform is relative to the loudest input within a kernel's reach: beside
    one of 1e5 among inputs of size 1, quiet outputs have relative errors of 3e-4.

    With `resets`, transforms run on each sequence by itself, those of similar length together. How they lie is read
    from `resets`: on a GPU that waits for it, and ``torch.compile`` breaks its graph there.

    References
    ----------
    Poli, M. et al. (2023). Hyena hierarchy: Towards larger convolutional language models. arXiv 2302.10866.
    Fu, D. Y. et al. (2023). FlashFFTConv: Efficient convolutions for long sequences with tensor cores. arXiv
    2311.05908.

    Examples
    --------
    >>> import torch
    >>> u = torch.tensor([1.0, 2.0, 4.0]).view(1, 3, 1)
    >>> kernel = torch.tensor([1.0, 0.5, 0.25]).view(3, 1)
    >>> y, state = long_convolution(u, kernel)
    >>> y.flatten(), state.flatten()
    (tensor([1.0000, 2.5000, 5.2500]), tensor([2., 4.]))
    """
    check_sequence("long_convolution", "u", u, "batch, length, channels")
    check_parameters("long_convolution", u, kernel, skip)
    batch, length, channels = u.shape
    expected = {
        "initial_state": (initial_state, (batch, len(kernel) - 1, channels)),
        "resets": (resets, (batch, length)),
    }
    given = f"u of shape {tuple(u.shape)} and kernel of shape {tuple(kernel.shape)}"
    check_shapes("long_convolution", expected, given, resets)
    tensors = (u, kernel, skip, initial_state)
    dtype = computed_dtype(tensors)
    form = choose_backend(backend, BACKENDS, u, dtype)
    convolve = BACKENDS[form]
    inputs, kernel, skip, state = prepared(form, tensors, dtype)
    y, last = convolve(inputs, kernel, skip, state, resets)
    return y.to(u.dtype), last
