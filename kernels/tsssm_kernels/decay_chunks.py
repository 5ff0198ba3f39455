"""Decays within and between chunks of time, for the chunked forms in plain torch.

Only differences of sums of log-decays are raised to powers, and they are summed in float64: differences of float32 sums
lose their digits, and factors of single steps overflow or underflow.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import pad

__all__ = ["BY_HEAD", "BY_KEY", "DecayChunks", "chunk_length", "in_chunks", "segment_length"]

BY_HEAD, BY_KEY = 32, 16  # steps of a chunk: with a decay for each key, pairs of steps have weights for each key
NUMBERS = 2**22  # of the largest tensor in a segment


def chunk_length(log_decay: Tensor | None) -> int:
    """Steps of a chunk for log-decays (batch, length, heads) or (batch, length, heads, keys)."""
    return BY_KEY if log_decay is not None and log_decay.ndim == 4 else BY_HEAD


def segment_length(q: Tensor, log_decay: Tensor | None) -> int:
    """Steps that fit into memory at once, whole chunks, for queries (batch, length, heads, keys)."""
    chunk = chunk_length(log_decay)
    of_step = q.shape[0] * q.shape[2] * chunk * (q.shape[3] if chunk == BY_KEY else 1)
    return max(1, NUMBERS // (of_step * chunk)) * chunk


def in_chunks(x: Tensor, chunk: int) -> Tensor:
    """(batch, length, heads, ...) -> (batch, chunks, heads, chunk, ...), in front filled up with steps of nothing."""
    missing = -x.shape[1] % chunk
    if missing:
        x = pad(x, (0, 0) * (x.ndim - 2) + (missing, 0))
    return x.unflatten(1, (-1, chunk)).transpose(2, 3)


class DecayChunks:
    """Decays between the steps of chunks, where they belong to one sequence.

    Parameters
    ----------
    log_decay : Tensor, shape (batch, length, heads) or (batch, length, heads, keys), optional
    resets : Tensor of bool, shape (batch, length), optional
    like : Tensor
        Gives the dtype and device.
    chunk : int
        Steps of a chunk.
    """

    def __init__(self, log_decay: Tensor | None, resets: Tensor | None, like: Tensor, chunk: int):
        self.dtype = like.dtype
        ones = torch.ones(chunk, chunk, dtype=torch.bool, device=like.device)
        self.up_to, self.before = ones.tril(), ones.tril(-1)
        self.reached: Tensor | None = None
        if resets is not None:
            sequence = in_chunks(resets.unsqueeze(-1), chunk).cumsum(-1)  # which of the chunk's, (b, n, 1, c)
            same = sequence.unsqueeze(-1) == sequence.unsqueeze(-2)
            self.up_to, self.before = self.up_to & same, self.before & same
            self.reached = (sequence == 0).unsqueeze(-1)  # steps that the state before the chunk reaches
            self.reaches = (sequence == sequence[..., -1:]).unsqueeze(-1)  # steps that reach the state after it
        self.totals: Tensor | None = None
        if log_decay is not None:
            log = log_decay if log_decay.ndim == 4 else log_decay.unsqueeze(-1)
            self.totals = in_chunks(log, chunk).double().cumsum(-2)  # (b, n, h, c, keys or 1)
            self.totals_before = pad(self.totals[..., :-1, :], (0, 0, 1, 0))
            # where a difference is of a number less itself, its gradients would bury smaller ones: left out
            self.itself, self.right_before = ones.triu() & ones.tril(), ones.triu(-1) & ones.tril(-1)
            self.less_one = self.totals[..., -1, :].to(self.dtype).expm1().unsqueeze(-1)  # (b, n, h, keys or 1, 1)

    def weights(self, x: Tensor, y: Tensor) -> Tensor:
        """Products of x at step i and y at step j <= i, decayed from j to i: (b, n, h, c, c)."""
        if self.totals is None:
            return (x @ y.mT).masked_fill(~self.up_to, 0.0)
        return self._decayed(x, y, self.totals, self.totals, self.up_to, self.itself)

    def weights_before(self, x: Tensor, y: Tensor) -> Tensor:
        """Products of x at step i and y at step j < i, decayed from j to the step before i."""
        if self.totals is None:
            return (x @ y.mT).masked_fill(~self.before, 0.0)
        return self._decayed(x, y, self.totals_before, self.totals, self.before, self.right_before)

    def _decayed(self, x: Tensor, y: Tensor, ends: Tensor, starts: Tensor, pairs: Tensor, undecayed: Tensor) -> Tensor:
        undecayed = undecayed.unsqueeze(-1)
        exponents = (ends.unsqueeze(-2) - starts.unsqueeze(-3)).to(self.dtype)  # (b, n, h, c, c, keys or 1)
        decays = exponents.masked_fill(~pairs.unsqueeze(-1) | undecayed, -torch.inf).exp() + undecayed
        if decays.shape[-1] == 1:
            products = (x @ y.mT) * decays.squeeze(-1)
        else:
            products = torch.einsum("...ik,...jk,...ijk->...ij", x, y, decays)
        return products.masked_fill(~pairs, 0.0)

    def into(self, x: Tensor) -> Tensor:
        """What reads the state before the chunk, decayed to each step."""
        return self._reading(x if self.totals is None else x * self.totals.to(self.dtype).exp())

    def into_before(self, x: Tensor) -> Tensor:
        """What reads the state before the chunk, decayed to the step before each step."""
        return self._reading(x if self.totals is None else x * self.totals_before.to(self.dtype).exp())

    def _reading(self, x: Tensor) -> Tensor:
        return x if self.reached is None else torch.where(self.reached, x, 0.0)

    def out_of(self, y: Tensor) -> Tensor:
        """What enters the state after the chunk, decayed from each step to its end."""
        if self.totals is not None:
            exponents = (self.totals[..., -1:, :] - self.totals).to(self.dtype)
            y = y * exponents.masked_fill(self.itself[-1].unsqueeze(-1), 0.0).exp()
        return y if self.reached is None else torch.where(self.reaches, y, 0.0)

    def carry(self, state: Tensor, n: int, added: Tensor) -> Tensor:
        """The state after chunk n of what it was before; a decay close to 1 is not rounded before it meets it."""
        if self.reached is not None:
            state = torch.where(self.reached[:, n, :, -1:], state, 0.0)
        return state + added if self.totals is None else state + (self.less_one[:, n] * state + added)
