"""Find the reader of a file by its suffix."""

from collections.abc import Callable
from pathlib import Path

from ictal.errors import ReadError, listed
from ictal.io.hms import read_hms
from ictal.io.raw import MNE_SUFFIXES, read_with_mne
from ictal.recording import Recording

READERS: dict[str, Callable[[Path], Recording]] = {
    ".parquet": read_hms,
    **dict.fromkeys(MNE_SUFFIXES, read_with_mne),
}
"""Reader by suffix, in lower case."""


def open_recording(path: str | Path) -> Recording:
    """Open an EEG file; its samples are read later, by segment.

    Parameters
    ----------
    path
        A file of a format that `READERS` names by its suffix.

    Returns
    -------
    Recording
        In µV.

    Raises
    ------
    ReadError
        If the file is absent, of an unknown suffix, or not what its suffix says.
    """
    path = Path(path)
    reader = READERS.get(path.suffix.lower())
    if reader is None:
        raise ReadError(f"{path}: '{path.suffix}' is not a known format; known are {listed(READERS, 20)}")
    if not path.is_file():
        raise ReadError(f"{path}: there is no such file")
    return reader(path)
