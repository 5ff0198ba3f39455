"""Every mixer in bfloat16 and under autocast: the same to a few roundings, in pieces and step by step too."""

from __future__ import annotations

import pytest
import torch

from tsssm.mixers.registry import known_mixers

MIXERS = known_mixers()
FEW_ROUNDINGS = 0.08  # of weights and activations through several projections, at 4e-3 each


def difference(rough: torch.Tensor, exact: torch.Tensor) -> float:
    return float(((rough.float() - exact).norm() / exact.norm()).detach())


@pytest.mark.parametrize("name", sorted(MIXERS))
def test_bfloat16(name):
    torch.manual_seed(0)
    mixer, x = MIXERS[name](16), torch.randn(2, 20, 16)
    with torch.no_grad():  # what starts at zero would hide what is wrong
        for parameter in mixer.parameters():
            parameter.add_(0.02 * torch.randn_like(parameter))
    exact, _ = mixer(x)
    with torch.autocast("cpu", torch.bfloat16):
        mixed, _ = mixer(x)
    mixer, x = mixer.bfloat16(), x.bfloat16()
    half, _ = mixer(x)
    first, state = mixer(x[:, :12])
    last, state = mixer(x[:, 12:19], state)
    step, _ = mixer.step(x[:, 19], state)
    pieces = torch.cat([first, last, step.unsqueeze(1)], 1)
    assert half.dtype == pieces.dtype == torch.bfloat16
    for rough in (mixed, half, pieces):
        assert difference(rough, exact) < FEW_ROUNDINGS
    half.float().square().mean().backward()
    assert all(parameter.grad is None or torch.isfinite(parameter.grad).all() for parameter in mixer.parameters())
