"""Write an EDF+ or BDF+ file while it is being recorded, as recorders do.

Until the file is finished, its header states -1 records (Kemp et al. 1992), and records that state their times
(EDF+D), since nobody knows whether a gap will come. Each record is appended by one write, so that others see whole
records, and a program that is killed leaves at most a part of the last one.
"""

import os
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from errno import ENOSPC
from io import SEEK_END
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

import numpy as np
import numpy.typing as npt

from ictal.core.atomic_files import writing
from ictal.core.recording import Annotation
from ictal.errors import WriteError
from ictal.io.edf.annotation_lists import annotation_list, record_time
from ictal.io.edf.header import EdfFile, start_of
from ictal.io.edf.record_format import EXTENT_AT, RecordFormat, whole_second

LONGEST_TIME = len(b"+123456789.1234567\x14\x14\x00")
"""Bytes that the time of a record may need in a file whose length is not known."""
SAME_S = 1e-6
"""Times that differ by less are the same: rounding."""


class EdfAppender:
    """An EDF+ or BDF+ file that grows record by record.

    Use it in a `with` statement, or call `close`: this states the number of records. `resume` goes on with a file
    that a killed program left. Times are in seconds from `start`.

    Parameters
    ----------
    path
        The new file.
    form
        Its signals and records; for its annotation signal, see `text_bytes`.
    start
        Clock time of the first sample, if known; time zones are not stored.

    Attributes
    ----------
    n_lost, n_clipped
        Number of samples per channel that did not fill a record before a gap or the end, and of samples of all
        channels that were beyond the limits of the format.

    Raises
    ------
    WriteError
        If the file exists or cannot be written.
    """

    def __init__(self, path: Path, form: RecordFormat, start: datetime | None = None) -> None:
        header_start, late_s = whole_second(start)
        with writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("xb", buffering=0) as file:
                try:
                    _write(file, form.header(header_start, form.extent(with_gaps=True, n_records=-1)))
                except OSError:
                    path.unlink()
                    raise
        self._open(path, form, header_start, late_s)

    @classmethod
    def resume(cls, path: Path, form: RecordFormat) -> Self:
        """Go on after the last complete record of a file; `jump_to` states the pause.

        Raises
        ------
        WriteError
            If the file has another format than `form`, or cannot be written.
        """
        with writing(path), path.open("rb") as file:
            header = file.read(form.header_bytes)
        header_start, _ = start_of(header)
        header_start = header_start and header_start.replace(tzinfo=None)
        stated = header[EXTENT_AT : EXTENT_AT + len(form.extent(with_gaps=True, n_records=-1))]
        ours = form.header(header_start, stated)
        if header[:8] + header[EXTENT_AT:] != ours[:8] + ours[EXTENT_AT:]:
            raise WriteError(f"{path}: has other channels, scales or records than what would be appended to it")
        appender = cls.__new__(cls)
        appender._open(path, form, header_start, 0.0)
        return appender

    def _open(self, path: Path, form: RecordFormat, header_start: datetime | None, late_s: float) -> None:
        self.path, self.form = path, form
        self.n_lost = self.n_clipped = 0
        self._header_start, self._late_s = header_start, late_s
        self._buffer = np.empty((len(form.labels), form.n_samples), dtype=np.float32)
        self._n_buffered = 0
        self._pending: deque[bytes] = deque()
        self._next_s, self._has_gaps = 0.0, False
        with writing(path):
            self._file: BinaryIO = path.open("r+b", buffering=0)
            if self.n_records:
                onsets_s = EdfFile.open(path).onsets_s
                self._late_s = float(onsets_s[0])
                self._next_s = float(onsets_s[-1]) - self._late_s + form.record_s
                self._has_gaps = bool((np.abs(np.diff(onsets_s) - form.record_s) > SAME_S).any())
            self._cut()
            self._state_extent(with_gaps=True, n_records=-1)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def start(self) -> datetime | None:
        """Clock time from which times are counted; None if unknown."""
        return self._header_start and self._header_start + timedelta(seconds=self._late_s)

    @property
    def end_s(self) -> float:
        """End of the samples that were appended, also those that do not fill a record yet."""
        return self._next_s + self._n_buffered / self.form.n_samples * self.form.record_s

    def append(self, samples: npt.NDArray[np.floating]) -> None:
        """Append samples [channel, time], µV; they are written as soon as they fill a record.

        Raises
        ------
        WriteError
            If a sample is missing, which EDF cannot state, or the file cannot be written, for example because the
            disk is full. The file then ends with its last complete record; samples that are not in it are lost.
        """
        if not np.isfinite(samples).all():
            raise WriteError(f"{self.path}: a sample has no value; EDF cannot mark missing samples")
        done = 0
        while done < samples.shape[1]:
            part = samples[:, done : done + self.form.n_samples - self._n_buffered]
            stop = self._n_buffered + part.shape[1]
            self._buffer[:, self._n_buffered : stop] = part
            self._n_buffered, done = stop, done + part.shape[1]
            if stop == self.form.n_samples:
                self._write_record()

    def jump_to(self, onset_s: float) -> None:
        """State that the next sample is at `onset_s`; samples before the gap that do not fill a record are lost.

        Raises
        ------
        WriteError
            If this is before the end of the samples.
        """
        if onset_s < self.end_s - SAME_S:
            raise WriteError(f"{self.path}: samples at {onset_s:g} s would overlap those up to {self.end_s:g} s")
        if onset_s > self.end_s + SAME_S:
            self._lose_buffered()
            self._has_gaps = self._has_gaps or self.n_records > 0
            self._next_s = onset_s

    def annotate(self, note: Annotation) -> None:
        """Add an annotation, which is written with the next record that has room for it.

        Raises
        ------
        WriteError
            If a record has no room for it.
        """
        text = annotation_list(note, self._late_s)
        room = self.form.text_bytes - LONGEST_TIME
        if len(text) > room:
            raise WriteError(f"{self.path}: annotation '{note.text}' needs {len(text)} bytes; a record has {room}")
        self._pending.append(text)

    def close(self) -> None:
        """State the number of records and whether there are gaps; annotations that are left go to the last record.

        Raises
        ------
        WriteError
            If the file cannot be written, or the last record has no room for all annotations that are left.
        """
        if self._file.closed:
            return
        self._lose_buffered()
        try:
            with writing(self.path):
                self._cut()
                self._write_rest()
                self._state_extent(with_gaps=self._has_gaps, n_records=self.n_records)
        finally:
            self._file.close()
        if self._pending:
            raise WriteError(f"{self.path}: its last record has no room for {len(self._pending)} late annotations")

    @property
    def n_records(self) -> int:
        """Number of complete records, of any program that wrote to the file; it may have been renamed meanwhile."""
        size = os.fstat(self._file.fileno()).st_size
        return (size - self.form.header_bytes) // self.form.record_bytes

    def _lose_buffered(self) -> None:
        self.n_lost += self._n_buffered
        self._n_buffered = 0

    def _write_record(self) -> None:
        self._n_buffered = 0
        onset_s, self._next_s = self._next_s, self._next_s + self.form.record_s
        taken = self._take(self.form.text_bytes - LONGEST_TIME)
        encoded, clipped = self.form.encode(self._buffer, self._text(record_time(onset_s + self._late_s), taken))
        self.n_clipped += int(clipped.sum())
        before = self.n_records
        try:
            with writing(self.path):
                self._file.seek(0, SEEK_END)
                _write(self._file, encoded.tobytes())
        except BaseException:
            if self.n_records == before:  # and not Ctrl-C after the record was written
                self._pending.extendleft(reversed(taken))
                self._has_gaps = self._has_gaps or before > 0
                with suppress(OSError):  # whoever reads or resumes it leaves an incomplete record out, too
                    self._cut()
            raise

    def _take(self, room: int) -> list[bytes]:
        """Return the pending annotations that fit in so many bytes, and no longer expect them."""
        taken: list[bytes] = []
        while self._pending and len(self._pending[0]) <= room:
            taken.append(self._pending.popleft())
            room -= len(taken[-1])
        return taken

    def _text(self, time: bytes, lists: Sequence[bytes]) -> npt.NDArray[np.uint8]:
        """Return the annotation signal of a record, [1, byte]."""
        text = b"".join((time, *lists)).ljust(self.form.text_bytes, b"\x00")
        return np.frombuffer(text, dtype=np.uint8)[None]

    def _write_rest(self) -> None:
        """Put the annotations that are left in the last record."""
        if not self._pending or not self.n_records:
            return
        at = self.form.header_bytes + self.n_records * self.form.record_bytes - self.form.text_bytes
        self._file.seek(at)
        text = self._file.read(self.form.text_bytes).rstrip(b"\x00") + b"\x00"
        self._file.seek(at)
        self._file.write(self._text(text, self._take(self.form.text_bytes - len(text))).tobytes())

    def _cut(self) -> None:
        """Remove what follows the last complete record."""
        self._file.truncate(self.form.header_bytes + self.n_records * self.form.record_bytes)

    def _state_extent(self, *, with_gaps: bool, n_records: int) -> None:
        self._file.seek(EXTENT_AT)
        self._file.write(self.form.extent(with_gaps=with_gaps, n_records=n_records))


def text_bytes(list_bytes: int, bits: int) -> int:
    """Return the bytes of an annotation signal with room for the time of a record and so many bytes of lists."""
    width = bits // 8
    return -(-(LONGEST_TIME + list_bytes) // width) * width


def _write(file: BinaryIO, block: bytes) -> None:
    """Write a block by one call, which writes all of it unless the disk is full."""
    if file.write(block) < len(block):
        raise OSError(ENOSPC, os.strerror(ENOSPC))
