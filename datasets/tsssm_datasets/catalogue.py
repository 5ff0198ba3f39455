"""The catalogue: the bundled data sets and those of the user's own folders, by name."""

from __future__ import annotations

import difflib
import os
from pathlib import Path
from typing import TYPE_CHECKING

from tsssm_datasets.cards import Card, read_card
from tsssm_datasets.checksum import verify_sha256
from tsssm_datasets.errors import CardError, DataFileError, UnknownDatasetError
from tsssm_datasets.grids import read_grid
from tsssm_datasets.tables import read_table

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

__all__ = ["card", "list_datasets", "load"]

_BUNDLED = Path(__file__).parent / "data"
_HOME_VARIABLE = "TSSSM_DATA_HOME"
_TABLE_SUFFIXES = (".csv", ".csv.gz", ".csv.bz2", ".csv.xz", ".csv.zst")


def list_datasets() -> list[str]:
    """Names of all data sets: the bundled ones and those of the folders in `TSSSM_DATA_HOME`.

    Each sub-folder of such a folder that holds a `card.json` is a data set. Several folders are separated as in `PATH`.

    Returns
    -------
    list of str
        Sorted names.

    Raises
    ------
    CardError
        A folder does not exist, a card cannot be read, or two data sets share a name.

    Examples
    --------
    >>> {"electricity", "nyc_weather"} <= set(list_datasets())
    True
    """
    return sorted(_cards())


def card(name: str) -> Card:
    """Card of a data set: source, licence, units, citation, files and their digests.

    Parameters
    ----------
    name : str
        One of `list_datasets()`.

    Returns
    -------
    Card

    Raises
    ------
    UnknownDatasetError
        There is no such data set; the message suggests close names.
    CardError
        As for `list_datasets`.

    Examples
    --------
    >>> card("nyc_weather").units
    'degrees Fahrenheit'
    """
    cards = _cards()
    if name not in cards:
        close = difflib.get_close_matches(str(name), cards, n=3)
        hint = f"Did you mean {' or '.join(close)}?" if close else f"There are: {', '.join(sorted(cards))}."
        raise UnknownDatasetError(
            f"no data set is called {name!r}. {hint} Folders of your own are added by the variable {_HOME_VARIABLE}."
        )
    return cards[name]


def load(name: str) -> pd.Series | pd.DataFrame | xr.Dataset | dict[str, pd.Series | pd.DataFrame | xr.Dataset]:
    """Load a data set, after verifying the sha256 of its files.

    Parameters
    ----------
    name : str
        One of `list_datasets()`.

    Returns
    -------
    Series, DataFrame, Dataset or dict
        A table comes as a DataFrame, or as a Series where its card names one column as `series`; it has a DatetimeIndex
        where its time stamps are unique. A netCDF file comes as an xarray Dataset, opened lazily. A data set of several
        files comes as a dict from the stem of each file's name to what it holds.

    Raises
    ------
    UnknownDatasetError
        There is no such data set; the message suggests close names.
    ChecksumError
        A file is not the one its card describes.
    DataFileError
        A file is missing or cannot be read.
    CardError
        As for `list_datasets`, or the card does not fit the file.

    Examples
    --------
    >>> load("electricity").head(2)
    time
    2012-01-01 00:00:00    1300.576324
    2012-01-01 01:00:00    1404.485981
    Freq: h, Name: electricity, dtype: float64
    """
    found = card(name)
    contents = {file.stem: _read(found.folder / file.name, file.sha256, found) for file in found.files}
    return contents if len(found.files) > 1 else next(iter(contents.values()))


def _cards() -> dict[str, Card]:
    cards: dict[str, Card] = {}
    for home in (_BUNDLED, *_local_homes()):
        for path in sorted(home.glob("*/card.json")):
            found = read_card(path)
            if found.name in cards:
                raise CardError(
                    f"two data sets are called '{found.name}': in {cards[found.name].folder} and in {found.folder}. "
                    "Give one of them another name in its card."
                )
            cards[found.name] = found
    return cards


def _local_homes() -> list[Path]:
    homes = [Path(entry).expanduser() for entry in os.environ.get(_HOME_VARIABLE, "").split(os.pathsep) if entry]
    for home in homes:
        if not home.is_dir():
            raise CardError(f"{_HOME_VARIABLE} names {home}, which is no folder: create it or correct the variable.")
    return homes


def _read(path: Path, sha256: str, found: Card) -> pd.Series | pd.DataFrame | xr.Dataset:
    verify_sha256(path, sha256)
    if path.name.endswith(_TABLE_SUFFIXES):
        return read_table(path, found)
    if path.suffix == ".nc":
        return read_grid(path)
    raise DataFileError(
        f"{path}: only {', '.join(_TABLE_SUFFIXES)} and .nc files can be read. Convert it to one of them."
    )
