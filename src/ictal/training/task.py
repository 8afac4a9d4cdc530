"""What a network is trained on, and the names of the files that training writes."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ictal.core.atomic_files import hash_of

CHECKPOINT = "last.ckpt"
HISTORY = "history.csv"
Rows = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Task:
    """One training: an arm, a seed, and rows of the window array.

    Attributes
    ----------
    name
        Shown with progress; random seeds depend on it, so that units differ.
    arm
        Which network.
    train, valid
        Training rows (unused with a stream), and rows whose KL is recorded after each epoch. Nothing depends on that
        KL.
    seed
        Seed of the unit.
    seed_name
        Replaces the name in random seeds. Tasks that share it start from the same weights and see windows in the same
        order.
    """

    name: str
    arm: str
    train: Rows
    valid: Rows
    seed: int
    seed_name: str = ""

    def derive(self, *purpose: object) -> int:
        """Return a seed that depends only on the task and the purpose."""
        return int(hash_of([self.seed_name or self.name, self.seed, *purpose]), 16) % 2**63
