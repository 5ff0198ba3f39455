"""The column of time stamps of a table."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from tsssm.errors import DataError

__all__ = ["set_time"]

# Only stamps that begin with the year are taken: 03/04/2015 means two different days.
_YEAR_FIRST = r"\s*\d{4}[-/]\d"
_EXAMPLE = "stamps that begin with the year, such as 2024-01-31 13:00"


def set_time(frame: pd.DataFrame, path: Path, time: str | None = None) -> pd.DataFrame:
    """Make the column of time stamps the index.

    Parameters
    ----------
    frame : DataFrame
    path : Path
        Where it is from, for messages.
    time : str, optional
        The column, of stamps or whole numbers; default: the first column whose values all are stamps.

    Raises
    ------
    DataError
        There is no such column, or a value in it is no stamp.

    Examples
    --------
    >>> frame = pd.DataFrame({"shop": ["a", "b"], "day": ["2024-01-01", "2024-01-02"], "sales": [3, 5]})
    >>> set_time(frame, Path("sales.csv")).index
    DatetimeIndex(['2024-01-01', '2024-01-02'], dtype='datetime64[...]', name='day', freq=None)
    """
    if time is None:
        return _indexed(frame, *_find(frame, path))
    if time not in frame.columns:
        raise DataError(f"{path} has no column {time!r}; it has {list(frame.columns)}")
    values = frame[time]
    if pd.api.types.is_integer_dtype(values):
        return _indexed(frame, time, pd.Index(values, name=time))
    stamps = _parse(values)
    if stamps is None:
        raise DataError(f"column {time!r} of {path} cannot be the time: {_fault(values)}")
    return _indexed(frame, time, stamps)


def _find(frame: pd.DataFrame, path: Path) -> tuple[str, pd.Index]:
    for name in frame.columns:
        stamps = _parse(frame[name])
        if stamps is not None:
            return name, stamps
    nearly = [name for name in frame.columns if _is_text(frame[name]) and _year_first(frame[name].head(1)).all()]
    detail = f" Column {nearly[0]!r} begins like one, but {_fault(frame[nearly[0]])}." if nearly else ""
    raise DataError(
        f"no column of {path} holds {_EXAMPLE}; its columns are {list(frame.columns)}, parted by commas.{detail} "
        "Mend the stamps, or name a column of whole numbers with --time."
    )


def _indexed(frame: pd.DataFrame, column: str, index: pd.Index) -> pd.DataFrame:
    unnamed = column.startswith("Unnamed: ")  # what pandas calls a column with an empty header
    return frame.drop(columns=column).set_axis(index.rename("time" if unnamed else column), axis=0)


def _parse(values: pd.Series) -> pd.DatetimeIndex | None:
    """The stamps of a text column, None if a value is missing or is none."""
    if not _is_text(values) or not _year_first(values.head()).all() or not _year_first(values).all():
        return None
    try:
        stamps = pd.to_datetime(values, format="ISO8601")
    except ValueError:
        return None
    # Offsets that change within the column stay objects in pandas 2.
    return pd.DatetimeIndex(stamps) if pd.api.types.is_datetime64_any_dtype(stamps) else None


def _is_text(values: pd.Series) -> bool:
    return bool(pd.api.types.is_string_dtype(values)) and not pd.api.types.is_numeric_dtype(values)


def _year_first(values: pd.Series) -> pd.Series:
    return values.astype(object).where(values.notna(), "").astype(str).str.match(_YEAR_FIRST)


def _fault(values: pd.Series) -> str:
    """Say which value is no stamp."""
    if not _is_text(values):
        return f"it holds {values.dtype}, the first value is {values.iloc[0]}, not {_EXAMPLE}"
    each = pd.to_datetime(values.where(_year_first(values)), format="ISO8601", errors="coerce", utc=True)
    if each.isna().any():
        row = int(each.isna().to_numpy().argmax())
        return f"row {row + 1} below the header has {values.iloc[row]!r}, not {_EXAMPLE}"
    return "its stamps have several offsets from UTC; write them all in UTC, such as 2024-01-31T13:00Z"
