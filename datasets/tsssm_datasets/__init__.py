"""The catalogue of data sets: cards, loaders and small bundled real sets."""

from tsssm_datasets.cards import Card, DataFile
from tsssm_datasets.catalogue import card, list_datasets, load
from tsssm_datasets.errors import CardError, ChecksumError, DataFileError, DatasetError, UnknownDatasetError

__all__ = [
    "Card",
    "CardError",
    "ChecksumError",
    "DataFile",
    "DataFileError",
    "DatasetError",
    "UnknownDatasetError",
    "card",
    "list_datasets",
    "load",
]
