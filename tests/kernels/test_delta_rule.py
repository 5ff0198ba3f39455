"""The delta rule against closed forms, formulas of the models it serves, and what it refuses."""

from __future__ import annotations

import pytest
import torch
from torch.nn.functional import normalize

from flash_linear_attention import load_formulas
from tsssm_kernels import delta_rule, delta_rule_step, gated_delta_rule, gated_delta_rule_step

BACKENDS = ("reference", "chunked", "cpu")
B, L, H, K, V = 2, 50, 3, 6, 7


def normal(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed + sum(shape)))


@pytest.mark.parametrize("backend", BACKENDS)
def test_with_orthonormal_keys_it_is_a_dictionary(backend):
    """The state holds the last value of each key, and a query with a key reads it."""
    generator = torch.Generator().manual_seed(0)
    keys = torch.linalg.qr(torch.randn(K, K, generator=generator)).Q
    which = torch.randint(K, (B, L, H), generator=generator)
    asked = torch.randint(K, (B, L, H), generator=generator)
    k, q, v = keys[which], keys[asked], normal(B, L, H, V)
    y, _ = gated_delta_rule(q, k, v, torch.ones(B, L, H), backend=backend)
    for b, h in ((0, 0), (1, 2)):
        held = {}
        for t in range(L):
            held[int(which[b, t, h])] = v[b, t, h]
            expected = held.get(int(asked[b, t, h]), torch.zeros(V))
            torch.testing.assert_close(y[b, t, h], expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("backend", BACKENDS)
def test_without_correction_it_is_a_sum_over_the_past(backend):
    q, k, v = normal(B, L, H, K), normal(B, L, H, K, seed=1), normal(B, L, H, V, seed=2)
    y, _ = delta_rule(q, k, v, torch.zeros_like(k), normal(B, L, H, K), backend=backend)
    scores = torch.einsum("bihk,bjhk->bhij", q, k).tril()
    torch.testing.assert_close(y, torch.einsum("bhij,bjhv->bihv", scores, v), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("by_key", [None, False, True])
def test_the_gated_rule_decays_then_corrects(backend, by_key):
    q, k, v = normal(B, L, H, K), normalize(normal(B, L, H, K, seed=1), dim=-1), normal(B, L, H, V, seed=2)
    beta, gaps = torch.rand(B, L, H), normal(B, L).exp()
    log_decay = None if by_key is None else -normal(*((B, L, H, K) if by_key else (B, L, H))).abs()
    state, expected = torch.zeros(B, H, K, V), []
    for t in range(L):
        if log_decay is not None:
            log = log_decay[:, t] * gaps[:, t].view(-1, *[1] * (log_decay.ndim - 2))
            state = state * (log.exp().unsqueeze(-1) if by_key else log.exp()[..., None, None])
        error = v[:, t] - torch.einsum("bhkv,bhk->bhv", state, k[:, t])
        state = state + torch.einsum("bhk,bhv->bhkv", beta[:, t, :, None] * k[:, t], error)
        expected.append(torch.einsum("bhkv,bhk->bhv", state, q[:, t]))
    y, last = gated_delta_rule(q, k, v, beta, log_decay, time_gaps=gaps, backend=backend)
    torch.testing.assert_close(y, torch.stack(expected, 1), rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(last, state, rtol=1e-4, atol=1e-4)
    log = None if log_decay is None else log_decay[:, 0]
    start = torch.zeros(B, H, K, V)
    first, _ = gated_delta_rule_step(q[:, 0], k[:, 0], v[:, 0], beta[:, 0], start, log, time_gap=gaps[:, 0])
    torch.testing.assert_close(first, y[:, 0], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("backend", BACKENDS)
def test_rwkv7_equals_its_formula_with_transition_matrices(backend):
    """S_t = S_{t-1} (diag(w) - kappa' (a * kappa)) + v' k: the authors have values first in the state."""
    r, k, v = normal(B, L, H, K), normal(B, L, H, K, seed=1), normal(B, L, H, V, seed=2)
    kappa, rate = normalize(normal(B, L, H, K, seed=3), dim=-1), torch.rand(B, L, H, K)
    log_decay = -0.6 * torch.rand(B, L, H, K)
    state, expected = torch.zeros(B, H, V, K), []
    for t in range(L):
        transition = torch.diag_embed(log_decay[:, t].exp()) - kappa[:, t, :, :, None] * (rate * kappa)[:, t, :, None]
        state = state @ transition + v[:, t, :, :, None] * k[:, t, :, None]
        expected.append((state @ r[:, t, :, :, None]).squeeze(-1))
    y, last = delta_rule(r, k, v, -kappa, kappa * rate, log_decay, backend=backend)
    torch.testing.assert_close(y, torch.stack(expected, 1), rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(last, state.mT, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_gated_rule_equals_flash_linear_attentions(backend):
    formulas = load_formulas("gated_delta_rule/naive.py")
    q, k, v = normal(B, L, H, K), normalize(normal(B, L, H, K, seed=1), dim=-1), normal(B, L, H, V, seed=2)
    beta, log_decay = torch.rand(B, L, H), -normal(B, L, H, seed=3).abs()
    y, state = formulas.naive_recurrent_gated_delta_rule(q, k, v, beta, log_decay, output_final_state=True)
    got, last = gated_delta_rule(q * K**-0.5, k, v, beta, log_decay, backend=backend)
    torch.testing.assert_close(got, y, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(last, state, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_general_rule_equals_flash_linear_attentions(backend):
    formulas = load_formulas("generalized_delta_rule/dplr/naive.py")
    q, k, v = normal(B, L, H, K), normal(B, L, H, K, seed=1), normal(B, L, H, V, seed=2)
    a = normalize(normal(B, L, H, K, seed=3), dim=-1)
    b, log_decay, start = -a * torch.rand(B, L, H, K), -normal(B, L, H, K, seed=4).abs(), normal(B, H, K, V)
    heads_first = (x.transpose(1, 2) for x in (q, k, v, a, b, log_decay))
    y, state = formulas.dplr_recurrence(*heads_first, initial_state=start)
    got, last = delta_rule(q * K**-0.5, k, v, a, b, log_decay, initial_state=start, backend=backend)
    torch.testing.assert_close(got, y.transpose(1, 2), rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(last, state, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"a": torch.zeros(B, L, H, V)}, r"a must have shape \(2, 50, 3, 6\) for q of shape .*got \(2, 50, 3, 7\)"),
        ({"log_decay": torch.zeros(B, L, H, V)}, r"log_decay must have shape \(2, 50, 3, 6\)"),
        ({"initial_state": torch.zeros(B, H, V, K)}, r"initial_state must have shape \(2, 3, 6, 7\)"),
        ({"v": torch.zeros(0, L, H, V)}, r"v must have shape \(batch, length, heads, values\), none of them 0"),
    ],
)
def test_what_does_not_fit_is_refused(change, message):
    inputs = {name: torch.zeros(B, L, H, K) for name in "qkab"} | {"v": torch.zeros(B, L, H, V)}
    with pytest.raises(ValueError, match="delta_rule: " + message):
        delta_rule(**(inputs | change))


def test_a_step_refuses_a_state_of_another_shape():
    x, v = torch.zeros(B, H, K), torch.zeros(B, H, V)
    with pytest.raises(ValueError, match=r"delta_rule_step: state must have shape \(2, 3, 6, 7\).*got \(2, 3, 7, 6\)"):
        delta_rule_step(x, x, v, x, x, torch.zeros(B, H, V, K))
