"""Checkpoints of a training, from which the same training goes on after a crash."""

from __future__ import annotations

import os
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from tsssm.errors import ConfigError, ModelFileError
from tsssm.training.state import TrainingState

__all__ = ["Checkpoints"]

_SUFFIX, _OWNER = ".checkpoint.safetensors", "training"


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
        The folder holds checkpoints of another training.
    """

    def __init__(self, folder: str | os.PathLike, training: str, resume: bool = True):
        self.folder, self.training = Path(folder), training
        self.resumed_from: int | None = None
        self.folder.mkdir(parents=True, exist_ok=True)
        for file in self.folder.glob("*" + _SUFFIX):
            if not resume:
                file.unlink()
            elif _open(file).metadata().get(_OWNER) != training:
                raise ConfigError(
                    f"{self.folder} holds checkpoints of another training: other data, settings or random_state. "
                    'Name another checkpoint_dir, or pass Training(resume="never") to begin anew over them.'
                )

    def save(self, part: str, state: TrainingState) -> None:
        """Keep the state of a part of the training, in place of an earlier one."""
        file = self._file(part)
        new = file.with_name(f".{file.name}.new-{os.getpid()}")
        try:
            save_file(state.to_tensors(), new, {_OWNER: self.training, "step": str(state.step)})
            with new.open("rb") as handle:
                os.fsync(handle.fileno())
            os.replace(new, file)
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
        step = int(opened.metadata()["step"])
        self.resumed_from = max(step, self.resumed_from or 0)
        return TrainingState.from_tensors(step, {name: opened.get_tensor(name) for name in opened.keys()})  # noqa: SIM118

    def _file(self, part: str) -> Path:
        return self.folder / (part + _SUFFIX)


def _open(file: Path):
    try:
        return safe_open(file, "pt")
    except SafetensorError as error:
        raise ModelFileError(f"{file} is damaged: {error}. Delete it; training goes on without it.") from error
