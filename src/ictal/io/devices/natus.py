"""Natus NeuroWorks (formerly XLTEK): a folder with an index, segments of compressed samples, notes and clock.

The package natus-erd-reader decodes the files. It is made for recordings of a Quantum headbox; here, it is opened for
all headboxes whose conversion to volts is public.

Sources: the description of the format in wonambi (ioeeg/ktlx.py, BSD) and in the XLTEK tools of the Mayo Clinic and
UCSF, for headboxes and .snc; the observations of NeuroWorks' own EDF exports by the authors of natus-erd-reader, for
the sign: these exports state a physical minimum of 8711 and a maximum of -8711 µV.
"""

import struct
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from natus_erd import NatusERDError, NatusERDReader, ReadLimits, UnsupportedFormatError
from natus_erd.binary import StcEntry, StcFile, read_etc, read_stc
from natus_erd.ent import EntNote, channel_names_from_notes, events_from_notes, read_ent_notes

from ictal.core.atomic_files import find_sibling
from ictal.core.montage import find_electrode
from ictal.core.recording import Annotation, Gap, Recording, Signal
from ictal.errors import ReadError, listed
from ictal.io.edf.header_fields import printable
from ictal.io.times import parts_within

QUANTUM = 20
HEADBOXES: Mapping[int, tuple[str, int]] = {
    1: ("EEG32", 32),
    3: ("EEG128", 128),
    4: ("AMB28", 24),
    5: ("HYPPO", 26),
    6: ("EMU36", 32),
    8: ("MOBEE24", 25),
    9: ("MOBEE32", 33),
    14: ("Connex", 38),
    15: ("Trex", 28),
    17: ("EMU40", 40),
    19: ("EEG32U", 32),
    QUANTUM: ("Quantum", 256),
    21: ("NeuroLink IP", 128),
    22: ("Netlink", 32),
    23: ("Traveler", 32),
}
"""Name of each known headbox, and the number of its inputs for EEG, which come first."""
FULL_SCALE_UV, FULL_SCALE = 8711.0, 2**21 - 0.5
DELTA_BITS, DISCARD_BITS, SAME_RATE = 8, 16, 32767
"""Of the headers that can be read: width of a difference, most bits left out, and factor of a channel's rate."""
HIGHEST_HZ = 100_000.0
PAUSE_S = 1.0
"""Shorter gaps are missing samples."""
CHUNK = 1 << 15
LIMITS = ReadLimits(
    max_read_bytes=1 << 29,
    max_ent_bytes=64 << 20,
    max_ent_records=100_000,
    max_total_parse_nodes=4_000_000,
)
"""More notes than the package expects: a week of monitoring has tens of thousands. The process has limits, too."""
HEADER_BYTES, ANCHOR, TICKS_PER_S = 352, struct.Struct("<iq"), 1e7
FILETIME_EPOCH = datetime(1601, 1, 1, tzinfo=UTC)
CLOCK_S = 2.0
"""If clock and samples disagree by more than this over a recording, a note says so."""


@dataclass(frozen=True)
class NatusSource:
    """Samples of a Natus recording.

    Attributes
    ----------
    reader
        The package's reader.
    inputs
        Index of each channel in the files.
    step_uv
        µV per digital step; negative, see above.
    runs
        First sample of each run as the reader counts them, gaps included, and the one after its last.
    name
        Name in messages.
    """

    reader: NatusERDReader
    inputs: tuple[int, ...]
    step_uv: float
    runs: tuple[tuple[int, int], ...]
    name: str

    def read(self, start: int, stop: int, rows: Sequence[int] | None = None) -> Signal:
        """Return samples `start` to `stop` of the channels `rows` or of all, [channel, time]."""
        inputs = [self.inputs[row] for row in (range(len(self.inputs)) if rows is None else rows)]
        samples = np.empty((len(inputs), max(stop - start, 0)), dtype=np.float32)
        with _explained(self.name):
            for place, first, last in parts_within(self.runs, start, stop, CHUNK):
                samples[:, place] = self.reader.read_samples(first, last, inputs, "digital") * self.step_uv
        return samples


