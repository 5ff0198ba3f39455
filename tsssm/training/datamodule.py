"""The LightningDataModule: batches of training windows, cut by slicing."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import lightning
import numpy as np
import torch
from torch.utils.data import DataLoader, IterableDataset

from tsssm.data.batch import Batch
from tsssm.data.windows import WindowSource

__all__ = ["WindowDataModule"]


LONG_EVERY, LONG_CONTEXTS, LONG_SHARE = 4, 8, 4


class _Batches(IterableDataset):
    """An endless row of batches, each drawn at random by seed, step and device."""

    def __init__(self, source: WindowSource, batch_size: int, first_step: int, seed: int, rank: int):
        super().__init__()
        self.source, self.batch_size, self.first_step, self.seed, self.rank = source, batch_size, first_step, seed, rank
        self.long = source.stretched(max(1, min(LONG_CONTEXTS, source.contexts_in_longest)))

    def __iter__(self) -> Iterator[Batch]:
        worker = torch.utils.data.get_worker_info()
        for step in itertools.count(self.first_step + 1):
            random = np.random.default_rng([self.seed, step, self.rank, worker.id if worker else 0])
            source, size = self.source, self.batch_size
            if step % LONG_EVERY == 0 and self.long.n_tokens > source.n_tokens:
                source, size = self.long, max(1, size // LONG_SHARE)
            yield source.sample(random.integers(len(source), size=size))


class WindowDataModule(lightning.LightningDataModule):
    """Endless random batches of a `WindowSource` for ``lightning.Trainer(max_steps=...)``.

    Every fourth batch holds a quarter of the windows, of eight contexts each (fewer, if no series is that long): a
    prediction speaks from the state of a whole history, so training has to see states older than one context.

    Parameters
    ----------
    source : WindowSource
        Where the windows come from.
    batch_size : int
        Windows of a batch.
    seed : int
        The same seed gives the same batches.
    first_step : int
        Begin behind this many batches.
    """

    def __init__(self, source: WindowSource, *, batch_size: int = 32, seed: int = 0, first_step: int = 0):
        super().__init__()
        self.source, self.batch_size, self.seed, self.first_step = source, batch_size, seed, first_step

    def train_dataloader(self) -> DataLoader:
        """Whole batches, cut in the main process: that is faster than collating samples in workers."""
        rank = 0 if self.trainer is None else self.trainer.global_rank  # devices that train together draw differently
        return DataLoader(_Batches(self.source, self.batch_size, self.first_step, self.seed, rank), batch_size=None)
