"""Train a network with Lightning."""

from __future__ import annotations

import lightning
import numpy as np
import torch

from tsssm.network import ForecastNetwork
from tsssm.progress import progress_bar
from tsssm.training.callbacks import History, Interrupt, TimeBudget
from tsssm.training.datamodule import WindowDataModule
from tsssm.training.module import ForecastModule
from tsssm.training.quiet import quiet_lightning
from tsssm.training.schedule import Schedule, TrainingResult
from tsssm.training.settings import Training

__all__ = ["train_network"]


def train_network(
    network: ForecastNetwork,
    levels: tuple[float, ...],
    data: WindowDataModule,
    schedule: Schedule,
    training: Training,
    *,
    device: str = "auto",
    verbose: bool = True,
) -> TrainingResult:
    """Train `network` in place with ``lightning.Trainer``; it ends on the CPU, in evaluation mode.

    No folder is written and no logger is used. Torch's global random state is left to the caller.
    """
    module = ForecastModule(
        network, levels, learning_rate=schedule.learning_rate, max_steps=schedule.max_steps, training=training
    )
    progress = progress_bar(schedule.max_steps, "training", verbose=verbose)
    history, interrupt = History(progress), Interrupt()
    budget = [] if schedule.time_budget is None else [TimeBudget(schedule.time_budget)]
    try:
        with quiet_lightning():
            trainer = lightning.Trainer(
                accelerator=_accelerator(device),
                devices=1 if training.strategy == "auto" else "auto",
                strategy=training.strategy,
                precision=training.precision,  # type: ignore[arg-type]
                max_steps=schedule.max_steps,
                gradient_clip_val=training.gradient_clip,
                callbacks=[history, *budget, interrupt, *training.callbacks],
                logger=False,
                enable_checkpointing=False,
                enable_progress_bar=False,
                enable_model_summary=False,
            )
            with interrupt.listening():
                trainer.fit(module, datamodule=data)
    finally:
        progress.close()
    network.cpu().eval().requires_grad_(False)
    for parameter in network.parameters():
        parameter.grad = None
    return TrainingResult({name: np.asarray(v) for name, v in history.curve.items()}, interrupt.interrupted)


def _accelerator(device: str) -> str:
    """Lightning's name: "auto" takes a CUDA device where there is one, else the CPU.

    Apple's GPU is left aside: it has no float64, which the causal scaler needs.
    """
    return "cuda" if device == "cuda" or (device == "auto" and torch.cuda.is_available()) else "cpu"
