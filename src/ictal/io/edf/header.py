"""EDF, EDF+ and BDF files on disk: header, signals, records and their times.

Sources: Kemp et al. 1992 (EDF), Kemp and Olivan 2003 (EDF+), biosemi.com/faq/file_format.htm (BDF). Mistakes in the
header are corrected with a note where that is safe. Otherwise they are errors, so that no number is silently wrong.
"""

import math
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Self

import numpy as np
import numpy.typing as npt

from ictal.core.recording import Annotation
from ictal.errors import IncompleteError, ReadError, reason
from ictal.io.edf.dates import FIRST_DAY, TRIPLE, UNDATED, long_date, short_date
from ictal.io.edf.header_fields import number_in, shown, text_of, whole_number_in
from ictal.io.times import JITTER_S

EDF_MAGIC, BDF_MAGIC = b"0       ", b"\xffBIOSEMI"
MAIN_BYTES = SIGNAL_BYTES = 256
"""The header has 256 bytes for the file and 256 for each signal."""
FIELDS = {
    "label": 16,
    "transducer": 80,
    "dimension": 8,
    "physical_min": 8,
    "physical_max": 8,
    "digital_min": 8,
    "digital_max": 8,
    "prefilter": 80,
    "n_samples": 8,
    "reserved": 32,
}
"""Width of each field of a signal. The header lists each field for all signals before the next field."""
ANNOTATIONS = ("EDF ANNOTATIONS", "BDF ANNOTATIONS")
PLUS = ("EDF+C", "EDF+D", "BDF+C", "BDF+D")
CHUNK_BYTES = 1 << 20
"""Number of bytes read at a time. More would exceed the CPU cache and take twice as long."""
# EDF+ 2.2.2: onset, optionally \x15 and a duration, then texts, each ended by \x14. Nine digits are 31 years.
TAL = re.compile(rb"(?:\A|\x00)([+-]?\d{1,9}(?:\.\d*)?)(?:\x15([^\x14\x00]*))?\x14([^\x00]*)")


@dataclass(frozen=True)
class EdfSignal:
    """One signal of the header; an unreadable number is NaN.

    Attributes
    ----------
    label, dimension
        Name of the signal, and unit of its physical values.
    physical, digital
        Physical minimum and maximum, and the corresponding digital values.
    n_samples
        Samples per record.
    offset
        Number of samples before it in a record.
    """

    label: str
    dimension: str
    physical: tuple[float, float]
    digital: tuple[float, float]
    n_samples: int
    offset: int

    @property
    def is_annotation(self) -> bool:
        """Whether it contains text instead of samples."""
        return self.label.upper() in ANNOTATIONS


