"""Read the next batch while the network is trained on the current one."""

from collections.abc import Iterator
from typing import Any

from torch.utils.data import DataLoader

from ictal.core.ahead import one_ahead


class ReadAhead(DataLoader[Any]):
    """A loader that reads one batch ahead in a thread; batches are those of `torch.utils.data.DataLoader`."""

    def __iter__(self) -> Iterator[Any]:  # type: ignore[override]
        return one_ahead(super().__iter__())
