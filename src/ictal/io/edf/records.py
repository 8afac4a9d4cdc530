"""Choose the records of an EDF file: how long they are, and which samples fill them.

All records of a file have the same number of samples, and the header states their duration in 8 characters, from
which readers calculate the sampling rate. A run can therefore only be stored in whole records.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import ceil

import numpy as np
import numpy.typing as npt

from ictal.core.recording import FileRun
from ictal.errors import WriteError
from ictal.io.edf.header_fields import number

RECORD_BYTES = 61_440
"""Size above which EDF advises records shorter than 1 s (Kemp et al. 1992)."""
LONGEST_S = 10
"""Longest record."""
TEXT_BYTES = 1 << 24
"""Room for texts that does not matter."""
MOST_RECORDS = 1_000_000
"""Opening a file takes readers a few µs per record."""
EXACT = 1e-12
"""Relative error of a rate that is floating-point error."""
ALMOST = 1e-7
"""Relative error of a rate that is allowed where no duration of a record states it exactly; float32 has 6e-8."""


@dataclass(frozen=True)
class Records:
    """The records of a file.

    Attributes
    ----------
    n_samples
        Samples of a channel in a record.
    duration
        Seconds of a record, as the header states them.
    runs
        The samples that fill whole records.
    lost
        Samples at the ends of runs that do not fill a record, of each run that has any.
    drift_s
        How much the stated duration makes the end of the longest run early or late.
    """

    n_samples: int
    duration: str
    runs: tuple[FileRun, ...]
    lost: tuple[int, ...]
    drift_s: float

    @property
    def n_records(self) -> int:
        """Number of records."""
        return sum(run.stop - run.start for run in self.runs) // self.n_samples

    @property
    def record_s(self) -> float:
        """Seconds of a record."""
        return float(self.duration)

    def onsets_s(self, rate_hz: float) -> npt.NDArray[np.float64]:
        """Return the onset of each record, in seconds after the first one."""
        # In a continuous file, records follow each other by their stated duration, even if that is rounded.
        record_s = self.record_s if len(self.runs) == 1 else self.n_samples / rate_hz
        onsets = [
            run.onset_s - self.runs[0].onset_s + record_s * np.arange((run.stop - run.start) // self.n_samples)
            for run in self.runs
        ]
        return np.concatenate(onsets)


def choose_records(runs: Sequence[FileRun], rate_hz: float, frame_bytes: int, text_bytes: int, name: str) -> Records:
    """Return the records that lose the fewest samples at the ends of runs; of these, those closest to 1 s.

    Parameters
    ----------
    runs
        Runs of the recording.
    rate_hz
        Sampling rate.
    frame_bytes
        Bytes of one sample of all channels.
    text_bytes
        Bytes that the time and the longest annotation need in each record. Records are long enough that these take no
        more room than the samples, or little room.
    name
        Name of the recording in messages.

    Raises
    ------
    WriteError
        If no duration states the rate, or no run is as long as a record.
    """
    lengths = [run.stop - run.start for run in runs]
    total, longest_s = sum(lengths), max(lengths, default=0) / rate_hz
    most = max(min(RECORD_BYTES // frame_bytes, round(LONGEST_S * rate_hz)), round(rate_hz), 1)
    least = max(total / MOST_RECORDS, total * text_bytes / max(total * frame_bytes, TEXT_BYTES))
    sizes = np.arange(max(1, min(ceil(least), most, max(lengths, default=1))), most + 1)
    error = _errors(sizes, rate_hz)
    lost = sum((length % sizes for length in lengths), np.zeros_like(sizes))
    away = np.abs(sizes / rate_hz - 1)
    exact = error < EXACT
    almost = (error < ALMOST) & (error * longest_s < 0.5 / rate_hz)
    if (exact & (away < 1) & (lost < total)).any():
        order = np.lexsort((away[exact], lost[exact]))
        size = int(sizes[exact][order[0]])
    elif (almost & (lost < total)).any():
        order = np.lexsort((error[almost], lost[almost]))
        size = int(sizes[almost][order[0]])
    else:
        raise WriteError(
            f"{name}: EDF cannot store {total} samples at {rate_hz:.10g} Hz: no record of up to {most} samples has a "
            "duration that states this rate in 8 characters, and is as short as the recording"
        )
    (drift,) = _errors(np.array([size]), rate_hz) * longest_s
    return Records(
        size,
        number(size / rate_hz),
        tuple(run for run in (_whole(run, size) for run in runs) if run.stop > run.start),
        tuple(length % size for length in lengths if length % size),
        float(drift) if drift > EXACT * longest_s else 0.0,
    )


def endless_records(rate_hz: float, frame_bytes: int, name: str) -> tuple[int, str]:
    """Return samples and seconds of a record for a recording whose end is not known: that closest to 1 s.

    Parameters
    ----------
    rate_hz, frame_bytes, name
        As in `choose_records`.

    Raises
    ------
    WriteError
        If no duration states the rate exactly.
    """
    most = max(min(RECORD_BYTES // frame_bytes, round(LONGEST_S * rate_hz)), round(rate_hz), 1)
    sizes = np.arange(1, most + 1)
    exact = sizes[_errors(sizes, rate_hz) < EXACT]
    if not len(exact):
        raise WriteError(
            f"{name}: EDF cannot store {rate_hz:.10g} Hz: no record of up to {most} samples has a duration that "
            "states this rate in 8 characters"
        )
    size = int(exact[np.abs(exact / rate_hz - 1).argmin()])
    return size, number(size / rate_hz)


def _errors(sizes: npt.NDArray[np.int64], rate_hz: float) -> npt.NDArray[np.float64]:
    """Return the relative error of the rate that each number of samples per record leads to."""
    durations = sizes / rate_hz
    return np.abs(np.array([float(number(duration)) for duration in durations]) / durations - 1)


def _whole(run: FileRun, size: int) -> FileRun:
    return FileRun(run.start, run.stop - (run.stop - run.start) % size, run.onset_s)


def without(runs: Iterable[FileRun], ranges: Sequence[tuple[int, int]], rate_hz: float) -> tuple[FileRun, ...]:
    """Return the runs without some ranges of samples, which are in the order of time and do not overlap."""
    found = []
    starts, stops = [start for start, _ in ranges], [stop for _, stop in ranges]
    for run in runs:
        begin = run.start
        inside = ranges[bisect_right(stops, run.start) : bisect_left(starts, run.stop)]
        for start, stop in (*inside, (run.stop, run.stop)):
            if start > begin:
                found.append(FileRun(begin, start, run.onset_s + (begin - run.start) / rate_hz))
            begin = max(begin, stop)
    return tuple(found)
