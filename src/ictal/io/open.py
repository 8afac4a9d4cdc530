"""Choose the reader of a file by its content or its suffix."""

import re
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

from ictal.core.atomic_files import find_sibling
from ictal.core.recording import Recording
from ictal.errors import ReadError, listed, reason
from ictal.io.bids import ENDING, add_sidecars, recording_in, sidecar_units
from ictal.io.devices.guarded import guarded
from ictal.io.devices.micromed import MAGIC as MICROMED_MAGIC
from ictal.io.devices.micromed import read_micromed
from ictal.io.devices.nicolet import MAGIC as NICOLET_MAGIC
from ictal.io.devices.nicolet import read_nicolet
from ictal.io.devices.nihon_kohden import read_nihon_kohden
from ictal.io.devices.persyst import read_persyst
from ictal.io.devices.xdf_chunks import MAGIC as XDF_MAGIC
from ictal.io.edf.header import BDF_MAGIC, EDF_MAGIC
from ictal.io.edf.reader import read_edf
from ictal.io.hms import MAGIC, read_hms
from ictal.io.mne_formats.reader import MNE_SUFFIXES, from_raw, read_with_mne

Reader = Callable[[Path], Recording]


def _read_edf(path: Path) -> Recording:
    return read_edf(path, sidecar_units(path) if _has_bids_name(path) else None)


READERS: dict[str, Reader] = {
    ".parquet": read_hms,
    **dict.fromkeys((".edf", ".bdf"), _read_edf),
    **dict.fromkeys(MNE_SUFFIXES, read_with_mne),
    ".lay": read_persyst,
    ".e": read_nicolet,
    ".eeg": read_nihon_kohden,
    **dict.fromkeys((".trc", ".vwr"), read_micromed),
    ".erd": partial(guarded, "ictal.io.devices.natus:read_natus"),
    **dict.fromkeys((".xdf", ".xdfz"), partial(guarded, "ictal.io.devices.xdf:read_xdf")),
}
"""Readers by suffix, in lower case."""
MAGICS = {
    EDF_MAGIC: ".edf",
    BDF_MAGIC: ".bdf",
    MAGIC: ".parquet",
    NICOLET_MAGIC: ".e",
    MICROMED_MAGIC: ".trc",
    XDF_MAGIC: ".xdf",
}
"""Suffixes of formats that the first bytes of a file identify."""
HEAD_BYTES = max(map(len, MAGICS))
COMPANIONS: dict[str, tuple[str, ...]] = {
    ".eeg": (".vhdr", ".erd"),
    ".vmrk": (".vhdr",),
    ".fdt": (".set",),
    ".dat": (".lay",),
    **dict.fromkeys((".pnt", ".21e", ".log"), (".eeg",)),
    **dict.fromkeys((".erd", ".etc", ".ent", ".snc", ".stc", ".vtc"), (".erd",)),
}
"""Suffixes of the file that may have to be opened instead of this one, for recordings of several files."""
NUMBERED = (".erd", ".etc")
"""Formats in which a recording is cut into files: NAME.erd, NAME_001.erd, ..."""
FOLDERS = (".mff",)
"""Formats in which a recording is a folder."""


def open_recording(path: str | Path, *, accept_doubtful: bool = False) -> Recording:
    """Open an EEG recording. Samples are read later, in chunks.

    If the first bytes identify the format, the suffix is ignored. BIDS sidecars in the same folder are read too.

    Parameters
    ----------
    path
        A file with one of the suffixes in `READERS`, or a folder with one recording (Natus, BIDS).
    accept_doubtful
        Whether to accept, with a note, a recording whose sides, times or voltages are in doubt, for example because
        its channel names are unknown.

    Returns
    -------
    Recording
        In µV.

    Raises
    ------
    ReadError
        If the file is missing, has an unknown suffix, is not in the format of its suffix, or is doubtful.
    """
    path = Path(path)
    try:
        path = recording_file(path)
        recording = _read(path).resolve_doubts(accept_doubtful=accept_doubtful)
        return add_sidecars(recording, path) if _has_bids_name(path) else recording
    except OSError as error:
        raise ReadError(f"{path}: cannot be read: {reason(error)}") from error


