"""What a data set is, and how one is opened by what the user typed."""

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
"""Half a sample: how far a time in a table may be off because of its rounding."""


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
    interpolate
        So many electrodes that a file lacks may be interpolated from the others, where a model looks at them.
    sim
        Size and seed of the simulated data set, where DATA is 'sim'.
    """

    folds: int = Field(5, ge=2)
    test_share: float = Field(1 / 6, ge=0, lt=1)
    max_windows_per_eeg: int | None = Field(None, ge=1)
    context_missing: float = Field(0.0, ge=0, le=1)
    accept_doubtful: bool = False
    interpolate: int = Field(0, ge=0)
    sim: SimulationSettings = SimulationSettings()


class Dataset(Protocol):
    """EEG windows with the votes of a panel."""

    @property
    def name(self) -> str:
        """What reports call it."""
        ...

    @property
    def labels(self) -> pd.DataFrame:
        """A row per window, the columns `ictal.data.label_table.LABEL_COLUMNS`; rows of one EEG stand together."""
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
    """Labels from a table, EEG from files.

    Attributes
    ----------
    name, labels, contexts
        See `Dataset`.
    files
        By eeg_id.
    centred
        Whether the table said when the voted 10 s begin. A table of starts means by 0, in a recording shorter than 50
        s, that the recording is centred in its window.
    wired
        Derivations that files were checked for which do not have all 19 electrodes against one reference.
    """

    name: str
    labels: pd.DataFrame
    files: Mapping[str, Path]
    contexts: Mapping[str, ContextFile] = field(default_factory=dict)
    accept_doubtful: bool = False
    centred: bool = False
    wired: tuple[str, ...] = ()

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
        """Return 16 hex digits of the label table, of all that the files hold, sidecars included, and of `wired`."""
        files = [self.files[eeg] for eeg in self.labels["eeg_id"].unique()]
        hashes = hashes_with_sidecars(files)
        wired = [list(self.wired)] if self.wired else []
        return hash_of([self.labels.to_csv(index=False), [hashes[file] for file in files], *wired])

    def checked(self, needs: Needs, short: ShortPolicy) -> "FileDataset":
        """Open every file, without reading samples, and see that a model can be given all windows.

        Parameters
        ----------
        needs
            What the model looks at.
        short
            What becomes of a recording that is shorter.

        Returns
        -------
        FileDataset
            Whose windows all have a place in their recordings.

        Raises
        ------
        TableError
            With all problems: absent or damaged files, missing electrodes, windows that a model cannot be given.
        """
        geometry, wired, starts = needs.geometry(short), False, dict[str, float]()
        problems, name = list[str](), self.name
        known: dict[object, str] = {}
        for eeg_id, rows in self.labels.groupby("eeg_id", sort=False):
            same = known.setdefault(file_identity(self.files[str(eeg_id)]), str(eeg_id))
            if same != str(eeg_id):
                problems.append(f"eeg_id {eeg_id}: is the file of eeg_id {same} under another name (a link)")
                continue
            try:
                recording = self.recording(str(eeg_id))
                check_rate(recording)
                wired |= not has_all_electrodes(needs.map_channels(recording))
            except IctalError as error:
                problems.append(f"eeg_id {eeg_id}: {error}")
                continue
            runs = run_extents(recording)
            for window_id, start_s in zip(rows["window_id"], rows["start_s"], strict=True):
                starts[window_id] = found_s = self._start_s(start_s, runs)
                if geometry.place(runs, found_s + BEFORE_S) is None:
                    why = geometry.why_not(runs, found_s + BEFORE_S)
                    problems.append(
                        f"eeg_id {eeg_id}: {self._named(start_s)} cannot be used: {why} ({recording.name})"
                    )
                    name = f"{self.name}{_sees_more(needs)}"
        raise_problems(name, problems)
        # Windows are the same for all models as long as all electrodes are there.
        voltages = tuple(str(pair) for pair in needs.derivations or ()) if wired else ()
        labels = self.labels.assign(start_s=self.labels["window_id"].map(starts).astype(float))
        interpolated = (str(needs.interpolate),) * bool(voltages)
        return replace(self, labels=labels, wired=(*voltages, *interpolated))

    def _start_s(self, start_s: float, runs: Sequence[Run]) -> float:
        """Return when the 50 s of a window begin, which may be before the recording."""
        n_samples = runs[0].n_samples
        if self.centred or len(runs) > 1 or n_samples >= WINDOW_SAMPLES or start_s > TOLERANCE_S:
            return start_s
        return padded_start(n_samples) / RATE_HZ

    def _named(self, start_s: float) -> str:
        """Name a window as its table does."""
        voted = f"the 10 s from {start_s + BEFORE_S:g} s"
        return voted if self.centred else f"{voted} (start_s {start_s:g})"


def _sees_more(needs: Needs) -> str:
    """Say how a model would need less, where it would."""
    if needs.seen_s <= CENTRE_S:
        return ""
    return (
        f", for a model that sees {needs.seen_s:g} s (with views of 'seconds: {CENTRE_S}' the voted 10 s are enough)"
    )
