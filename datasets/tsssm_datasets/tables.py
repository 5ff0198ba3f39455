"""Tables of a data set: CSV files into pandas."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from tsssm_datasets.cards import Card
from tsssm_datasets.errors import CardError, DataFileError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["read_table"]

# Only stamps that begin with the year are taken for dates unasked: 03/04/2015 means two different days.
_YEAR_FIRST = r"\d{4}[-/]\d{1,2}"


def read_table(path: Path, card: Card) -> pd.DataFrame | pd.Series:
    """Read a CSV file (compressed or not), with a DatetimeIndex where it has a column of unique time stamps.

    The column is the card's `time`. Where the card names none, it is the first text column whose values all begin with
    year and month, parse as dates and are unique. Where no column is, as in a long table, the frame is plain; a column
    that the card names as `time` is then parsed but stays a column. An index at regular distances has its `freq` set.

    Parameters
    ----------
    path : Path
        The file.
    card : Card
        The data set's card.

    Returns
    -------
    DataFrame or Series
        The table, or the column that the card names as `series`. `attrs` holds the data set's name, units and licence.

    Raises
    ------
    DataFileError
        The file is no readable CSV.
    CardError
        The card names a column that the file does not have, or whose values are no dates.

    Examples
    --------
    >>> from tsssm_datasets import card
    >>> weather = card("nyc_weather")
    >>> read_table(weather.folder / "nyc_weather.csv.gz", weather).shape
    (8730, 3)
    """
    table = _set_time(_read_csv(path), card, path)
    result = table if card.series is None else table[_known_column(table, card.series, "series", path)]
    result.attrs = {"dataset": card.name, "units": card.units, "licence": card.licence}
    return result


def _read_csv(path: Path) -> pd.DataFrame:
    import pandas as pd

    try:
        # Before pandas 3.1 the default parser may miss the last bit: values would depend on the version.
        exact = tuple(map(int, pd.__version__.split(".")[:2])) >= (3, 1)
        return pd.read_csv(path) if exact else pd.read_csv(path, float_precision="round_trip")
    except Exception as error:  # a broken archive raises errors of gzip, zlib, lzma or zipfile
        raise DataFileError(f"{path} cannot be read as CSV: {type(error).__name__}: {error}") from error


def _set_time(table: pd.DataFrame, card: Card, path: Path) -> pd.DataFrame:
    if card.time is None:
        found = _find_stamps(table)
        return table if found is None else _indexed(table, *found)
    column = _known_column(table, card.time, "time", path)
    stamps = _parse(table[column])
    if stamps is None:
        raise CardError(f"{path}: the card's time column '{column}' holds no dates: {table[column].head(2).tolist()}.")
    if stamps.is_unique:
        return _indexed(table, column, stamps)
    return table.assign(**{column: stamps})


def _find_stamps(table: pd.DataFrame) -> tuple[str, pd.Series] | None:
    import pandas as pd

    for column in table.columns:
        values = table[column]
        if not pd.api.types.is_string_dtype(values) or not values.notna().all():
            continue
        # The whole column is looked at only if its head may be dates: tables have many text columns.
        if not (_year_first(values.head()) and _year_first(values)):
            continue
        stamps = _parse(values)
        if stamps is not None and stamps.is_unique:
            return column, stamps
    return None


def _year_first(values: pd.Series) -> bool:
    return bool(len(values)) and bool(values.str.match(_YEAR_FIRST).all())


def _parse(values: pd.Series) -> pd.Series | None:
    """Stamps of a text column, or None if a value is missing or no date."""
    import pandas as pd

    if not pd.api.types.is_string_dtype(values) or not values.notna().all():
        return None
    with warnings.catch_warnings():
        # "Could not infer format": such a column is parsed value by value, and fails if one of them is no date.
        warnings.simplefilter("ignore", UserWarning)
        try:
            stamps = pd.to_datetime(values)
        except ValueError:
            return None
    return stamps if pd.api.types.is_datetime64_any_dtype(stamps) else None


def _indexed(table: pd.DataFrame, column: str, stamps: pd.Series) -> pd.DataFrame:
    import pandas as pd

    index = pd.DatetimeIndex(stamps, name=column)
    return table.drop(columns=column).set_axis(_with_freq(index), axis="index")


def _with_freq(index: pd.DatetimeIndex) -> pd.DatetimeIndex:
    import pandas as pd

    if len(index) < 3:  # infer_freq refuses fewer
        return index
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pandas announces another return type
        freq = pd.infer_freq(index)
    return index if freq is None else pd.DatetimeIndex(index, freq=freq)


def _known_column(table: pd.DataFrame, column: str, entry: str, path: Path) -> str:
    if column not in table.columns:
        raise CardError(f"{path}: the card's {entry} '{column}' is none of the columns {table.columns.tolist()}.")
    return column
