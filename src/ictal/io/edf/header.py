"""EDF, EDF+ and BDF as they are on disk: header, signals, records and their times.

Sources: Kemp et al. 1992 (EDF), Kemp and Olivan 2003 (EDF+), biosemi.com/faq/file_format.htm (BDF). The header is
read leniently where a mistake can be told and put right, and refused where a number would be wrong in silence.
"""

import math
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Self

import numpy as np
import numpy.typing as npt

from ictal.core.recording import Annotation
from ictal.errors import ReadError, reason
from ictal.io.times import JITTER_S

EDF_MAGIC, BDF_MAGIC = b"0       ", b"\xffBIOSEMI"
MAIN_BYTES = SIGNAL_BYTES = 256
"""The header takes 256 bytes for the file and as many for each signal."""
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
"""Width of each field of a signal; a field of all signals stands before the next field."""
ANNOTATIONS = ("EDF ANNOTATIONS", "BDF ANNOTATIONS")
PLUS = ("EDF+C", "EDF+D", "BDF+C", "BDF+D")
PIECE_BYTES = 1 << 20
"""How much is read at a time: more leaves the processor's cache, and takes twice as long."""
BLANKS = "\u00a0\u2002\u2003\u2007\u2009\u202f\u3000"
"""Blanks beyond that of ASCII."""
CLIPPING_YEAR = 85
"""Two digits from 85 are of 1985 to 1999, the others of 2000 to 2084 (EDF+ 2.1.3.2)."""
FIRST_DAY = date(1900 + CLIPPING_YEAR, 1, 1)
"""The first date that EDF can state."""
# EDF+ 2.2.2: onset, perhaps \x15 and a duration, then texts, all but the last byte closed by \x14.
# Nine digits are 31 years, which no clock overflows.
_TAL = re.compile(rb"(?:\A|\x00)([+-]?\d{1,9}(?:\.\d*)?)(?:\x15([^\x14\x00]*))?\x14([^\x00]*)")
_TRIPLE = re.compile(r"(\d{1,2})\D(\d{1,2})\D(\d{1,2})", re.ASCII)
MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
# EDF+ 2.1.3.4: it has four digits of the year, of which the header's date has two.
_STARTDATE = re.compile(rf"Startdate (\d{{1,2}})-({'|'.join(MONTHS)})-(\d{{4}})(?: |\Z)", re.ASCII | re.IGNORECASE)


@dataclass(frozen=True)
class EdfSignal:
    """One signal of the header; a number that cannot be read is NaN.

    Attributes
    ----------
    label, dimension
        What is recorded, and the unit of its physical values.
    physical, digital
        The physical values (least, largest) that the digital ones stand for.
    n_samples
        In each record.
    offset
        Samples of a record that stand before it.
    """

    label: str
    dimension: str
    physical: tuple[float, float]
    digital: tuple[float, float]
    n_samples: int
    offset: int

    @property
    def is_annotation(self) -> bool:
        """Whether it holds text and no samples."""
        return self.label.upper() in ANNOTATIONS