class AnyHeadboxReader(NatusERDReader):  # type: ignore[misc]
    """The package's reader, opened for headboxes other than Quantum; their samples are read as digital steps."""

    def _check_supported_header(self, header: Any) -> None:
        kind, *others = header.headbox_types
        if kind == QUANTUM:
            super()._check_supported_header(header)
            return
        problems = {
            f"its headbox has the type {kind}; known are {listed(HEADBOXES, 20)}": kind not in HEADBOXES,
            "it has more than one headbox": any(others),
            f"its differences have {header.delta_bits} bits instead of {DELTA_BITS}": header.delta_bits != DELTA_BITS,
            f"it leaves out {header.discard_bits} bits": not 0 <= header.discard_bits <= DISCARD_BITS,
            "its channels are in another order than the inputs": (
                header.physical_channels != tuple(range(header.n_channels))
            ),
            "its channels have several rates": set(header.frequency_factors) != {SAME_RATE},
        }
        found = [problem for problem, applies in problems.items() if applies]
        if found:
            raise UnsupportedFormatError("; ".join(found))


def read_natus(path: Path) -> Recording:
    """Open a Natus recording by its first segment, NAME.erd.

    Raises
    ------
    ReadError
        If a file is missing or damaged, or the headbox or the names of its channels are unknown.
    """
    with _explained(str(path)):
        index, notes_file = _companion(path, ".stc"), _companion(path, ".ent")
        stc = read_stc(index, limits=LIMITS)
        _check_segments(path, stc)
        reader = AnyHeadboxReader.open(index, limits=LIMITS)
        reader.validate()
        notes = read_ent_notes(notes_file, limits=LIMITS)
        runs = _runs(reader, path, stc)
    if reader.info.sample_rate > HIGHEST_HZ:
        raise ReadError(
            f"{path}: states a rate of {reader.info.sample_rate:g} Hz; allowed is up to {HIGHEST_HZ:g} Hz"
        )
    kind, (box, n_inputs) = reader.info.headbox_type, HEADBOXES[reader.info.headbox_type]
    channels, left_out = _channels(reader, notes, n_inputs, path)
    rate_hz, first = float(reader.info.sample_rate), runs[0][0]
    start, clock_notes = _start(path, stc, rate_hz, reader.info.start_stamp + first)
    step_uv = -FULL_SCALE_UV / FULL_SCALE * 2**reader.info.discard_bits
    largest = abs(step_uv) * 2 ** (21 - reader.info.discard_bits)
    texts = [note for note in notes if not channel_names_from_notes((note,), limits=LIMITS)]  # no montages
    unread = sum(note.value is None for note in texts)
    return Recording(
        name=str(path),
        channels=tuple(channels.values()),
        rate_hz=rate_hz,
        n_samples=sum(stop - begin for begin, stop in runs),
        source=NatusSource(reader, tuple(channels), step_uv, runs, str(path)),
        start=start,
        gaps=tuple(
            Gap((stop - first) / rate_hz, (after - stop) / rate_hz) for (_, stop), (after, _) in pairwise(runs)
        ),
        annotations=tuple(
            Annotation(event.sample / rate_hz, 0.0, text)
            for event in events_from_notes(texts, reader.info.start_stamp + first)
            if (text := printable(" ".join(event.text.split())))
        ),
        limits_uv=((-largest, largest),) * len(channels),
        notes=(
            "its voltages have the sign that NeuroWorks gives them in its own EDF export; wonambi inverts it",
            *left_out,
            *clock_notes,
            *([f"{unread} of its notes are not in a known form, and are left out"] if unread else []),
        ),
        doubts=(*_headbox_doubt(kind, box), *_montage_doubt(notes, channels)),
    )


@contextmanager
def _explained(name: str) -> Iterator[None]:
    """Turn an error of the package into a `ReadError`."""
    try:
        yield
    except NatusERDError as error:
        words = " ".join(str(error).split())
        raise ReadError(f"{name}: cannot be read: {words[:1].lower()}{words[1:]}") from error


def _companion(path: Path, suffix: str) -> Path:
    """Return the file of a recording with this suffix."""
    found = find_sibling(path, path.stem + suffix)
    if found is None:
        raise ReadError(_missing(path, [path.stem + suffix]))
    return found


def _check_segments(path: Path, stc: StcFile) -> None:
    there = {file.name.casefold() for file in path.parent.iterdir()}
    wanted = [_stem(segment) + suffix for segment in stc.entries for suffix in (".erd", ".etc")]
    missing = [name for name in wanted if name.casefold() not in there]
    if missing:
        raise ReadError(_missing(path, missing))


def _stem(segment: StcEntry) -> str:
    name = str(segment.segment_name)
    return name[: -len(".erd")] if name.casefold().endswith(".erd") else name


def _missing(path: Path, names: Sequence[str]) -> str:
    files = f"file {printable(names[0])} is" if len(names) == 1 else f"files {printable(listed(names))} are"
    return f"{path}: its {files} missing; copy the whole folder of the recording"


