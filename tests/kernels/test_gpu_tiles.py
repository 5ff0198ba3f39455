"""The table of tiles: whole, in order, and found by width and architecture."""

from __future__ import annotations

import json
from importlib.resources import files

import pytest
import torch

from tsssm_kernels.gpu_tiles import find_tile, set_rows

TABLE = json.loads(files("tsssm_kernels").joinpath("gpu_tiles.json").read_text())


@pytest.mark.parametrize("kernel", TABLE)
def test_every_kernel_has_rows_for_any_device_from_narrow_to_wide(kernel):
    assert "any" in TABLE[kernel]
    for rows in TABLE[kernel].values():
        widths = [row["up_to"] for row in rows]
        assert widths == sorted(set(widths))
        constants = [value for row in rows for name, value in row.items() if name not in ("up_to", "num_stages")]
        assert all(value > 0 and value & (value - 1) == 0 for value in constants)  # blocks are powers of two


def test_the_first_row_that_holds_a_width_is_found():
    device = torch.device("cpu")
    assert find_tile("selective_scan.forward", 16, device)["CHANNELS"] == 16
    assert find_tile("selective_scan.forward", 17, device)["CHANNELS"] == 4


def test_rows_can_be_replaced_for_a_measurement():
    device, before = torch.device("cpu"), TABLE["selective_scan.forward"]["any"]
    set_rows("selective_scan.forward", "any", [{"up_to": 64, "CHANNELS": 2, "num_warps": 1}])
    assert find_tile("selective_scan.forward", 16, device) == {"CHANNELS": 2, "num_warps": 1}
    set_rows("selective_scan.forward", "any", before)
    assert find_tile("selective_scan.forward", 16, device)["CHANNELS"] == 16


@pytest.mark.parametrize("operator", sorted({kernel.split(".")[0] for kernel in TABLE}))
def test_all_kernels_of_an_operator_hold_the_same_widths(operator):
    architectures = {name for rows in TABLE.values() for name in rows}
    for name in architectures:
        widest = {
            rows.get(name, rows["any"])[-1]["up_to"]
            for kernel, rows in TABLE.items()
            if kernel.split(".")[0] == operator
        }
        assert len(widest) == 1, (operator, name, widest)
