"""Every operator inside programs that torch compiles or exports."""

from __future__ import annotations

from itertools import chain

import pytest
import torch

from tsssm_kernels.conformance import find_operators

OPERATORS = find_operators()
LENGTH = 21


def make_inputs(name, batch):
    """Inputs of an operator's first case, and resets."""
    make = next(iter(OPERATORS[name].cases.values()))
    generator = torch.Generator().manual_seed(0)
    return make(generator, batch, LENGTH) | {"resets": torch.rand(batch, LENGTH, generator=generator) < 0.1}


class Program(torch.nn.Module):
    """An operator as a function of tensors alone, in the order of `tensors`; gives tensors alone."""

    def __init__(self, name, inputs):
        super().__init__()
        self.function, self.inputs = OPERATORS[name].function, inputs

    def tensors(self, inputs):
        parts = chain.from_iterable(x if isinstance(x, tuple) else [x] for x in inputs.values())
        return [x for x in parts if isinstance(x, torch.Tensor)]

    def forward(self, *tensors):
        rest = iter(tensors)

        def filled(x):
            if isinstance(x, tuple):
                return type(x)(*map(filled, x))
            return next(rest) if isinstance(x, torch.Tensor) else x

        y, state = self.function(**{name: filled(x) for name, x in self.inputs.items()})
        return [y, *(part for part in (state if isinstance(state, tuple) else [state]) if part is not None)]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Torchinductor does not support code generation for complex:UserWarning")
@pytest.mark.filterwarnings("ignore:.*torch.jit.*:DeprecationWarning")  # torch.compile's own
@pytest.mark.parametrize("name", OPERATORS)
def test_compiles_without_a_graph_break(name, monkeypatch, tmp_path):
    # torch's cache does not notice when an operator's outputs change shape
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path))
    inputs = make_inputs(name, batch=2)
    program = Program(name, inputs)
    tensors = program.tensors(inputs)
    floating = [x.requires_grad_() for x in tensors if x.is_floating_point()]

    def total(*tensors):
        parts = (torch.view_as_real(part) if part.is_complex() else part for part in program(*tensors))
        return sum(part.double().sin().sum() for part in parts)

    expected = torch.autograd.grad(total(*tensors), floating)
    got = torch.autograd.grad(torch.compile(total, fullgraph=True)(*tensors), floating)
    torch.testing.assert_close(got, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", OPERATORS)
def test_exports_with_a_dynamic_batch(name):
    few, many = make_inputs(name, batch=2), make_inputs(name, batch=7)
    program = Program(name, few)
    batch = {0: torch.export.Dim("batch", min=2)}
    pairs = zip(program.tensors(few), program.tensors(many))
    of_series = tuple(batch if one.shape != other.shape else None for one, other in pairs)
    exported = torch.export.export(program, tuple(program.tensors(few)), dynamic_shapes=(of_series,))
    got = exported.module()(*program.tensors(many))
    torch.testing.assert_close(got, program(*program.tensors(many)), rtol=0, atol=0)
