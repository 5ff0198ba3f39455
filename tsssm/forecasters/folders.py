"""Write a folder beside its place and move it there: a crash leaves the old or the new one whole, never half.

Folders cannot be exchanged in one step everywhere. A crash between the two moves leaves the old one under a hidden name
beside its place, where `saved_folder` finds it.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

from tsssm.errors import ModelFileError
from tsssm.forecasters.config_file import read_config

__all__ = ["read_saved", "replaced_folder", "saved_folder"]

_ABANDONED = 24 * 3600.0  # seconds after which a half-written folder is one that a killed process left
_TRIES = 5  # readings of a folder that others replace meanwhile

T = TypeVar("T")


@contextlib.contextmanager
def replaced_folder(path: str | os.PathLike) -> Iterator[Path]:
    """Give an empty folder to write into; it takes the place of `path` when all is written.

    Raises
    ------
    ModelFileError
        `path` holds something that is not a saved model.
    OSError
        Of a full or read-only disk; the old folder is then as it was, and nothing is left beside it.
    """
    target = Path(path).resolve()  # a link stays a link: what it points to is replaced
    _refuse_foreign(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    _sweep(target)
    new = _make_beside(target)
    try:
        yield new
        _flush_folder(new)
        new.chmod(0o777 & ~_umask())
        _move_into_place(new, target)
    except OSError as error:
        if error.filename is not None and Path(error.filename).parent == new:  # name the file that the user knows
            error.filename = str(target / Path(error.filename).name)
        raise
    finally:
        shutil.rmtree(new, ignore_errors=True)


def saved_folder(path: str | os.PathLike) -> Path | None:
    """Where the model saved at `path` lies: there, or beside it if a save was cut off between its two moves."""
    target = Path(path).resolve()
    places = (target, _previous(target), target)  # a successor may come between the first two looks
    return next((folder for folder in places if folder.is_dir()), None)


def read_saved(path: str | os.PathLike, read: Callable[[Path], T]) -> T:
    """Read the folder of the model saved at `path`; anew where another process replaces it meanwhile.

    Raises
    ------
    ModelFileError
        There is none; and what `read` raises of a folder that stays the same.
    """
    for tries_left in reversed(range(_TRIES)):
        folder = saved_folder(path)
        if folder is None:
            break
        seen = _identity(folder)
        try:
            return read(folder)
        except ModelFileError:
            if not tries_left or _identity(folder) == seen:
                raise
    raise ModelFileError(f"there is no folder {Path(path).absolute()}. Give the folder that save wrote.")


def _move_into_place(new: Path, target: Path) -> None:
    previous = _previous(target)
    if target.exists():
        shutil.rmtree(previous, ignore_errors=True)  # older than the target
        os.replace(target, previous)
        try:
            os.replace(new, target)
        except BaseException:
            os.replace(previous, target)
            raise
    else:
        os.replace(new, target)
    _flush_folder(target.parent)
    shutil.rmtree(previous, ignore_errors=True)


def _make_beside(target: Path) -> Path:
    try:
        return Path(tempfile.mkdtemp(prefix=_new_prefix(target), dir=target.parent))
    except OSError as error:
        error.filename = str(target)
        raise


def _identity(folder: Path) -> tuple[int, int] | None:
    """Tells a folder from its successor at the same place; None once it is gone."""
    try:
        stat = folder.stat()
    except OSError:
        return None
    return stat.st_ino, stat.st_mtime_ns


def _previous(target: Path) -> Path:
    """Where a model waits while its successor takes its place."""
    return target.with_name(f".{target.name}.tsssm-previous")


def _new_prefix(target: Path) -> str:
    return f".{target.name}.tsssm-new-"


def _sweep(target: Path) -> None:
    """Remove what processes that were killed have left half-written."""
    for left in target.parent.glob(f"{_new_prefix(target)}*"):
        with contextlib.suppress(OSError):
            if time.time() - left.stat().st_mtime > _ABANDONED:
                shutil.rmtree(left, ignore_errors=True)


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


def _flush_folder(folder: Path) -> None:
    """Have the disk keep the names in a folder; Windows offers no way to."""
    if os.name != "nt":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
