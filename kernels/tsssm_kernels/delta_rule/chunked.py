"""The delta rule in plain torch, by products of small matrices and triangular systems; any device and floating dtype.

Within a chunk, what each step reads of the state before it depends on what the steps before have read: a triangular
system of equations, solved for all chunks at once (the UT transform).
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.linalg import solve_triangular

from ..decay_chunks import DecayChunks, chunk_length, in_chunks, segment_length
from ..segments import run_segments

__all__ = ["delta_rule_chunked"]


def delta_rule_chunked(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    a: Tensor,
    b: Tensor,
    log_decay: Tensor | None,
    *,
    initial_state: Tensor,
    resets: Tensor | None,
) -> tuple[Tensor, Tensor]:
    """Compute in chunks; arguments as in `delta_rule`, all of one floating dtype, none left out."""
    sequences = (q, k, v, a, b, log_decay, resets)
    y, state = run_segments(_run, sequences, (initial_state,), segment_length(q, log_decay))
    return y, state


def _run(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    a: Tensor,
    b: Tensor,
    log_decay: Tensor | None,
    resets: Tensor | None,
    state: Tensor,
) -> tuple[Tensor, Tensor]:
    """All chunks of a segment at once, but for the states between them."""
    length, chunk = q.shape[1], chunk_length(log_decay)
    decays = DecayChunks(log_decay, resets, q, chunk)
    q, k, v, a, b = (in_chunks(x, chunk) for x in (q, k, v, a, b))  # (batch, chunks, heads, chunk, ...)
    # what steps read: system @ read = of_values + of_state @ state
    system = torch.eye(chunk, dtype=q.dtype, device=q.device) - decays.weights_before(a, b)
    known = torch.cat([decays.weights_before(a, k) @ v, decays.into_before(a)], dim=-1)
    solved = solve_triangular(system, known, upper=False, unitriangular=True)
    of_values, of_state = solved.split([v.shape[-1], a.shape[-1]], dim=-1)
    added, b_out = decays.out_of(k).mT @ v, decays.out_of(b).mT
    before, reads = [], []
    for n in range(added.shape[1]):
        read = of_values[:, n] + of_state[:, n] @ state
        before.append(state)
        reads.append(read)
        state = decays.carry(state, n, added[:, n] + b_out[:, n] @ read)
    y = (
        decays.weights(q, k) @ v
        + decays.weights(q, b) @ torch.stack(reads, 1)
        + decays.into(q) @ torch.stack(before, 1)
    )
    return y.transpose(2, 3).flatten(1, 2)[:, -length:], state
