"""Read the next batch while the network is trained on the current one."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from torch.utils.data import DataLoader

END = object()
"""What the thread returns after the last batch."""


class ReadAhead(DataLoader[Any]):
    """A loader that reads one batch ahead in a thread, since reading and decoding release the interpreter lock.

    Order and contents of the batches are those of `torch.utils.data.DataLoader`.
    """

    def __iter__(self) -> Iterator[Any]:  # type: ignore[override]
        batches = super().__iter__()
        with ThreadPoolExecutor(1, "reading ahead") as pool:
            ahead = pool.submit(next, batches, END)
            while (batch := ahead.result()) is not END:
                ahead = pool.submit(next, batches, END)
                yield batch
