"""What a new EDF+ or BDF+ file states in its header, and how its records are encoded."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta

import numpy as np
import numpy.typing as npt

from ictal.io.edf.annotation_lists import Bytes
from ictal.io.edf.dates import FIRST_DAY, date_text
from ictal.io.edf.header import BDF_MAGIC, EDF_MAGIC, FIELDS, MAIN_BYTES, SIGNAL_BYTES
from ictal.io.edf.header_fields import header_field
from ictal.io.edf.scales import Scale, digitise

FIRST_START = datetime.combine(FIRST_DAY, time())
"""The first start that EDF can state. It is written if the start is unknown or the date is out of range."""
YEARS = range(1985, 2085)
"""Years that EDF can state (EDF+ 2.1.3.2)."""


@dataclass(frozen=True)
class RecordFormat:
    """The signals and records of a file.

    Attributes
    ----------
    bits
        16 in EDF, 24 in BDF.
    labels, scales
        Of the channels.
    n_samples
        Samples of a channel in a record.
    duration
        Seconds of a record, as the header states them.
    text_bytes
        Bytes of the annotation signal in a record: a multiple of the bytes of a sample.
    """

    bits: int
    labels: tuple[str, ...]
    scales: tuple[Scale, ...]
    n_samples: int
    duration: str
    text_bytes: int

    @property
    def kind(self) -> str:
        """'EDF' or 'BDF'."""
        return "EDF" if self.bits == 16 else "BDF"

    @property
    def record_s(self) -> float:
        """Seconds of a record."""
        return float(self.duration)

    @property
    def header_bytes(self) -> int:
        """Size of the header; the first record starts there."""
        return MAIN_BYTES + SIGNAL_BYTES * (len(self.labels) + 1)

    @property
    def sample_bytes(self) -> int:
        """Bytes of the samples in a record; the annotation signal follows them."""
        return len(self.labels) * self.n_samples * self.bits // 8

    @property
    def record_bytes(self) -> int:
        """Bytes of a record."""
        return self.sample_bytes + self.text_bytes

    def header(self, start: datetime | None, extent: bytes) -> bytes:
        """Return the header of a file that starts at a whole second; for `extent`, see the method of that name."""
        n_signals = len(self.labels) + 1
        clock, recording_field = _start_fields(start)
        main = [
            BDF_MAGIC if self.bits == 24 else EDF_MAGIC,
            header_field("X X X X", 80),
            header_field(recording_field, 80),
            header_field(f"{clock:%d.%m.%y%H.%M.%S}", 16),
            header_field(self.header_bytes, 8),
            extent,
            header_field(self.duration, 8),
            header_field(n_signals, 4),
        ]
        most = 2 ** (self.bits - 1)
        columns: dict[str, Sequence[object]] = {
            "label": (*self.labels, f"{self.kind} Annotations"),
            "dimension": (*(scale.unit for scale in self.scales), ""),
            "physical_min": (*(scale.physical[0] for scale in self.scales), -1),
            "physical_max": (*(scale.physical[1] for scale in self.scales), 1),
            "digital_min": (*(scale.digital[0] for scale in self.scales), -most),
            "digital_max": (*(scale.digital[1] for scale in self.scales), most - 1),
            "n_samples": (*[self.n_samples] * len(self.labels), self.text_bytes * 8 // self.bits),
        }
        fields = (
            header_field(text, width)
            for name, width in FIELDS.items()
            for text in columns.get(name, [""] * n_signals)
        )
        return b"".join((*main, *fields))

    def extent(self, *, with_gaps: bool, n_records: int) -> bytes:
        """Return the two neighbouring fields, at `EXTENT_AT`, that are known only when a file is finished."""
        return header_field(f"{self.kind}+{'D' if with_gaps else 'C'}", 44) + header_field(n_records, 8)

    def encode(self, samples: npt.NDArray[np.floating], texts: Bytes) -> tuple[Bytes, npt.NDArray[np.int64]]:
        """Return the bytes of whole records, [record, byte], and how many samples of each channel were clipped.

        Parameters
        ----------
        samples
            [channel, time], µV, without missing samples.
        texts
            Annotation signal, [record, byte].
        """
        digital, clipped = digitise(samples, self.scales, self.bits)
        blocks = digital.reshape(len(digital), -1, self.n_samples).swapaxes(0, 1)
        return np.hstack([_bytes(blocks, self.bits), texts]), clipped


EXTENT_AT = 192
"""Place in the header of the fields of `RecordFormat.extent`."""


def whole_second(start: datetime | None, later_s: float = 0.0) -> tuple[datetime | None, float]:
    """Return a start in whole seconds, and how much later the first record starts (EDF+ 2.2.4).

    Parameters
    ----------
    start
        Clock time, if known.
    later_s
        Seconds from there to the first record.
    """
    if start is None:
        return None, 0.0
    first = start.replace(tzinfo=None) + timedelta(seconds=later_s)
    return first.replace(microsecond=0), first.microsecond / 1e6


def _bytes(blocks: npt.NDArray[np.int32], bits: int) -> Bytes:
    """Return the bytes of samples, [record, byte], in the order of EDF: least significant first."""
    if bits == 16:
        return np.ascontiguousarray(blocks, dtype="<i2").view(np.uint8).reshape(len(blocks), -1)
    wide = np.ascontiguousarray(blocks, dtype="<i4").view(np.uint8).reshape(-1, 4)
    return wide[:, :3].reshape(len(blocks), -1)


def _start_fields(start: datetime | None) -> tuple[datetime, str]:
    """Return the start for the header, and the recording field, which also holds a date that EDF cannot state.

    The field states date, hospital code, technician and equipment (EDF+ 2.1.3.4); 'X' means unknown.
    """
    if start is None:
        return FIRST_START, "Startdate X X X ictal"
    if start.year not in YEARS:
        return datetime.combine(FIRST_DAY, start.time()), f"Startdate X X X ictal started_{date_text(start)}"
    # 1985-01-01 means an unknown date, for example after 'ictal deidentify --dates remove'.
    return start, f"Startdate {date_text(None if start.date() == FIRST_DAY else start)} X X ictal"
