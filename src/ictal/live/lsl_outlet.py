"""Play a recording into a stream of the Lab Streaming Layer (LSL), as an amplifier would."""

from contextlib import closing
from functools import partial

import numpy as np
import pylsl

from ictal.core.ahead import one_ahead
from ictal.core.recording import Recording, Signal
from ictal.io.edf.survey import chunks
from ictal.live.schedule import Steps

PART_S = 0.1
"""Seconds of samples that are sent at a time."""
BUFFER_S = 60
"""Seconds of samples that are kept for a receiver that is slow."""


class LslPlayer:
    """A stream of type EEG with the channels of a recording, in µV.

    A sample's time stamp is the time at which it would have been recorded if the recording began when the first ones
    are sent. At speeds above 1, time stamps therefore go ahead of the clock, and the stream keeps its rate.

    Parameters
    ----------
    recording
        The recording; gaps become gaps of the time stamps.
    name
        Name of the stream.
    """

    def __init__(self, recording: Recording, name: str) -> None:
        self._recording = recording
        # By this identity, a receiver finds the stream again when it is played another time.
        info = pylsl.StreamInfo(
            name, "EEG", len(recording.channels), recording.rate_hz, pylsl.cf_float32, f"ictal {recording.name}"
        )
        info.set_channel_labels(list(recording.channels))
        info.set_channel_types([kind or "EEG" for kind in recording.kinds or [""] * len(recording.channels)])
        info.set_channel_units("microvolts")
        self._outlet = pylsl.StreamOutlet(info, max_buffered=BUFFER_S)
        self._begin: float | None = None

    def steps(self) -> Steps:
        """Yield one step per part, when its last sample is recorded."""
        rate_hz = self._recording.rate_hz
        size = max(1, round(PART_S * rate_hz))
        for run in self._recording.runs:
            ranges = chunks(run.start, run.stop, self._recording, size)
            read = ((start, self._recording.read(start, stop)) for start, stop in ranges)
            with closing(one_ahead(read)) as pieces:
                for start, samples in pieces:
                    for at in range(0, samples.shape[1], size):
                        part = samples[:, at : at + size]
                        due_s = run.onset_s + (start - run.start + at + part.shape[1]) / rate_hz
                        yield due_s, partial(self._send, part, due_s)

    def close(self) -> None:
        """End the stream."""
        del self._outlet

    def _send(self, part: Signal, due_s: float) -> None:
        if self._begin is None:
            self._begin = pylsl.local_clock() - due_s
        last = self._begin + due_s - 1 / self._recording.rate_hz
        self._outlet.push_chunk(np.ascontiguousarray(part.T), last)
