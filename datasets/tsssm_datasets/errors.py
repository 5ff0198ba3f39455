"""The errors of the catalogue; each is also a `ValueError`."""

from __future__ import annotations

__all__ = ["CardError", "ChecksumError", "DataFileError", "DatasetError", "UnknownDatasetError"]


class DatasetError(ValueError):
    """Base of the family: catch it to catch all errors of the catalogue."""


class UnknownDatasetError(DatasetError):
    """No data set of the catalogue has this name."""


class CardError(DatasetError):
    """A `card.json` or a folder of cards cannot be used as it stands."""


class DataFileError(DatasetError):
    """A file that a card names is missing or cannot be read."""


class ChecksumError(DataFileError):
    """A data file is not the one its card describes."""
