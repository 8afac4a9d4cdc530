"""An encoder of Natus NeuroWorks recordings, for lack of files from a device.

It is written from the public description of the format (ioeeg/ktlx.py of wonambi, the XLTEK tools of the Mayo Clinic
and UCSF), independently of natus-erd-reader, and checked against wonambi in test_natus.py.
"""

import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import numpy as np

from ictal.core.montage import ELECTRODES

START = datetime(2024, 2, 29, 23, 59, 58, tzinfo=UTC)
QUANTUM, QUANTUM_CHANNELS = 20, 276
FILETIME_1970 = 116_444_736_000_000_000


@dataclass(frozen=True)
class Options:
    """How a recording is written.

    Attributes
    ----------
    headbox, n_channels, discard_bits
        Of the header. Channels without samples are shorted, which means that they are not recorded.
    packet, segment
        Samples per packet, and per pair of .erd and .etc files.
    first_stamp
        Stamp of the first sample.
    pauses
        Samples that are missing before the sample with this number.
    notes
        Stamp and text of each note.
    montages
        Names of the inputs in each montage; by default, one with the names of the channels.
    with_clock
        Whether there is an .snc file. The clock runs `fast` times as fast as the samples.
    """

    headbox: int = QUANTUM
    n_channels: int = QUANTUM_CHANNELS
    discard_bits: int = 6
    packet: int = 1000
    segment: int = 2500
    first_stamp: int = 1000
    pauses: Mapping[int, int] = field(default_factory=dict)
    notes: Sequence[tuple[int, str]] = ()
    montages: Sequence[Sequence[str]] | None = None
    with_clock: bool = True
    fast: float = 1.0

    @property
    def step_uv(self) -> float:
        return -8711 / (2**21 - 0.5) * 2**self.discard_bits


def write_natus(
    path: Path, samples: np.ndarray, names: Sequence[str], rate_hz: float, options: Options | None = None
) -> None:
    """Write samples [channel, time] in µV as NAME.erd and the files that belong to it."""
    options = options or Options()
    path.parent.mkdir(parents=True, exist_ok=True)
    digital = np.rint(samples / options.step_uv).astype(np.int64)
    stamps = _stamps(samples.shape[1], options)
    entries = []
    for number, begin in enumerate(range(0, samples.shape[1], options.segment)):
        stem = path.stem + (f"_{number:03d}" if number else "")
        part = slice(begin, begin + options.segment)
        _write_segment(path.with_name(f"{stem}.erd"), digital[:, part], stamps[part], rate_hz, options)
        first, last = int(stamps[part][0]), int(stamps[part][-1])
        entries.append(
            struct.pack("<256s4i", stem.encode(), first, last, begin, len(stamps[part]))  # as long as it is
        )
    stc = _header(1) + struct.pack("<14i", len(entries), 1, *[0] * 12) + b"".join(entries)
    path.with_suffix(".stc").write_bytes(stc)
    path.with_suffix(".eeg").write_bytes(_header(1) + b'(.(."Person", "nobody"))\0')
    path.with_suffix(".vtc").write_bytes(_header(1)[:20])
    path.with_suffix(".ent").write_bytes(_notes(names, options))
    if options.with_clock:
        path.with_suffix(".snc").write_bytes(_clock(stamps, rate_hz, options))


def small_recordings(folder: Path) -> Iterator[Path]:
    """Write small recordings of all kinds, for benchmarks/fuzz.py."""
    samples = np.random.default_rng(0).normal(0, 50, (20, 600)).cumsum(axis=1).clip(-8000, 8000)
    names = (*ELECTRODES, "ECG")
    notes = ((1100, "seizure"), (1300, "Fp1 häng"))
    for name, options in (
        ("quantum", Options(packet=100, segment=350, notes=notes)),
        ("emu", Options(headbox=17, n_channels=46, packet=100, segment=350, pauses={100: 600, 350: 2}, notes=notes)),
    ):
        write_natus(folder / name / "a.erd", samples, names, 200.0, options)
        yield folder / name / "a.erd"


def _stamps(n_samples: int, options: Options) -> np.ndarray:
    missing = np.zeros(n_samples, dtype=np.int64)
    for at, count in options.pauses.items():
        missing[at:] += count
    return options.first_stamp + np.arange(n_samples) + missing


