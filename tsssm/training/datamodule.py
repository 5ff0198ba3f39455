"""The LightningDataModule: batches of training windows, cut by slicing."""

from __future__ import annotations

from collections.abc import Iterator

import lightning
import numpy as np
import torch
from torch.utils.data import DataLoader, IterableDataset

from tsssm.data.batch import Batch
from tsssm.data.windows import WindowSource

__all__ = ["WindowDataModule"]


class _Batches(IterableDataset):
    """An endless row of batches, drawn at random; the same seed gives the same row."""

    def __init__(self, source: WindowSource, batch_size: int, seed: int):
        super().__init__()
        self.source, self.batch_size, self.seed = source, batch_size, seed

    def __iter__(self) -> Iterator[Batch]:
        worker = torch.utils.data.get_worker_info()
        random = np.random.default_rng([self.seed, worker.id if worker else 0])
        while True:
            yield self.source.sample(random.integers(len(self.source), size=self.batch_size))


class WindowDataModule(lightning.LightningDataModule):
    """Endless random batches of a `WindowSource` for ``lightning.Trainer(max_steps=...)``.

    Parameters
    ----------
    source : WindowSource
        Anything with ``len`` and ``sample(indices) -> Batch``.
    batch_size : int
        Windows of a batch.
    seed : int
        The same seed gives the same batches.
    """

    def __init__(self, source: WindowSource, *, batch_size: int = 32, seed: int = 0):
        super().__init__()
        self.source, self.batch_size, self.seed = source, batch_size, seed

    def train_dataloader(self) -> DataLoader:
        """Whole batches, cut in the main process: that is faster than collating samples in workers."""
        return DataLoader(_Batches(self.source, self.batch_size, self.seed), batch_size=None)