def as_recording(recording: "str | Path | Recording | Any", *, accept_doubtful: bool = False) -> Recording:
    """Return a recording that is given as a path (see `open_recording`), a `Recording`, or an `mne.io.Raw`."""
    if isinstance(recording, str | Path):
        return open_recording(recording, accept_doubtful=accept_doubtful)
    opened = recording if isinstance(recording, Recording) else from_raw(recording)
    return opened.resolve_doubts(accept_doubtful=accept_doubtful)


def format_of(path: Path) -> str:
    """Return the suffix, in lower case, of a file's format: by its first bytes, or else by its name.

    Raises
    ------
    ReadError
        If the file is empty.
    """
    return _format_by_content(path) or suffix_of(path.name)


def suffix_of(name: str) -> str:
    """Return the suffix of a file name in lower case; '.fif.gz' has two parts."""
    lower = name.lower()
    return ".fif.gz" if lower.endswith(".fif.gz") else PurePosixPath(lower).suffix


def main_stem(name: str) -> str:
    """Return a file name without its suffix, and without the number of the piece in `NUMBERED` formats."""
    suffix = suffix_of(name)
    stem = name[: len(name) - len(suffix)]
    return re.sub(r"_\d{3}$", "", stem) if suffix in NUMBERED else stem


def main_file_names(name: str) -> tuple[str, ...]:
    """Return the names of files to open instead of one that may be part of a recording, in order of preference.

    The main file may have another case, and may be missing: then the part may be a recording itself.
    """
    mains = COMPANIONS.get(suffix_of(name), ())
    stems = dict.fromkeys((main_stem(name), name[: len(name) - len(suffix_of(name))]))
    return tuple(stem + main for stem in stems for main in mains if (stem + main).lower() != name.lower())


def is_recording(path: Path) -> bool:
    """Return whether a file has a known suffix, and is not a part of another one."""
    mains = main_file_names(path.name)
    return suffix_of(path.name) in READERS and not any(find_sibling(path, main) for main in mains)


def recording_file(path: Path) -> Path:
    """Return the file to open for a path: itself, or the only recording in a folder.

    Raises
    ------
    ReadError
        If the path is a folder that is not one recording, or cannot be read.
    """
    if not path.is_dir() or path.suffix.lower() in FOLDERS:
        return path
    try:
        files = sorted(path.iterdir())
    except OSError as error:
        raise ReadError(f"{path}: cannot be read: {reason(error)}") from error
    own = [file for file in files if suffix_of(file.name) in NUMBERED and is_recording(file)]
    return own[0] if len(own) == 1 else recording_in(path, is_recording)


def _read(path: Path) -> Recording:
    suffix = suffix_of(path.name)
    if not path.exists():
        raise ReadError(f"{path}: there is no such file")
    content = _format_by_content(path)
    if content and content != suffix:
        note = f"it is a file in {content[1:].upper()} format despite its suffix '{path.suffix}'"
        recording = READERS[content](path)
        return replace(recording, notes=(*recording.notes, note))
    main = next(filter(None, (find_sibling(path, name) for name in main_file_names(path.name))), None)
    if main is not None and main != path:
        raise ReadError(f"{path}: is a part of a recording; open {main.name} instead")
    if suffix not in READERS:
        raise ReadError(f"{path}: '{path.suffix}' is not a known format; known are {listed(READERS, 20)}")
    return READERS[suffix](path)


def _has_bids_name(path: Path) -> bool:
    return path.name.split(".")[0].endswith(ENDING)


def _format_by_content(path: Path) -> str | None:
    """Return the suffix of the format that the first bytes identify, or None.

    Raises
    ------
    ReadError
        If the file is empty.
    """
    if path.is_dir():
        return None
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
    if not head:
        raise ReadError(f"{path}: is empty")
    return next((suffix for magic, suffix in MAGICS.items() if head.startswith(magic)), None)
