"""Sizes of the tiles that GPU kernels work on, from a table; none is chosen by trying on a user's machine."""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from typing import Any

import torch

__all__ = ["architecture", "find_tile", "set_rows", "widest"]

# read at once: torch.compile sees through `widest`, and warns of functions that remember
TABLE: dict[str, dict[str, list[dict[str, int]]]] = json.loads(
    files(__package__).joinpath("gpu_tiles.json").read_text()
)


def architecture(device: torch.device) -> str:
    """Such as "sm_90" for an NVIDIA device or "gfx942" for one of AMD; "any" for what is no GPU.

    Examples
    --------
    >>> architecture(torch.device("cpu"))
    'any'
    """
    if device.type != "cuda":
        return "any"
    properties = torch.cuda.get_device_properties(device)
    if torch.version.hip:
        return properties.gcnArchName.split(":")[0]
    return f"sm_{properties.major}{properties.minor}"


@cache
def find_tile(kernel: str, width: int, device: torch.device) -> dict[str, Any]:
    """Constants of a kernel and options of its compiler: the first row of ``gpu_tiles.json`` that holds a width.

    Parameters
    ----------
    kernel : str
        Such as "selective_scan.forward".
    width : int
        What the kernel's need of registers grows with, such as the numbers of a state.
    device : torch.device

    Raises
    ------
    ValueError
        If the width is larger than that of every row.

    Examples
    --------
    >>> sorted(find_tile("selective_scan.forward", 16, torch.device("cpu")))
    ['CHANNELS', 'num_warps']
    """
    for row in _rows(kernel, device):
        if width <= row["up_to"]:
            return {name: value for name, value in row.items() if name != "up_to"}
    raise ValueError(f"{kernel} has no tile for a width of {width}; the widest is for {widest(kernel, device)}")


def widest(kernel: str, device: torch.device) -> int:
    """The largest width that a kernel has a tile for.

    Examples
    --------
    >>> widest("selective_scan.forward", torch.device("cpu"))
    128
    """
    return _rows(kernel, device)[-1]["up_to"]


def _rows(kernel: str, device: torch.device) -> list[dict[str, int]]:
    by_architecture = TABLE[kernel]
    return by_architecture.get(architecture(device), by_architecture["any"])


def set_rows(kernel: str, name: str, rows: list[dict[str, int]]) -> None:
    """Have a kernel use other tiles in this process, on one architecture: to measure them.

    Parameters
    ----------
    kernel : str
    name : str
        Of the `architecture`.
    rows : list of dict
        As in ``gpu_tiles.json``.
    """
    TABLE[kernel][name] = rows
    find_tile.cache_clear()
