"""The interface of data sets, and data sets made of a label table and EEG files."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

import pandas as pd
from pydantic import Field

from ictal.core.atomic_files import file_identity, hash_of
from ictal.core.recording import Recording
from ictal.core.settings import Settings
from ictal.core.windows import BEFORE_S, CENTRE_S, RATE_HZ, WINDOW_SAMPLES, Run, ShortPolicy, padded_start
from ictal.errors import IctalError, raise_problems
from ictal.io import open_recording
from ictal.io.recording_files import hashes_with_sidecars
from ictal.io.regional_spectrogram import ContextFile
from ictal.preprocessing.channel_mapping import has_all_electrodes
from ictal.preprocessing.input_needs import Needs
from ictal.preprocessing.runs import check_rate, run_extents
from ictal.simulator import SimulationSettings

TOLERANCE_S = 0.0025
"""Half a sample: rounding error of times in tables."""


class DataSettings(Settings):
    """Which windows are used, and how patients are divided.

    Attributes
    ----------
    folds
        Number of folds of cross-validation, by patient.
    test_share
        Share of the patients held out from all folds; 0 for none.
    max_windows_per_eeg
        Largest number of windows per EEG; of more, evenly spaced ones are used (None: all).
    context_missing
        Largest share of the 600 s of a context by which a recording may be shorter, for arms that use contexts; that
        share is missing in the context. (At the start and end of a long recording, up to half may be missing.)
    accept_doubtful
        Whether to use recordings with doubtful channel names, times or voltages, see `ictal.read`.
    interpolate
        Largest number of electrodes, if a model needs them, that may be interpolated from the others.
    sim
        Size and seed of the simulated data set 'sim'.
    """

    folds: int = Field(5, ge=2)
    test_share: float = Field(1 / 6, ge=0, lt=1)
    max_windows_per_eeg: int | None = Field(None, ge=1)
    context_missing: float = Field(0.0, ge=0, le=1)
    accept_doubtful: bool = False
    interpolate: int = Field(0, ge=0)
    sim: SimulationSettings = SimulationSettings()


class Dataset(Protocol):
    """EEG windows, with the votes of experts unless it was opened without."""

    @property
    def name(self) -> str:
        """Its name in reports."""
        ...

    @property
    def labels(self) -> pd.DataFrame:
        """A row per window, with `ictal.data.label_table.LABEL_COLUMNS`; the rows of one EEG are adjacent."""
        ...

    @property
    def outline(self) -> pd.DataFrame:
        """The columns of `labels` that are known without EEG: ids, start_s, and optionally folds."""
        ...

    @property
    def contexts(self) -> Mapping[str, ContextFile]:
        """Files of stored contexts, by window_id; other contexts are computed from the EEG."""
        ...

    def recording(self, eeg_id: str) -> Recording:
        """Return an EEG."""
        ...

    def duration_s(self, eeg_id: str) -> float:
        """Return the duration of an EEG, without reading it."""
        ...

    def fingerprint(self) -> str:
        """Return 16 hex digits that change with labels or EEG, but not with stored contexts."""
        ...


@dataclass(frozen=True)
class FileDataset:
    """Labels from a table, EEG from files.

    Attributes
    ----------
    name, labels, contexts
        See `Dataset`.
    files
        Path of each EEG, by eeg_id.
    accept_doubtful
        See `DataSettings`.
    centred
        Whether the table gives the start of the labelled 10 s. In a table of window starts, 0 means for a recording
        shorter than 50 s that it is centred in its window.
    middle
        Whether each EEG has one window, whose labelled 10 s are the middle of the recording. Then start_s is known
        only after the files were opened.
    derivations
        Derivations that files were checked for, if some files do not have all 19 electrodes against one reference.
    """

    name: str
    labels: pd.DataFrame
    files: Mapping[str, Path]
    contexts: Mapping[str, ContextFile] = field(default_factory=dict)
    accept_doubtful: bool = False
    centred: bool = False
    middle: bool = False
    derivations: tuple[str, ...] = ()

    @property
    def outline(self) -> pd.DataFrame:
        """The labels, all of which are known without EEG."""
        return self.labels

    def recording(self, eeg_id: str) -> Recording:
        """Open the file of an EEG."""
        return open_recording(self.files[eeg_id], accept_doubtful=self.accept_doubtful)

    def duration_s(self, eeg_id: str) -> float:
        """Return the duration of an EEG from the header of its file."""
        return self.recording(eeg_id).duration_s

    def fingerprint(self) -> str:
        """Return a hash of the label table, the contents of all files with their sidecars, and `derivations`."""
        files = [self.files[eeg] for eeg in self.labels["eeg_id"].unique()]
        hashes = hashes_with_sidecars(files)
        derivations = [list(self.derivations)] if self.derivations else []
        return hash_of([self.labels.to_csv(index=False), [hashes[file] for file in files], *derivations])

    def checked(self, needs: Needs, short: ShortPolicy) -> "FileDataset":
        """Open every file, without reading samples, and check that a model can use all windows.

        Parameters
        ----------
        needs
            The model's needs.
        short
            How recordings shorter than that are treated.

        Returns
        -------
        FileDataset
            The same data set, with checked window starts.

        Raises
        ------
        TableError
            Listing all problems: absent or damaged files, missing electrodes, unusable windows.
        """
        usable, of_files, of_windows = self.examined(needs, short)
        name = f"{self.name}{_advice(needs)}" if of_windows else self.name
        raise_problems(name, [*of_files, *of_windows])
        return usable

    def examined(self, needs: Needs, short: ShortPolicy) -> tuple["FileDataset", list[str], list[str]]:
        """Do what `checked` does, but return the problems.

        Returns
        -------
        usable : FileDataset
            The windows that a model can use, with checked starts.
        of_files : list of str
            What is wrong with files.
        of_windows : list of str
            Why windows of good files cannot be used.
        """
        geometry, incomplete, starts = needs.geometry(short), False, dict[str, float]()
        of_files, of_windows = list[str](), list[str]()
        known: dict[object, str] = {}
        for eeg_id, rows in self.labels.groupby("eeg_id", sort=False):
            same = known.setdefault(file_identity(self.files[str(eeg_id)]), str(eeg_id))
            if same != str(eeg_id):
                of_files.append(f"eeg_id {eeg_id}: the same file as eeg_id {same} under another name (a link)")
                continue
            try:
                recording = self.recording(str(eeg_id))
                check_rate(recording)
                incomplete |= not has_all_electrodes(needs.map_channels(recording))
            except IctalError as error:
                of_files.append(f"eeg_id {eeg_id}: {error}")
                continue
            runs = run_extents(recording)
            for window_id, start_s in zip(rows["window_id"], rows["start_s"], strict=True):
                found_s = self._start_s(start_s, runs)
                if geometry.place(runs, found_s + BEFORE_S) is not None:
                    starts[window_id] = found_s
                    continue
                why = geometry.why_not(runs, found_s + BEFORE_S)
                of_windows.append(f"eeg_id {eeg_id}: {self._named(start_s)} cannot be used: {why} ({recording.name})")
        # If all electrodes are recorded, windows do not depend on the model.
        derivations = tuple(str(pair) for pair in needs.derivations or ()) if incomplete else ()
        labels = self.labels.assign(start_s=self.labels["window_id"].map(starts).astype(float))
        labels = labels.dropna(subset="start_s").reset_index(drop=True)
        interpolated = (str(needs.interpolate),) * bool(derivations)
        return replace(self, labels=labels, derivations=(*derivations, *interpolated)), of_files, of_windows

    def _start_s(self, start_s: float, runs: Sequence[Run]) -> float:
        """Return the start of a 50 s window, which may be before the recording."""
        n_samples = runs[0].n_samples
        if self.middle:
            return (n_samples - WINDOW_SAMPLES) // 2 / RATE_HZ
        if self.centred or len(runs) > 1 or n_samples >= WINDOW_SAMPLES or start_s > TOLERANCE_S:
            return start_s
        return padded_start(n_samples) / RATE_HZ

    def _named(self, start_s: float) -> str:
        """Return a description of a window in the terms of its table."""
        if self.middle:
            return "its central 10 s"
        voted = f"the 10 s from {start_s + BEFORE_S:g} s"
        return voted if self.centred else f"{voted} (start_s {start_s:g})"


def _advice(needs: Needs) -> str:
    """Return advice for models that need more than the labelled 10 s."""
    if needs.seen_s <= CENTRE_S:
        return ""
    return (
        f", for a model that sees {needs.seen_s:g} s (with views of 'seconds: {CENTRE_S}' the voted 10 s are enough)"
    )
