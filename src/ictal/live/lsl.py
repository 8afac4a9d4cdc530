"""Streams of the Lab Streaming Layer (LSL) in the local network: which there are, and what they carry.

Names, labels and units come from other machines. They are shortened and made printable, and never used as a path.
"""

import hashlib
import re
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pylsl

from ictal.core.recording import Recording
from ictal.errors import ReadError, UsageError, listed
from ictal.io.devices.voltages import voltages
from ictal.io.edf.header_fields import printable

MOST_CHANNELS, MOST_RATE_HZ, MOST_VALUES = 512, 16_384.0, 2_000_000
"""Largest numbers of channels, of samples per second, and of both multiplied, of a stream that is recorded."""
MOST_STREAMS = 256
"""Most streams that are looked at; a network with more is not a hospital's."""
LONGEST_TEXT = 80
INFO_S = 5.0
"""Seconds to wait for the description of a stream."""
FORMATS = {
    pylsl.cf_float32: "float32",
    pylsl.cf_double64: "float64",
    pylsl.cf_int32: "int32",
    pylsl.cf_int16: "int16",
}
"""Types of samples that are recorded."""


@dataclass(frozen=True)
class LslStream:
    """A stream of type EEG.

    Attributes
    ----------
    name, host, source_id
        Its name, the machine that sends it, and its identity if it states one.
    n_channels
        Number of channels.
    labels, units
        Of its channels, as it states them; empty if it states others than it has channels, or too many.
    rate_hz
        Nominal sampling rate; 0 if it is irregular.
    info
        The description by which pylsl opens it.
    """

    name: str
    host: str
    source_id: str
    n_channels: int
    labels: tuple[str, ...]
    units: tuple[str, ...]
    rate_hz: float
    info: Any = field(repr=False, compare=False)

    @property
    def file_stem(self) -> str:
        """A name for files: letters and digits of the stream's name, and a hash of what identifies the stream."""
        plain = re.sub(r"[^A-Za-z0-9]+", "_", self.name).strip("_")[:40] or "stream"
        identity = "\0".join(self.identity)
        return f"{plain}-{hashlib.blake2b(identity.encode('utf-8', 'replace'), digest_size=4).hexdigest()}"

    @property
    def identity(self) -> tuple[str, str]:
        """What stays the same when the sender is started again."""
        return self.name, self.source_id or self.host

    @property
    def kind(self) -> tuple[object, ...]:
        """What must stay the same for its samples to be the same channels."""
        return self.labels, self.units, self.n_channels, self.rate_hz, self.info.channel_format()

    @property
    def has_good_rate(self) -> bool:
        """Whether it has a constant rate that is not too high."""
        return 0 < self.rate_hz <= MOST_RATE_HZ

    def check(self) -> None:
        """Refuse a stream that cannot be recorded.

        Raises
        ------
        ReadError
            If it is too large, irregular or of texts, or does not name its channels.
        """
        size = f"{self.n_channels} channels at {self.rate_hz:g} Hz"
        problems = {
            f"has {size}; allowed are up to {MOST_CHANNELS} channels": not 0 < self.n_channels <= MOST_CHANNELS,
            f"has {size}; allowed is a constant rate of up to {MOST_RATE_HZ:g} Hz": not 0
            < self.rate_hz
            <= MOST_RATE_HZ,
            f"has {size}; allowed are {MOST_VALUES} values per second": self.n_channels * self.rate_hz > MOST_VALUES,
            f"has samples of another type than {listed(FORMATS.values())}": self.info.channel_format() not in FORMATS,
            "does not name its channels": not any(self.labels),
        }
        for problem, applies in problems.items():
            if applies:
                raise ReadError(f"LSL stream '{self.name}': {problem}")

    def voltages(self) -> tuple[Recording, dict[int, float], tuple[str, ...]]:
        """Return the channels that are voltages.

        Returns
        -------
        Recording
            Without samples, with these channels.
        dict of int to float
            Their numbers in the stream, and µV of their units.
        tuple of str
            Notes on the others.

        Raises
        ------
        ReadError
            If the stream cannot be recorded, see `check`, or the unit of an electrode is not a voltage.
        """
        self.check()
        name = f"LSL stream '{self.name}'"
        factors, notes = voltages(name, self.labels, self.units)
        channels = tuple(self.labels[row] for row in factors)
        return Recording.from_array(np.empty((len(channels), 0)), channels, self.rate_hz, name), factors, tuple(notes)


def lsl_streams(wait_s: float = 2.0, name: str | None = None) -> tuple[LslStream, ...]:
    """Return the streams of type EEG in the local network, by name; those that do not answer are left out.

    Parameters
    ----------
    wait_s
        Seconds to wait for answers.
    name
        Return only those of this name.
    """
    # Filtered here and not by LSL, whose queries are XPath and would read a quotation mark in the name as their own.
    answers = (info for info in pylsl.resolve_streams(wait_s) if info.type().lower() == "eeg")
    found = [info for info in answers if name is None or _plain(info.name()) == name]
    streams = filter(None, map(_described, found[:MOST_STREAMS]))
    return tuple(sorted(streams, key=lambda stream: (stream.name, stream.host, stream.source_id)))


def find_stream(name: str, wait_s: float = 2.0) -> LslStream:
    """Return the only stream of this name.

    Raises
    ------
    UsageError
        If there is none or several.
    """
    named = lsl_streams(wait_s, name)
    if len(named) == 1:
        return named[0]
    if named:
        hosts = listed(f"{stream.host} ({stream.source_id or 'no source id'})" for stream in named)
        raise UsageError(f"several LSL streams of type EEG are named '{name}': from {hosts}")
    known = listed((f"'{stream.name}'" for stream in lsl_streams(wait_s)), 20) or "none"
    raise UsageError(f"no LSL stream of type EEG is named '{name}'; there are: {known}")


def _described(info: Any) -> LslStream | None:
    """Return a stream with the description of its channels, which only its sender knows; None if it is gone."""
    name, host, source_id = (_plain(text) for text in (info.name(), info.hostname(), info.source_id()))
    n_channels = info.channel_count()
    labels: tuple[str, ...] = ()
    units: tuple[str, ...] = ()
    if n_channels <= MOST_CHANNELS:
        try:
            full = pylsl.StreamInlet(info, max_buflen=1, recover=False).info(INFO_S)
        except (pylsl.util.TimeoutError, pylsl.util.LostError):
            return None
        labels, units = (_stated(full, text, n_channels) for text in ("label", "unit"))
    return LslStream(name, host, source_id, n_channels, labels, units, float(info.nominal_srate()), info)


def _stated(info: Any, name: str, n_channels: int) -> tuple[str, ...]:
    """Return a text that the description has of each channel; none if it does not describe all of them."""
    found: list[str] = []
    channel = info.desc().child("channels").child("channel")
    while not channel.empty() and len(found) <= n_channels:
        found.append(_plain(channel.child_value(name)))
        channel = channel.next_sibling("channel")
    return tuple(found) if len(found) == n_channels else ()


def _plain(text: str) -> str:
    return printable(" ".join(text[: 4 * LONGEST_TEXT].split()))[:LONGEST_TEXT]