@dataclass(frozen=True)
class EdfFile:
    """An EDF, EDF+, BDF or BDF+ file.

    Attributes
    ----------
    path
        Where it is.
    is_bdf
        Whether a sample has three bytes and not two.
    plus
        'EDF+C', 'EDF+D', 'BDF+C', 'BDF+D' or ''.
    header_bytes
        Where the first record begins.
    signals
        In the order of the file, annotations among them.
    n_records
        Whole records that the file holds, whatever its header says.
    record_s
        Seconds that a record lasts.
    header_start
        Date and time of the header, in UTC since EDF names no zone; None where it is no date.
    notes
        What is wrong with the file and was put right, a sentence each.
    """

    path: Path
    is_bdf: bool
    plus: str
    header_bytes: int
    signals: tuple[EdfSignal, ...]
    n_records: int
    record_s: float
    header_start: datetime | None
    notes: tuple[str, ...] = ()

    @classmethod
    def open(cls, path: Path) -> Self:
        """Read the header.

        Raises
        ------
        ReadError
            If it is no EDF or BDF, or a number without which nothing can be read is wrong; the message says which.
        """
        size = path.stat().st_size
        with path.open("rb") as file:
            main = file.read(MAIN_BYTES)
            is_bdf = _is_bdf(main, path)
            n_signals = _count(main[252:256], "number of signals", path)
            header_bytes = MAIN_BYTES + SIGNAL_BYTES * n_signals
            if size < header_bytes:
                raise ReadError(f"{path}: is cut off after {size} bytes, within its header of {header_bytes}")
            signals = _signals(file.read(SIGNAL_BYTES * n_signals), n_signals, path)
        record_s = _number(main[244:252])
        if not record_s > 0 and not all(signal.is_annotation for signal in signals):
            raise ReadError(f"{path}: states records of '{_shown(main[244:252])}' s; allowed is a number above 0")
        record_bytes = sum(signal.n_samples for signal in signals) * (3 if is_bdf else 2)
        stated = (_number(main[184:192]), _number(main[236:244]))
        header_bytes, n_records, notes = _extent(size, header_bytes, record_bytes, stated, path)
        plus = text_of(main[192:197]).upper()
        start, doubts = _start(main)
        return cls(
            path,
            is_bdf,
            plus if plus in PLUS else "",
            header_bytes,
            signals,
            n_records,
            record_s,
            start,
            (*notes, *doubts),
        )

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
        """Which of the signals hold annotations."""
        return tuple(number for number, signal in enumerate(self.signals) if signal.is_annotation)

    @property
    def start(self) -> datetime | None:
        """Clock time of the first sample: that of the header and the onset of the first record."""
        return self.header_start and self.header_start + timedelta(seconds=float(self.onsets_s[0]))

    @property
    def annotations(self) -> tuple[Annotation, ...]:
        """All annotations in the order of time, in seconds from the start of the header as on disk."""
        return self._times[1]

    @property
    def onsets_s(self) -> npt.NDArray[np.float64]:
        """When each record begins, in seconds from the start of the header.

        What the records state counts, also in a file that calls itself continuous, unless they contradict that.

        Raises
        ------
        ReadError
            If a file that calls itself discontinuous does not say when a record begins.
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
                f"{self.path}: is discontinuous ({self.plus}) and does not say when record {unknown[0] + 1} of "
                f"{self.n_records} begins"
            )
        return stated

    @property
    def contradicts_itself(self) -> bool:
        """Whether it calls itself continuous, and states records that begin when the one before them still lasts."""
        stated = self._times[0]
        return not self.plus.endswith("D") and bool((np.diff(stated) - self.record_s < -JITTER_S).any())

    def records(self, first: int, count: int) -> npt.NDArray[np.uint8]:
        """Return the bytes of some records, [record, byte].

        Raises
        ------
        ReadError
            If the file has become shorter, or cannot be read any more.
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
        """Return the onset that each record states (NaN: none), and all annotations."""
        onsets = np.full(self.n_records, np.nan)
        found: list[Annotation] = []
        for record, place, block in self._blocks():
            marks = _TAL.findall(block)
            if marks and place == 0 and marks[0][2][:1] in (b"", b"\x14"):  # EDF+ 2.2.4: it keeps the time
                onsets[record] = float(marks[0][0])
            found += (note for mark in marks for note in _notes_of(*mark))
        return onsets, tuple(sorted(found, key=lambda note: note.onset_s))

    def _blocks(self) -> Iterator[tuple[int, int, bytes]]:
        """Give record, which of the annotation signals, and its bytes.

        The whole file is read, in order: to skip what lies between takes several times as long.
        """
        width = self.bytes_per_sample
        chosen = [self.signals[number] for number in self.annotation_signals]
        step = max(1, PIECE_BYTES // self.record_bytes)
        for first in range(0, self.n_records if chosen else 0, step):
            records = self.records(first, min(step, self.n_records - first))
            for place, signal in enumerate(chosen):
                block = records[:, signal.offset * width : (signal.offset + signal.n_samples) * width]
                yield from ((record, place, row.tobytes()) for record, row in enumerate(block, start=first))


def _notes_of(onset: bytes, duration: bytes, texts: bytes) -> Iterator[Annotation]:
    length_s = _number(duration)
    for text in filter(None, map(text_of, texts.split(b"\x14"))):
        yield Annotation(float(onset), length_s if length_s >= 0 else 0.0, text)


def text_of(field: bytes) -> str:
    """Decode what should be ASCII: as UTF-8, perhaps cut off within a letter, or latin-1, which reads any byte."""
    try:
        text = field.decode("utf-8")
    except UnicodeDecodeError as error:
        cut = error.end == len(field) and error.reason == "unexpected end of data"
        text = field[: error.start].decode("utf-8") if cut else field.decode("latin-1")
    return text.strip(" \0\t\r\n")


def printable(text: str) -> str:
    """Return a text of one line, with a question mark for what cannot be printed, as names are in damaged files.

    Blanks of other kinds (one that does not break a line) become plain ones.
    """
    return "".join(letter if letter.isprintable() else " " if letter in BLANKS else "?" for letter in text)


def _shown(field: bytes) -> str:
    return printable(text_of(field))


def _number(field: bytes) -> float:
    """Return the number in a field, with a comma too; NaN where there is none."""
    try:
        number = float(text_of(field).replace(",", ".").replace("_", "?"))
    except ValueError:
        return math.nan
    return number if math.isfinite(number) else math.nan


def _count(field: bytes, what: str, path: Path) -> int:
    number = _number(field)
    if not (number >= 0 and number == round(number)):
        raise ReadError(f"{path}: states '{_shown(field)}' as {what}; allowed is a whole number")
    return round(number)


def _is_bdf(main: bytes, path: Path) -> bool:
    if not main:
        raise ReadError(f"{path}: is empty")
    if main[1:8] != BDF_MAGIC[1:] and text_of(main[:8]) != "0":
        raise ReadError(
            f"{path}: is not an EDF or BDF file; it begins with {main[:12].decode('latin-1')!r}, and an EDF begins "
            "with '0' and seven blanks"
        )
    if len(main) < MAIN_BYTES:
        raise ReadError(f"{path}: is cut off after {len(main)} bytes, within its header")
    return main[1:8] == BDF_MAGIC[1:]


def _signals(header: bytes, n_signals: int, path: Path) -> tuple[EdfSignal, ...]:
    columns, begin = {}, 0
    for field, width in FIELDS.items():
        columns[field] = [header[begin + i * width : begin + (i + 1) * width] for i in range(n_signals)]
        begin += width * n_signals
    signals, offset = [], 0
    for values in (dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)):
        label = _shown(values["label"])
        n_samples = _count(values["n_samples"], f"samples of '{label}' in a record", path)
        physical = (_number(values["physical_min"]), _number(values["physical_max"]))
        digital = (_number(values["digital_min"]), _number(values["digital_max"]))
        signals.append(EdfSignal(label, _shown(values["dimension"]), physical, digital, n_samples, offset))
        offset += n_samples
    return tuple(signals)


