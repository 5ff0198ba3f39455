"""Write a benchmark's figures with what they depend on: machine, versions, seed, time."""

from __future__ import annotations

import json
import os
import platform
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).resolve().parents[2] / "docs" / "benchmarks"


def machine() -> dict[str, Any]:
    """The machine and the versions of what the figures depend on."""
    import torch

    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "torch_threads": torch.get_num_threads(),
        "system": platform.system(),
        "python": platform.python_version(),
        **{name: version(name) for name in ("tsssm", "torch", "lightning", "numpy", "pandas", "numba")},
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.machine())


def write_report(name: str, figures: dict[str, Any], folder: Path = RESULTS) -> Path:
    """Write ``<name>.json`` to the folder, docs/benchmarks by default."""
    folder.mkdir(parents=True, exist_ok=True)
    report = {"written": datetime.now(UTC).date().isoformat(), "machine": machine(), **figures}
    path = folder / f"{name}.json"
    path.write_text(json.dumps(report, indent=1) + "\n")
    print(f"written to {folder.parent.name}/{folder.name}/{path.name}")
    return path
