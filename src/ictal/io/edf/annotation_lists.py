"""Time-stamped annotation lists of EDF+: annotations and the times of records, as bytes (EDF+ 2.2)."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ictal.core.recording import Annotation
from ictal.errors import IctalError

NO_TEXT = "(no text)"
"""Replaces an empty text, which in EDF+ means no annotation."""
LATEST_S = 1e9
"""Onsets that `ictal.io.edf.header` reads are smaller; a larger one is a mistake, such as a Unix time."""

Bytes = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class AnnotationSignal:
    """The signal with text: annotations by number of record.

    Attributes
    ----------
    texts
        Annotation lists by number of record.
    n_bytes
        Bytes per record.
    """

    texts: dict[int, bytes]
    n_bytes: int

    @classmethod
    def of(cls, lists: Sequence[bytes], n_records: int, time_bytes: int, width: int) -> "AnnotationSignal":
        """Distribute lists over the records, so that all need about the same room.

        Parameters
        ----------
        lists
            Annotation lists in the order of time.
        n_records
            Number of records.
        time_bytes
            Room for the time of a record; 0 if another signal keeps it.
        width
            Bytes per sample.
        """
        texts: dict[int, bytes] = {}
        for number, text in enumerate(lists):
            record = number * n_records // len(lists)
            texts[record] = texts.get(record, b"") + text
        longest = time_bytes + max(map(len, texts.values()), default=0)
        return cls(texts, max(1, -(-longest // width)) * width)

    def fill(self, first: int, times: Sequence[bytes]) -> Bytes:
        """Return the bytes of records from `first` on, [record, byte], padded with zeros.

        Parameters
        ----------
        first
            Number of the first record.
        times
            Time of each record, see `record_time`; empty if another signal keeps it.
        """
        block = np.zeros((len(times), self.n_bytes), dtype=np.uint8)
        for row, time in enumerate(times):
            text = time + self.texts.get(first + row, b"")
            block[row, : len(text)] = np.frombuffer(text, dtype=np.uint8)
        return block


def annotation_list(note: Annotation, shift_s: float = 0.0) -> bytes:
    """Return an annotation as a time-stamped annotation list (EDF+ 2.2.2), to the microsecond.

    Raises
    ------
    IctalError
        If its time is not a number or 31 years away, or its duration is negative or infinite.
    """
    if not abs(note.onset_s) < LATEST_S or not 0 <= note.duration_s < math.inf:
        raise IctalError(
            f"annotation '{note.text}' is at {note.onset_s:g} s and lasts {note.duration_s:g} s; allowed are times "
            f"within {LATEST_S:g} s of the start and durations of at least 0"
        )
    duration = f"\x15{_number(note.duration_s, 6)}" if note.duration_s else ""
    text = storable(note.text)
    return f"{_number(note.onset_s + shift_s, 6, '+')}{duration}\x14{text}\x14\x00".encode(errors="replace")


def storable(text: str) -> str:
    """Return a text without the characters below 32, which separate annotations or are not printable."""
    return re.sub(r"[\x00-\x1f\x7f]+", " ", text).strip() or NO_TEXT


def record_time(onset_s: float) -> bytes:
    """Return the list without text that states the start of a record (EDF+ 2.2.4), with 7 decimals."""
    return f"{_number(onset_s, 7, '+')}\x14\x14\x00".encode()


def longest_time(end_s: float) -> int:
    """Return the most bytes that `record_time` needs for records before `end_s`."""
    return len(f"{end_s:+.7f}\x14\x14\x00")


def _number(value: float, decimals: int, sign: str = "") -> str:
    # Rounded first, so that a tiny negative number does not become '-0'.
    return f"{round(value, decimals) + 0.0:{sign}.{decimals}f}".rstrip("0").rstrip(".")
