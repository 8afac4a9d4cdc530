"""Clinical formats, read through MNE-Python."""

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ictal.errors import ReadError
from ictal.recording import Annotation, Recording, Signal

if TYPE_CHECKING:
    import mne

MNE_SUFFIXES = (".edf", ".bdf", ".gdf", ".vhdr", ".set", ".fif", ".cnt")
"""Formats that MNE reads by their suffix alone."""

VOLT = 1e6
EDF_TYPE = slice(192, 236)
"""Where the header of EDF+ and BDF+ says whether the recording is continuous."""


@dataclass(frozen=True)
class RawSource:
    """Samples of an `mne.io.Raw`, turned from volts into µV."""

    raw: "mne.io.BaseRaw"

    def read(self, start: int, stop: int) -> Signal:
        """Return samples `start` to `stop`, [channel, time]."""
        try:
            volts = self.raw.get_data(start=start, stop=stop)
        except Exception as error:  # see `read_with_mne`
            raise ReadError(f"{self.raw.filenames[0]}: cannot be read: {error}") from error
        samples: Signal = (volts * VOLT).astype(np.float32)
        return samples


def read_with_mne(path: Path) -> Recording:
    """Open a file that MNE reads by its suffix.

    Raises
    ------
    ReadError
        If MNE cannot read it, or it is a discontinuous EDF+D or BDF+D, which MNE would read as if it had
        no gaps, with wrong times.
    """
    if path.suffix.lower() in (".edf", ".bdf"):
        with path.open("rb") as file:
            kind = file.read(EDF_TYPE.stop)[EDF_TYPE].decode("latin-1")
        if kind.startswith(("EDF+D", "BDF+D")):
            raise ReadError(f"{path}: is discontinuous ({kind[:5]}); only continuous recordings are read so far")
    import mne  # takes a second, which other commands need not wait for

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            raw = mne.io.read_raw(path, preload=False, verbose="ERROR")
            # MNE brings channels of several rates to one, anew and differently for each segment that is read.
            if len(set(np.atleast_1d((raw._raw_extras[0] or {}).get("n_samps", 1)).tolist())) > 1:
                raw.load_data(verbose="ERROR")
    except Exception as error:  # MNE raises whatever its many parsers meet in a damaged file
        raise ReadError(f"{path}: cannot be read: {error}") from error
    return from_raw(raw, str(path))


def from_raw(raw: Any, name: str = "raw") -> Recording:
    """Take an `mne.io.Raw` as a recording."""
    return Recording(
        name,
        tuple(raw.ch_names),
        float(raw.info["sfreq"]),
        int(raw.n_times),
        RawSource(raw),
        raw.info["meas_date"],
        annotations=tuple(
            Annotation(float(note["onset"]), float(note["duration"]), str(note["description"]))
            for note in raw.annotations
        ),
    )
