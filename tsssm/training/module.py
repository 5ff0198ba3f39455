"""The LightningModule around a forecasting network."""

from __future__ import annotations

import math
from collections.abc import Sequence

import lightning
import torch
from torch import Tensor, nn

from tsssm.data.batch import Batch
from tsssm.network import ForecastNetwork, future_rows, horizon_weights, pinball_loss, token_features
from tsssm.training.schedule import Schedule
from tsssm.training.state import TrainingState

__all__ = ["ForecastModule"]


class ForecastModule(lightning.LightningModule):
    """Train a `ForecastNetwork` on batches of windows; usable with a plain ``lightning.Trainer``.

    The loss counts every token of a window: at each, the pinball loss of the next `horizon` steps, in units of the
    series' own training deviation. AdamW.

    Parameters
    ----------
    network : ForecastNetwork
    levels : sequence of float
        The head's quantile levels.
    schedule : Schedule
        The learning rate of each step; give the Trainer its length as `max_steps`.
    weight_decay : float
        AdamW's, of the parameters that are not exempt.
    start : TrainingState, optional
        Go on from here: the network gets these weights, the optimiser this memory, the schedule and the batches this
        step.
    seed : int
        Together with the step it decides what dropout drops.

    Attributes
    ----------
    schedule : Schedule
        A time budget shortens it.

    Examples
    --------
    See the page 'Training with a plain Trainer' of the documentation.
    """

    def __init__(
        self,
        network: ForecastNetwork,
        levels: Sequence[float],
        schedule: Schedule,
        *,
        weight_decay: float = 0.05,
        start: TrainingState | None = None,
        seed: int = 0,
    ):
        super().__init__()
        self.network, self.schedule, self.weight_decay = network, schedule, weight_decay
        self._start, self._seed = start, seed
        if start is not None:
            network.load_state_dict(start.weights)
        self.levels: Tensor
        self.step_weights: Tensor
        self.register_buffer("levels", torch.tensor(levels, dtype=torch.float32), persistent=False)
        self.register_buffer("step_weights", horizon_weights(network.horizon), persistent=False)

    def forward(self, batch: Batch) -> Tensor:
        """Quantiles at every token in the scaler's units, (B, T, H, Q); before `first_token` without meaning."""
        network = self.network
        context = batch.location.shape[1] * network.patch_length
        tokens = token_features(batch.values[:, :context], batch.covariates[:, :context], batch.location, batch.scale)
        resets = torch.zeros(batch.location.shape, dtype=torch.bool, device=tokens.device)
        resets.scatter_(1, batch.first_token[:, None], True)
        hidden, _ = network(tokens, resets=resets)
        responses = network.head.respond(batch.covariates)
        if responses is not None:
            responses = future_rows(responses, network.patch_length, network.horizon)
        return network.head(hidden, responses)

    def loss(self, batch: Batch) -> Tensor:
        """Mean pinball loss over every observed target of every token, in training deviations of the series."""
        scaled = self(batch)
        target = future_rows(batch.values[..., None], self.network.patch_length, self.network.horizon)[..., 0]
        target = ((target.double() - batch.location[..., None]) / batch.scale[..., None]).float()
        token = torch.arange(target.shape[1], device=target.device)
        target = target.masked_fill((token < batch.first_token[:, None])[..., None], math.nan)
        unit = (batch.scale / batch.deviation[:, None]).float()[..., None]
        return pinball_loss(scaled, target, self.levels, unit * self.step_weights)

    def training_step(self, batch: Batch, batch_index: int) -> Tensor:
        """One step of Lightning's loop."""
        loss = self.loss(batch)
        self.log("train_loss", loss.detach(), batch_size=len(batch.values))
        return loss

    def validation_step(self, batch: Batch, batch_index: int) -> None:
        """The same loss on held-out windows."""
        self.log("validation_loss", self.loss(batch), batch_size=len(batch.values))

    @property
    def step(self) -> int:
        """Steps taken, those before `start` included."""
        return self.trainer.global_step + (0 if self._start is None else self._start.step)

    def on_train_batch_start(self, batch: Batch, batch_index: int) -> None:
        """Seed this step: so it is the same after a resume, and on a branch of another schedule."""
        torch.manual_seed(((self._seed * 1_000_003 + self.step) * 1_009 + self.global_rank) % 2**63)

    def configure_optimizers(self):
        """AdamW without decay on what must not shrink, and the schedule by step."""
        groups = parameter_groups(self.network, self.weight_decay)
        optimizer = torch.optim.AdamW(groups, lr=self.schedule.learning_rate, betas=(0.9, 0.95))
        first = 0 if self._start is None else self._start.step
        if self._start is not None:
            self._start.restore(optimizer)
        scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: self.schedule.factor(first + step))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}


def parameter_groups(network: nn.Module, weight_decay: float) -> list[dict]:
    """Parameters with and without weight decay: matrices decay; vectors and what a mixer exempts do not."""
    decayed: list[nn.Parameter] = []
    exempt: list[nn.Parameter] = []
    for parameter in network.parameters():
        skip = parameter.ndim < 2 or getattr(parameter, "_no_weight_decay", False)
        (exempt if skip else decayed).append(parameter)
    return [{"params": decayed, "weight_decay": weight_decay}, {"params": exempt, "weight_decay": 0.0}]
