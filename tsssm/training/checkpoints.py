"""Checkpoints of a training, from which the same training goes on after a crash."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from tsssm.errors import ConfigError, ModelFileError
from tsssm.training.state import TrainingState

__all__ = ["Checkpoints"]

_SUFFIX = ".checkpoint.safetensors"
_OWNER, _STEP, _SUM = "training", "step", "sha256"  # what a file says of itself


class Checkpoints:
    """A folder with one file for each part of a training (a schedule, the trunk of several schedules).

    A file is written beside its place and moved there, so that a crash leaves the one before it.

    Parameters
    ----------
    folder : path
        Made if it does not exist.
    training : str
        A digest of data and settings: another training's checkpoints are refused.
    resume : bool
        False: begin anew, over what is there.

    Attributes
    ----------
    resumed_from : int or None
        The highest step of a checkpoint that was loaded.

    Raises
    ------
    ConfigError
        The folder is a file, or holds checkpoints of another training.
    ModelFileError
        A file is damaged.
    """

    def __init__(self, folder: str | os.PathLike, training: str, resume: bool = True):
        self.folder, self.training = Path(folder), training
        self.resumed_from: int | None = None
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except (FileExistsError, NotADirectoryError) as error:
            raise ConfigError(
                f"checkpoint_dir={os.fspath(folder)!r}: a file is at this place. Name a folder."
            ) from error
        for half in self.folder.glob(f".*{_SUFFIX}.new-*"):  # of a process that was killed while it wrote
            half.unlink(missing_ok=True)
        for file in self.folder.glob("*" + _SUFFIX):
            if not resume:
                file.unlink()
            elif _notes(_open(file)).get(_OWNER) != training:
                raise ConfigError(
                    f"{self.folder} holds checkpoints of another training: other data, settings, random_state or "
                    'version of tsssm. Name another checkpoint_dir, or pass Training(resume="never") to begin anew '
                    "over them."
                )

    def save(self, part: str, state: TrainingState) -> None:
        """Keep the state of a part of the training, in place of an earlier one.

        Raises
        ------
        OSError
            Of a full or read-only disk; the earlier one is still there.
        """
        file = self._file(part)
        new = file.with_name(f".{file.name}.new-{os.getpid()}")
        try:
            tensors = state.to_tensors()
            notes = {_OWNER: self.training, _STEP: str(state.step), _SUM: _checksum(tensors)}
            with new.open("wb") as handle:  # safetensors itself hides the OSError of a full disk
                handle.write(save(tensors, notes))
                handle.flush()
                os.fsync(handle.fileno())
            os.replace(new, file)
        except OSError as error:
            error.filename = error.filename or str(file)  # a write that fails does not say where
            raise
        finally:
            new.unlink(missing_ok=True)

    def load(self, part: str) -> TrainingState | None:
        """The state of a part of the training, None if it has not begun.

        Raises
        ------
        ModelFileError
            The file is damaged.
        """
        file = self._file(part)
        if not file.exists():
            return None
        opened = _open(file)
        tensors = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118
        if _notes(opened).get(_SUM) != _checksum(tensors):
            raise _damaged(file, "its tensors are not those that were written")
        step = int(_notes(opened)[_STEP])
        self.resumed_from = max(step, self.resumed_from or 0)
        return TrainingState.from_tensors(step, tensors)

    def _file(self, part: str) -> Path:
        return self.folder / (part + _SUFFIX)


def _open(file: Path):
    try:
        return safe_open(file, "pt")
    except SafetensorError as error:
        raise _damaged(file, error) from error


def _damaged(file: Path, why: object) -> ModelFileError:
    return ModelFileError(f"{file} is damaged: {why}. Delete it; training goes on without it.")


def _notes(opened) -> dict[str, str]:
    return opened.metadata() or {}


def _checksum(tensors: dict[str, Tensor]) -> str:
    digest = hashlib.sha256()
    for name in sorted(tensors):
        digest.update(name.encode())
        digest.update(tensors[name].reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
