"""Batches of streamed windows, simulated by worker processes while the network is trained."""

import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from ictal.core.windows import ShortPolicy, cut
from ictal.data.simulated_stream import Stream
from ictal.distributed import n_processors

Batch = tuple[Tensor, Tensor | None, Tensor, Tensor]
"""Windows [batch, 20, 10000], contexts [batch, 4, 100, 300] or None, votes [batch, 6] and weights [batch]."""

PackedBatch = tuple[Tensor, list[int], Tensor]
"""What workers return: the signals of a batch, concatenated [20, time], their boundaries, and targets [batch, 6]. It
has a quarter of the samples of the windows."""


@contextmanager
def few_threads() -> Iterator[None]:
    """Limit torch to a few threads within a block.

    The simulation takes most of the time and needs the CPUs, while threads of torch wait for each other at every
    layer: with the workers on two CPUs, two threads take three times the CPU time of one.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(max(1, n_processors() // 4))
    try:
        yield
    finally:
        torch.set_num_threads(before)


@dataclass(frozen=True)
class Simulated(Dataset[PackedBatch]):
    """The windows of one epoch of a stream."""

    stream: Stream
    epoch: int

    def __getitems__(self, numbers: list[int]) -> PackedBatch:
        """Simulate a batch."""
        signals, targets = zip(*(self.stream.window(self.epoch, number) for number in numbers), strict=True)
        ends = np.cumsum([signal.shape[1] for signal in signals])[:-1].tolist()
        return torch.from_numpy(np.concatenate(signals, axis=1)), ends, torch.from_numpy(np.stack(targets))

    def __getitem__(self, number: int) -> PackedBatch:
        return self.__getitems__([number])


@dataclass(frozen=True)
class StreamLoader:
    """Batches of some windows of an epoch; each iteration starts and ends its own worker processes.

    Attributes
    ----------
    stream, epoch, numbers
        The windows, in order.
    batch_size
        An incomplete last batch is dropped, unless it is the only one.
    workers
        Number of processes that simulate; 0: the calling process does.
    """

    stream: Stream
    epoch: int
    numbers: Sequence[int]
    batch_size: int
    workers: int

    def __len__(self) -> int:
        return max(1, len(self.numbers) // self.batch_size)

    def __iter__(self) -> Iterator[Batch]:
        size = self.batch_size
        batches = [list(self.numbers[size * index : size * (index + 1)]) for index in range(len(self))]
        loader = DataLoader(
            Simulated(self.stream, self.epoch),
            batch_sampler=batches,
            num_workers=min(self.workers, len(batches)),
            collate_fn=identity,
            worker_init_fn=_leave_interrupts_to_the_parent,
        )
        made = iter(loader)
        for number in range(len(batches)):
            packed = next(made)
            if number == len(batches) - 1:
                next(made, None)  # ends the workers here; in a destructor, Ctrl-C would be lost
            yield _windows(packed, self.stream.standardise.short)


def _windows(packed: PackedBatch, short: ShortPolicy) -> Batch:
    """Cut the signals of a batch to windows."""
    signals, ends, targets = packed
    parts = np.split(signals.numpy(), ends, axis=1)
    windows = np.stack([cut(part, 0, short)[0] for part in parts])
    return torch.from_numpy(windows), None, targets, torch.ones(len(targets))


def _leave_interrupts_to_the_parent(worker: int) -> None:
    """Ignore Ctrl-C, which reaches all processes, in a worker: the training process ends its workers."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def identity(batch: Any) -> Any:
    """Return a batch unchanged, since the data set already returns whole batches."""
    return batch
