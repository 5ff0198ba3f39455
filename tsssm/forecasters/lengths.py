"""Lengths chosen from the data: validation part, patch, context, lags."""

from __future__ import annotations

import math

import numpy as np

from tsssm.data import default_patch_length, default_season_length
from tsssm.errors import DataError

__all__ = ["Lengths", "choose_lengths", "season_length", "training_lengths"]

CONTEXT_PATCHES, LAG_PATCHES = 30, 14

Lengths = tuple[int, int, int]


def training_lengths(lengths: np.ndarray, horizon: int, validation_size: int | str, names: tuple) -> np.ndarray:
    """Rows of each series to learn from; the rest is its validation part.

    "auto" holds back the larger of one horizon and a tenth of a series, and nothing of a series shorter than three
    times that.

    Raises
    ------
    DataError
        A given size leaves no series two rows to learn from.
    """
    if validation_size == "auto":
        held_out = np.maximum(horizon, np.ceil(0.1 * lengths)).astype(np.int64)
        return lengths - np.where(lengths >= 3 * held_out, held_out, 0)
    train = np.maximum(lengths - int(validation_size), 0)
    if train.max() < 2:
        longest = int(lengths.argmax())
        raise DataError(
            f"validation_size={validation_size} leaves nothing to learn from: the longest series "
            f"({names[longest]!r}) has {lengths[longest]} rows from its first observation on. Lower validation_size."
        )
    return train


def choose_lengths(
    train_length: int, frequency: str, patch_length: int | str, context_length: int | str, name: object
) -> Lengths:
    """Patch length, tokens of a window and lags of the base, for a longest series of `train_length` rows.

    Automatic lengths shrink on short data: a patch to a quarter of it, the context to all of it, the lags to half.

    Raises
    ------
    DataError
        There is no room for one patch and one step ahead.
    """
    if patch_length == "auto":
        patch = max(1, min(default_patch_length(frequency), train_length // 4))
    else:
        patch = int(patch_length)
    if train_length < patch + 1:
        raise DataError(
            f"y needs {patch + 1} rows in its training part, one patch of patch_length={patch} and one step ahead; the "
            f"longest series ({name!r}) has {train_length}. Pass more history, or lower patch_length or "
            "validation_size."
        )
    if context_length == "auto":
        tokens = min(CONTEXT_PATCHES, train_length // patch)
    else:
        tokens = math.ceil(int(context_length) / patch)
    lags = patch * max(1, min(LAG_PATCHES, train_length // (2 * patch)))
    return patch, tokens, lags


def season_length(setting: int | str, frequency: str) -> int:
    """Rows of a season: as given, or the usual one of the frequency."""
    return default_season_length(frequency) if setting == "auto" else int(setting)
