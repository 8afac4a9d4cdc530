"""Read the next batches while the network is trained on the current one."""

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from torch.utils.data import DataLoader

AHEAD = 2
"""Batches that wait for the network."""


class ReadAhead(DataLoader[Any]):
    """A loader that reads in another thread; reading and decoding windows release the interpreter lock.

    Order and contents of the batches are those of `torch.utils.data.DataLoader`.
    """

    def __iter__(self) -> Iterator[Any]:  # type: ignore[override]
        batches = super().__iter__()
        waiting: deque[Future[Any]] = deque()
        with ThreadPoolExecutor(1, "reading ahead") as pool:
            for _ in range(len(self)):
                while len(waiting) < AHEAD:
                    waiting.append(pool.submit(next, batches, None))
                yield waiting.popleft().result()
            for unused in waiting:
                unused.cancel()
