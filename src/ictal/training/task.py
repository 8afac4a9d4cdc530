"""What a network is trained on, and the names of the files that training keeps."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ictal.core.atomic_files import hash_of

CHECKPOINT = "last.ckpt"
HISTORY = "history.csv"
Rows = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Task:
    """What is trained: a name for seeds and progress, and rows of the array.

    Attributes
    ----------
    name
        Enters the random seeds, so that units differ.
    arm
        Which network.
    train, valid
        Rows to train on, unless there is a stream, and rows on which the KL is told after each epoch (nothing depends
        on it).
    seed
        Of the unit.
    stream
        Enters the random seeds in place of the name, where it is set: what has the same one begins with the same
        weights and sees the same order of windows.
    """

    name: str
    arm: str
    train: Rows
    valid: Rows
    seed: int
    stream: str = ""

    def derive(self, *purpose: object) -> int:
        """Return a seed that depends on the task and the purpose alone."""
        return int(hash_of([self.stream or self.name, self.seed, *purpose]), 16) % 2**63
