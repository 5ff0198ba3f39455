"""The definition of the sLSTM: a loop over time steps."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from ..over_time import over_time
from .state import SLSTMState

__all__ = ["advance", "slstm_reference"]


def slstm_reference(
    gates: Tensor, recurrent: Tensor, state: SLSTMState, resets: Tensor | None
) -> tuple[Tensor, SLSTMState]:
    """Run the recurrence step by step; arguments as in `slstm`, all of one floating dtype."""
    outputs = []
    for gates_t, reset in over_time(gates, resets):
        if reset is not None:
            state = _at_rest(state, reset[:, None, None])
        state = advance(gates_t, recurrent, state)
        outputs.append(state.y)
    return torch.stack(outputs, dim=1), state


def advance(gates: Tensor, recurrent: Tensor, state: SLSTMState) -> SLSTMState:
    """The state after one step; gates (batch, heads, 4, width)."""
    raw = gates + torch.einsum("bhi,hgij->bhgj", state.y, recurrent)
    entering, kept, new, out = raw.unbind(2)
    kept = logsigmoid(kept) + state.m
    m = torch.maximum(kept, entering)  # finite, also where the state's is minus infinity: differences are no NaN
    keep, enter = (kept - m).exp(), (entering - m).exp()
    c = keep * state.c + enter * new.tanh()
    n = keep * state.n + enter
    return SLSTMState(out.sigmoid() * c / n, c, n, m)


def _at_rest(state: SLSTMState, begins: Tensor) -> SLSTMState:
    y, c, n = (torch.where(begins, 0.0, part) for part in state[:3])
    return SLSTMState(y, c, n, torch.where(begins, -torch.inf, state.m))
