"""Whether a data file is, byte for byte, the one its card describes."""

from __future__ import annotations

import hashlib
from pathlib import Path

from tsssm_datasets.errors import ChecksumError, DataFileError

__all__ = ["verify_sha256"]


def verify_sha256(path: Path, expected: str) -> None:
    """Raise unless the file's sha256 is the expected one.

    Parameters
    ----------
    path : Path
        The file.
    expected : str
        Its sha256, 64 hexadecimal digits in lower case.

    Raises
    ------
    DataFileError
        There is no such file.
    ChecksumError
        The file's digest is another one; the message names file, expected and found digest.

    Examples
    --------
    >>> import tempfile
    >>> file = Path(tempfile.mkdtemp()) / "empty.csv"
    >>> _ = file.write_bytes(b"")
    >>> verify_sha256(file, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
    """
    if not path.is_file():
        raise DataFileError(f"{path} is missing, but its card names it: put the file there or correct the card.")
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != expected:
        raise ChecksumError(
            f"{path} is not the file its card describes: expected sha256 {expected}, found {found}. "
            "Fetch the file again, or, if you changed it on purpose, write the found digest into the card."
        )
