"""Find the reader of a file by its content or its suffix."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from ictal.core.atomic_files import find_sibling
from ictal.core.recording import Recording
from ictal.errors import ReadError, listed, reason
from ictal.io.bids import add_sidecars, recording_in, sidecar_units
from ictal.io.edf.header import BDF_MAGIC, EDF_MAGIC
from ictal.io.edf.reader import read_edf
from ictal.io.hms import MAGIC, read_hms
from ictal.io.mne_reader import MNE_SUFFIXES, read_with_mne
from ictal.io.persyst import read_persyst

Reader = Callable[[Path], Recording]


def _read_edf(path: Path) -> Recording:
    return read_edf(path, sidecar_units(path))


READERS: dict[str, Reader] = {
    ".parquet": read_hms,
    **dict.fromkeys((".edf", ".bdf"), _read_edf),
    **dict.fromkeys(MNE_SUFFIXES, read_with_mne),
    ".lay": read_persyst,
}
"""Reader by suffix, in lower case."""
MAGICS = {EDF_MAGIC: ".edf", BDF_MAGIC: ".bdf", MAGIC: ".parquet"}
"""Suffix of what a file is for certain, by its first bytes."""
COMPANIONS = {
    ".eeg": ".vhdr",
    ".vmrk": ".vhdr",
    ".fdt": ".set",
    ".dat": ".lay",
    ".pnt": ".eeg",
    ".21e": ".eeg",
    ".log": ".eeg",
}
"""Suffix of the file to open instead, for the parts of a recording that consists of several files."""
FOLDERS = (".mff",)
"""Formats of which a recording is a folder."""


def open_recording(path: str | Path, *, accept_doubtful: bool = False) -> Recording:
    """Open an EEG recording; its samples are read later, by segment.

    Where the first bytes say what a file is, they count and not its suffix. BIDS sidecars beside a file are heeded.

    Parameters
    ----------
    path
        A file of a format that `READERS` names by its suffix, or a folder of a BIDS data set with one recording.
    accept_doubtful
        Whether to take a recording, with a note, whose sides, times or voltages are in doubt, as where the names of
        its channels are not known.

    Returns
    -------
    Recording
        In µV.

    Raises
    ------
    ReadError
        If the file is absent, of an unknown suffix, not what its suffix says, or doubtful.
    """
    path = Path(path)
    try:
        if path.is_dir() and path.suffix.lower() not in FOLDERS:
            path = recording_in(path, READERS)
        return add_sidecars(_read(path).resolve_doubts(accept_doubtful=accept_doubtful), path)
    except OSError as error:
        raise ReadError(f"{path}: cannot be read: {reason(error)}") from error


def format_of(path: Path) -> str:
    """Return the suffix, in lower case, of the format that a file is of: by its first bytes, else by its name.

    Raises
    ------
    ReadError
        If the file is empty.
    """
    return _content(path) or _suffix(path)


def _read(path: Path) -> Recording:
    suffix = _suffix(path)
    if not path.exists():
        raise ReadError(f"{path}: there is no such file")
    content = _content(path)
    if content and content != suffix:
        note = f"it is a file of {content[1:].upper()} by its content, whatever its suffix '{path.suffix}' says"
        recording = READERS[content](path)
        return replace(recording, notes=(*recording.notes, note))
    main = find_sibling(path, path.stem + COMPANIONS[suffix]) if suffix in COMPANIONS else None
    if main is not None and main != path:
        raise ReadError(f"{path}: is a part of a recording; open {main.name} instead")
    if suffix not in READERS:
        raise ReadError(f"{path}: '{path.suffix}' is not a known format; known are {listed(READERS, 20)}")
    return READERS[suffix](path)


def _suffix(path: Path) -> str:
    """Return the suffix in lower case, with both parts of '.fif.gz'."""
    double = "".join(path.suffixes[-2:]).lower()
    return double if double in READERS else path.suffix.lower()


def _content(path: Path) -> str | None:
    """Return the suffix that a file should have by its first bytes, or None where they do not tell.

    Raises
    ------
    ReadError
        If there are none.
    """
    if path.is_dir():
        return None
    with path.open("rb") as file:
        head = file.read(8)
    if not head:
        raise ReadError(f"{path}: is empty")
    return next((suffix for magic, suffix in MAGICS.items() if head.startswith(magic)), None)
