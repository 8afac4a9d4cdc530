"""Clinical formats, read through MNE-Python."""

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ictal.errors import ReadError, listed
from ictal.io.edf_file import printable
from ictal.io.fif import check_fif
from ictal.io.mat import check_mat
from ictal.io.types_and_units import as_stated
from ictal.recording import Annotation, Recording, Signal

if TYPE_CHECKING:
    import mne

MNE_SUFFIXES = (
    *(".gdf", ".vhdr", ".ahdr", ".set", ".fif", ".fif.gz", ".cnt"),
    *(".eeg", ".lay", ".mff", ".nedf"),
)
"""EEG that MNE reads by its suffix alone: GDF, BrainVision, EEGLAB, FIF, Neuroscan or ANT, Nihon Kohden, Persyst,
EGI and Neuroelectrics. Formats without a header that tells them (eXimia) are not among them: any file would pass."""

VOLT = 1e6


@dataclass(frozen=True)
class RawSource:
    """Samples of an `mne.io.Raw`, turned from volts into µV.

    Attributes
    ----------
    raw
        Where they are.
    picks
        Which of its channels.
    name
        What messages call it.
    """

    raw: "mne.io.BaseRaw"
    picks: tuple[int, ...]
    name: str

    def read(self, start: int, stop: int, rows: Sequence[int] | None = None) -> Signal:
        """Return samples `start` to `stop`, [channel, time], of the channels `rows`; None: of all."""
        picks = [self.picks[row] for row in (range(len(self.picks)) if rows is None else rows)]
        with _clear_errors(self.name):
            samples: Signal = (self.raw.get_data(picks, start, stop, verbose="ERROR") * VOLT).astype(np.float32)
        return samples


def read_with_mne(path: Path) -> Recording:
    """Open a file that MNE reads by its suffix.

    Raises
    ------
    ReadError
        If MNE cannot read it.
    """
    with _clear_errors(str(path)):
        if path.suffix.lower() == ".set":
            check_mat(path)
        if path.name.lower().endswith((".fif", ".fif.gz")):
            check_fif(path)
        import mne  # takes a second, which other commands need not wait for

        raw = mne.io.read_raw(path, preload=False, verbose="ERROR")
        # MNE brings channels of several rates (GDF) to one, anew and differently for each segment that is read.
        if len(set(np.atleast_1d((raw._raw_extras[0] or {}).get("n_samps", 1)).tolist())) > 1:
            raw.load_data(verbose="ERROR")
        return from_raw(raw, str(path))


def from_raw(raw: Any, name: str = "raw") -> Recording:
    """Take an `mne.io.Raw` as a recording; channels of stimuli are left out, and bad ones get the kind 'bad'.

    Where pieces were joined MNE tells no times, so that there are no gaps, but a note.
    """
    types = zip(raw.ch_names, raw.get_channel_types(), strict=True)
    kinds = ["bad" if channel in raw.info["bads"] else str(kind) for channel, kind in types]
    picks = tuple(number for number, kind in enumerate(kinds) if kind != "stim")
    start = raw.info["meas_date"]
    # MNE's times begin with the measurement, and the samples `first_time` later.
    annotations = tuple(
        Annotation(float(onset) - raw.first_time, float(duration), str(text))
        for onset, duration, text in zip(
            raw.annotations.onset, raw.annotations.duration, raw.annotations.description, strict=True
        )
    )
    recording = Recording(
        name,
        tuple(printable(raw.ch_names[number]) for number in picks),
        float(raw.info["sfreq"]),
        int(raw.n_times),
        RawSource(raw, picks, name),
        start and start + timedelta(seconds=raw.first_time),
        annotations=annotations,
        kinds=tuple(kinds[number] for number in picks),
        notes=_notes(raw.info["bads"], annotations),
    )
    return as_stated(recording, raw, picks)


def _notes(bads: Sequence[str], annotations: Sequence[Annotation]) -> tuple[str, ...]:
    joined = sum("boundary" in note.text.lower() for note in annotations)
    notes = {
        f"marked as bad, and not used: {listed(bads)}": bads,
        f"it was joined of pieces at {joined} places ('boundary'), and how long the gaps are is not known": joined,
    }
    return tuple(note for note, is_so in notes.items() if is_so)


@contextmanager
def _clear_errors(name: str) -> Iterator[None]:
    """Silence MNE's warnings, and turn whatever its many parsers meet in a damaged file into a ReadError."""
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            yield
    except ReadError:
        raise
    except Exception as error:
        words = " ".join(str(error).split()) or type(error).__name__
        raise ReadError(f"{name}: cannot be read: {words}") from error
