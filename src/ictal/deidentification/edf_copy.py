"""Copy the records of an EDF or BDF file without personal annotations; samples are copied byte by byte.

Source: Kemp and Olivan 2003, "European data format 'plus'", 2.2. The file is streamed, so that memory does not grow
with its length.
"""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from ictal.core.progress import Progress
from ictal.deidentification.identifiers import Identifiers
from ictal.deidentification.removal import Removal
from ictal.errors import ReadError
from ictal.io.edf.header import TAL, EdfFile
from ictal.io.edf.header_fields import printable, text_of

TASK = "de-identifying"
CHUNK_BYTES = 1 << 20
"""Number of bytes copied at a time."""
LEFTOVER = "no annotation"
"""Why bytes between or after the annotations of a record are set to zero."""
MOST_LEFTOVER = 120
"""Characters of such bytes that are listed."""
_ONLY_TIME = re.compile(rb"[+-]?\d{1,9}(?:\.\d*)?\x14\x14\x00*")
"""A record without annotations: only its onset (EDF+ 2.2.4)."""

Bytes = npt.NDArray[np.uint8]


@dataclass
class AnnotationFilter:
    """Decides which annotations stay, and remembers what did.

    Attributes
    ----------
    identifiers
        What must not stay.
    kept
        Kept texts, and the number of each.
    """

    identifiers: Identifiers
    kept: Counter[str] = field(default_factory=Counter)
    _verdicts: dict[bytes, tuple[str, str]] = field(default_factory=dict)
    _removed: dict[tuple[str, str], list[float]] = field(default_factory=dict)

    @property
    def removals(self) -> list[Removal]:
        """What was removed."""
        return [Removal("annotation", text, "", why, tuple(times)) for (text, why), times in self._removed.items()]

    def filter(self, block: bytes) -> bytes:
        """Return the bytes of an annotation signal in one record, as long as before, without personal annotations."""
        if _ONLY_TIME.fullmatch(block) or not block.strip(b"\0"):
            return block
        lists, at, onset_s = [], 0, 0.0
        for found in TAL.finditer(block):
            self._note_leftover(block[at : found.start()], onset_s)
            onset_s, at = float(found[1]), found.end()
            kept = self._filter_list(found[1], found[2], found[3])
            # A list without text states the onset of the record where it is the first, and nothing elsewhere.
            lists.append(b"" if found.start() and not kept.strip(b"\x14").count(b"\x14") else kept)
        self._note_leftover(block[at:], onset_s)
        return b"\0".join(filter(None, lists)).ljust(len(block), b"\0")

    def _filter_list(self, onset: bytes, duration: bytes | None, texts: bytes) -> bytes:
        """Return a time-stamped annotation list without personal texts; nothing if no text is left."""
        pieces = texts.split(b"\x14")
        stay = [piece for piece in pieces if not piece or self._stays(piece, float(onset))]
        if not any(stay) and any(pieces) and pieces[0]:
            return b""
        if duration is not None and not re.fullmatch(rb"\d+(?:\.\d*)?", duration):
            if shown := printable(text_of(duration)):
                self._removed.setdefault((shown, "not a duration"), []).append(float(onset))
            duration = None
        return onset + (b"" if duration is None else b"\x15" + duration) + b"\x14" + b"\x14".join(stay)

    def _stays(self, piece: bytes, onset_s: float) -> bool:
        if piece not in self._verdicts:
            self._verdicts[piece] = printable(text_of(piece)), self.identifiers.find(piece)
        text, why = self._verdicts[piece]
        if why:
            self._removed.setdefault((text, why), []).append(onset_s)
        else:
            self.kept[text] += 1
        return not why

    def _note_leftover(self, leftover: bytes, onset_s: float) -> None:
        if leftover.strip(b"\0"):
            text = printable(text_of(leftover.strip(b"\0")[:MOST_LEFTOVER]))
            self._removed.setdefault((text, LEFTOVER), []).append(onset_s)


def copy_records(file: EdfFile, annotations: AnnotationFilter, copy: BinaryIO | None, progress: Progress) -> None:
    """Copy all complete records; if `copy` is None, only read them.

    Raises
    ------
    ReadError
        If the file has become shorter or cannot be read.
    """
    width = file.bytes_per_sample
    chosen = [file.signals[number] for number in file.annotation_signals]
    columns = [(signal.offset * width, (signal.offset + signal.n_samples) * width) for signal in chosen]
    for first, records in _blocks(file):
        for start, stop in columns:
            for row in records[:, start:stop]:
                old = row.tobytes()
                new = annotations.filter(old)
                if new != old:
                    row[:] = np.frombuffer(new, np.uint8)
        if copy is not None:
            copy.write(records.data)
        progress(TASK, first + len(records), file.n_records)


def _blocks(file: EdfFile) -> Iterator[tuple[int, Bytes]]:
    """Yield some records at a time, [record, byte], in a buffer that is used again, with the number of the first."""
    step = max(1, CHUNK_BYTES // file.record_bytes)
    buffer = np.empty((min(step, file.n_records), file.record_bytes), np.uint8)
    with file.path.open("rb", buffering=0) as opened:
        opened.seek(file.header_bytes)
        for first in range(0, file.n_records, step):
            records = buffer[: min(step, file.n_records - first)]
            waiting = records.data.cast("B")
            while waiting:
                n_read = opened.readinto(waiting)
                if not n_read:
                    raise ReadError(f"{file.path}: has become shorter since it was opened")
                waiting = waiting[n_read:]
            yield first, records
