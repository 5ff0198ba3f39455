"""``config.json`` of a saved model: format, version, a digest of itself, and what is saved beside it."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np

from tsssm.errors import ModelFileError
from tsssm.forecasters.written_file import read_bytes, write_bytes

__all__ = ["CONFIG", "FORMAT", "VERSION", "read_config", "write_config"]

CONFIG, FORMAT, VERSION = "config.json", "tsssm", 2

_DIGEST = "digest"


def write_config(folder: Path, config: dict[str, Any]) -> None:
    """Write the configuration of a saved model, format, version and digest added.

    Raises
    ------
    TypeError
        A value is neither plain Python nor a NumPy scalar.
    OSError
        The disk is full or read-only.
    """
    whole = json.loads(json.dumps({"format": FORMAT, "version": VERSION} | config, default=_plain))
    text = json.dumps({**whole, _DIGEST: _digest(whole)}, indent=1)
    write_bytes(folder / CONFIG, text.encode())


def read_config(folder: Path) -> dict[str, Any]:
    """The configuration of a saved model, of a format and version that this library reads.

    Raises
    ------
    ModelFileError
        There is none, it is no JSON, of another format or version, or not as it was written.
    """
    file = folder / CONFIG
    if not file.is_file():
        raise ModelFileError(f"{folder} has no {CONFIG}: it is no saved model.")
    try:
        config = json.loads(read_bytes(file).decode())
        written = config.pop(_DIGEST, None) if isinstance(config, dict) else None
        digest = _digest(config)
    except (ValueError, RecursionError) as error:  # bad UTF-8, bad JSON, numbers of thousands of digits
        raise ModelFileError(f"{file} is damaged: {error}. Restore it, or save the model again.") from error
    if not isinstance(config, dict) or config.get("format") != FORMAT:
        raise ModelFileError(f"{file} is not of tsssm's format. Give the folder that save wrote.")
    if config.get("version") != VERSION:
        raise ModelFileError(
            f"{file} has format version {config.get('version')!r}; this tsssm reads version {VERSION}. "
            "Load it with the tsssm that wrote it."
        )
    if written != digest:
        raise ModelFileError(f"{file} is damaged: it is not as it was written. Restore it, or save the model again.")
    return config


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"{value!r} cannot be saved")


def _digest(config: Any) -> str:
    """The sha256 of the values, however they are laid out."""
    return hashlib.sha256(json.dumps(config, sort_keys=True).encode()).hexdigest()
