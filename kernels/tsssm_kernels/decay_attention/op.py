"""Decay attention: checks, dtypes and the choice of a backend."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from ..arguments import check_sequence, check_shapes, computed_dtype, converted
from ..backends import choose_backend, prepared
from .chunked import attend_chunked
from .composed import decay_attention_composed
from .cpu import attend_cpu
from .gpu import attend_gpu
from .reference import decay_attention_reference
from .state import DecayState

__all__ = ["NORMALIZERS", "decay_attention"]

NORMALIZERS = ("keys", "bounded", "decays")

BACKENDS: dict[str, Callable[..., tuple[Tensor, DecayState]]] = {
    "reference": decay_attention_reference,
    "chunked": partial(decay_attention_composed, attend_chunked),
    "cpu": partial(decay_attention_composed, attend_cpu),
    "triton": partial(decay_attention_composed, attend_gpu),
}


def decay_attention(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    log_decay: Tensor | None = None,
    *,
    angles: Tensor | None = None,
    bonus: Tensor | None = None,
    input_gate: Tensor | None = None,
    taps: Tensor | None = None,
    normalizer: str | None = None,
    eps: float = 1e-6,
    time_gaps: Tensor | None = None,
    initial_state: DecayState | None = None,
    resets: Tensor | None = None,
    backend: str | None = None,
) -> tuple[Tensor, DecayState]:
    """Linear attention with decay: a matrix of keys and values that forgets, and is read by queries.

    For every head, with a state of (keys, values) numbers::

        S_t = exp(gap_t * log_decay_t) * S_{t-1} + k_t v_t'
        y_t = S_t' q_t

    Parameters
    ----------
    q, k : Tensor, shape (batch, length, heads, keys)
        Queries and keys, feature maps and scales (such as ``keys ** -0.5``) applied. They may have fewer heads than
        `v`, a divisor of its number: neighbouring heads then share them.
    v : Tensor, shape (batch, length, heads, values)
        Values, of a floating dtype; batch and length at least 1.
    log_decay : Tensor, shape (batch, length, heads) or (batch, length, heads, keys), optional
        Logarithm of the decay, at most 0, of a head or of each of its keys. Left out, nothing is forgotten.
    angles : Tensor, shape (heads, pairs), optional
        The state turns by these angles each step (``gap_t`` times as far, with gaps), in radians: keys i and pairs + i
        together, for each of the pairs; keys beyond do not turn. A key j steps ago is seen turned by -j angles.
    bonus : Tensor, shape (heads, keys), optional
        The state is read before the step, and the step's own key and value are seen with this weight instead, as in
        RWKV-6: ``y_t = (S_{t-1} + (bonus * k_t) v_t')' q_t``.
    input_gate : Tensor, shape (batch, length, heads), optional
        Logarithm of a weight of each step's key, of any size, as in mLSTM: the state is kept with a scale.
    taps : Tensor, shape (batch, length, heads, 2), optional
        Weights of the step's own key and value and of those of the step before, as in Mamba-3:
        ``S_t = exp(g_t) * (S_{t-1} + taps_t1 k_{t-1} v_{t-1}') + taps_t0 k_t v_t'``.
    normalizer : {"keys", "bounded", "decays"}, optional
        What the output is divided by. ``"keys"``: eps and what it would be for a value that is always 1 (linear
        attention); ``"bounded"``: that, taken absolute and at least 1, before the scale of an input gate (mLSTM);
        ``"decays"``: the decayed number of steps, the state's weights for a query and key of 1.
    eps : float, default 1e-6
        Added to the divisor with ``"keys"`` and ``"bounded"``.
    time_gaps : Tensor, shape (batch, length), optional
        Time since the step before, in steps: scales log-decays and angles. What enters is not scaled.
    initial_state : DecayState, optional
        The state before the first step; zero if left out.
    resets : Tensor of bool, shape (batch, length), optional
        Where true, a new sequence begins: this step starts from the zero state, never from `initial_state`.
    backend : {"reference", "chunked", "cpu", "triton"}, optional
        ``"reference"`` is the loop that defines the operator, ``"chunked"`` a fast form in plain torch for any device,
        ``"cpu"`` compiled loops and ``"triton"`` kernels for GPUs, which compute in float32. If left out, the
        environment variable ``TSSSM_BACKEND`` decides, else ``"cpu"`` or ``"triton"`` runs where it can (CPU tensors;
        GPU tensors, where Triton is installed; none of them float64), ``"chunked"`` elsewhere.

    Returns
    -------
    output : Tensor, shape (batch, length, heads, values)
        Of `v`'s dtype.
    final_state : DecayState
        The state after the last step, float32 (float64 for float64 inputs).

    Raises
    ------
    ValueError
        If shapes or dtypes do not fit, batch or length is 0, options exclude each other, or the backend is unknown or
        cannot serve the inputs.

    Notes
    -----
    Mamba-2: q = C, k = B, v = delta x, log_decay = delta A. RetNet: a fixed decay and angles. Gated linear attention: a
    decay for each key. Linear attention and Based: positive features and ``normalizer="keys"``. RWKV-6: a decay for
    each key and a bonus. Mamba-3: taps. mLSTM: an input gate and ``normalizer="bounded"``.

    Differentiable in every floating-point input and through the final state; with ``"cpu"`` and
    ``"triton"`` once and in reverse mode.
    Computed in float32 (float64 if any input is). Against the loop in float64, relative errors (Frobenius norm) are
    below 1e-5 forward and 1e-4 in gradients, also for decays of exp(-50) and of 1 - 1e-7 over 32,768 steps. A bonus
    goes with decays alone; an input gate, and the divisor ``"decays"``, need a decay of whole heads or none.

    References
    ----------
    Katharopoulos, A. et al. (2020). Transformers are RNNs. arXiv 2006.16236.
    Sun, Y. et al. (2023). Retentive network. arXiv 2307.08621.
    Dao, T. and Gu, A. (2024). Transformers are SSMs. arXiv 2405.21060.
    Yang, S. et al. (2023). Gated linear attention transformers. arXiv 2312.06635.
    Peng, B. et al. (2024). Eagle and Finch: RWKV with matrix-valued states. arXiv 2404.05892.
    Beck, M. et al. (2024). xLSTM: Extended long short-term memory. arXiv 2405.04517.
    Lahoti, A. et al. (2026). Mamba-3. arXiv 2603.15569.

    Examples
    --------
    Without decay, and with queries and keys of 1, the state is a running sum of the values:

    >>> import torch
    >>> ones, v = torch.ones(1, 3, 1, 1), torch.tensor([1.0, 2.0, 3.0]).view(1, 3, 1, 1)
    >>> y, state = decay_attention(ones, ones, v)
    >>> y.flatten(), state.memory.flatten()
    (tensor([1., 3., 6.]), tensor([6.]))
    """
    _check(q, k, v, log_decay, angles, bonus, input_gate, taps, normalizer, time_gaps, resets)
    state = _rest(q, v, input_gate, taps, normalizer)
    if initial_state is not None:
        _check_state(initial_state, state, q, v)
        state = initial_state
    tensors = (q, k, v, log_decay, angles, bonus, input_gate, taps, time_gaps)
    dtype = computed_dtype((*tensors, *state))
    form = choose_backend(backend, BACKENDS, v, dtype)
    attend = BACKENDS[form]
    log_decay, *options, time_gaps = converted((log_decay, angles, bonus, input_gate, taps, time_gaps), dtype)
    # options change keys and queries before the products, which must not be in half precision
    optional = normalizer is not None or any(option is not None for option in options)
    q, k, values = converted((q, k, v), dtype) if optional else prepared(form, (q, k, v), dtype)
    angles, bonus, input_gate, taps = options
    shared = v.shape[2] // q.shape[2]
    if shared > 1:
        q, k = q.repeat_interleave(shared, dim=2), k.repeat_interleave(shared, dim=2)
    y, after = attend(
        q,
        k,
        values,
        log_decay,
        angles=angles,
        bonus=bonus,
        input_gate=input_gate,
        taps=taps,
        normalizer=normalizer,
        eps=eps,
        time_gaps=time_gaps,
        initial_state=DecayState(*converted(state, dtype)),
        resets=resets,
    )
    return y.to(v.dtype), after


def _check(q, k, v, log_decay, angles, bonus, input_gate, taps, normalizer, time_gaps, resets) -> None:
    check_sequence("decay_attention", "v", v, "batch, length, heads, values")
    check_sequence("decay_attention", "q", q, "batch, length, heads, keys")
    (batch, length, heads, _), keys = v.shape, q.shape[3]
    if heads % q.shape[2]:
        raise ValueError(
            f"decay_attention: q has {q.shape[2]} heads, which must divide the {heads} heads of v; got q of shape "
            f"{tuple(q.shape)} and v of shape {tuple(v.shape)}."
        )
    by_key = log_decay is not None and log_decay.ndim == 4
    pairs = 0 if angles is None else angles.shape[-1]
    expected = {
        "q": (q, (batch, length, q.shape[2], keys)),
        "k": (k, tuple(q.shape)),
        "log_decay": (log_decay, (batch, length, heads, keys) if by_key else (batch, length, heads)),
        "angles": (angles, (heads, pairs)),
        "bonus": (bonus, (heads, keys)),
        "input_gate": (input_gate, (batch, length, heads)),
        "taps": (taps, (batch, length, heads, 2)),
        "time_gaps": (time_gaps, (batch, length)),
        "resets": (resets, (batch, length)),
    }
    given = f"q of shape {tuple(q.shape)} and v of shape {tuple(v.shape)}"
    check_shapes("decay_attention", expected, given, resets)
    if 2 * pairs > keys:
        raise ValueError(f"decay_attention: angles has {pairs} pairs of keys, but q only {keys} keys; got {given}.")
    if normalizer is not None and normalizer not in NORMALIZERS:
        raise ValueError(f"decay_attention: normalizer is {normalizer!r}; use one of {NORMALIZERS}, or None.")
    if bonus is not None and any(x is not None for x in (angles, input_gate, taps, normalizer)):
        raise ValueError("decay_attention: bonus goes with decays alone; leave out angles, gate, taps and normalizer.")
    if taps is not None and input_gate is not None:
        raise ValueError("decay_attention: taps and input_gate exclude each other; put the gate into the taps.")
    if by_key and input_gate is not None:
        raise ValueError("decay_attention: input_gate needs a log_decay of whole heads, (batch, length, heads).")
    if (by_key or input_gate is not None) and normalizer == "decays":
        raise ValueError(
            "decay_attention: normalizer='decays' needs a log_decay of whole heads, (batch, length, heads), and no "
            "input_gate."
        )


def _rest(q, v, input_gate, taps, normalizer) -> DecayState:
    """The state of a sequence that has not begun, with what the options need."""
    (batch, _, heads, values), keys = v.shape, q.shape[3]
    like = {"device": v.device, "dtype": torch.float64 if v.dtype == torch.float64 else torch.float32}

    def zeros(needed: bool, *shape: int) -> Tensor | None:
        return torch.zeros(batch, heads, *shape, **like) if needed else None

    return DecayState(
        memory=torch.zeros(batch, heads, keys, values, **like),
        key_sum=zeros(normalizer in ("keys", "bounded"), keys),
        decay_sum=zeros(normalizer == "decays"),
        scale=zeros(input_gate is not None),
        key=zeros(taps is not None, keys),
        value=zeros(taps is not None, values),
    )


def _check_state(state: DecayState, needed: DecayState, q: Tensor, v: Tensor) -> None:
    for name, wanted in needed._asdict().items():
        part = getattr(state, name)
        if (None if part is None else part.shape) != (None if wanted is None else wanted.shape):
            expects = "be None" if wanted is None else f"have shape {tuple(wanted.shape)}"
            raise ValueError(
                f"decay_attention: initial_state.{name} must {expects} for q of shape {tuple(q.shape)}, v of shape "
                f"{tuple(v.shape)} and the options given; got {None if part is None else tuple(part.shape)}."
            )
