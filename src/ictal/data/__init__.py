"""Data sets of EEG windows with votes, all with one interface."""

from ictal.data.dataset import Dataset, DataSettings
from ictal.data.folds import TEST, assign_folds, check_folds
from ictal.data.open import open_dataset
from ictal.data.simulated import SimulatedDataset, write_folder
from ictal.data.window_array import WindowArray, prepare

__all__ = [
    "TEST",
    "DataSettings",
    "Dataset",
    "SimulatedDataset",
    "WindowArray",
    "assign_folds",
    "check_folds",
    "open_dataset",
    "prepare",
    "write_folder",
]
