"""Whole files in and out, on the disk when the call returns."""

from __future__ import annotations

import os
from pathlib import Path

from tsssm.errors import ModelFileError

__all__ = ["read_bytes", "write_bytes"]


def write_bytes(file: Path, data: bytes) -> None:
    """Write a file and have the disk keep it.

    Raises
    ------
    OSError
        With the name of the file: the disk is full or read-only.
    """
    try:
        with file.open("wb") as handle:
            handle.write(data)
            handle.flush()
            os.fsync(handle.fileno())
    except OSError as error:
        if error.filename is None:  # a write that fails does not say where
            error.filename = str(file)
        raise


def read_bytes(file: Path) -> bytes:
    """Read a file.

    Raises
    ------
    ModelFileError
        It is missing, or cannot be read.
    """
    if not file.is_file():
        raise ModelFileError(f"{file} is missing. Restore it, or save the model again.")
    try:
        return file.read_bytes()
    except OSError as error:
        raise ModelFileError(f"{file} cannot be read: {error}") from error
