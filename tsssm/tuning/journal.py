"""The journal file of a search: Optuna's, and mended after a crash in the middle of a record."""

from __future__ import annotations

import json
import os
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from tsssm.errors import ConfigError

if TYPE_CHECKING:
    from optuna.storages import JournalStorage

__all__ = ["open_journal"]

_BEGIN = b'{"op_code"'  # of every record: one a line


def open_journal(path: Path) -> JournalStorage:
    """Open or begin a journal; folders are made.

    Warns
    -----
    UserWarning
        A crash cut the last record off in the middle, and what there is of it was removed.

    Raises
    ------
    ConfigError
        `path` is a folder, or a file that is no journal, which is left as it is: Optuna would append to anything, and
        could not read it afterwards.
    """
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    if path.is_dir():
        raise ConfigError(f"storage={os.fspath(path)!r} is a folder. Name a file, such as {path / 'study.journal'}.")
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists():
        records, rest = _read(path)
        if not (_are_whole(records) and _BEGIN[: len(rest)] == rest[: len(_BEGIN)]):
            raise ConfigError(f"storage={os.fspath(path)!r} is a file, but no Optuna journal. Name another.")
        if rest:
            _remove_rest(path)
    return JournalStorage(JournalFileBackend(os.fspath(path)))


def _read(path: Path) -> tuple[bytes, bytes]:
    """Whole lines, and what follows them."""
    content = path.read_bytes()
    end = content.rfind(b"\n") + 1
    return content[:end], content[end:]


def _are_whole(lines: bytes) -> bool:
    try:
        records = [json.loads(line) for line in lines.splitlines()]
    except ValueError:
        return False
    return all(isinstance(record, dict) and "op_code" in record for record in records)


def _remove_rest(path: Path) -> None:
    """Under the lock of those who write: what looks cut off may be a record that another process is writing now."""
    from optuna.storages.journal import JournalFileSymlinkLock

    lock = JournalFileSymlinkLock(os.fspath(path))
    lock.acquire()
    try:
        records, rest = _read(path)
        if rest:
            os.truncate(path, len(records))
    finally:
        lock.release()
    if rest:
        warnings.warn(
            f"{path}: a crash cut off the last record after {len(rest)} bytes; they are removed, and what it would "
            "have recorded is done again.",
            stacklevel=2,
        )
