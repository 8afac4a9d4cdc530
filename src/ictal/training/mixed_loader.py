"""Batches of simulated and real windows together."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch

from ictal.training.batches import Batches
from ictal.training.stream_loader import Batch, StreamLoader


@dataclass(frozen=True)
class MixedLoader:
    """Batches of a stream, each with windows of a data set added.

    Attributes
    ----------
    stream
        Batches of simulated windows, which determine the number of batches.
    real
        Windows of the data set, in the order in which they are used; at least as many as are needed.
    n_real
        Number of windows added to each batch.
    """

    stream: StreamLoader
    real: Batches
    n_real: int

    def __len__(self) -> int:
        return len(self.stream)

    def __iter__(self) -> Iterator[Batch]:
        for number, (windows, _, targets, weights) in enumerate(self.stream):
            rows = [*range(number * self.n_real, (number + 1) * self.n_real)]
            more, _, votes, more_weights = self.real.__getitems__(rows)
            parts = ((windows, more), (targets, votes), (weights, more_weights))
            mixed = [torch.cat(pair) for pair in parts]
            yield mixed[0], None, mixed[1], mixed[2]
