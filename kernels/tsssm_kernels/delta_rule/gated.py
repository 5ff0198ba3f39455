"""The gated delta rule: decay first, then correct what a key holds."""

from __future__ import annotations

from functools import partial

from torch import Tensor

from ..arguments import check_sequence
from .op import delta_rule
from .step import delta_rule_step

__all__ = ["gated_delta_rule", "gated_delta_rule_step"]


def gated_delta_rule(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    beta: Tensor,
    log_decay: Tensor | None = None,
    *,
    time_gaps: Tensor | None = None,
    initial_state: Tensor | None = None,
    resets: Tensor | None = None,
    backend: str | None = None,
) -> tuple[Tensor, Tensor]:
    """The delta rule of DeltaNet and Gated DeltaNet, a case of `delta_rule`.

    For every head::

        S_t = exp(gap_t * log_decay_t) * S_{t-1}
        S_t = S_t + beta_t k_t (v_t - S_t' k_t)'
        y_t = S_t' q_t

    Parameters
    ----------
    q, k : Tensor, shape (batch, length, heads, keys)
        Queries and keys. Keys are of length 1: the state is stable where ``beta * |k|^2 < 2``.
    v : Tensor, shape (batch, length, heads, values)
        Values.
    beta : Tensor, shape (batch, length, heads)
        How much of what a key holds is replaced: 1 for all of it.
    log_decay, time_gaps, initial_state, resets, backend
        As in `delta_rule`.

    Returns
    -------
    output : Tensor, shape (batch, length, heads, values)
    final_state : Tensor, shape (batch, heads, keys, values)

    Raises
    ------
    ValueError
        As `delta_rule`.

    References
    ----------
    Yang, S., Kautz, J. and Hatamizadeh, A. (2024). Gated delta networks. arXiv 2412.06464, eq. 10.

    Examples
    --------
    >>> import torch
    >>> k = torch.tensor([[1.0, 0.0], [1.0, 0.0]]).view(1, 2, 1, 2)
    >>> y, _ = gated_delta_rule(k, k, torch.tensor([2.0, 4.0]).view(1, 2, 1, 1), torch.full((1, 2, 1), 0.5))
    >>> y.flatten()
    tensor([1.0000, 2.5000])
    """
    check_sequence("gated_delta_rule", "beta", beta, "batch, length, heads")
    a, b, k = _in_general_form(k, beta, log_decay, time_gaps)
    run = partial(delta_rule, time_gaps=time_gaps, initial_state=initial_state, resets=resets, backend=backend)
    return run(q, k, v, a, b, log_decay)


def gated_delta_rule_step(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    beta: Tensor,
    state: Tensor,
    log_decay: Tensor | None = None,
    *,
    time_gap: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Advance the gated delta rule by one step: `beta` (batch, heads), the others as in `delta_rule_step`.

    Examples
    --------
    >>> import torch
    >>> one = torch.ones(1, 1, 1)
    >>> gated_delta_rule_step(one, one, 4 * one, torch.ones(1, 1), torch.zeros(1, 1, 1, 1))[0].flatten()
    tensor([4.])
    """
    a, b, k = _in_general_form(k, beta, log_decay, time_gap)
    return delta_rule_step(q, k, v, a, b, state, log_decay, time_gap=time_gap)


def _in_general_form(
    k: Tensor, beta: Tensor, log_decay: Tensor | None, gaps: Tensor | None
) -> tuple[Tensor, Tensor, Tensor]:
    """The general form reads the state before it decays, so the correction carries the decay."""
    written = beta.unsqueeze(-1) * k
    if log_decay is None:
        return -k, written, written
    log = log_decay if gaps is None else log_decay * gaps.reshape(*gaps.shape, *[1] * (log_decay.ndim - gaps.ndim))
    if log.ndim == k.ndim:  # a decay for each key: k reads what has decayed
        return -k * log.exp(), written, written
    return -k, written * log.exp().unsqueeze(-1), written
