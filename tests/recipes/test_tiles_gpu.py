"""The script that measures tiles times the tile that it writes."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest

from tsssm_kernels import gpu_tiles
from tsssm_kernels.gpu_launch import recorded_launches

pytest.importorskip("triton", minversion="3.6", reason="needs Triton, which there is for Linux")

BENCHMARKS = Path(__file__).parents[2] / "recipes" / "benchmarks"
ROWS = [(kernel, index) for kernel, rows in gpu_tiles.TABLE.items() for index in range(len(rows["any"]))]
UNLIKE_ANY = 32  # warps


@pytest.fixture
def tiles_gpu(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return importlib.import_module("tiles_gpu")


@pytest.mark.parametrize(("kernel", "index"), ROWS)
def test_calls_for_a_row_launch_its_tile(kernel, index, tiles_gpu):
    rows = gpu_tiles.TABLE[kernel]["any"]
    row = rows[index] | {"num_warps": UNLIKE_ANY}
    runs = tiles_gpu.calls_of(kernel, tiles_gpu.width_of(rows, index), length=20, device="cpu", steps=20)
    assert all(tiles_gpu.uses(run, kernel, rows, index, "any") for run in runs)
    assert len(runs) >= 2
    gpu_tiles.set_rows(kernel, "any", [*rows[:index], row, *rows[index + 1 :]])
    try:
        for run in runs:
            with recorded_launches() as launches:
                run()
            of_row = [one.constants for one in launches if one.constants["num_warps"] == UNLIKE_ANY]
            assert of_row
            for constants in of_row:
                assert {key: constants[key] for key in row if key != "up_to"} == {
                    key: value for key, value in row.items() if key != "up_to"
                }
    finally:
        gpu_tiles.set_rows(kernel, "any", rows)


def test_a_tile_that_is_cut_down_at_a_width_is_not_taken_for_measured(tiles_gpu):
    kernel = "decay_attention.outputs"
    (run, *_) = tiles_gpu.calls_of(kernel, 32, length=20, device="cpu", steps=20)
    rows = [{"up_to": 2**30, "KEYS": 64, "VALUES": 32, "num_warps": 4, "num_stages": 1}]
    before = gpu_tiles.TABLE[kernel]["any"]
    assert not tiles_gpu.uses(run, kernel, rows, 0, "any")
    assert gpu_tiles.TABLE[kernel]["any"] == before
