"""An operator is one folder: that of docs/adding_an_operator.md, outside the library, passes all that ours pass."""

from __future__ import annotations

import importlib
import re
import sys
from pathlib import Path

import pytest
import torch

from tsssm_kernels.conformance import check_operator

PAGE = Path(__file__).parents[2] / "docs" / "adding_an_operator.md"
FILE = re.compile(r"^`exponential_sum/(\w+\.py)`.*?\n```py\n(.*?)```", re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def conformance(tmp_path_factory):
    folder = tmp_path_factory.mktemp("operators")
    (folder / "exponential_sum").mkdir()
    files = FILE.findall(PAGE.read_text(encoding="utf-8"))
    assert len(files) == 6, "the page shows six files"
    for name, source in files:
        (folder / "exponential_sum" / name).write_text(source, encoding="utf-8")
    (folder / "exponential_sum" / "__init__.py").touch()
    sys.path.insert(0, str(folder))
    yield importlib.import_module("exponential_sum.conformance")
    sys.path.remove(str(folder))
    for name in [name for name in sys.modules if name.partition(".")[0] == "exponential_sum"]:
        del sys.modules[name]


@pytest.mark.filterwarnings("ignore:.*torch.jit.*:DeprecationWarning")  # torch's own, of forward mode
def test_it_conforms(conformance):
    check_operator(conformance.OPERATOR)


def test_a_mistake_in_it_is_found(conformance, monkeypatch):
    cpu = importlib.import_module("exponential_sum.op").BACKENDS
    right = cpu["cpu"]

    def off(x, log_decay, **rest):
        return right(x, log_decay * 1.001, **rest)

    monkeypatch.setitem(cpu, "cpu", off)
    with pytest.raises(AssertionError, match=r"exponential_sum, case 'random', check_forms.*cpu, .*relative error"):
        check_operator(conformance.OPERATOR)


def test_without_decay_it_is_a_running_sum(conformance):
    x = torch.randn(2, 9, 5)
    y, state = conformance.exponential_sum(x, torch.zeros_like(x))
    torch.testing.assert_close(y, x.cumsum(1))
    torch.testing.assert_close(state, x.sum(1))