@dataclass(frozen=True)
class EdfFile:
    """An EDF, EDF+, BDF or BDF+ file.

    Attributes
    ----------
    path
        The file.
    is_bdf
        Whether a sample has three bytes instead of two.
    plus
        'EDF+C', 'EDF+D', 'BDF+C', 'BDF+D' or ''.
    header_bytes
        Size of the header; the first record starts there.
    signals
        All signals in the order of the file, including annotations.
    n_records
        Number of complete records in the file, which may differ from the header.
    record_s
        Duration of a record.
    header_start
        Date and time of the header, as UTC since EDF states no time zone; None if invalid.
    n_stated
        Number of records that the header states: -1 while a recorder writes the file (EDF+ 2.1.1), NaN if unreadable.
    notes
        Mistakes in the file that were corrected, one sentence each.
    before
        Onsets and annotations of the first records, if they are known already, see `grown`.
    """

    path: Path
    is_bdf: bool
    plus: str
    header_bytes: int
    signals: tuple[EdfSignal, ...]
    n_records: int
    record_s: float
    header_start: datetime | None
    n_stated: float = math.nan
    notes: tuple[str, ...] = ()
    before: tuple[npt.NDArray[np.float64], tuple[Annotation, ...]] = field(
        default=(np.empty(0), ()), repr=False, compare=False
    )

    @classmethod
    def open(cls, path: Path) -> Self:
        """Read the header.

        Raises
        ------
        ReadError
            If it is not an EDF or BDF file, or a required number is invalid; the message says which.
        """
        size = path.stat().st_size
        with path.open("rb") as file:
            main = file.read(MAIN_BYTES)
            is_bdf = _is_bdf(main, path)
            n_signals = whole_number_in(main[252:256], "number of signals", path)
            header_bytes = MAIN_BYTES + SIGNAL_BYTES * n_signals
            if size < header_bytes:
                raise IncompleteError(f"{path}: is truncated after {size} bytes, within its header of {header_bytes}")
            signals = _signals(file.read(SIGNAL_BYTES * n_signals), n_signals, path)
        record_s = number_in(main[244:252])
        if not record_s > 0 and not all(signal.is_annotation for signal in signals):
            raise ReadError(f"{path}: states records of '{shown(main[244:252])}' s; allowed is a number above 0")
        record_bytes = sum(signal.n_samples for signal in signals) * (3 if is_bdf else 2)
        stated = (number_in(main[184:192]), number_in(main[236:244]))
        header_bytes, n_records, notes = _extent(size, header_bytes, record_bytes, stated, path)
        plus = text_of(main[192:197]).upper()
        start, doubts = start_of(main)
        return cls(
            path,
            is_bdf,
            plus if plus in PLUS else "",
            header_bytes,
            signals,
            n_records,
            record_s,
            start,
            stated[1],
            (*notes, *doubts),
        )

    def grown(self) -> Self:
        """Open the file again, to which a recorder has appended; the times of earlier records are not read again.

        Raises
        ------
        ReadError
            If it has become shorter, or has another header except for the number of records.
        """
        now = self.open(self.path)
        same = ("is_bdf", "header_bytes", "signals", "record_s", "header_start")
        if any(getattr(now, name) != getattr(self, name) for name in same):
            raise ReadError(f"{self.path}: is another recording than before; its header has changed")
        if now.n_records < self.n_records:
            raise ReadError(f"{self.path}: has become shorter since it was opened")
        return replace(now, before=self._times)

    @property
    def bytes_per_sample(self) -> int:
        """Two in EDF, three in BDF."""
        return 3 if self.is_bdf else 2

    @property
    def record_bytes(self) -> int:
        """Bytes of a record."""
        return sum(signal.n_samples for signal in self.signals) * self.bytes_per_sample

    @property
    def annotation_signals(self) -> tuple[int, ...]:
        """Indices of the signals with annotations."""
        return tuple(number for number, signal in enumerate(self.signals) if signal.is_annotation)

    @property
    def start(self) -> datetime | None:
        """Clock time of the first sample: the start in the header plus the onset of the first record."""
        return self.header_start and self.header_start + timedelta(seconds=float(self.onsets_s[0]))

    @property
    def annotations(self) -> tuple[Annotation, ...]:
        """All annotations in the order of time, in seconds from the start in the header, as in the file."""
        return self._times[1]

    @property
    def onsets_s(self) -> npt.NDArray[np.float64]:
        """Onset of each record, in seconds from the start in the header.

        Onsets stated in the records are used. In a file that is marked as continuous, they are ignored if they
        contradict that.

        Raises
        ------
        ReadError
            If a file that is marked as discontinuous does not state the onset of a record.
        """
        stated = self._times[0]
        if not self.plus.endswith("D"):
            if np.isfinite(stated).all() and not self.contradicts_itself:
                return stated
            first = stated[0] if math.isfinite(stated[0]) else 0.0
            return np.asarray(first + self.record_s * np.arange(self.n_records))
        unknown = np.flatnonzero(np.isnan(stated))
        if len(unknown):
            raise ReadError(
                f"{self.path}: is discontinuous ({self.plus}) but does not state the onset of record "
                f"{unknown[0] + 1} of {self.n_records}"
            )
        return stated

    @property
    def contradicts_itself(self) -> bool:
        """Whether the file is marked as continuous, but states overlapping records."""
        stated = self._times[0]
        return not self.plus.endswith("D") and bool((np.diff(stated) - self.record_s < -JITTER_S).any())

    def records(self, first: int, count: int) -> npt.NDArray[np.uint8]:
        """Return the bytes of some records, [record, byte].

        Raises
        ------
        ReadError
            If the file has become shorter or cannot be read.
        """
        begin, n_bytes = self.header_bytes + first * self.record_bytes, count * self.record_bytes
        try:
            found = np.fromfile(self.path, np.uint8, n_bytes, offset=begin)
        except OSError as error:
            raise ReadError(f"{self.path}: cannot be read: {reason(error)}") from error
        if len(found) < n_bytes:
            raise ReadError(f"{self.path}: has become shorter since it was opened")
        return found.reshape(count, -1)

    @cached_property
    def _times(self) -> tuple[npt.NDArray[np.float64], tuple[Annotation, ...]]:
        """Return the stated onset of each record (NaN if missing), and all annotations."""
        known, notes = self.before
        onsets, found = np.full(self.n_records, np.nan), list(notes)
        onsets[: len(known)] = known
        for record, number, block in self._blocks(len(known)):
            marks = TAL.findall(block)
            if marks and number == 0 and marks[0][2][:1] in (b"", b"\x14"):  # EDF+ 2.2.4: the record's onset
                onsets[record] = float(marks[0][0])
            found += (note for mark in marks for note in _notes_of(*mark))
        return onsets, tuple(sorted(found, key=lambda note: note.onset_s))

    def _blocks(self, begin: int) -> Iterator[tuple[int, int, bytes]]:
        """Yield the record number, from `begin` on, the number of the annotation signal, and its bytes.

        The whole file is read in order; skipping the other signals would take several times as long.
        """
        width = self.bytes_per_sample
        chosen = [self.signals[number] for number in self.annotation_signals]
        step = max(1, CHUNK_BYTES // self.record_bytes)
        for first in range(begin, self.n_records if chosen else begin, step):
            records = self.records(first, min(step, self.n_records - first))
            for number, signal in enumerate(chosen):
                block = records[:, signal.offset * width : (signal.offset + signal.n_samples) * width]
                yield from ((record, number, row.tobytes()) for record, row in enumerate(block, start=first))


def _notes_of(onset: bytes, duration: bytes, texts: bytes) -> Iterator[Annotation]:
    length_s = number_in(duration)
    for text in filter(None, map(text_of, texts.split(b"\x14"))):
        yield Annotation(float(onset), length_s if length_s >= 0 else 0.0, text)


def _is_bdf(main: bytes, path: Path) -> bool:
    if not main:
        raise IncompleteError(f"{path}: is empty")
    if main[1:8] != BDF_MAGIC[1:] and text_of(main[:8]) != "0":
        raise ReadError(
            f"{path}: is not an EDF or BDF file; it starts with {main[:12].decode('latin-1')!r}, but an EDF file "
            "starts with '0' and seven blanks"
        )
    if len(main) < MAIN_BYTES:
        raise IncompleteError(f"{path}: is truncated after {len(main)} bytes, within its header")
    return main[1:8] == BDF_MAGIC[1:]


def _signals(header: bytes, n_signals: int, path: Path) -> tuple[EdfSignal, ...]:
    columns, begin = {}, 0
    for name, width in FIELDS.items():
        columns[name] = [header[begin + i * width : begin + (i + 1) * width] for i in range(n_signals)]
        begin += width * n_signals
    signals, offset = [], 0
    for values in (dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)):
        label = shown(values["label"])
        n_samples = whole_number_in(values["n_samples"], f"samples of '{label}' in a record", path)
        physical = (number_in(values["physical_min"]), number_in(values["physical_max"]))
        digital = (number_in(values["digital_min"]), number_in(values["digital_max"]))
        signals.append(EdfSignal(label, shown(values["dimension"]), physical, digital, n_samples, offset))
        offset += n_samples
    return tuple(signals)


