"""Reading ahead changes neither the batches nor what becomes of errors."""

import threading

import pytest
import torch
from torch.utils.data import DataLoader

from ictal.errors import ReadError
from ictal.training.read_ahead import ReadAhead


class Numbers:
    """Numbers whose batches are read at once, with the threads that read them; one of them may be damaged."""

    def __init__(self, n: int, damaged: int = -1) -> None:
        self.n, self.damaged, self.threads = n, damaged, set()

    def __len__(self) -> int:
        return self.n

    def __getitems__(self, indices: list[int]) -> list[int]:
        self.threads.add(threading.current_thread().name)
        if self.damaged in indices:
            raise ReadError("a.npy: is damaged")
        return indices


@pytest.mark.parametrize("n", [0, 1, 7, 8, 9, 40])
@pytest.mark.parametrize("drop_last", [False, True])
def test_batches_are_those_of_torch(n, drop_last):
    numbers = Numbers(n)
    ours, theirs = (kind(numbers, 8, collate_fn=list, drop_last=drop_last) for kind in (ReadAhead, DataLoader))
    for _ in range(2):  # epochs
        assert list(ours) == list(theirs)
    assert len(ours) == len(theirs)


def test_the_global_random_numbers_are_those_of_torch():
    after = []
    for kind in (ReadAhead, DataLoader):
        torch.manual_seed(0)
        list(kind(Numbers(20), 8, collate_fn=list))
        after.append(torch.rand(1).item())
    assert after[0] == after[1]


def test_all_is_read_in_another_thread_which_ends_with_the_epoch_or_before():
    numbers = Numbers(40)
    loader = ReadAhead(numbers, 8, collate_fn=list)
    for batches in (iter(loader), iter(loader)):
        next(batches)
        batches.close()
    assert list(loader)[-1] == [*range(32, 40)]
    assert threading.main_thread().name not in numbers.threads
    assert not [one for one in threading.enumerate() if one.name.startswith("reading ahead")]


def test_an_error_comes_with_its_batch():
    batches = iter(ReadAhead(Numbers(24, damaged=17), 8, collate_fn=list))
    assert [next(batches), next(batches)] == [[*range(8)], [*range(8, 16)]]
    with pytest.raises(ReadError, match="is damaged"):
        next(batches)
