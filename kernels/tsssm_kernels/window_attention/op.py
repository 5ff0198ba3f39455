"""Window attention: checks, dtypes and the choice of a backend."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from numbers import Integral

from torch import Tensor

from ..arguments import check_sequence, check_shapes, computed_dtype, converted
from ..backends import choose_backend
from .chunked import attend_chunked
from .composed import window_attention_composed
from .cpu import attend_cpu
from .reference import window_attention_reference
from .shapes import check_state, check_widths
from .state import WindowState

__all__ = ["window_attention"]

BACKENDS: dict[str, Callable[..., tuple[Tensor, WindowState]]] = {
    "reference": window_attention_reference,
    "chunked": partial(window_attention_composed, attend_chunked),
    "cpu": partial(window_attention_composed, attend_cpu),
}


def window_attention(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    window: int,
    *,
    rotary_base: float | None = None,
    scale: float | None = None,
    initial_state: WindowState | None = None,
    resets: Tensor | None = None,
    backend: str | None = None,
) -> tuple[Tensor, WindowState]:
    """Causal softmax attention over the last `window` steps, with a state of fixed size.

    For every head, with p_t steps of its sequence before step t::

        y_t = sum_j softmax_j(scale * q_t . k_j) v_j        t - min(p_t, window - 1) <= j <= t

    Parameters
    ----------
    q : Tensor, shape (batch, length, heads, width)
        Queries, of a floating dtype; batch and length at least 1.
    k : Tensor, shape (batch, length, kv_heads, width)
        Keys. `kv_heads` divides the number of heads: that many neighbouring heads share keys and values.
    v : Tensor, shape (batch, length, kv_heads, values)
        Values.
    window : int
        Steps that a step sees, itself included; at least 1.
    rotary_base : float, optional
        Turns queries and keys by their positions before anything else: features i and i + width / 2 together by
        ``position * rotary_base ** (-2 i / width)`` radians. At least 1; `width` must then be even.
    scale : float, optional
        Of the products. Default: ``width ** -0.5``.
    initial_state : WindowState, optional
        The state before the first step; an empty ring at position 0 if left out. Its keys are turned already.
    resets : Tensor of bool, shape (batch, length), optional
        Where true, a new sequence begins: this step is at position 0 and sees itself alone, never `initial_state`.
    backend : {"reference", "chunked", "cpu"}, optional
        ``"reference"`` is the loop that defines the operator, ``"chunked"`` a fast form in plain torch for any device,
        ``"cpu"`` compiled loops, which compute in float32. If left out, the environment variable ``TSSSM_BACKEND``
        decides, else ``"cpu"`` runs where it can (CPU tensors, none of them float64), ``"chunked"`` elsewhere.

    Returns
    -------
    output : Tensor, shape (batch, length, heads, values)
        Of `v`'s dtype.
    final_state : WindowState
        The state after the last step, float32 (float64 for float64 inputs).

    Raises
    ------
    ValueError
        If shapes or dtypes do not fit, batch or length is 0, an option is out of its range, or the backend is unknown
        or cannot serve the inputs.

    Notes
    -----
    Differentiable once, in reverse mode, in q, k, v and the state's keys and values, and through the final state; with
    ``"reference"`` as often as asked for. There is no decay, so there are no `time_gaps`. Computed in float32 (float64
    if any input is). Positions are integers and angles are exact: after 1e12 steps as at the first. Against the loop in
    float64, relative errors (Frobenius norm) are below 1e-5 forward and 1e-4 in gradients. Inputs must be finite: a NaN
    reaches steps that do not see it.

    References
    ----------
    Vaswani, A. et al. (2017). Attention is all you need. arXiv 1706.03762.
    Su, J. et al. (2021). RoFormer: Enhanced transformer with rotary position embedding. arXiv 2104.09864.
    Ainslie, J. et al. (2023). GQA: Training generalized multi-query transformer models. arXiv 2305.13245.
    Jiang, A. Q. et al. (2023). Mistral 7B. arXiv 2310.06825 (the window and its ring).

    Examples
    --------
    With equal scores, a mean of the window:

    >>> import torch
    >>> ones, v = torch.ones(1, 4, 1, 2), torch.tensor([1.0, 2.0, 3.0, 4.0]).view(1, 4, 1, 1)
    >>> y, state = window_attention(ones, ones, v, window=2)
    >>> y.flatten(), state.position
    (tensor([1.0000, 1.5000, 2.5000, 3.5000]), tensor([4]))
    """
    _check(q, k, v, window, rotary_base, scale, resets)
    if initial_state is not None:
        check_state("window_attention", "initial_state", initial_state, k, v, window)
    rings = (None, None) if initial_state is None else initial_state[:2]
    dtype = computed_dtype((q, k, v, *rings))
    attend = BACKENDS[choose_backend(backend, BACKENDS, v, dtype)]
    queries, keys, values, past_keys, past_values = converted((q, k, v, *rings), dtype)
    if initial_state is not None:
        initial_state = WindowState(past_keys, past_values, initial_state.position)
    y, after = attend(
        queries,
        keys,
        values,
        window,
        rotary_base=rotary_base,
        scale=q.shape[-1] ** -0.5 if scale is None else scale,
        initial_state=initial_state,
        resets=resets,
    )
    return y.to(v.dtype), after


def _check(q, k, v, window, rotary_base, scale, resets) -> None:
    check_sequence("window_attention", "q", q, "batch, length, heads, width")
    check_sequence("window_attention", "k", k, "batch, length, kv_heads, width")
    check_sequence("window_attention", "v", v, "batch, length, kv_heads, values")
    if isinstance(window, bool) or not isinstance(window, Integral) or window < 1:
        raise ValueError(f"window_attention: window must be an integer of at least 1; got {window!r}.")
    check_widths("window_attention", q, k, v, rotary_base, scale)
    expected = {"resets": (resets, tuple(q.shape[:2]))}
    check_shapes("window_attention", expected, f"q of shape {tuple(q.shape)}", resets)
