"""CSV files and a runner for the tests of the command line."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pandas as pd
from typer.testing import CliRunner

from tsssm.cli.app import app

N_FUTURE = 30
# Before pandas 3.1 the default parser may miss the last bit.
EXACT: dict = {} if tuple(map(int, pd.__version__.split(".")[:2])) >= (3, 1) else {"float_precision": "round_trip"}


def run(*arguments: object, code: int = 0) -> str:
    """Run a command; its standard output, or its standard error where it is meant to fail."""
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == code, (result.stdout, result.stderr, result.exception)
    if code == 0:
        assert result.stderr == ""
        return result.stdout
    assert result.stdout == ""
    assert result.stderr.startswith("tsssm: error: ")
    assert result.stderr.count("\n") == 1
    return result.stderr


def csv_frame(text: str | Path, *, dates: bool = True) -> pd.DataFrame:
    """A CSV, by pandas alone: the first column is the time."""
    source = text if isinstance(text, Path) else io.StringIO(text)
    return pd.read_csv(source, index_col=0, parse_dates=dates, **EXACT)


def sales_frame(rows: int = 400) -> pd.DataFrame:
    """Hourly sales of two shops that follow a price, and a column of text; 30 rows of price lie beyond the sales."""
    random = np.random.default_rng(3)
    index = pd.date_range("2024-03-04", periods=rows, freq="h", name="when")
    daily, price = np.sin(2 * np.pi * np.arange(rows) / 24), random.normal(size=rows)
    frame = pd.DataFrame({"weather": "fair", "north": 10 + 3 * daily - price, "south": 200 + 9 * daily + price}, index)
    frame["price"] = price
    frame.iloc[-N_FUTURE:, 1:3] = np.nan
    return frame
