"""The sLSTM: checks, dtypes and the choice of a backend."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from ..arguments import check_sequence, check_shapes, computed_dtype
from ..backends import choose_backend, prepared
from .cpu import slstm_cpu
from .gpu import slstm_gpu
from .reference import slstm_reference
from .state import SLSTMState, rest_state

__all__ = ["slstm"]

BACKENDS: dict[str, Callable[..., tuple[Tensor, SLSTMState]]] = {
    "reference": slstm_reference,
    "cpu": slstm_cpu,
    "triton": slstm_gpu,
}


def slstm(
    gates: Tensor,
    recurrent: Tensor,
    *,
    initial_state: SLSTMState | None = None,
    resets: Tensor | None = None,
    backend: str | None = None,
) -> tuple[Tensor, SLSTMState]:
    """The sLSTM of xLSTM: an LSTM whose input gate is exponential, and whose memory is divided by the sum of weights.

    For every head, with raw gates i, f, z, o that see the output of the step before::

        i_t, f_t, z_t, o_t = gates_t + y_{t-1} @ recurrent
        m_t = max(logsigmoid(f_t) + m_{t-1}, i_t)
        c_t = exp(logsigmoid(f_t) + m_{t-1} - m_t) * c_{t-1} + exp(i_t - m_t) * tanh(z_t)
        n_t = exp(logsigmoid(f_t) + m_{t-1} - m_t) * n_{t-1} + exp(i_t - m_t)
        y_t = sigmoid(o_t) * c_t / n_t

    Parameters
    ----------
    gates : Tensor, shape (batch, length, heads, 4, width)
        The input's share of the raw gates in the order i (input), f (forget), z (what enters), o (output), biases
        added; of a floating dtype, batch and length at least 1.
    recurrent : Tensor, shape (heads, 4, width, width)
        The share of the output before: ``recurrent[h, g, i, j]`` is the weight of number i of head h's output in number
        j of its gate g, so that the third axis is summed.
    initial_state : SLSTMState, optional
        The state before the first step; at rest if left out: y, c and n are 0, m is minus infinity.
    resets : Tensor of bool, shape (batch, length), optional
        Where true, a new sequence begins: this step starts from rest, never from `initial_state`.
    backend : {"reference", "cpu", "triton"}, optional
        ``"reference"`` is the loop that defines the operator, in plain torch for any device, ``"cpu"`` one compiled
        loop and ``"triton"`` a kernel for GPUs, which compute in float32. If left out, the environment variable
        ``TSSSM_BACKEND`` decides, else ``"cpu"`` or ``"triton"`` runs where it can (CPU or GPU tensors, none of them
        float64; on a GPU widths up to 64), ``"reference"`` elsewhere. As each step waits for the output of the one
        before, there is no form that computes steps side by side.

    Returns
    -------
    output : Tensor, shape (batch, length, heads, width)
        Of the dtype of `gates`.
    final_state : SLSTMState
        The state after the last step, float32 (float64 for float64 inputs).

    Raises
    ------
    ValueError
        If shapes or dtypes do not fit, batch or length is 0, or the backend is unknown or cannot serve the inputs.

    Notes
    -----
    The output does not depend on m, which keeps the exponentials within what numbers can hold: raw gates may be of any
    finite size. Differentiable in every tensor, also in the initial state and through the final one; with ``"cpu"`` and
    ``"triton"`` once and in reverse mode. Where the two arguments of the maximum are equal, the gradient that reaches m
    from a final state goes to either of them.

    The package ``xlstm`` gives a cell's weights as ``recurrent_kernel``, (heads, width, 4, width), with the second axis
    summed: ``recurrent`` is its ``transpose(1, 2)``.

    References
    ----------
    Beck, M. et al. (2024). xLSTM: Extended long short-term memory. arXiv 2405.04517.

    Examples
    --------
    >>> import torch
    >>> gates = torch.zeros(1, 3, 1, 4, 1)
    >>> gates[0, :, 0, 2, 0] = torch.tensor([9.0, -9.0, 9.0])  # what enters: 1, -1, 1
    >>> y, state = slstm(gates, torch.zeros(1, 4, 1, 1))  # each step forgets half, the output gate is a half
    >>> (2 * y).flatten()
    tensor([ 1.0000, -0.3333,  0.4286])
    """
    check_sequence("slstm", "gates", gates, "batch, length, heads, 4, width")
    state = _checked_state(gates, recurrent, initial_state, resets)
    tensors = (gates, recurrent, *state)
    dtype = computed_dtype(tensors)
    form = choose_backend(backend, BACKENDS, gates, dtype, ("slstm.forward", gates.shape[-1]))
    run = BACKENDS[form]
    raw, recurrent, *parts = prepared(form, tensors, dtype)
    y, after = run(raw, recurrent, SLSTMState(*parts), resets)
    return y.to(gates.dtype), after


def _checked_state(
    gates: Tensor, recurrent: Tensor, initial_state: SLSTMState | None, resets: Tensor | None
) -> SLSTMState:
    batch, length, heads, kinds, width = gates.shape
    if kinds != 4:
        raise ValueError(
            f"slstm: gates must have 4 raw gates (i, f, z, o) on their fourth axis, (batch, length, heads, 4, width); "
            f"got {tuple(gates.shape)}."
        )
    state = rest_state(gates) if initial_state is None else initial_state
    parts = {f"initial_state.{name}": (part, (batch, heads, width)) for name, part in state._asdict().items()}
    expected = {"recurrent": (recurrent, (heads, 4, width, width)), **parts, "resets": (resets, (batch, length))}
    check_shapes("slstm", expected, f"gates of shape {tuple(gates.shape)}", resets)
    return state
