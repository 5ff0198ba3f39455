"""Write the tiles and the compilers' report of the Triton kernels into the operators' pages.

python recipes/benchmarks/kernels_page.py
"""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any

from report import RESULTS
from zoo_page import between, table

PAGES = RESULTS.parent / "operators"
MARKER = "gpu-kernels"
TARGETS = {"sm_80": "A100", "sm_90": "H100", "sm_100": "B200", "gfx942": "MI300"}


def main() -> None:
    report = json.loads((RESULTS / "kernels_aot.json").read_text())
    for operator in sorted({row["case"].split(",")[0] for row in report["kernels"]}):
        page = PAGES / f"{operator}.md"
        page.write_text(fill(page.read_text(), operator, report))
        print(f"written to docs/operators/{page.name}")


def fill(page: str, operator: str, report: dict[str, Any]) -> str:
    """The page with the operator's tiles, and what its kernels take of a processor, as the report has them."""
    tiles = json.loads(files("tsssm_kernels").joinpath("gpu_tiles.json").read_text())
    of_operator = {name: rows for name, rows in tiles.items() if name.split(".")[0] == operator}
    parts = [
        "Tiles, by the width that they are for at most:",
        table(["kernel", "architecture", "up to", "tile"], _tiles(of_operator)),
    ]
    header = ["", "dtype", "kernel", *(f"{name} ({target})" for target, name in TARGETS.items())]
    parts += [
        "Registers of a thread / bytes of shared memory / instructions of the matrix units, and spilled bytes if there "
        "are any, as compiled ahead of time; nothing of it is a measured time:",
        table(header, _compiled([row for row in report["kernels"] if row["case"].split(",")[0] == operator])),
    ]
    return between(page, MARKER, "\n\n".join(part for part in parts))


def _tiles(of_operator: dict[str, dict[str, list[dict[str, int]]]]) -> list[list[str]]:
    return [
        [
            kernel.split(".")[-1],
            name,
            _width(row["up_to"]),
            ", ".join(f"{key} {row[key]}" for key in row if key != "up_to"),
        ]
        for kernel, by_architecture in of_operator.items()
        for name, rows in by_architecture.items()
        for row in rows
    ]


def _width(up_to: int) -> str:
    return "any" if up_to == 2**30 else str(up_to)


def _compiled(rows: list[dict[str, Any]]) -> list[list[str]]:
    """A row for each case, dtype and kernel."""
    cells: dict[tuple[str, str, str], dict[str, str]] = {}
    for row in rows:
        backward = " (backward)" if row["tile"].get("BACKWARD") else ""
        key = (row["case"].split(", ", 1)[1], row["dtype"], row["kernel"] + backward)
        spilled = f", {row['spills']} spilled" if row["spills"] else ""
        cells.setdefault(key, {})[row["target"]] = f"{row['registers']} / {row['shared']:,} / {row['dots']}{spilled}"
    return [[*key, *(of_key[target] for target in TARGETS)] for key, of_key in cells.items()]


if __name__ == "__main__":
    main()
