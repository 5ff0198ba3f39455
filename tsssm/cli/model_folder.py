"""Where a model is saved."""

from __future__ import annotations

from pathlib import Path

from tsssm.errors import ModelFileError
from tsssm.forecasters.folders import read_config

__all__ = ["check_model_folder"]


def check_model_folder(folder: Path) -> None:
    """Refuse, before training, a place where the model could not be saved after it.

    Raises
    ------
    ModelFileError
        It is a file, or a folder that holds something else than a saved model.

    Examples
    --------
    >>> check_model_folder(Path("a-folder-that-does-not-exist"))
    """
    if folder.exists() and not folder.is_dir():
        raise ModelFileError(f"{folder} is a file; a model is saved as a folder. Choose another path.")
    if folder.is_dir() and any(folder.iterdir()):
        try:
            read_config(folder)
        except ModelFileError as error:
            raise ModelFileError(f"{folder} holds something else: {error}. Choose another folder.") from error
