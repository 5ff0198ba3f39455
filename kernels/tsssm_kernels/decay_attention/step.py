"""One step of decay attention, for streams."""

from __future__ import annotations

from torch import Tensor

from ..arguments import check_shapes, computed_dtype, converted
from .reference import advance
from .state import DecayState

__all__ = ["decay_attention_step"]


def decay_attention_step(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    state: DecayState,
    log_decay: Tensor | None = None,
    *,
    angles: Tensor | None = None,
    bonus: Tensor | None = None,
    input_gate: Tensor | None = None,
    taps: Tensor | None = None,
    normalizer: str | None = None,
    eps: float = 1e-6,
    time_gap: Tensor | None = None,
) -> tuple[Tensor, DecayState]:
    """Advance decay attention by one step; equals `decay_attention` on a sequence of length 1.

    Parameters
    ----------
    q, k : Tensor, shape (batch, heads, keys)
        Query and key; fewer heads than `v` has are shared.
    v : Tensor, shape (batch, heads, values)
        Value.
    state : DecayState
        The state before the step, with what the options need; left as it is.
    log_decay, angles, bonus, input_gate, taps, normalizer, eps
        As in `decay_attention`, without the axis of length.
    time_gap : Tensor, shape (batch,), optional
        Time since the step before, in steps.

    Returns
    -------
    output : Tensor, shape (batch, heads, values)
        Of `v`'s dtype.
    state : DecayState
        The state after the step, float32 (float64 for float64 inputs).

    Raises
    ------
    ValueError
        If the state's shape does not fit the inputs.

    Examples
    --------
    >>> import torch
    >>> one = torch.ones(1, 1, 1)
    >>> y, state = decay_attention_step(one, one, one, DecayState(torch.ones(1, 1, 1, 1)))
    >>> y.flatten()
    tensor([2.])
    """
    shared = v.shape[1] // q.shape[1]
    shape = (*v.shape[:2], q.shape[2], v.shape[2])
    given = f"q of shape {tuple(q.shape)} and v of shape {tuple(v.shape)}"
    check_shapes("decay_attention_step", {"state.memory": (state.memory, shape)}, given, None)
    tensors = (q, k, v, log_decay, input_gate, taps, angles, bonus, time_gap, *state)
    dtype = computed_dtype(tensors)
    q, k, values, *others, time_gap, memory, key_sum, decay_sum, scale, key, value = converted(tensors, dtype)
    if shared > 1:
        q, k = q.repeat_interleave(shared, dim=1), k.repeat_interleave(shared, dim=1)
    before = DecayState(memory, key_sum, decay_sum, scale, key, value)
    y, after = advance(before, q, k, values, *others, normalizer=normalizer, eps=eps, time_gap=time_gap)
    return y.to(v.dtype), after
