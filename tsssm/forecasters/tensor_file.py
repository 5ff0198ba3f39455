"""Named tensors in one file of safetensors, told apart from any other by its sha256."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from tsssm.errors import ModelFileError
from tsssm.forecasters.written_file import read_bytes, write_bytes

__all__ = ["read_tensors", "write_tensors"]


def write_tensors(file: Path, tensors: Mapping[str, Tensor]) -> str:
    """Write tensors and return the file's sha256, in hexadecimal."""
    data = save({name: tensor.contiguous() for name, tensor in tensors.items()})
    write_bytes(file, data)
    return hashlib.sha256(data).hexdigest()


def read_tensors(file: Path, digest: str) -> dict[str, Tensor]:
    """Read tensors from the file of this sha256.

    Raises
    ------
    ModelFileError
        The file is missing, another one, or no safetensors.
    """
    data = read_bytes(file)
    seen = hashlib.sha256(data).hexdigest()
    if seen != digest:
        raise ModelFileError(
            f"{file} is damaged: its sha256 is {seen}, config.json says {digest}. Restore it, or save the model again."
        )
    try:
        return load(data)
    except (SafetensorError, ValueError, TypeError, KeyError, RuntimeError, OverflowError) as error:
        raise ModelFileError(f"{file} is damaged: {error}. Restore it, or save the model again.") from error
