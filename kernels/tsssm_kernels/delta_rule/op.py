"""The delta rule: checks, dtypes and the choice of a backend."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from ..arguments import check_sequence, check_shapes, computed_dtype
from ..backends import choose_backend, prepared
from .chunked import delta_rule_chunked
from .cpu import delta_rule_cpu
from .gpu import delta_rule_gpu
from .reference import delta_rule_reference

__all__ = ["delta_rule"]

BACKENDS: dict[str, Callable[..., tuple[Tensor, Tensor]]] = {
    "reference": delta_rule_reference,
    "chunked": delta_rule_chunked,
    "cpu": delta_rule_cpu,
    "triton": delta_rule_gpu,
}


def delta_rule(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    a: Tensor,
    b: Tensor,
    log_decay: Tensor | None = None,
    *,
    time_gaps: Tensor | None = None,
    initial_state: Tensor | None = None,
    resets: Tensor | None = None,
    backend: str | None = None,
) -> tuple[Tensor, Tensor]:
    """The delta rule: a matrix of keys and values that decays, and corrects what it holds before it stores more.

    For every head, with a state of (keys, values) numbers::

        S_t = exp(gap_t * log_decay_t) * S_{t-1} + b_t (a_t' S_{t-1}) + k_t v_t'
        y_t = S_t' q_t

    `a` reads the state before it decays, and what it reads is written back along `b`.

    Parameters
    ----------
    q, k : Tensor, shape (batch, length, heads, keys)
        Queries and keys, scales (such as ``keys ** -0.5``) applied.
    v : Tensor, shape (batch, length, heads, values)
        Values, of a floating dtype; batch and length at least 1.
    a, b : Tensor, shape (batch, length, heads, keys)
        What is read, and where it is written back.
    log_decay : Tensor, shape (batch, length, heads) or (batch, length, heads, keys), optional
        Logarithm of the decay, at most 0, of a head or of each of its keys. Left out, nothing is forgotten.
    time_gaps : Tensor, shape (batch, length), optional
        Time since the step before, in steps: scales log-decays. What enters, and the correction, are not scaled.
    initial_state : Tensor, shape (batch, heads, keys, values), optional
        The state before the first step; zero if left out.
    resets : Tensor of bool, shape (batch, length), optional
        Where true, a new sequence begins: this step starts from the zero state, never from `initial_state`.
    backend : {"reference", "chunked", "cpu", "triton"}, optional
        ``"reference"`` is the loop that defines the operator, ``"chunked"`` a fast form in plain torch for any device,
        ``"cpu"`` compiled loops and ``"triton"`` kernels for GPUs, which compute in float32. If left out, the
        environment variable ``TSSSM_BACKEND`` decides, else ``"cpu"`` and ``"triton"`` run where they can (CPU
        tensors, or those on a GPU with Triton installed, none of them float64), ``"chunked"`` elsewhere.

    Returns
    -------
    output : Tensor, shape (batch, length, heads, values)
        Of `v`'s dtype.
    final_state : Tensor, shape (batch, heads, keys, values)
        The state after the last step, float32 (float64 for float64 inputs).

    Raises
    ------
    ValueError
        If shapes or dtypes do not fit, batch or length is 0, or the backend is unknown or cannot serve the inputs.

    See Also
    --------
    gated_delta_rule : The form of DeltaNet and Gated DeltaNet.

    Notes
    -----
    RWKV-7: a = -kappa, b = kappa * iclr, a decay for each key. DeltaNet and Gated DeltaNet: `gated_delta_rule`.

    The state need not stay bounded: the eigenvalues of each step's transition bound nothing where they change in time.
    With ``|kappa| = 1`` and iclr between 0 and 1, RWKV-7's can grow for inputs made for it; the gated delta rule's
    cannot, for ``|k| = 1`` and beta between 0 and 2.

    Differentiable in every floating-point input and through the final state; with ``"cpu"`` and
    ``"triton"`` once and in reverse mode.
    Computed in float32 (float64 if any input is). Against the loop in float64, relative errors (Frobenius norm) are
    below 1e-5 forward and 1e-4 in gradients where the state is bounded.

    References
    ----------
    Yang, S. et al. (2024). Parallelizing linear transformers with the delta rule. arXiv 2406.06484.
    Yang, S., Kautz, J. and Hatamizadeh, A. (2024). Gated delta networks. arXiv 2412.06464.
    Peng, B. et al. (2025). RWKV-7 "Goose". arXiv 2503.14456.

    Examples
    --------
    With orthonormal keys and ``a = -b = -k`` the state is a dictionary: a key's value is replaced, not added to.

    >>> import torch
    >>> k = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0]]).view(1, 3, 1, 2)
    >>> v = torch.tensor([1.0, 2.0, 5.0]).view(1, 3, 1, 1)
    >>> y, state = delta_rule(k, k, v, -k, k)
    >>> state.flatten()
    tensor([5., 2.])
    """
    _check(q, k, v, a, b, log_decay, time_gaps, initial_state, resets)
    tensors = (q, k, v, a, b, log_decay, time_gaps, initial_state)
    dtype = computed_dtype(tensors)
    form = choose_backend(backend, BACKENDS, v, dtype, ("delta_rule.forward", q.shape[3]))
    run = BACKENDS[form]
    *inputs, log, gaps, state = prepared(form, tensors, dtype)
    if gaps is not None and log is not None:
        log = log.to(dtype) * gaps.to(dtype).reshape(*gaps.shape, *[1] * (log.ndim - 2))
    if state is None:
        state = v.new_zeros(v.shape[0], v.shape[2], q.shape[3], v.shape[3], dtype=dtype)
    y, after = run(*inputs, log, initial_state=state, resets=resets)
    return y.to(v.dtype), after


def _check(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    a: Tensor,
    b: Tensor,
    log_decay: Tensor | None,
    time_gaps: Tensor | None,
    initial_state: Tensor | None,
    resets: Tensor | None,
) -> None:
    check_sequence("delta_rule", "v", v, "batch, length, heads, values")
    check_sequence("delta_rule", "q", q, "batch, length, heads, keys")
    (batch, length, heads, values), keys = v.shape, q.shape[3]
    by_key = log_decay is not None and log_decay.ndim == 4
    expected = {
        "q": (q, (batch, length, heads, keys)),
        "k": (k, tuple(q.shape)),
        "a": (a, tuple(q.shape)),
        "b": (b, tuple(q.shape)),
        "log_decay": (log_decay, (batch, length, heads, keys) if by_key else (batch, length, heads)),
        "time_gaps": (time_gaps, (batch, length)),
        "initial_state": (initial_state, (batch, heads, keys, values)),
        "resets": (resets, (batch, length)),
    }
    check_shapes("delta_rule", expected, f"q of shape {tuple(q.shape)} and v of shape {tuple(v.shape)}", resets)
