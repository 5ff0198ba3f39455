"""The card of a data set: what it is, where it is from, what one may do with it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tsssm_datasets.errors import CardError

__all__ = ["Card", "DataFile", "read_card"]

_REQUIRED = ("name", "file", "sha256", "source", "licence")
# Cards in use write either word; the first one found counts.
_OPTIONAL = {
    "description": ("description", "task"),
    "citation": ("citation",),
    "frequency": ("frequency", "freq"),
    "units": ("units",),
    "notes": ("notes",),
}


@dataclass(frozen=True)
class DataFile:
    """A file of a data set.

    Attributes
    ----------
    name : str
        Its name inside the data set's folder.
    sha256 : str
        The digest that `tsssm_datasets.load` verifies.

    Examples
    --------
    >>> from tsssm_datasets import card
    >>> card("nyc_weather").files[0].name
    'nyc_weather.csv.gz'
    """

    name: str
    sha256: str

    @property
    def stem(self) -> str:
        """The name without its endings: `tides` for `tides.csv.gz`."""
        return self.name.removesuffix(Path(self.name).suffix).removesuffix(".csv")


@dataclass(frozen=True)
class Card:
    """What is known of a data set.

    Attributes
    ----------
    name : str
        The name to load it by.
    description : str
        One sentence.
    source, licence, citation : str
        Where the files are from, the terms of their use, and what to cite.
    frequency : str
        Distance between rows, as at the source (a pandas alias where there is one).
    units : str
        Units of the values; empty where the card does not say.
    notes : str
        What a user should know besides: gaps, changes made, oddities.
    files : tuple of DataFile
        The files with their digests.
    folder : Path
        Where the files are.
    time : str or None
        The column of time stamps; None lets `tsssm_datasets.load` look for it.
    series : str or None
        The column that `tsssm_datasets.load` returns as a Series; None returns the whole table.

    Examples
    --------
    >>> from tsssm_datasets import card
    >>> card("electricity").licence
    'CC BY 4.0'
    """

    name: str
    description: str
    source: str
    licence: str
    citation: str
    frequency: str
    units: str
    notes: str
    files: tuple[DataFile, ...]
    folder: Path
    time: str | None = None
    series: str | None = None

    @property
    def sha256(self) -> str:
        """Digest of the data set's only file; with several files each has its own, in `files`."""
        if len(self.files) != 1:
            names = ", ".join(file.name for file in self.files)
            raise CardError(f"data set '{self.name}' has {len(self.files)} files ({names}): read .files instead.")
        return self.files[0].sha256


def read_card(path: Path) -> Card:
    """Read a `card.json`: one object, or a list of objects for several files of one data set.

    Parameters
    ----------
    path : Path
        The card; its data files stand beside it.

    Returns
    -------
    Card

    Raises
    ------
    CardError
        The file is no JSON, lacks an entry, or has one of the wrong kind.

    Examples
    --------
    >>> import json, tempfile
    >>> path = Path(tempfile.mkdtemp()) / "card.json"
    >>> entry = {"name": "tides", "file": "tides.csv", "sha256": "0" * 64, "source": "our gauge", "licence": "CC0 1.0"}
    >>> _ = path.write_text(json.dumps(entry))
    >>> read_card(path).files[0].name
    'tides.csv'
    """
    entries = _read_entries(path)
    for entry in entries:
        _check_entry(path, entry)
    first = entries[0]
    names = sorted({entry["name"] for entry in entries})
    if len(names) > 1:
        raise CardError(f"{path} names several data sets ({', '.join(names)}): give each its own folder and card.")
    files = tuple(DataFile(entry["file"], entry["sha256"]) for entry in entries)
    if len({file.stem for file in files}) < len(files):
        raise CardError(f"{path}: the files {', '.join(file.name for file in files)} differ in their endings at most.")
    return Card(
        name=first["name"],
        source=first["source"],
        licence=first["licence"],
        files=files,
        folder=path.parent,
        time=first.get("time"),
        series=first.get("series"),
        **{field: _first_of(first, keys) for field, keys in _OPTIONAL.items()},
    )


def _read_entries(path: Path) -> list[dict[str, Any]]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:  # both bad JSON and bad UTF-8
        raise CardError(f"{path} cannot be read as JSON: {error}.") from error
    entries = content if isinstance(content, list) else [content]
    if not entries or not all(isinstance(entry, dict) for entry in entries):
        raise CardError(f"{path} must hold one JSON object, or a list of them (one a file), not {content!r:.80}.")
    return entries


def _check_entry(path: Path, entry: Mapping[str, Any]) -> None:
    missing = [key for key in _REQUIRED if key not in entry]
    if missing:
        raise CardError(f"{path} lacks {', '.join(missing)}: every card needs {', '.join(_REQUIRED)}.")
    texts = [key for key in (*_REQUIRED, "time", "series") if key in entry]
    for key in texts:
        if not isinstance(entry[key], str) or not entry[key].strip():
            raise CardError(f"{path}: {key} must be a text that is not empty, not {entry[key]!r}.")
    if not re.fullmatch("[0-9a-f]{64}", entry["sha256"]):
        raise CardError(f"{path}: sha256 must be 64 hexadecimal digits in lower case, not {entry['sha256']!r}.")
    if entry["file"] in {".", ".."} or re.search(r"[/\\]", entry["file"]):
        raise CardError(f"{path}: file must be the name of a file beside the card, not {entry['file']!r}.")


def _first_of(entry: Mapping[str, Any], keys: tuple[str, ...]) -> str:
    found = [str(entry[key]).strip() for key in keys if entry.get(key) is not None]
    return found[0] if found else ""
