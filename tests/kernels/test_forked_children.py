"""Compiled operators in a forked child of a process that has used them, threads and all."""

import os
import subprocess
import sys

import pytest

SCRIPT = """
import os, warnings
warnings.simplefilter("ignore", DeprecationWarning)  # of forking a process with threads: what is tested here
import torch
from tsssm_kernels import mamba_inner, selective_scan

torch.manual_seed(0)
u = torch.randn(4, 400, 64, requires_grad=True)
B, C, A = torch.randn(4, 400, 16), torch.randn(4, 400, 16), -torch.rand(64, 16)
xz = torch.randn(4, 400, 128, requires_grad=True)
weights = torch.randn(4, 64) / 2, torch.zeros(64), torch.randn(34, 64) / 8, torch.randn(64, 2) / 2, torch.zeros(64)
rest = {"tail": torch.zeros(4, 3, 64), "initial_state": torch.zeros(4, 64, 16)}

def both():
    y, _ = selective_scan(u, u, A, B, C, delta_softplus=True, backend="cpu")
    inner, _, _ = mamba_inner(xz, *weights, A, torch.ones(64), **rest, backend="cpu")
    return y.detach(), inner.detach(), *torch.autograd.grad(y.sum() + inner.sum(), (u, xz))

def equal(first, second):
    return all(torch.equal(a, b) for a, b in zip(first, second))

torch.set_num_threads(2)
threaded = both()
torch.set_num_threads(1)
serial = both()
child = os.fork()
if child == 0:
    os._exit(0 if equal(both(), serial) else 1)  # torch's own operations may have but one thread in a child
_, status = os.waitpid(child, 0)
assert os.waitstatus_to_exitcode(status) == 0
torch.set_num_threads(2)
assert equal(both(), threaded)
print("equal")
"""

ALL_OPERATORS = """
import os, warnings
warnings.simplefilter("ignore", DeprecationWarning)  # of forking a process with threads: what is tested here
import torch
from tsssm_kernels.conformance import find_operators

inputs = {
    name: (operator.function, next(iter(operator.cases.values()))(torch.Generator().manual_seed(0), 4, 600))
    for name, operator in find_operators().items()
}

def outputs():
    return {name: function(**given)[0] for name, (function, given) in inputs.items()}

def equal(first, second):
    return all(torch.equal(first[name], second[name]) for name in inputs)

torch.set_num_threads(2)
threaded = outputs()
torch.set_num_threads(1)
serial = outputs()
child = os.fork()
if child == 0:
    os._exit(0 if equal(outputs(), serial) else 1)
_, status = os.waitpid(child, 0)
assert os.waitstatus_to_exitcode(status) == 0
torch.set_num_threads(2)
assert equal(outputs(), threaded)
print("equal")
"""


@pytest.mark.parametrize("script", [SCRIPT, ALL_OPERATORS], ids=["Mamba, with gradients", "all operators"])
@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_forked_child_computes_what_its_parent_does(script):
    command = f"import sys; sys.path[:0] = {[p for p in sys.path if p]!r}\n{script}"
    done = subprocess.run([sys.executable, "-c", command], capture_output=True, text=True, timeout=300)
    assert (done.returncode, done.stdout) == (0, "equal\n"), done.stderr
