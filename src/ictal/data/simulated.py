"""The embedded data set: simulated in the process, from a seed."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pandas as pd

from ictal.data.hms import EEGS, OFFSET_COLUMN, TABLE
from ictal.files import hash_of, whole_file
from ictal.io.hms import write_hms
from ictal.labels import PATTERN_TITLES, PATTERNS, VOTE_COLUMNS
from ictal.progress import Progress, silent
from ictal.recording import Recording
from ictal.simulate import SimulatedEeg, SimulationSettings, simulate_eeg

VERSION = 1
"""Raised whenever the same settings give other EEG."""


@dataclass(frozen=True)
class SimulatedDataset:
    """Simulated patients, each with the same number of EEGs of one window."""

    settings: SimulationSettings

    @property
    def name(self) -> str:
        """Say what it is, with its size and seed."""
        return f"sim ({self.settings.patients} simulated patients, seed {self.settings.seed})"

    @cached_property
    def labels(self) -> pd.DataFrame:
        """A row per EEG."""
        rows = []
        for patient in range(self.settings.patients):
            for eeg in range(self.settings.eegs_per_patient):
                eeg_id = f"p{patient}e{eeg}"
                ids = (f"{eeg_id}_0", eeg_id, f"p{patient}")
                rows.append((*ids, 0.0, *self._simulate(eeg_id).votes))
        return pd.DataFrame(rows, columns=["window_id", "eeg_id", "patient_id", "start_s", *VOTE_COLUMNS])

    def recording(self, eeg_id: str) -> Recording:
        """Simulate this EEG."""
        return self._simulate(eeg_id).recording

    def fingerprint(self) -> str:
        """Return 16 hex digits of the settings and the simulator's version."""
        return hash_of(["sim", VERSION, self.settings.model_dump()])

    def _simulate(self, eeg_id: str) -> SimulatedEeg:
        patient, eeg = (int(number) for number in eeg_id[1:].split("e"))
        return simulate_eeg(self.settings.seed, patient, eeg)


def write_folder(dataset: SimulatedDataset, folder: Path, progress: Progress = silent) -> None:
    """Write a simulated data set as a folder in HMS layout; train.csv comes last, when all EEGs are there."""
    labels = dataset.labels
    eegs = [f"{number}" for number in range(1, len(labels) + 1)]
    for row, (eeg_id, number) in enumerate(zip(labels["eeg_id"], eegs, strict=True)):
        write_hms(folder / EEGS / f"{number}.parquet", dataset.recording(eeg_id))
        progress("EEGs", row + 1, len(labels))
    table = pd.DataFrame({"eeg_id": eegs, "eeg_sub_id": 0, OFFSET_COLUMN: 0.0})
    table["patient_id"] = labels["patient_id"].str[1:]
    top = labels[list(VOTE_COLUMNS)].to_numpy().argmax(axis=1)
    table["expert_consensus"] = [PATTERN_TITLES[PATTERNS[index]] for index in top]
    table[list(VOTE_COLUMNS)] = labels[list(VOTE_COLUMNS)]
    with whole_file(folder / TABLE) as part:
        table.to_csv(part, index=False)
