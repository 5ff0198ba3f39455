"""A short depthwise causal convolution with its state: the inputs it still needs."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["short_convolution", "short_convolution_step"]


def short_convolution(
    x: Tensor, weight: Tensor, bias: Tensor, tail: Tensor, resets: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Convolve a sequence, ``y_t = bias + sum_j weight_j * x_{t-width+1+j}``, channel by channel.

    Parameters
    ----------
    x : Tensor, shape (batch, length, channels)
        The inputs.
    weight : Tensor, shape (width, channels)
        The taps, the current input's last; at least 2.
    bias : Tensor, shape (channels,)
        The bias.
    tail : Tensor, shape (batch, width - 1, channels)
        The inputs before them, zeros at the start of a sequence.
    resets : Tensor of bool, shape (batch, length), optional
        Where true, a new sequence begins: what stands before reaches neither this step nor later ones.

    Returns
    -------
    y : Tensor, shape (batch, length, channels)
        The outputs.
    tail : Tensor, shape (batch, width - 1, channels)
        The last inputs, those before the last reset set to zero.

    Examples
    --------
    >>> import torch
    >>> x = torch.tensor([[[1.0], [2.0], [4.0]]])
    >>> y, tail = short_convolution(x, torch.ones(2, 1), torch.zeros(1), torch.zeros(1, 1, 1))
    >>> y.flatten(), tail.flatten()
    (tensor([1., 3., 6.]), tensor([4.]))
    """
    width, length = weight.shape[0], x.shape[1]
    padded = torch.cat([tail, x], dim=1)
    age = None if resets is None else _age(resets, width)
    y = bias + x * weight[-1]
    for back in range(1, width):
        start = width - 1 - back
        earlier = padded[:, start : start + length]  # the input `back` steps ago
        if age is not None:
            earlier = torch.where((age >= back).unsqueeze(-1), earlier, 0.0)
        y = torch.addcmul(y, earlier, weight[start])
    new_tail = padded[:, length:]
    if age is not None:
        back_from_last = torch.arange(width - 2, -1, -1, device=x.device)
        new_tail = torch.where((age[:, -1:] >= back_from_last).unsqueeze(-1), new_tail, 0.0)
    return y, new_tail.contiguous()


def short_convolution_step(x_t: Tensor, weight: Tensor, bias: Tensor, tail: Tensor) -> tuple[Tensor, Tensor]:
    """Convolve one step: `x_t` and the output have shape (batch, channels), the tails that of `short_convolution`.

    Examples
    --------
    >>> import torch
    >>> y, tail = short_convolution_step(torch.ones(1, 1), torch.ones(2, 1), torch.zeros(1), torch.ones(1, 1, 1))
    >>> y, tail.flatten()
    (tensor([[2.]]), tensor([1.]))
    """
    y = torch.addcmul(bias, x_t, weight[-1])
    y = y + (tail * weight[:-1]).sum(1)
    return y, torch.cat([tail[:, 1:], x_t.unsqueeze(1)], dim=1)


def _age(resets: Tensor, width: int) -> Tensor:
    """Steps since the sequence began, (batch, length); at least `width` where it began before the first step."""
    index = torch.arange(resets.shape[1], device=resets.device)
    start = torch.where(resets, index, -width).cummax(dim=1).values
    return index - start
