"""One step of the delta rule, for streams."""

from __future__ import annotations

from torch import Tensor

from ..arguments import check_shapes, computed_dtype, converted
from .reference import advance

__all__ = ["delta_rule_step"]


def delta_rule_step(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    a: Tensor,
    b: Tensor,
    state: Tensor,
    log_decay: Tensor | None = None,
    *,
    time_gap: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Advance the delta rule by one step; equals `delta_rule` on a sequence of length 1.

    Parameters
    ----------
    q, k, a, b : Tensor, shape (batch, heads, keys)
        Query, key, what is read and where it is written back.
    v : Tensor, shape (batch, heads, values)
        Value.
    state : Tensor, shape (batch, heads, keys, values)
        The state before the step; left as it is.
    log_decay : Tensor, shape (batch, heads) or (batch, heads, keys), optional
        Logarithm of the decay.
    time_gap : Tensor, shape (batch,), optional
        Time since the step before, in steps: scales the log-decay.

    Returns
    -------
    output : Tensor, shape (batch, heads, values)
        Of `v`'s dtype.
    state : Tensor, shape (batch, heads, keys, values)
        The state after the step, float32 (float64 for float64 inputs).

    Raises
    ------
    ValueError
        If the state's shape does not fit the inputs.

    Examples
    --------
    >>> import torch
    >>> one = torch.ones(1, 1, 1)
    >>> y, state = delta_rule_step(one, one, 5 * one, -one, one, state=torch.full((1, 1, 1, 1), 2.0))
    >>> y.flatten()
    tensor([5.])
    """
    shape = (*v.shape[:2], q.shape[2], v.shape[2])
    given = f"q of shape {tuple(q.shape)} and v of shape {tuple(v.shape)}"
    check_shapes("delta_rule_step", {"state": (state, shape)}, given, None)
    tensors = (state, q, k, v, a, b, log_decay, time_gap)
    before, q, k, values, a, b, log, gap = converted(tensors, computed_dtype(tensors))
    if log is not None and gap is not None:
        log = log * gap.view(-1, *[1] * (log.ndim - 1))
    y, after = advance(before, q, k, values, a, b, log)
    return y.to(v.dtype), after
