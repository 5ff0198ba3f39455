"""Every operator against what all of them must fulfil, and torch's own checks."""

from __future__ import annotations

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from tsssm_kernels.conformance import CHECKS, check_accuracy_when_hard, check_forms_equal_reference, find_operators

OPERATORS = find_operators()
CASES = [(name, case) for name, operator in OPERATORS.items() for case in operator.cases]


@pytest.mark.filterwarnings("ignore:.*torch.jit.*:DeprecationWarning")  # torch's own, of forward mode
@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize(("name", "case"), CASES)
def test_conforms(name, case, check):
    CHECKS[check](OPERATORS[name], OPERATORS[name].cases[case])


HARD = [(name, case) for name, operator in OPERATORS.items() for case in operator.hard]


@pytest.mark.parametrize(("name", "case"), HARD)
def test_is_accurate_when_it_is_hard(name, case):
    check_accuracy_when_hard(OPERATORS[name], OPERATORS[name].hard[case])


@pytest.mark.parametrize(
    ("name", "case"), [(name, case) for name, operator in OPERATORS.items() for case in operator.wide]
)
def test_is_right_when_it_is_wide(name, case):
    check_forms_equal_reference(OPERATORS[name], OPERATORS[name].wide[case])


FORGETTING = ("decay_attention", "delta_rule", "diagonal_scan", "selective_scan", "slstm")


@pytest.mark.slow
@pytest.mark.parametrize(("name", "case"), [(n, case) for n, case in HARD if n in FORGETTING and "hardly" in case])
def test_is_accurate_over_32768_steps(name, case):
    # the scan multiplies rounded decays, of chunks or in the compiled backward pass of steps
    limits = (2e-5, 5e-4) if name == "selective_scan" else (1e-5, 1e-4)
    check_accuracy_when_hard(OPERATORS[name], OPERATORS[name].hard[case], length=32768, limits=limits)


class Recorded(TorchDispatchMode):
    """Remembers calls of the library's own operators."""

    def __init__(self):
        super().__init__()
        self.calls = []

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        if function.namespace == "tsssm":
            self.calls.append((function, args))
        return function(*args, **(kwargs or {}))


@pytest.mark.parametrize(("name", "case"), CASES)
def test_opcheck(name, case):
    operator = OPERATORS[name]
    inputs = operator.cases[case](torch.Generator().manual_seed(0), 2, 9)
    for x in inputs.values():
        for tensor in x if isinstance(x, tuple) else [x]:
            if isinstance(tensor, torch.Tensor) and (tensor.is_floating_point() or tensor.is_complex()):
                tensor.requires_grad_()
    with Recorded() as recorded:
        operator.function(**inputs)
    for function, args in recorded.calls:
        torch.library.opcheck(function, [_as_leaf(x) for x in args])


def _as_leaf(x):
    if isinstance(x, list):
        return [_as_leaf(part) for part in x]
    return x.detach().requires_grad_(x.requires_grad) if isinstance(x, torch.Tensor) else x
