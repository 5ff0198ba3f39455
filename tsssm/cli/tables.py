"""CSV files to frames and back."""

from __future__ import annotations

import sys
from pathlib import Path

import pandas as pd

from tsssm.cli.replaced_file import replaced_file
from tsssm.errors import DataError

__all__ = ["read_csv", "write_csv"]


def read_csv(path: Path) -> pd.DataFrame:
    """Read a CSV file with a header, plain or compressed (.gz, .bz2, .xz, .zst).

    Returns
    -------
    DataFrame
        Its columns as they are named; nothing is parsed as time yet.

    Raises
    ------
    DataError
        There is no such file, it cannot be read as CSV, has no rows, names a column twice or has rows longer than its
        header.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "load.csv")
    ...     _ = path.write_text("time,load\\n2024-01-01,3.5\\n")
    ...     read_csv(path).columns.tolist()
    ['time', 'load']
    """
    if not path.exists():
        raise DataError(f"there is no file {path}")
    try:
        header = pd.read_csv(path, header=None, nrows=1, dtype=str, index_col=False)
        frame = _read_exactly(path)
    except Exception as error:  # a broken archive raises errors of gzip, zlib, lzma or zipfile
        raise DataError(f"{path} cannot be read as CSV: {type(error).__name__}: {error}") from error
    names = header.iloc[0].dropna()
    if names.duplicated().any():  # pandas would rename the second one
        raise DataError(f"{path} has the column {names[names.duplicated()].iloc[0]!r} more than once. Rename one.")
    if not isinstance(frame.index, pd.RangeIndex):  # pandas took the first column for an index
        raise DataError(
            f"{path}: its rows have more fields than its header, {list(frame.columns)}. Complete the header."
        )
    if not len(frame):
        raise DataError(f"{path} has a header, {list(frame.columns)}, but no rows.")
    return frame


def _read_exactly(path: Path) -> pd.DataFrame:
    # Before pandas 3.1 the default parser may miss the last bit; since then it is exact and the option is deprecated.
    exact = tuple(map(int, pd.__version__.split(".")[:2])) >= (3, 1)
    return pd.read_csv(path) if exact else pd.read_csv(path, float_precision="round_trip")


def write_csv(frame: pd.DataFrame, path: Path | None, *, index: bool = True) -> None:
    """Write a frame as CSV, to standard output where `path` is None.

    Examples
    --------
    >>> write_csv(pd.DataFrame({"load": [3.5]}, index=pd.Index([7], name="step")), None)
    step,load
    7,3.5
    """
    if path is None:
        sys.stdout.write(frame.to_csv(index=index))
        return
    with replaced_file(path) as new:
        frame.to_csv(new, index=index)
