"""Train the network of a forecaster: along the schedule that is given, or along the one that validation chooses."""

from __future__ import annotations

import hashlib
import json
import signal
import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from tsssm.data import WindowSource
from tsssm.errors import ConfigError
from tsssm.forecasters.model import Model
from tsssm.forecasters.validation import FitData, forecast_judgement, has_validation
from tsssm.mixers.stack import Stack
from tsssm.network import ForecastNetwork
from tsssm.training import Schedule

if TYPE_CHECKING:
    from tsssm.training.fit import TrainingTask
    from tsssm.training.search import Candidate

__all__ = ["Learned", "learn"]

RATES, LENGTHS = (1e-3, 4e-3), (300, 600, 1500)  # what "auto" chooses from
# a cosine falls from its first step on, the schedules of the search stay at their rate: the same mean, about
COSINE_RATE = 2e-3

_turn = threading.Lock()


@dataclass(frozen=True)
class Learned:
    """What came of training a network.

    Attributes
    ----------
    network : ForecastNetwork
    curve : dict of str to ndarray
        ``step``, ``loss`` and ``learning_rate`` of each step that led to these weights.
    tried : list of Candidate
        Schedules that the validation part has judged.
    received : signal.Signals or None
        What ended the training early.
    resumed_from_step : int or None
        The step of the checkpoint that training went on from.
    """

    network: ForecastNetwork
    curve: dict[str, np.ndarray]
    tried: Sequence[Candidate]
    received: signal.Signals | None
    resumed_from_step: int | None


def learn(model: Model, stack: Stack, data: FitData, settings: dict[str, Any]) -> Learned:
    """Train a network for a model whose other parts are fitted.

    Raises
    ------
    ConfigError
        Training diverged, `validate_every` is given without a validation part, or `checkpoint_dir` is a file or holds
        the checkpoints of another training.
    """
    # the random state and Lightning's log levels belong to the process: fits of several threads take turns
    with _turn, torch.inference_mode(False), torch.random.fork_rng(list(range(torch.cuda.device_count()))):
        torch.manual_seed(settings["random_state"])
        network = model.spec.build_network(stack, data.panel.n_covariates)
        learned = _train(_task(model, stack, network, data, settings), settings, has_validation(data))
    network.requires_grad_(False)
    if not all(bool(torch.isfinite(parameter).all()) for parameter in network.parameters()):
        rate = learned.curve["learning_rate"].max()
        raise ConfigError(
            f"training diverged: weights are no finite numbers after {len(learned.curve['loss'])} steps at "
            f"learning_rate={rate:g}. Lower learning_rate."
        )
    return learned


def _task(
    model: Model, stack: Stack, network: ForecastNetwork, data: FitData, settings: dict[str, Any]
) -> TrainingTask:
    from tsssm.training.fit import TrainingTask

    spec, training = model.spec, settings["training"]
    source = WindowSource(
        panel=data.panel,
        train_lengths=data.train_lengths,
        location=data.track.location,
        scale=data.track.scale,
        deviation=data.deviation,
        n_tokens=spec.n_tokens,
        patch_length=spec.patch_length,
        horizon=spec.horizon,
    )
    checkpoints = None
    if training.checkpoint_dir is not None:
        from tsssm.training.checkpoints import Checkpoints

        checkpoints = Checkpoints(
            training.checkpoint_dir, _digest(model, stack, data, settings), training.resume == "auto"
        )
    return TrainingTask(
        network,
        spec.levels,
        source,
        batch_size=settings["batch_size"],
        seed=int(settings["random_state"]),  # numpy's integers overflow where a step's seed is made of it
        settings=training,
        judge=lambda candidate: forecast_judgement(replace(model, network=candidate), data),
        checkpoints=checkpoints,
        device=settings["device"],
        verbose=settings["verbose"],
    )


def _train(task: TrainingTask, settings: dict[str, Any], validated: bool) -> Learned:
    from tsssm.training.fit import train_network
    from tsssm.training.search import search_schedule

    steps, rate, warmup = settings["max_steps"], settings["learning_rate"], settings["training"].warmup
    tried: Sequence[Candidate] = ()
    if task.settings.validate_every is not None and not validated:
        raise ConfigError(
            f"validate_every={task.settings.validate_every}, but there is no validation part, or nothing is observed "
            "in it. Raise validation_size, pass more data, or leave validate_every out."
        )
    if steps == "auto" and validated:
        rates = RATES if rate == "auto" else (rate,)
        found = search_schedule(task, rates, LENGTHS, warmup=warmup, seconds=settings["time_budget"])
        state, tried, received = found.state, found.tried, found.received
    else:
        schedule = Schedule.cosine(
            LENGTHS[0] if steps == "auto" else steps, COSINE_RATE if rate == "auto" else rate, warmup
        )
        result = train_network(task, schedule, seconds=settings["time_budget"])
        state, received = result.state, result.received
    resumed = None if task.checkpoints is None else task.checkpoints.resumed_from
    return Learned(task.network, state.curve, tried, received, resumed)


def _digest(model: Model, stack: Stack, data: FitData, settings: dict[str, Any]) -> str:
    """What makes a training this one: data, sizes, seed and what else decides the weights."""
    from tsssm import __version__

    training = settings["training"]
    decisive = {name: settings[name] for name in ("batch_size", "max_steps", "learning_rate", "random_state")}
    decisive |= {name: getattr(training, name) for name in ("weight_decay", "warmup", "gradient_clip", "precision")}
    classes = [f"{mixer.__module__}.{mixer.__qualname__}" for mixer in stack]
    text = json.dumps([model.spec.to_json(), classes, decisive, __version__], sort_keys=True, default=_plain)
    digest = hashlib.sha256(text.encode())
    for values in (data.panel.values, data.panel.covariates, data.panel.offsets, data.train_lengths):
        digest.update(np.ascontiguousarray(values).tobytes())
    return digest.hexdigest()


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else str(value)
