"""Train a network with Lightning, along one schedule."""

from __future__ import annotations

import signal
from collections.abc import Callable
from dataclasses import dataclass

import lightning
import torch
from lightning.pytorch.callbacks import Callback

from tsssm.data import WindowSource
from tsssm.network import ForecastNetwork
from tsssm.progress import progress_bar
from tsssm.training.callbacks import History, TimeBudget, Validation
from tsssm.training.checkpoints import Checkpoints
from tsssm.training.datamodule import WindowDataModule
from tsssm.training.interrupt import Interrupt
from tsssm.training.judgement import Judgement
from tsssm.training.keeper import Keeper
from tsssm.training.module import ForecastModule
from tsssm.training.quiet import quiet_lightning
from tsssm.training.schedule import Schedule
from tsssm.training.settings import Training
from tsssm.training.state import TrainingState

__all__ = ["TrainingResult", "TrainingTask", "train_network"]


@dataclass(frozen=True)
class TrainingTask:
    """What is trained, on what, and how; all but the schedule.

    Attributes
    ----------
    network : ForecastNetwork
        Trained in place.
    levels : tuple of float
        The head's quantile levels.
    source : WindowSource
    batch_size, seed : int
    settings : Training
    judge : callable
        The `Judgement` of a network (on the CPU, in evaluation mode) by the validation part.
    checkpoints : Checkpoints or None
    device : str
        "auto", "cpu" or "cuda".
    verbose : bool
    """

    network: ForecastNetwork
    levels: tuple[float, ...]
    source: WindowSource
    batch_size: int
    seed: int
    settings: Training
    judge: Callable[[ForecastNetwork], Judgement]
    checkpoints: Checkpoints | None = None
    device: str = "auto"
    verbose: bool = True


@dataclass(frozen=True)
class TrainingResult:
    """What came of a schedule.

    Attributes
    ----------
    state : TrainingState
        At the end.
    at_fall : TrainingState or None
        Where the learning rate began to fall, if it stayed before.
    received : signal.Signals or None
        The signal that ended the training early.
    taken : int
        Steps taken now: those before a resume or a branch do not count.
    """

    state: TrainingState
    at_fall: TrainingState | None
    received: signal.Signals | None
    taken: int


def train_network(
    task: TrainingTask,
    schedule: Schedule,
    *,
    part: str = "training",
    start: TrainingState | None = None,
    seconds: float | None = None,
) -> TrainingResult:
    """Train a task's network in place with ``lightning.Trainer``; it ends on the CPU, in evaluation mode.

    No folder but that of the checkpoints is written, and no logger is used. Torch's global random state is left to the
    caller.

    Parameters
    ----------
    task : TrainingTask
    schedule : Schedule
    part : str
        Under which name checkpoints are kept.
    start : TrainingState, optional
        Go on from here; a checkpoint of this part goes before.
    seconds : float, optional
        The schedule is shortened to what fits.
    """
    network, checkpoints = task.network.train(), task.checkpoints
    if checkpoints is not None:
        start = checkpoints.load(part) or start
    if start is not None and start.step >= schedule.length:
        network.eval().load_state_dict(start.weights)
        return TrainingResult(start, Keeper.saved_at_fall(checkpoints, part), None, taken=0)
    module = ForecastModule(
        network, task.levels, schedule, weight_decay=task.settings.weight_decay, start=start, seed=task.seed
    )
    first_step, curve = (0, {}) if start is None else (start.step, start.curve)
    progress = progress_bar(schedule.length, f"training at {schedule.learning_rate:g}", verbose=task.verbose)
    history = History(progress, curve)
    keeper = Keeper(history.curve, schedule, checkpoints, part, task.settings.checkpoint_every)
    interrupt = Interrupt(terminate=checkpoints is not None)
    optional: list[Callback] = [] if seconds is None else [TimeBudget(seconds)]
    if task.settings.validate_every is not None:
        optional.append(Validation(task.settings.validate_every, task.judge))
    data = WindowDataModule(task.source, batch_size=task.batch_size, seed=task.seed, first_step=first_step)
    try:
        with quiet_lightning(), interrupt.listening():
            trainer = _trainer(
                task, schedule.length - first_step, [history, *optional, interrupt, *task.settings.callbacks, keeper]
            )
            trainer.fit(module, datamodule=data)
    finally:
        progress.close()
        network.cpu().eval()
    return TrainingResult(keeper.ended(network), keeper.at_fall, interrupt.received, trainer.global_step)


def _trainer(task: TrainingTask, steps: int, callbacks: list[Callback]) -> lightning.Trainer:
    settings = task.settings
    return lightning.Trainer(
        accelerator=_accelerator(task.device),
        devices=1 if settings.strategy == "auto" else "auto",
        strategy=settings.strategy,
        precision=settings.precision,  # type: ignore[arg-type]
        max_steps=steps,
        gradient_clip_val=settings.gradient_clip,
        callbacks=callbacks,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )


def _accelerator(device: str) -> str:
    """Lightning's name: "auto" takes a CUDA device where there is one, else the CPU.

    Apple's GPU is left aside: it has no float64, which the causal scaler needs.
    """
    return "cuda" if device == "cuda" or (device == "auto" and torch.cuda.is_available()) else "cpu"