def _extent(
    size: int, header_bytes: int, record_bytes: int, stated: tuple[float, float], path: Path
) -> tuple[int, int, list[str]]:
    """Return where the records begin, how many are whole, and in what the header is wrong about that."""
    if not record_bytes:
        raise ReadError(f"{path}: has no signal with samples")
    notes = []
    if stated[0] != header_bytes:
        fits = stated[0] > header_bytes and size - stated[0] == stated[1] * record_bytes
        begin = round(stated[0]) if fits else header_bytes
        notes.append(f"its header states that it takes {stated[0]:g} bytes; {begin} are taken")
        header_bytes = begin
    n_records, rest = divmod(size - header_bytes, record_bytes)
    if not n_records:
        raise ReadError(f"{path}: holds no whole record of {record_bytes} bytes: it is cut off after {size} bytes")
    if stated[1] != n_records or rest:
        cut = f", and {rest} bytes of one that is cut off" if rest else ""
        notes.append(f"its header states {stated[1]:g} records; it holds {n_records} whole ones{cut}")
    return header_bytes, n_records, notes


def _start(main: bytes) -> tuple[datetime | None, list[str]]:
    """Return the start that the header states, or a note why it is not known or doubtful.

    EDF+ states the date twice, and only the field of the recording has the whole year. It counts where both agree,
    and where the header's date is invalid or the first that EDF knows, which stands for one out of range.
    """
    written, clock_text = _shown(main[168:176]), _shown(main[176:184])
    clock = _TRIPLE.fullmatch(clock_text)
    if not clock:
        return None, [f"its start is not known, since it states '{written}' and '{clock_text}'"]
    short, long = _short_date(written), _long_date(text_of(main[88:168]))
    notes = []
    if long and not short:
        notes.append(f"its header states '{written}' as date; that of the field of the recording is taken")
    elif long and short and short != FIRST_DAY and _of_two_digits(short) != _of_two_digits(long):
        notes.append(f"it states two dates of its start, {short:%Y-%m-%d} and {long:%Y-%m-%d}; the first is taken")
        long = None
    day = long or short
    hour, minute, second = map(int, clock.groups())
    with suppress(ValueError):
        if day:
            return datetime(day.year, day.month, day.day, hour, minute, second, tzinfo=UTC), notes
    return None, [f"its start is not known, since it states '{written}' and '{clock_text}'"]


def _of_two_digits(day: date) -> tuple[int, int, int]:
    return day.year % 100, day.month, day.day


def _short_date(text: str) -> date | None:
    """Return the date of the header, whose year has two digits."""
    if found := _TRIPLE.fullmatch(text):
        day, month, year = map(int, found.groups())
        with suppress(ValueError):
            return date(year + (1900 if year >= CLIPPING_YEAR else 2000), month, day)
    return None


def _long_date(text: str) -> date | None:
    """Return the date of the field of the recording."""
    if found := _STARTDATE.match(text):
        with suppress(ValueError):
            return date(int(found[3]), MONTHS.index(found[2].upper()) + 1, int(found[1]))
    return None
