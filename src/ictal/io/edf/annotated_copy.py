"""Copy an EDF or BDF file and add annotations; the samples are copied byte by byte.

Source: Kemp and Olivan 2003, "European data format 'plus'"; comments cite its clauses. The file is streamed, so that
memory does not grow with its length. Libraries that write EDF+ load the whole file or round its samples again.
"""

import math
import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import numpy.typing as npt

from ictal.core.atomic_files import atomic_write, writing
from ictal.core.progress import Progress, silent
from ictal.core.recording import Annotation, Recording
from ictal.errors import IctalError
from ictal.io.edf.header import FIELDS, MAIN_BYTES, MONTHS, SIGNAL_BYTES, EdfFile, text_of
from ictal.io.edf.writer import write_edf

TASK = "writing EDF"
CHUNK_BYTES = 1 << 23
"""Number of bytes copied at a time."""
LONGEST_FIELD = 80
"""Length of the patient and recording fields."""
NO_TEXT = "(no text)"
"""Replaces an empty text, which in EDF+ means no annotation."""

_DATE = rf"(X|\d\d-({'|'.join(MONTHS)})-\d{{4}})"
_PATIENT = re.compile(rf"\S+ [MFX] {_DATE} \S+( .*)?")
_RECORDING = re.compile(rf"Startdate {_DATE} \S+ \S+ \S+( .*)?")

Bytes = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class _AnnotationSignal:
    """The added signal: annotations by record number, record times if `keeps_time`, and its bytes per record."""

    texts: dict[int, bytes]
    keeps_time: bool
    record_s: float
    size: int

    def fill(self, first: int, n_records: int) -> Bytes:
        """Return the bytes of records from `first` on, [record, byte], padded with zeros."""
        block = np.zeros((n_records, self.size), dtype=np.uint8)
        for row in range(n_records):
            text = _time(self.record_s * (first + row)) if self.keeps_time else b""
            text += self.texts.get(first + row, b"")
            block[row, : len(text)] = np.frombuffer(text, dtype=np.uint8)
        return block


