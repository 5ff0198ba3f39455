"""The arrows of the house: imports run downward only, imports inside functions and under TYPE_CHECKING included."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ROOTS = {"tsssm": ROOT, "tsssm_kernels": ROOT / "kernels", "tsssm_datasets": ROOT / "datasets"}

# Floors of the house, the ground first. A part may import from floors below its own and from itself.
FLOORS = (
    ("errors", "lazy", "progress"),
    ("data", "metrics", "plotting", "tsssm_kernels", "tsssm_datasets"),
    ("mixers",),
    ("network", "linear"),
    ("training",),
    ("forecasters",),
    ("comparison", "tuning", "streaming"),
    ("cli",),
    ("__main__",),
)
FLOOR = {part: floor for floor, parts in enumerate(FLOORS) for part in parts}
STANDS_ALONE = ("tsssm_kernels", "tsssm_datasets")
MODULE_NAME = re.compile(r"(tsssm|tsssm_kernels|tsssm_datasets)(\.\w+)+")


def part_of(module: str) -> str:
    """The part of the house a module belongs to: "tsssm.network.head" -> "network", "tsssm_kernels.x" itself."""
    package, _, rest = module.partition(".")
    return rest.partition(".")[0] if package == "tsssm" else package


def imported_modules(tree: ast.AST, module: str, is_package: bool) -> Iterator[str]:
    """Every module a file names in an import statement, or as a string (for `importlib` and lazy tables)."""
    parents = module.split(".") if is_package else module.split(".")[:-1]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = parents[: len(parents) - node.level + 1] if node.level else []
            source = ".".join([*base, *([node.module] if node.module else [])])
            yield from (f"{source}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and MODULE_NAME.fullmatch(node.value):
            yield node.value


def lazy_table(package: Path) -> dict[str, str]:
    """Public name -> module, from the dict literal in a package's ``__init__.py``."""
    init = package / "__init__.py"
    tree = ast.parse(init.read_text(encoding="utf-8")) if init.exists() else ast.Module([], [])
    pairs: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Dict):
            pairs |= ast.literal_eval(node)
    return pairs


def faults(package: Path) -> list[str]:
    """One line for each import of a package's files that does not run downward."""
    lines, lazy = [], lazy_table(package)
    for file in sorted(package.rglob("*.py")):
        if file == package / "__init__.py" and package.name == "tsssm":
            continue  # the front door, which names parts of every floor
        is_package = file.name == "__init__.py"
        names = file.relative_to(package.parent).with_suffix("").parts
        module = ".".join(names[:-1] if is_package else names)
        here = part_of(module)
        for target in imported_modules(ast.parse(file.read_text(encoding="utf-8")), module, is_package):
            if reason := _fault(here, target, lazy):
                lines.append(f"{module} imports {target}: {reason}")
    return lines


def _fault(here: str, target: str, lazy: dict[str, str]) -> str | None:
    if target.partition(".")[0] not in ROOTS or target == "tsssm.__version__":
        return None
    if here in STANDS_ALONE and part_of(target) != here:
        return f"{here} stands alone"
    if target == "tsssm" or part_of(target) in lazy:  # through the front door: as high as what is fetched there
        there = max((part_of(m) for n, m in lazy.items() if target in ("tsssm", f"tsssm.{n}")), key=FLOOR.__getitem__)
    else:
        there = part_of(target)
    if here not in FLOOR or there not in FLOOR:
        return f"{here if here not in FLOOR else there!r} has no place in the house; add it to FLOORS"
    if here == there:
        return None
    return None if FLOOR[there] < FLOOR[here] else f"{there} does not stand below {here}"


@pytest.mark.parametrize("name", ROOTS)
def test_imports_run_downward(name):
    package = ROOTS[name] / name
    assert len(list(package.rglob("*.py"))) > 3, f"{package} holds no code: the check would prove nothing"
    assert faults(package) == []


def test_lightning_is_imported_by_training_and_the_command_line_alone():
    offenders = set()
    for file in (ROOT / "tsssm").rglob("*.py"):
        modules = imported_modules(ast.parse(file.read_text(encoding="utf-8")), "tsssm.x", is_package=False)
        if any(module.partition(".")[0] == "lightning" for module in modules):
            offenders.add(file.relative_to(ROOT / "tsssm").parts[0])
    assert "training" in offenders
    assert offenders <= {"training", "cli"}


def write_package(root: Path, files: dict[str, str]) -> Path:
    for name, source in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source, encoding="utf-8")
    return root / Path(next(iter(files))).parts[0]


FRONT_DOOR = 'lazy({"Forecaster": "tsssm.forecasters.forecaster", "Training": "tsssm.training.settings"})'
BAD = {
    "import at the top": "from tsssm.forecasters import Forecaster",
    "plain import": "import tsssm.training.fit",
    "inside a function": "def f():\n    from tsssm.training import Training",
    "under TYPE_CHECKING": "if TYPE_CHECKING:\n    from tsssm.linear import Ridge",
    "relative": "from ..training import settings",
    "relative, no module": "from .. import forecasters",
    "through the front door": "from tsssm import Training",
    "the front door itself": "import tsssm",
    "by a string": "importlib.import_module('tsssm.forecasters.files')",
    "a part nobody knows": "from tsssm.helpers import thing",
}


@pytest.mark.parametrize("source", BAD.values(), ids=BAD)
def test_a_bad_file_is_found(tmp_path, source):
    package = write_package(tmp_path, {"tsssm/__init__.py": FRONT_DOOR, "tsssm/network/bad.py": source})
    found = faults(package)
    assert len(found) == 1
    assert re.match(r"tsssm\.network\.bad imports tsssm[.:]", found[0])


GOOD = {
    "downward": "from tsssm.mixers import Mixer\nfrom tsssm.errors import DataError",
    "own part": "from tsssm.network.head import QuantileHead\nfrom .head import QuantileHead\nfrom . import head",
    "kernels": "from tsssm_kernels import linear_recurrence",
    "others": "import torch\nfrom numpy import pi",
    "version": "def f():\n    from tsssm import __version__",
    "text": '"""See tsssm.forecasters for the estimators."""\nmessage = "use tsssm.Training instead"',
}


@pytest.mark.parametrize("source", GOOD.values(), ids=GOOD)
def test_a_good_file_passes(tmp_path, source):
    package = write_package(tmp_path, {"tsssm/__init__.py": FRONT_DOOR, "tsssm/network/good.py": source})
    assert faults(package) == []


@pytest.mark.parametrize("name", STANDS_ALONE)
@pytest.mark.parametrize(
    ("source", "target"),
    [("def f():\n    from tsssm.errors import DataError", "tsssm.errors.DataError"), ("import tsssm", "tsssm")],
)
def test_kernels_and_datasets_may_not_import_the_library(tmp_path, name, source, target):
    package = write_package(tmp_path, {f"{name}/bad.py": source})
    assert faults(package) == [f"{name}.bad imports {target}: {name} stands alone"]