def _runs(reader: NatusERDReader, path: Path, stc: StcFile) -> tuple[tuple[int, int], ...]:
    """Return first sample and end of each run, counted from the reader's first; short gaps are within a run."""
    pause = PAUSE_S * reader.info.sample_rate
    runs: list[list[int]] = []
    for segment in stc.entries:
        for packet in read_etc(_companion(path.with_name(f"{_stem(segment)}.erd"), ".etc"), limits=LIMITS):
            begin = packet.sample_stamp - reader.info.start_stamp
            if runs and begin - runs[-1][1] < pause:
                runs[-1][1] = begin + packet.sample_span
            else:
                runs.append([begin, begin + packet.sample_span])
    if not runs:
        raise ReadError(f"{path}: has no samples")
    return tuple((begin, stop) for begin, stop in runs)


def _channels(
    reader: NatusERDReader, notes: Sequence[EntNote], n_inputs: int, path: Path
) -> tuple[dict[int, str], list[str]]:
    """Return the name of each EEG input that is recorded, by its index, and notes on those that are left out."""
    names = channel_names_from_notes(notes, limits=LIMITS)
    if not names:
        raise ReadError(f"{path}: the names of its channels are unknown: {path.stem}.ent has no montage")
    recorded = [channel.index for channel in reader.channels if not channel.shorted]
    named = {index: printable(str(names[index])) for index in recorded if index < len(names) and names[index]}
    other = [name for index, name in named.items() if index >= n_inputs]
    unnamed = sum(index not in named for index in recorded if index < n_inputs)
    left_out = {
        f"left out because they are not EEG inputs of the headbox: {listed(other)}": other,
        f"left out because the montage does not name them: {unnamed} inputs": unnamed,
    }
    channels = {index: name for index, name in named.items() if index < n_inputs}
    if not channels:
        raise ReadError(f"{path}: has no recorded EEG input with a name")
    return channels, [note for note, applies in left_out.items() if applies]


def _headbox_doubt(kind: int, box: str) -> list[str]:
    doubt = (
        f"its headbox is of the type {kind} ({box}): size and sign of its voltages follow the public description of "
        "the format, and have not been compared with a recording of such a headbox"
    )
    return [] if kind == QUANTUM else [doubt]


def _montage_doubt(notes: Sequence[EntNote], channels: Mapping[int, str]) -> list[str]:
    """Return a doubt if an earlier montage gives an electrode another input."""
    changed: dict[str, None] = {}
    for note in notes:
        for index, name in enumerate(channel_names_from_notes((note,), limits=LIMITS)):
            last = channels.get(index)
            if last is None or name is None or find_electrode(name) == find_electrode(last):
                continue
            changed[f"{printable(name)} became {last}"] = None
    if not changed:
        return []
    return [
        f"its channels were renamed during the recording, and the last names are used throughout: {listed(changed)}"
    ]


def _start(path: Path, stc: StcFile, rate_hz: float, stamp: int) -> tuple[datetime | None, list[str]]:
    """Return the time of a sample by its stamp, and notes on the clock. The files state UTC, and no time zone."""
    clock = find_sibling(path, f"{path.stem}.snc")
    anchors = list(_anchors(clock)) if clock else []
    notes = ["its times are in UTC, since its files do not state a time zone"]
    try:
        if not anchors:
            notes.append(f"its start is the time when its files were made, since {path.stem}.snc has no clock")
            created = datetime.fromtimestamp(stc.generic.creation_time_unix, UTC)
            return created + timedelta(seconds=stamp / rate_hz), notes
        known, ticks = max((anchor for anchor in anchors if anchor[0] <= stamp), default=anchors[0])
        start = FILETIME_EPOCH + timedelta(microseconds=ticks / 10, seconds=(stamp - known) / rate_hz)
    except (OverflowError, ValueError, OSError):
        return None, ["its start is unknown, since its clock states an impossible time"]
    drift_s = (anchors[-1][1] - anchors[0][1]) / TICKS_PER_S - (anchors[-1][0] - anchors[0][0]) / rate_hz
    if abs(drift_s) > CLOCK_S:
        notes.append(
            f"its clock and its samples disagree by {drift_s:.1f} s at the end; times are counted in samples"
        )
    return start, notes


def _anchors(path: Path) -> Iterator[tuple[int, int]]:
    """Yield the stamps of samples whose time the clock file states, and the time in units of 100 ns since 1601."""
    content = path.read_bytes()[HEADER_BYTES:]
    return ANCHOR.iter_unpack(content[: len(content) // ANCHOR.size * ANCHOR.size])
