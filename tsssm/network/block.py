"""A residual block around a sequence mixer."""

from __future__ import annotations

from torch import Tensor, nn

from tsssm.mixers import Mixer

__all__ = ["Block"]


class Block(nn.Module):
    """Pre-norm residual block: ``x + dropout(mixer(norm(x)))``.

    It keeps the mixer's protocol, so a stack of blocks runs in parallel and step by step alike.

    Parameters
    ----------
    norm : nn.Module
        Normalises the features, (..., d_model).
    mixer : Mixer
        Mixes along the sequence.
    dropout : float
        Share of the mixer's output dropped in training.
    """

    def __init__(self, norm: nn.Module, mixer: Mixer, dropout: float):
        super().__init__()
        self.norm, self.mixer, self.dropout = norm, mixer, nn.Dropout(dropout)

    def forward(self, x: Tensor, state=None, resets: Tensor | None = None, shared: dict | None = None):
        """Run a sequence, (B, T, d_model); returns the output and the state after it."""
        mixed, state = self.mixer(self.norm(x), state, resets=resets, shared=shared)
        return x + self.dropout(mixed), state

    def step(self, x_t: Tensor, state, shared: dict | None = None):
        """Run one token, (B, d_model); returns the output and the new state."""
        mixed, state = self.mixer.step(self.norm(x_t), state, shared=shared)
        return x_t + mixed, state