def _header(schema: int) -> bytes:
    """Return the header of all files: GUID, schema, base schema, time, ids and names of the patient."""
    texts = [text.encode().ljust(80, b"\0") for text in ("Doe", "Jane", "Q", "0815")]
    return struct.pack("<16sHHiii", bytes(16), schema, 1, int(START.timestamp()), 1, 2) + b"".join(texts)


def _write_segment(path: Path, digital: np.ndarray, stamps: np.ndarray, rate_hz: float, options: Options) -> None:
    n_active, n_all = len(digital), options.n_channels
    header = _header(9) + struct.pack("<dii", rate_hz, n_all, 8)
    header += struct.pack("<1024i", *range(n_all), *[0] * (1024 - n_all))
    header += struct.pack("<4i4i", options.headbox, 0, 0, 0, 1, 0, 0, 0) + b"3.4".ljust(40, b"\0") + bytes(20)
    header += struct.pack("<i", options.discard_bits)
    header += struct.pack("<1024h", *[0] * n_active, *[1] * (1024 - n_active))
    header += struct.pack("<1024h", *[32767] * n_all, *[0] * (1024 - n_all))
    content, table, number = bytearray(header), bytearray(_header(3)), 0
    for begin, end in _packets(stamps, options.packet):
        table += struct.pack("<iiihh", len(content), int(stamps[begin]), number, end - begin, 0)
        content += _packet(digital[:, begin:end].T, n_all)
        number += end - begin
    path.write_bytes(content)
    path.with_suffix(".etc").write_bytes(table)


def _packets(stamps: np.ndarray, longest: int) -> list[tuple[int, int]]:
    """Return the first sample and the end of each packet; a pause begins a new one."""
    jumps = [0, *(int(at) + 1 for at in np.flatnonzero(np.diff(stamps) != 1)), len(stamps)]
    return [(begin, min(begin + longest, end)) for low, end in pairwise(jumps) for begin in range(low, end, longest)]


def _packet(rows: np.ndarray, n_all: int) -> bytes:
    """Return the samples [time, active channel] of a packet, compressed.

    Each sample: an event byte, a mask with a bit for each channel (set: its difference has 16 bits), the differences,
    and the values of the channels whose difference is 0xFFFF, with 32 bits.
    """
    packet, before = bytearray(), None
    for row in rows.tolist():
        mask, differences, absolute = bytearray(-(-n_all // 8)), bytearray(), bytearray()
        for channel, value in enumerate(row):
            difference = None if before is None else value - before[channel]
            if difference is not None and -128 <= difference <= 127:
                differences += struct.pack("<b", difference)
                continue
            mask[channel // 8] |= 1 << channel % 8
            if difference is None or not -32768 <= difference <= 32767:
                differences += b"\xff\xff"
                absolute += struct.pack("<i", value)
            else:
                differences += struct.pack("<h", difference)
        packet += b"\0" + mask + differences + absolute
        before = row
    return bytes(packet)


def _notes(names: Sequence[str], options: Options) -> bytes:
    content, before = bytearray(_header(3)), 0
    montages = [names] if options.montages is None else options.montages
    texts = [(2, _montage(montage)) for montage in montages] + [(1, _note(*note)) for note in options.notes]
    for kind, text in texts:
        payload = text.encode() + b"\0\0"
        content += struct.pack("<4i", kind, 16 + len(payload), before, 0) + payload
        before = 16 + len(payload)
    return bytes(content) + bytes(16)


def _montage(names: Iterable[str]) -> str:
    listed = ", ".join(f'"{name}"' for name in names)
    data = f'(.(."ChanNames", ({listed})), (."Filters", ((0.5, 70.0), (1.0, 35.0))), (."User", ""))'
    return f'(.(."Stamp", 0), (."Text", "Montage:Main"), (."Data", {data}))'


def _note(stamp: int, text: str) -> str:
    return f'(.(."Stamp", {stamp}), (."Text", "{text}"), (."Data", (.(."User", "nurse"), (."Type", "Annotation"))))'


def _clock(stamps: np.ndarray, rate_hz: float, options: Options) -> bytes:
    """Return anchors for the first stamp of all and the last: the time as 100 ns since 1601."""
    begin = FILETIME_1970 + round(START.timestamp() * 1e7)
    seconds = (int(stamps[-1]) - options.first_stamp) / rate_hz * options.fast
    anchors = [(options.first_stamp, begin), (int(stamps[-1]), begin + round(seconds * 1e7))]
    return _header(1) + b"".join(struct.pack("<iq", *anchor) for anchor in anchors)
