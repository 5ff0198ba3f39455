"""One step of the sLSTM, for streams."""

from __future__ import annotations

from torch import Tensor

from ..arguments import check_shapes, computed_dtype, converted
from .reference import advance
from .state import SLSTMState

__all__ = ["slstm_step"]


def slstm_step(gates: Tensor, recurrent: Tensor, state: SLSTMState) -> tuple[Tensor, SLSTMState]:
    """Advance the sLSTM by one step; equals `slstm` on a sequence of length 1.

    Parameters
    ----------
    gates : Tensor, shape (batch, heads, 4, width)
        The input's share of the raw gates i, f, z, o.
    recurrent : Tensor, shape (heads, 4, width, width)
        As in `slstm`.
    state : SLSTMState
        The state before the step; left as it is.

    Returns
    -------
    output : Tensor, shape (batch, heads, width)
        Of the dtype of `gates`.
    state : SLSTMState
        The state after the step, float32 (float64 for float64 inputs).

    Raises
    ------
    ValueError
        If shapes do not fit.

    Examples
    --------
    >>> import torch
    >>> zeros = torch.zeros(1, 1, 1)
    >>> at_rest = SLSTMState(zeros, zeros, zeros, zeros - torch.inf)
    >>> y, state = slstm_step(torch.full((1, 1, 4, 1), 9.0), torch.zeros(1, 4, 1, 1), at_rest)
    >>> y.flatten()
    tensor([0.9999])
    """
    batch, heads, _, width = gates.shape
    parts = {f"state.{name}": (part, (batch, heads, width)) for name, part in state._asdict().items()}
    expected = {"gates": (gates, (batch, heads, 4, width)), "recurrent": (recurrent, (heads, 4, width, width)), **parts}
    check_shapes("slstm_step", expected, f"gates of shape {tuple(gates.shape)}", None)
    tensors = (gates, recurrent, *state)
    raw, recurrent, *before = converted(tensors, computed_dtype(tensors))
    after = advance(raw, recurrent, SLSTMState(*before))
    return after.y.to(gates.dtype), after
