"""The embedded data sets: simulated in the process, from a seed."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pandas as pd

from ictal.data.hms import EEGS, OFFSET_COLUMN, TABLE
from ictal.files import hash_of, whole_file
from ictal.io.context import ContextFile
from ictal.io.hms import write_hms
from ictal.labels import PATTERN_TITLES, PATTERNS, TRUE_COLUMNS, VOTE_COLUMNS
from ictal.progress import Progress, silent
from ictal.recording import Recording
from ictal.simulate import SimulatedEeg, SimulationSettings, simulate_control, simulate_eeg
from ictal.windows import WINDOW_S

VERSION = 4
"""Raised whenever the same settings give other EEG."""


@dataclass(frozen=True)
class SimulatedDataset:
    """Simulated patients, each with the same number of EEGs of one window.

    Attributes
    ----------
    settings
        How much.
    control
        Name of a control (`ictal.simulate.CONTROLS`), or None for EEG as it is. EEGs of a control last 50 s.
    cache
        A folder in which the labels are kept, for which each EEG must be simulated; None: they are not kept.
    """

    settings: SimulationSettings
    control: str | None = None
    cache: Path | None = None

    @property
    def name(self) -> str:
        """Say what it is, with its size and seed."""
        what = f"sim:{self.control}" if self.control else "sim"
        long = "" if self.eeg_s == WINDOW_S else f", EEGs of {self.eeg_s:g} s"
        return f"{what} ({self.settings.patients} simulated patients, seed {self.settings.seed}{long})"

    @property
    def eeg_s(self) -> float:
        """How long each EEG lasts."""
        return WINDOW_S if self.control else self.settings.eeg_s or WINDOW_S

    @property
    def contexts(self) -> Mapping[str, ContextFile]:
        """None is kept in a file."""
        return {}

    @cached_property
    def labels(self) -> pd.DataFrame:
        """A row per EEG, with the true distribution of its votes."""
        if self.cache is None:
            return self._make_labels()
        path = self.cache / f"{self.fingerprint()}-labels.parquet"
        if not path.exists():
            with whole_file(path) as part:
                self._make_labels().to_parquet(part, index=False)
        return pd.read_parquet(path)

    def _make_labels(self) -> pd.DataFrame:
        start_s = (self.eeg_s - WINDOW_S) / 2
        rows = []
        for patient in range(self.settings.patients):
            for eeg in range(self.settings.eegs_per_patient):
                made = self._simulate(patient, eeg)
                eeg_id = f"p{patient}e{eeg}"
                rows.append((f"{eeg_id}_0", eeg_id, f"p{patient}", start_s, *made.votes, *made.probabilities))
        columns = ["window_id", "eeg_id", "patient_id", "start_s", *VOTE_COLUMNS, *TRUE_COLUMNS]
        return pd.DataFrame(rows, columns=columns)

    def recording(self, eeg_id: str) -> Recording:
        """Simulate this EEG."""
        patient, eeg = (int(number) for number in eeg_id[1:].split("e"))
        return self._simulate(patient, eeg).recording

    def duration_s(self, eeg_id: str) -> float:
        """Return `eeg_s`, which is the same for all."""
        return self.eeg_s

    def fingerprint(self) -> str:
        """Return 16 hex digits of the settings and the simulator's version."""
        long = {} if self.eeg_s == WINDOW_S else {"eeg_s": self.eeg_s}
        return hash_of(["sim", VERSION, self.control, self.settings.model_dump(exclude={"eeg_s"}) | long])

    def _simulate(self, patient: int, eeg: int) -> SimulatedEeg:
        if self.control:
            return simulate_control(self.control, self.settings.seed, patient, eeg)
        return simulate_eeg(self.settings.seed, patient, eeg, self.settings.few_share, eeg_s=self.eeg_s)


def write_folder(dataset: SimulatedDataset, folder: Path, progress: Progress = silent) -> None:
    """Write a simulated data set as a folder in HMS layout; train.csv comes last, when all EEGs are there."""
    labels = dataset.labels
    eegs = [f"{number}" for number in range(1, len(labels) + 1)]
    for row, (eeg_id, number) in enumerate(zip(labels["eeg_id"], eegs, strict=True)):
        write_hms(folder / EEGS / f"{number}.parquet", dataset.recording(eeg_id))
        progress("EEGs", row + 1, len(labels))
    table = pd.DataFrame({"eeg_id": eegs, "eeg_sub_id": 0, OFFSET_COLUMN: labels["start_s"]})
    table["patient_id"] = labels["patient_id"].str[1:]
    top = labels[list(VOTE_COLUMNS)].to_numpy().argmax(axis=1)
    table["expert_consensus"] = [PATTERN_TITLES[PATTERNS[index]] for index in top]
    table[list(VOTE_COLUMNS)] = labels[list(VOTE_COLUMNS)]
    table[list(TRUE_COLUMNS)] = labels[list(TRUE_COLUMNS)].round(6)
    with whole_file(folder / TABLE) as part:
        table.to_csv(part, index=False)