def copy_edf_with_annotations(
    source: Path, out: Path, annotations: Sequence[Annotation], progress: Progress = silent
) -> None:
    """Copy an EDF, EDF+, BDF or BDF+ file and add annotations, atomically.

    Each record gets one more signal, 'EDF Annotations' or 'BDF Annotations'; the rest is copied. A plain EDF or BDF
    becomes EDF+C or BDF+C: the text of its patient and recording fields is kept after the subfields that EDF+
    requires, up to 80 characters in all. An incomplete last record is left out.

    Parameters
    ----------
    source
        The file to copy.
    out
        The new file; an existing file is replaced.
    annotations
        The annotations to add; times in seconds from the first record, gaps included.
    progress
        Callback with the number of records written.

    Raises
    ------
    ReadError
        If `source` is not an EDF or BDF file.
    IctalError
        If `out` is `source`, cannot be written, or cannot store an annotation.
    """
    file = EdfFile.open(source)
    if out.exists() and out.samefile(source):
        raise IctalError(f"{out}: is the recording itself, which is never changed; name another file")
    added = _annotation_signal(file, annotations)
    with writing(out), atomic_write(out) as part, part.open("wb") as copy:
        copy.write(_header(file, added.size // file.bytes_per_sample))
        for first, records in _blocks(file):
            copy.write(np.hstack([records, added.fill(first, len(records))]).data)
            progress(TASK, first + len(records), file.n_records)


def write_annotated_edf(
    recording: Recording, out: Path, annotations: Sequence[Annotation], progress: Progress = silent
) -> None:
    """Write a recording in another format as EDF+C, with its own and further annotations, atomically.

    Samples are rounded as in `write_edf`. Samples after the last whole second are left out.

    Raises
    ------
    IctalError
        If the recording has gaps or other features that `write_edf` does not support, or `out` cannot be written.
    """
    if recording.gaps:
        raise IctalError(f"{recording.name}: has gaps ({len(recording.gaps)}), which a new EDF+ file cannot store")
    n_samples = round(int(recording.duration_s) * recording.rate_hz)
    signals = replace(recording, n_samples=n_samples, annotations=())
    with writing(out):
        out.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(prefix=f".{out.name}.", suffix=".part", dir=out.parent) as folder:
            path = Path(folder) / "signals.edf"
            try:
                write_edf(path, signals, progress)
            except ValueError as error:  # what EDF cannot store; the message is for users
                raise IctalError(str(error)) from error
            copy_edf_with_annotations(path, out, [*recording.annotations, *annotations])


def _blocks(file: EdfFile) -> Iterator[tuple[int, Bytes]]:
    """Yield some records at a time, [record, byte], with the number of the first."""
    step = max(1, CHUNK_BYTES // file.record_bytes)
    with file.path.open("rb") as opened:
        opened.seek(file.header_bytes)
        for first in range(0, file.n_records, step):
            block = opened.read(min(step, file.n_records - first) * file.record_bytes)
            yield first, np.frombuffer(block, dtype=np.uint8).reshape(-1, file.record_bytes)


def _annotation_signal(file: EdfFile, annotations: Sequence[Annotation]) -> _AnnotationSignal:
    """Distribute the annotations over the records in the order of time; all records have equal room."""
    keeps_time = not file.annotation_signals
    # EDF+ 2.2.2: onsets are relative to the start in the header; the first record may start later.
    shift_s = 0.0 if keeps_time else float(file.onsets_s[0])
    tals = [_tal(note, shift_s) for note in sorted(annotations, key=lambda note: note.onset_s)]
    texts: dict[int, bytes] = {}
    for number, tal in enumerate(tals):
        record = number * file.n_records // len(tals)
        texts[record] = texts.get(record, b"") + tal
    longest = max(map(len, texts.values()), default=0)
    if keeps_time:
        longest += len(f"{file.record_s * file.n_records:+.7f}\x14\x14\x00")
    n_samples = max(1, -(-longest // file.bytes_per_sample))
    return _AnnotationSignal(texts, keeps_time, file.record_s, n_samples * file.bytes_per_sample)


def _tal(note: Annotation, shift_s: float) -> bytes:
    """Return a time-stamped annotation list (EDF+ 2.2.2), to the microsecond."""
    if not math.isfinite(note.onset_s) or not 0 <= note.duration_s < math.inf:
        raise IctalError(
            f"annotation '{note.text}' is at {note.onset_s:g} s and lasts {note.duration_s:g} s; allowed are finite "
            "times and durations of at least 0"
        )
    duration = f"\x15{_number(note.duration_s, 6)}" if note.duration_s else ""
    # Characters below 32 separate annotations or are not printable.
    text = re.sub(r"[\x00-\x1f\x7f]+", " ", note.text).strip() or NO_TEXT
    return f"{_number(note.onset_s + shift_s, 6, '+')}{duration}\x14{text}\x14\x00".encode(errors="replace")


def _time(onset_s: float) -> bytes:
    """Return the list without text that states the start of a record (EDF+ 2.2.4), with 7 decimals."""
    return f"{_number(onset_s, 7, '+')}\x14\x14\x00".encode()


def _number(value: float, decimals: int, sign: str = "") -> str:
    # Rounded first, so that a tiny negative number does not become '-0'.
    return f"{round(value, decimals) + 0.0:{sign}.{decimals}f}".rstrip("0").rstrip(".")


def _header(file: EdfFile, n_samples: int) -> bytes:
    """Return the header of the copy; the added signal has `n_samples` samples per record."""
    n_signals = len(file.signals)
    with file.path.open("rb") as opened:
        header = bytearray(opened.read(MAIN_BYTES + SIGNAL_BYTES * n_signals))
    kind = "BDF" if file.is_bdf else "EDF"
    if not file.plus:
        header[8:88] = _field(_patient(_ascii(header[8:88])))
        header[88:168] = _field(_recording(_ascii(header[88:168]), file))
        header[192:236] = _field(f"{kind}+C", 44)
    header[184:192] = _field(str(MAIN_BYTES + SIGNAL_BYTES * (n_signals + 1)), 8)
    header[236:244] = _field(str(file.n_records), 8)
    header[252:256] = _field(str(n_signals + 1), 4)
    bits = 8 * file.bytes_per_sample - 1
    new = {
        "label": f"{kind} Annotations",
        "physical_min": "-1",
        "physical_max": "1",
        "digital_min": str(-(2**bits)),
        "digital_max": str(2**bits - 1),
        "n_samples": str(n_samples),
    }
    parts, position = [bytes(header[:MAIN_BYTES])], MAIN_BYTES
    for name, width in FIELDS.items():
        stop = position + width * n_signals
        parts += [bytes(header[position:stop]), _field(new.get(name, ""), width)]
        position = stop
    return b"".join(parts)


def _field(text: str, width: int = LONGEST_FIELD) -> bytes:
    return text[:width].ljust(width).encode("ascii")


def _ascii(field: bytes | bytearray) -> str:
    """Return the text of a field in ASCII without accents (EDF+ 2.1.3.1); '?' replaces other letters."""
    letters = unicodedata.normalize("NFKD", text_of(bytes(field)))
    text = "".join(letter for letter in letters if not unicodedata.combining(letter))
    return " ".join(re.sub(r"[^ -~]", " ", text.encode("ascii", "replace").decode()).split())


def _patient(text: str) -> str:
    """Return the code, sex, birthdate and name of the patient (EDF+ 2.1.3.3); 'X' means unknown."""
    return text if _PATIENT.fullmatch(text) else f"X X X {text.replace(' ', '_') or 'X'}"


def _recording(text: str, file: EdfFile) -> str:
    """Return the date, hospital code, technician and equipment (EDF+ 2.1.3.4), and the previous text of the field."""
    if _RECORDING.fullmatch(text):
        return text
    start = file.header_start
    date = f"{start.day:02}-{MONTHS[start.month - 1]}-{start.year}" if start else "X"
    return f"Startdate {date} X X X {text}".rstrip()