def _extent(
    size: int, header_bytes: int, record_bytes: int, stated: tuple[float, float], path: Path
) -> tuple[int, int, list[str]]:
    """Return the start of the records, the number of complete records, and notes where the header is wrong."""
    if not record_bytes:
        raise ReadError(f"{path}: has no signal with samples")
    notes = []
    if stated[0] != header_bytes:
        fits = stated[0] > header_bytes and size - stated[0] == stated[1] * record_bytes
        begin = round(stated[0]) if fits else header_bytes
        notes.append(f"its header states a header size of {stated[0]:g} bytes; {begin} is used")
        header_bytes = begin
    n_records, rest = divmod(size - header_bytes, record_bytes)
    if not n_records:
        raise IncompleteError(
            f"{path}: is truncated after {size} bytes, before the end of the first record of {record_bytes} bytes"
        )
    if stated[1] != n_records or rest:
        cut = f" and {rest} bytes of an incomplete one" if rest else ""
        notes.append(f"its header states {stated[1]:g} records; it has {n_records} complete ones{cut}")
    return header_bytes, n_records, notes


def start_of(main: bytes) -> tuple[datetime | None, list[str]]:
    """Return the start that the header states, and notes if it is unknown or doubtful.

    EDF+ states the date twice, and only the recording field has a four-digit year. That date is used if both agree,
    and if the header's date is invalid or 1985-01-01, which means a date out of range.
    """
    written, clock_text = shown(main[168:176]), shown(main[176:184])
    clock = TRIPLE.fullmatch(clock_text)
    if not clock:
        return None, [f"its start is unknown: date and time are '{written}' and '{clock_text}'"]
    recording = text_of(main[88:168])
    short, long = short_date(written), long_date(recording)
    notes = []
    if long and not short:
        notes.append(f"its header states '{written}' as date; the date in the recording field is used")
    elif long and short and short != FIRST_DAY and f"{short:%y%m%d}" != f"{long:%y%m%d}":
        notes.append(f"it states two start dates, {short:%Y-%m-%d} and {long:%Y-%m-%d}; the first is used")
        long = None
    elif short == FIRST_DAY and not long and recording.startswith(UNDATED):
        notes.append(f"its date is unknown; {FIRST_DAY} stands for it")
    day = long or short
    hour, minute, second = map(int, clock.groups())
    with suppress(ValueError):
        if day:
            return datetime(day.year, day.month, day.day, hour, minute, second, tzinfo=UTC), notes
    return None, [f"its start is unknown: date and time are '{written}' and '{clock_text}'"]
