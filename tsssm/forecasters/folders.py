"""Write a folder beside its place and move it there: a crash leaves the old or the new one whole, never half.

Folders cannot be exchanged in one step everywhere. A crash between the two moves leaves the old one under a hidden name
beside its place, and `load` says where.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tsssm.errors import ModelFileError

__all__ = ["CONFIG", "FORMAT", "file_digest", "read_config", "replaced_folder"]

CONFIG, FORMAT, VERSION = "config.json", "tsssm", 1


@contextlib.contextmanager
def replaced_folder(path: str | os.PathLike) -> Iterator[Path]:
    """Give an empty folder to write into; it takes the place of `path` when all is written.

    Raises
    ------
    ModelFileError
        `path` holds something that is not a saved model.
    OSError
        Of a full or read-only disk.
    """
    target = Path(path).absolute()
    _refuse_foreign(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    new = Path(tempfile.mkdtemp(prefix=f".{target.name}.new-", dir=target.parent))
    try:
        yield new
        for file in new.iterdir():
            _flush(file)
        new.chmod(0o777 & ~_umask())
        if not target.exists():
            os.replace(new, target)
            return
        previous = previous_folder(target)
        shutil.rmtree(previous, ignore_errors=True)
        os.replace(target, previous)
        os.replace(new, target)
        shutil.rmtree(previous)
    finally:
        shutil.rmtree(new, ignore_errors=True)


def previous_folder(target: Path) -> Path:
    """Where a model waits while its successor takes its place."""
    return target.with_name(f".{target.name}.tsssm-previous")


def interruption(folder: Path) -> str:
    """A sentence on the model that an interrupted save has left, if there is one."""
    previous = previous_folder(folder)
    return f" A save was interrupted: the model before it is whole in {previous}." if previous.is_dir() else ""


def _refuse_foreign(target: Path) -> None:
    if not target.exists():
        return
    if not target.is_dir():
        raise ModelFileError(f"{target} is a file; a model is saved as a folder. Choose another path.")
    if any(target.iterdir()):
        try:
            read_config(target)
        except ModelFileError as error:
            raise ModelFileError(
                f"{target} holds something that is not a saved model ({error}); it is left alone. "
                "Choose another folder."
            ) from error


def _flush(file: Path) -> None:
    with file.open("rb") as handle:
        os.fsync(handle.fileno())


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def file_digest(file: Path) -> str:
    """The sha256 of a file, in hexadecimal."""
    with file.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def read_config(folder: Path) -> dict[str, Any]:
    """The configuration of a saved model, of a format and version that this library reads.

    Raises
    ------
    ModelFileError
        There is none, it is no JSON, or of another format or a later version.
    """
    file = folder / CONFIG
    if not file.is_file():
        raise ModelFileError(f"{folder} has no {CONFIG}: it is no saved model.{interruption(folder)}")
    try:
        config = json.loads(file.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ModelFileError(f"{file} is damaged: {error}. Restore it, or save the model again.") from error
    if not isinstance(config, dict) or config.get("format") != FORMAT:
        raise ModelFileError(f"{file} is not of tsssm's format")
    if config.get("version") != VERSION:
        raise ModelFileError(
            f"{file} has format version {config.get('version')!r}; this tsssm reads version {VERSION}. "
            "Load it with the tsssm that wrote it."
        )
    return config
