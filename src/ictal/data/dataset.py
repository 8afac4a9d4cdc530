"""What a data set is, and how one is opened by what the user typed."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import pandas as pd
from pydantic import Field

from ictal.errors import IctalError, raise_problems
from ictal.files import hash_of, identity_of
from ictal.io import open_recording
from ictal.io.context import ContextFile
from ictal.io.parts import hashes_with_sidecars
from ictal.recording import Recording
from ictal.settings import Settings
from ictal.simulate import SimulationSettings
from ictal.standardise import refuse_gaps
from ictal.windows import WINDOW_S
from ictal.wiring import wire

TOLERANCE_S = 0.0025
"""Half a sample: how far a window may end after the recording because of rounding in the table."""


class DataSettings(Settings):
    """Which windows take part, and how patients are divided.

    Attributes
    ----------
    folds
        Of cross-validation, by patient.
    test_share
        Share of the patients held out from all folds; 0 for none.
    max_windows_per_eeg
        Where an EEG has more windows, so many are taken, evenly spaced (None: all).
    context_missing
        A recording may be shorter than the 600 s of a context by this share of them, where an arm looks at contexts;
        what lacks is missing in the context. (Where a long recording begins or ends, up to half of it may be.)
    accept_doubtful
        Whether recordings whose channel names, times or voltages are in doubt take part, see `ictal.read`.
    sim
        Size and seed of the simulated data set, where DATA is 'sim'.
    """

    folds: int = Field(5, ge=2)
    test_share: float = Field(1 / 6, ge=0, lt=1)
    max_windows_per_eeg: int | None = Field(None, ge=1)
    context_missing: float = Field(0.0, ge=0, le=1)
    accept_doubtful: bool = False
    sim: SimulationSettings = SimulationSettings()


class Dataset(Protocol):
    """EEG windows with the votes of a panel."""

    @property
    def name(self) -> str:
        """What reports call it."""
        ...

    @property
    def labels(self) -> pd.DataFrame:
        """A row per window, the columns `ictal.data.table.LABEL_COLUMNS`; rows of one EEG stand together."""
        ...

    @property
    def outline(self) -> pd.DataFrame:
        """The columns of `labels` that are known without looking at EEG: ids, start_s, and perhaps folds."""
        ...

    @property
    def contexts(self) -> Mapping[str, ContextFile]:
        """By window_id, where contexts are kept; of a window that is not named it is computed from its EEG."""
        ...

    def recording(self, eeg_id: str) -> Recording:
        """Return the EEG of this id."""
        ...

    def duration_s(self, eeg_id: str) -> float:
        """Return how long the EEG of this id lasts, without reading it."""
        ...

    def fingerprint(self) -> str:
        """Return 16 hex digits that change with labels or EEG, and not with files of contexts."""
        ...


@dataclass(frozen=True)
class FileDataset:
    """Labels from a table, EEG from files."""

    name: str
    labels: pd.DataFrame
    files: Mapping[str, Path]
    contexts: Mapping[str, ContextFile] = field(default_factory=dict)
    accept_doubtful: bool = False

    @property
    def outline(self) -> pd.DataFrame:
        """The labels, which are known as they are."""
        return self.labels

    def recording(self, eeg_id: str) -> Recording:
        """Open the file of this EEG."""
        return open_recording(self.files[eeg_id], accept_doubtful=self.accept_doubtful)

    def duration_s(self, eeg_id: str) -> float:
        """Look into the file of this EEG."""
        return self.recording(eeg_id).duration_s

    def fingerprint(self) -> str:
        """Return 16 hex digits of the label table and of all that the files hold, BIDS sidecars included."""
        files = [self.files[eeg] for eeg in self.labels["eeg_id"].unique()]
        hashes = hashes_with_sidecars(files)
        return hash_of([self.labels.to_csv(index=False), [hashes[file] for file in files]])

    def check_files(self) -> None:
        """Open every file, without reading samples, and see that its windows lie within it.

        Raises
        ------
        TableError
            With all problems: absent or damaged files, missing electrodes, windows past the end.
        """
        problems = []
        known: dict[object, str] = {}
        for eeg_id, rows in self.labels.groupby("eeg_id", sort=False):
            same = known.setdefault(identity_of(self.files[str(eeg_id)]), str(eeg_id))
            if same != str(eeg_id):
                problems.append(f"eeg_id {eeg_id}: is the file of eeg_id {same} under another name (a link)")
                continue
            try:
                recording = self.recording(str(eeg_id))
                refuse_gaps(recording)
                wire(recording)
            except IctalError as error:
                problems.append(f"eeg_id {eeg_id}: {error}")
                continue
            last_s = max(recording.duration_s - WINDOW_S, 0) + TOLERANCE_S
            problems += [
                f"eeg_id {eeg_id}: a window of {WINDOW_S} s starts at {start_s:g} s, but {recording.name} "
                f"lasts {recording.duration_s:g} s; allowed is a start from 0 to {last_s:.6g} s"
                for start_s in rows["start_s"]
                if start_s > last_s
            ]
        raise_problems(self.name, problems)
