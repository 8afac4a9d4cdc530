"""Simulated data sets, made from a seed when they are used."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import product
from pathlib import Path

import pandas as pd

from ictal.core.atomic_files import atomic_write, hash_of
from ictal.core.labels import PATTERN_TITLES, PATTERNS, TRUE_COLUMNS, VOTE_COLUMNS
from ictal.core.progress import Progress, silent
from ictal.core.recording import Recording
from ictal.core.windows import WINDOW_S
from ictal.data.hms import EEGS, OFFSET_COLUMN, TABLE
from ictal.io.hms import write_hms
from ictal.io.regional_spectrogram import ContextFile
from ictal.simulator import SimulatedEeg, SimulationSettings, simulate_control, simulate_eeg

VERSION = 6
"""Incremented when the same settings give different EEG."""


@dataclass(frozen=True)
class SimulatedDataset:
    """Simulated patients, each with the same number of EEGs of one window.

    Attributes
    ----------
    settings
        Size and seed.
    control
        Name of a control (`ictal.simulator.CONTROLS`), whose EEGs last 50 s; None for ordinary EEG.
    """

    settings: SimulationSettings
    control: str | None = None
    _seen: dict[str, tuple[float, ...]] = field(default_factory=dict, init=False, repr=False, compare=False)
    """Votes and true distributions of EEGs that were simulated, so that they need not be simulated again."""

    @property
    def name(self) -> str:
        """Its name in reports, with size and seed."""
        what = f"sim:{self.control}" if self.control else "sim"
        long = "" if self.eeg_s == WINDOW_S else f", EEGs of {self.eeg_s:g} s"
        return f"{what} ({self.settings.patients} simulated patients, seed {self.settings.seed}{long})"

    @property
    def eeg_s(self) -> float:
        """Duration of each EEG."""
        return WINDOW_S if self.control else self.settings.eeg_s or WINDOW_S

    @property
    def contexts(self) -> Mapping[str, ContextFile]:
        """Stored contexts: none."""
        return {}

    @cached_property
    def outline(self) -> pd.DataFrame:
        """A row per EEG."""
        start_s = (self.eeg_s - WINDOW_S) / 2
        numbers = product(range(self.settings.patients), range(self.settings.eegs_per_patient))
        rows = [(f"p{patient}e{eeg}_0", f"p{patient}e{eeg}", f"p{patient}", start_s) for patient, eeg in numbers]
        return pd.DataFrame(rows, columns=["window_id", "eeg_id", "patient_id", "start_s"])

    @cached_property
    def labels(self) -> pd.DataFrame:
        """A row per EEG, with its true distribution of votes; EEGs not read before are simulated."""
        for eeg_id in self.outline["eeg_id"]:
            if eeg_id not in self._seen:
                self.recording(eeg_id)
        votes = pd.DataFrame([self._seen[eeg_id] for eeg_id in self.outline["eeg_id"]])
        votes = votes.set_axis([*VOTE_COLUMNS, *TRUE_COLUMNS], axis=1)
        return pd.concat([self.outline, votes.astype(dict.fromkeys(VOTE_COLUMNS, int))], axis=1)

    def recording(self, eeg_id: str) -> Recording:
        """Simulate an EEG."""
        patient, eeg = (int(number) for number in eeg_id[1:].split("e"))
        made = self._simulate(patient, eeg)
        self._seen[eeg_id] = (*made.votes, *made.probabilities)
        return made.recording

    def duration_s(self, eeg_id: str) -> float:
        """Return `eeg_s`, the duration of every EEG."""
        return self.eeg_s

    def fingerprint(self) -> str:
        """Return a hash of the settings and the simulator's version."""
        long = {} if self.eeg_s == WINDOW_S else {"eeg_s": self.eeg_s}
        return hash_of(["sim", VERSION, self.control, self.settings.model_dump(exclude={"eeg_s"}) | long])

    def _simulate(self, patient: int, eeg: int) -> SimulatedEeg:
        if self.control:
            return simulate_control(self.control, self.settings.seed, patient, eeg)
        return simulate_eeg(self.settings.seed, patient, eeg, self.settings.few_share, eeg_s=self.eeg_s)


def write_folder(dataset: SimulatedDataset, folder: Path, progress: Progress = silent) -> None:
    """Write a simulated data set as a folder in HMS layout; train.csv is written last."""
    outline = dataset.outline
    eegs = [f"{number}" for number in range(1, len(outline) + 1)]
    for row, (eeg_id, number) in enumerate(zip(outline["eeg_id"], eegs, strict=True)):
        write_hms(folder / EEGS / f"{number}.parquet", dataset.recording(eeg_id))
        progress("EEGs", row + 1, len(outline))
    labels = dataset.labels
    table = pd.DataFrame({"eeg_id": eegs, "eeg_sub_id": 0, OFFSET_COLUMN: labels["start_s"]})
    table["patient_id"] = labels["patient_id"].str[1:]
    top = labels[list(VOTE_COLUMNS)].to_numpy().argmax(axis=1)
    table["expert_consensus"] = [PATTERN_TITLES[PATTERNS[index]] for index in top]
    table[list(VOTE_COLUMNS)] = labels[list(VOTE_COLUMNS)]
    table[list(TRUE_COLUMNS)] = labels[list(TRUE_COLUMNS)].round(6)
    with atomic_write(folder / TABLE) as part:
        table.to_csv(part, index=False)
