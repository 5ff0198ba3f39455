"""Write a file beside its place and move it there: a crash leaves the old or the new one, never half."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from tsssm.errors import ConfigError

__all__ = ["check_distinct_files", "check_output_file", "replaced_file"]


def check_output_file(path: Path | None) -> None:
    """Refuse a folder where a file is to be written, before any work is done.

    Raises
    ------
    ConfigError
        `path` is a folder.
    """
    if path is not None and path.is_dir():
        raise ConfigError(f"{path} is a folder. Give the name of a file, such as {path / 'forecast.csv'}.")


def check_distinct_files(*paths: Path | None) -> None:
    """Refuse one file for two tables: the second would take the place of the first.

    Raises
    ------
    ConfigError
        A path comes twice.

    Examples
    --------
    >>> check_distinct_files(Path("a.csv"), Path("b.csv"), None, None)
    """
    given = [path for path in paths if path is not None]
    for position, path in enumerate(given):
        if path.resolve() in [other.resolve() for other in given[:position]]:
            raise ConfigError(f"{path} is named for two files to write. Give each a name of its own.")


@contextlib.contextmanager
def replaced_file(path: str | os.PathLike) -> Iterator[Path]:
    """Give the path of a new file to write; it takes the place of `path` when all is written.

    Missing folders are made. The new file's name ends as `path` does, so that writers which go by the ending (`.gz`,
    `.png`) do the same.

    Raises
    ------
    ConfigError
        `path` is a folder.
    OSError
        Of a full or read-only disk.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with replaced_file(Path(folder, "a.txt")) as new:
    ...         _ = new.write_text("forecast")
    ...     Path(folder, "a.txt").read_text(), len(os.listdir(folder))
    ('forecast', 1)
    """
    target = Path(path)
    check_output_file(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    new = target.with_name(f".new-{os.getpid()}-{target.name}")
    try:
        yield new
        os.replace(new, target)
    except OSError as error:
        if error.filename == str(new):  # name the file that the user knows
            error.filename = str(target)
        raise
    finally:
        new.unlink(missing_ok=True)
