"""Record a stream of the Lab Streaming Layer (LSL) into a BDF+ file that grows."""

import time
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np
import numpy.typing as npt
import pylsl

from ictal.core.recording import Signal
from ictal.errors import ReadError
from ictal.io.edf.appending import EdfAppender, text_bytes
from ictal.io.edf.labels import edf_labels
from ictal.io.edf.record_format import RecordFormat
from ictal.io.edf.records import endless_records
from ictal.io.edf.scales import Scale
from ictal.io.edf.writer import repeat_last
from ictal.live.lsl import FORMATS, LslStream, lsl_streams

BITS = 24
AMPLIFIER = Scale("uV", ("-262144", "262144"), (-(2**23) + 1, 2**23 - 1))
"""Steps of 1/32 µV, and room for the voltages of electrodes: a quarter of a volt."""
PAUSE_S = 1.0
"""A longer jump of the time stamps is a gap, as in files of LSL; a shorter one is jitter."""
PULL_S = 0.2
"""Seconds to wait for samples at a time."""
STALL_S = 15.0
"""Seconds without a sample after which the stream is looked for again."""
FIND_S = 1.0
"""Seconds to look for it at a time; some streams answer only the second call, half a second after the first."""
OPEN_S = 5.0
"""Seconds to wait for a connection."""
BUFFER_BYTES, BUFFER_S = 1 << 26, 60
"""Most bytes, and seconds, of samples that wait in memory while the disk is slow."""
DAY_S = 86_400.0
"""Time stamps that jump, or differ from the clock, by more are wrong."""


