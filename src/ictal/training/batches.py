"""Choose the training windows of each epoch, and load them in batches."""

import numpy as np
import torch
from torch.utils.data import Dataset

from ictal.core.labels import VOTE_COLUMNS, panel_size, panels
from ictal.data import WindowArray
from ictal.errors import RecipeError
from ictal.recipes.stages import Stage
from ictal.training.stream_loader import Batch
from ictal.training.task import Rows, Task


class Batches(Dataset[Batch]):
    """Rows of the array in a given order, loaded a batch at a time."""

    def __init__(self, array: WindowArray, rows: Rows, panel_weight: float, *, with_context: bool) -> None:
        self.signals = array.signals
        self.contexts = array.contexts if with_context else None
        self.rows = rows
        votes = array.labels[list(VOTE_COLUMNS)].to_numpy()
        self.votes = torch.from_numpy(votes.astype(np.float32))
        weight = panel_size(votes).astype(float) ** panel_weight
        # Normalised over all training rows, not over a batch, so that micro-batches add up to the batch.
        self.weight = torch.from_numpy(weight / weight[rows].mean()).float()

    def __len__(self) -> int:
        return len(self.rows)

    def __getitems__(self, indices: list[int]) -> Batch:
        """Return one batch."""
        rows = self.rows[indices]
        contexts = None if self.contexts is None else torch.from_numpy(self.contexts[rows])
        return torch.from_numpy(self.signals[rows]), contexts, self.votes[rows], self.weight[rows]

    def __getitem__(self, index: int) -> Batch:
        windows, contexts, votes, weight = self.__getitems__([index])
        return windows[0], None if contexts is None else contexts[0], votes[0], weight[0]


def draw_rows(array: WindowArray, rows: Rows, generator: np.random.Generator) -> Rows:
    """Return one randomly drawn row per EEG, in random order."""
    shuffled = generator.permutation(rows)
    eegs = array.labels["eeg_id"].to_numpy()[shuffled]
    _, first = np.unique(eegs, return_index=True)
    return shuffled[np.sort(first)]


def draw_again(array: WindowArray, rows: Rows, n_rows: int, generator: np.random.Generator) -> Rows:
    """Return `n_rows` rows: one randomly drawn row per EEG, in random order, then again until there are enough."""
    drawn = [draw_rows(array, rows, generator)]
    while sum(map(len, drawn)) < n_rows:
        drawn.append(draw_rows(array, rows, generator))
    return np.concatenate(drawn)[:n_rows]


def draw_epoch(array: WindowArray, rows: Rows, stage: Stage, generator: np.random.Generator) -> Rows:
    """Return an epoch's rows in random order: one per EEG of the stage's population, and those mixed in."""
    if stage.population == "all":
        return draw_rows(array, rows, generator)
    own = panels(array.labels[list(VOTE_COLUMNS)].to_numpy())[rows] == stage.population
    drawn = draw_rows(array, rows[own], generator)
    if not stage.mix:
        return drawn
    n_others = round(len(drawn) * stage.mix / (1 - stage.mix))
    others = draw_rows(array, rows[~own], generator)[:n_others]
    return generator.permutation(np.concatenate([drawn, others]))


def count_windows(array: WindowArray, task: Task, stage: Stage) -> int:
    """Return the number of windows in an epoch of a stage, or raise an error if a stage has no windows."""
    n_windows = len(draw_epoch(array, task.train, stage, np.random.default_rng(0)))
    if not n_windows:
        raise RecipeError(
            f"training.{task.arm}: a stage trains on windows with {stage.population} votes, but none of the "
            f"{len(task.train)} training windows has {stage.population}; allowed are 'all' and the data's population"
        )
    return n_windows
