"""Copy an EDF or BDF file and add annotations; the samples are copied byte by byte.

Source: Kemp and Olivan 2003, "European data format 'plus'"; comments cite its clauses. The file is streamed, so that
memory does not grow with its length. Libraries that write EDF+ load the whole file or round its samples again.
"""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from ictal.core.atomic_files import atomic_write, writing
from ictal.core.progress import Progress, silent
from ictal.core.recording import Annotation
from ictal.errors import IctalError
from ictal.io.edf.annotation_lists import AnnotationSignal, Bytes, annotation_list, longest_time, record_time
from ictal.io.edf.dates import MONTHS, date_text
from ictal.io.edf.header import FIELDS, MAIN_BYTES, SIGNAL_BYTES, EdfFile
from ictal.io.edf.header_fields import ascii_of, header_field, text_of

TASK = "writing EDF"
CHUNK_BYTES = 1 << 23
"""Number of bytes copied at a time."""
LONGEST_FIELD = 80
"""Length of the patient and recording fields."""

_DATE = rf"(X|\d\d-({'|'.join(MONTHS)})-\d{{4}})"
_PATIENT = re.compile(rf"\S+ [MFX] {_DATE} \S+( .*)?")
_RECORDING = re.compile(rf"Startdate {_DATE} \S+ \S+ \S+( .*)?")


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
        copy.write(_header(file, added.n_bytes // file.bytes_per_sample))
        for first, records in _blocks(file):
            texts = added.fill(first, _record_times(file, first, len(records)))
            copy.write(np.hstack([records, texts]).data)
            progress(TASK, first + len(records), file.n_records)


def _blocks(file: EdfFile) -> Iterator[tuple[int, Bytes]]:
    """Yield some records at a time, [record, byte], with the number of the first."""
    step = max(1, CHUNK_BYTES // file.record_bytes)
    with file.path.open("rb") as opened:
        opened.seek(file.header_bytes)
        for first in range(0, file.n_records, step):
            block = opened.read(min(step, file.n_records - first) * file.record_bytes)
            yield first, np.frombuffer(block, dtype=np.uint8).reshape(-1, file.record_bytes)


def _annotation_signal(file: EdfFile, annotations: Sequence[Annotation]) -> AnnotationSignal:
    # EDF+ 2.2.2: onsets are relative to the start in the header; the first record may start later.
    shift_s = float(file.onsets_s[0]) if file.annotation_signals else 0.0
    lists = [annotation_list(note, shift_s) for note in sorted(annotations, key=lambda note: note.onset_s)]
    time_bytes = 0 if file.annotation_signals else longest_time(file.record_s * file.n_records)
    return AnnotationSignal.of(lists, file.n_records, time_bytes, file.bytes_per_sample)


def _record_times(file: EdfFile, first: int, n_records: int) -> list[bytes]:
    """Return the times of some records; empty where the file has annotations, which keep them."""
    if file.annotation_signals:
        return [b""] * n_records
    return [record_time(file.record_s * number) for number in range(first, first + n_records)]


def _header(file: EdfFile, n_samples: int) -> bytes:
    """Return the header of the copy; the added signal has `n_samples` samples per record."""
    n_signals = len(file.signals)
    with file.path.open("rb") as opened:
        header = bytearray(opened.read(MAIN_BYTES + SIGNAL_BYTES * n_signals))
    kind = "BDF" if file.is_bdf else "EDF"
    if not file.plus:
        header[8:88] = header_field(_patient(ascii_of(text_of(bytes(header[8:88])))), LONGEST_FIELD)
        header[88:168] = header_field(_recording(ascii_of(text_of(bytes(header[88:168]))), file), LONGEST_FIELD)
        header[192:236] = header_field(f"{kind}+C", 44)
    header[184:192] = header_field(str(MAIN_BYTES + SIGNAL_BYTES * (n_signals + 1)), 8)
    header[236:244] = header_field(str(file.n_records), 8)
    header[252:256] = header_field(str(n_signals + 1), 4)
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
        parts += [bytes(header[position:stop]), header_field(new.get(name, ""), width)]
        position = stop
    return b"".join(parts)


def _patient(text: str) -> str:
    """Return the code, sex, birthdate and name of the patient (EDF+ 2.1.3.3); 'X' means unknown."""
    return text if _PATIENT.fullmatch(text) else f"X X X {text.replace(' ', '_') or 'X'}"


def _recording(text: str, file: EdfFile) -> str:
    """Return the date, hospital code, technician and equipment (EDF+ 2.1.3.4), and the previous text of the field."""
    if _RECORDING.fullmatch(text):
        return text
    return f"Startdate {date_text(file.header_start)} X X X {text}".rstrip()
