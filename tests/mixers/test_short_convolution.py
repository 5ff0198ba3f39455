"""The short convolution against torch's own and against cut sequences."""

import pytest
import torch
from torch.nn.functional import conv1d, pad

from tsssm.mixers.short_convolution import ShortConvolution


@pytest.fixture
def convolution():
    torch.manual_seed(0)
    return ShortConvolution(3, width=4).double()


def rest():
    return torch.zeros(2, 3, 3, dtype=torch.float64)


@pytest.mark.parametrize("length", [1, 2, 3, 4, 20])
def test_equals_a_left_padded_depthwise_convolution(convolution, length):
    x = torch.randn(2, length, 3, dtype=torch.float64)
    y, tail = convolution(x, rest())
    kernel = convolution.weight.t().unsqueeze(1)  # (width, channels) -> (channels, 1, width)
    expected = conv1d(pad(x.transpose(1, 2), (3, 0)), kernel, convolution.bias, groups=3).transpose(1, 2)
    torch.testing.assert_close(y, expected)
    assert torch.equal(tail, torch.cat([rest(), x], dim=1)[:, -3:])


@pytest.mark.parametrize("resets", [[0], [1], [7], [5, 6], [2, 4], list(range(8))], ids=str)
def test_resets_equal_separate_sequences(convolution, resets):
    x, earlier = torch.randn(2, 8, 3, dtype=torch.float64), torch.randn(2, 3, 3, dtype=torch.float64)
    mask = torch.zeros(2, 8, dtype=torch.bool)
    mask[:, resets] = True
    together, last = convolution(x, earlier, mask)
    starts = sorted({0, *resets})
    tail = earlier
    for start, stop in zip(starts, [*starts[1:], 8]):
        y, tail = convolution(x[:, start:stop], rest() if start in resets else tail)
        torch.testing.assert_close(together[:, start:stop], y)
    assert torch.equal(last, tail)


def test_steps_equal_the_sequence(convolution):
    x = torch.randn(2, 8, 3, dtype=torch.float64)
    expected, last = convolution(x, rest())
    tail = rest()
    for t in range(8):
        y_t, tail = convolution.step(x[:, t], tail)
        torch.testing.assert_close(y_t, expected[:, t])
    assert torch.equal(tail, last)