class LslRecorder:
    """Records one stream. The file is named after the stream, see `LslStream.file_stem`, and is resumed if it exists.

    Times are counted in samples. Where the time stamps jump by more than a second, because samples were lost or the
    sender was away, there is a gap of that length. If the sender is started again, it is found again.

    Parameters
    ----------
    stream
        The stream; its channels that are not voltages are left out.
    folder
        Folder for the file.

    Attributes
    ----------
    path
        The file. It begins with the first sample.
    notes
        What is not recorded or has another name in the file, one sentence each.
    n_missing, n_lost, n_clipped
        Numbers of samples without a value, which repeat the last one, summed over channels; of samples per channel
        that did not fill a record before a gap; and of samples beyond 262,144 µV, summed over channels.

    Raises
    ------
    ReadError
        If the stream cannot be recorded, see `LslStream.voltages`.
    WriteError
        If EDF cannot state its rate or channels.
    """

    def __init__(self, stream: LslStream, folder: Path) -> None:
        channels, factors, notes = stream.voltages()
        labels, label_notes = edf_labels(channels)
        size, duration = endless_records(stream.rate_hz, BITS // 8 * len(labels), channels.name)
        self.path = folder / f"{stream.file_stem}.bdf"
        self.notes = (*notes, *label_notes)
        self.n_missing = self.n_lost = self.n_clipped = 0
        self._stream = stream
        self._form = RecordFormat(BITS, labels, (AMPLIFIER,) * len(labels), size, duration, text_bytes(0, BITS))
        self._columns = [*factors]
        self._factors = np.array([*factors.values()])[:, None]
        self._held: npt.NDArray[np.floating] = np.zeros(len(labels))
        self._last_stamp, self._last_pull = 0.0, 0.0

    def run(self, stop: Event) -> None:
        """Record until `stop` is set; then, and after an error, the file states the number of its records.

        Raises
        ------
        ReadError
            If the stream comes back with other channels.
        WriteError
            If the file cannot be written or resumed; to go on later, call `run` again.
        """
        with ExitStack() as stack:
            file: EdfAppender | None = None
            for stamps, samples in self._chunks(stop):
                if file is None:
                    file = stack.enter_context(self._opened(float(stamps[0])))
                    self._last_stamp = float(stamps[0]) - 1 / self._stream.rate_hz
                self._append(file, stamps, samples)
        if file is not None:
            self.n_lost, self.n_clipped = self.n_lost + file.n_lost, self.n_clipped + file.n_clipped

    def _opened(self, stamp: float) -> EdfAppender:
        """Return the file; the first sample is at the time of the clock that its time stamp stands for."""
        age_s = pylsl.local_clock() - stamp
        now = datetime.now() - timedelta(seconds=age_s if abs(age_s) < DAY_S else 0.0)
        if not self.path.exists():
            return EdfAppender(self.path, self._form, now)
        file = EdfAppender.resume(self.path, self._form)
        assert file.start is not None  # this class states it
        file.jump_to(max((now - file.start).total_seconds(), file.end_s))  # the clock may have been set back
        return file

    def _append(self, file: EdfAppender, stamps: npt.NDArray[np.float64], samples: Signal) -> None:
        """Append samples [channel, time], with a gap where their time stamps jump."""
        now, period_s = time.monotonic(), 1 / self._stream.rate_hz
        steps_s = np.diff(stamps, prepend=self._last_stamp)
        jumps = np.flatnonzero(~(np.abs(steps_s) <= PAUSE_S + period_s)).tolist()
        for start, stop in pairwise(sorted({0, *jumps, len(stamps)})):
            if start in jumps:
                pause_s = float(steps_s[start]) - period_s
                # Time stamps that go back, or far away, are of another clock: only this machine's tells the time.
                file.jump_to(file.end_s + (pause_s if 0 < pause_s < DAY_S else max(now - self._last_pull, 0.0)))
            file.append(samples[:, start:stop])
        self._last_stamp, self._last_pull = float(stamps[-1]), now

    def _chunks(self, stop: Event) -> Iterator[tuple[npt.NDArray[np.float64], Signal]]:
        """Yield time stamps and samples [channel, time], µV, as they arrive."""
        size = max(1, round(self._stream.rate_hz))
        pulled = np.empty((size, self._stream.n_channels), FORMATS[self._stream.info.channel_format()])
        while (inlet := self._connected(stop)) is not None:
            since = time.monotonic()
            while not stop.is_set() and time.monotonic() - since < STALL_S:
                try:
                    _, stamps = inlet.pull_chunk(PULL_S, size, pulled)
                except pylsl.util.LostError:
                    break
                if len(stamps):
                    since = time.monotonic()
                    yield np.asarray(stamps), self._voltages(pulled[: len(stamps)])
            del inlet  # which ends the connection

    def _voltages(self, pulled: npt.NDArray[Any]) -> Signal:
        """Return samples [channel, time], µV, in which missing ones repeat the last value."""
        samples: Signal = pulled[:, self._columns].T * self._factors
        missing = ~np.isfinite(samples)
        if missing.any():
            self.n_missing += int(missing.sum())
            samples = repeat_last(samples, missing, self._held)
        self._held = samples[:, -1]
        return samples

    def _connected(self, stop: Event) -> Any:
        """Wait until the stream is there, and return its inlet; None if `stop` is set before."""
        stream: LslStream | None = self._stream
        while not stop.is_set():
            if stream is not None:
                if stream.kind != self._stream.kind:
                    raise ReadError(f"LSL stream '{stream.name}': came back with other channels")
                values = stream.n_channels * stream.rate_hz
                buffer_s = min(max(int(BUFFER_BYTES / (8 * values)), 1), BUFFER_S)
                # This class reconnects by itself: LSL notices only some kinds of losses, and only of some streams.
                inlet = pylsl.StreamInlet(stream.info, buffer_s, recover=False, processing_flags=pylsl.proc_clocksync)
                try:
                    inlet.open_stream(OPEN_S)
                except (pylsl.util.TimeoutError, pylsl.util.LostError):
                    del inlet
                else:
                    return inlet
            found = lsl_streams(FIND_S, self._stream.name)
            stream = next((one for one in found if one.identity == self._stream.identity), None)
        return None
