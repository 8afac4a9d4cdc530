"""An encoder of XDF files, for lack of a recording of patients.

It is written from the specification (https://github.com/sccn/xdf/wiki/Specifications), independently of pyxdf, which
cannot write.
"""

import gzip
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import escape

import numpy as np

from ictal.core.montage import ELECTRODES

DATETIME = "2024-02-29T23:59:58+0100"
BOUNDARY = bytes.fromhex("43a546dccbf5410fb30ed5467383cbe4")
DTYPES = {"int8": "<i1", "int16": "<i2", "int32": "<i4", "int64": "<i8", "float32": "<f4", "double64": "<f8"}


@dataclass(frozen=True)
class Stream:
    """A stream.

    Attributes
    ----------
    name, kind, form, rate_hz
        As in its header; the form is that of a value, the rate 0 if it is irregular.
    values
        [channel, time]; texts for a stream of form 'string'.
    stamps
        Time of each value by the clock of the stream, s.
    described
        Labels, units and types of the channels.
    offsets
        Times at which the offset of the clock was measured, and the offsets, s.
    stated
        How many samples have an own time stamp: every n-th; the times of others follow from the rate.
    more
        Further XML of the description.
    """

    name: str
    kind: str
    form: str
    rate_hz: float
    values: Sequence[Sequence[object]] | np.ndarray
    stamps: Sequence[float] | np.ndarray
    described: Sequence[tuple[str, str, str]] = ()
    offsets: Sequence[tuple[float, float]] = ()
    stated: int = 1
    more: str = ""


def eeg(samples: np.ndarray, names: Sequence[str], rate_hz: float, form: str = "float32", **options) -> Stream:
    """Return an EEG stream of samples in µV that begins at second 1000 of its clock."""
    if "stamps" not in options:
        options["stamps"] = 1000 + np.arange(samples.shape[1]) / rate_hz
    described = options.pop("described", [(name, "microvolts", "EEG") for name in names])
    return Stream("amplifier", "EEG", form, rate_hz, samples, described=described, **options)


def markers(*marks: tuple[float, str]) -> Stream:
    """Return a stream of texts, each with its time."""
    return Stream("keys", "Markers", "string", 0, [[text for _, text in marks]], [second for second, _ in marks])


def write(path: Path, streams: Sequence[Stream], per_chunk: int = 100, datetime: str | None = DATETIME) -> Path:
    """Write streams; chunks of samples alternate between them."""
    dated = f"<datetime>{datetime}</datetime>" if datetime else ""
    content = b"XDF:" + _chunk(1, f"<?xml version='1.0'?><info><version>1.0</version>{dated}</info>".encode())
    for number, stream in enumerate(streams, start=1):
        content += _chunk(2, struct.pack("<I", number) + _header(stream).encode())
        content += b"".join(_chunk(4, struct.pack("<Idd", number, *offset)) for offset in stream.offsets)
    longest = max(len(stream.stamps) for stream in streams)
    for begin in range(0, longest, per_chunk):
        content += _chunk(5, BOUNDARY)
        for number, stream in enumerate(streams, start=1):
            if begin < len(stream.stamps):
                content += _chunk(3, struct.pack("<I", number) + _samples(stream, begin, begin + per_chunk))
    for number, stream in enumerate(streams, start=1):
        footer = f"<info><sample_count>{len(stream.stamps)}</sample_count></info>"
        content += _chunk(6, struct.pack("<I", number) + footer.encode())
    path.write_bytes(gzip.compress(content) if path.suffix.lower() == ".xdfz" else content)
    return path


def small_recordings(folder: Path, suffix: str) -> list[Path]:
    """Write small recordings, for benchmarks/fuzz.py: one with a pause and clock offsets, one of whole numbers."""
    samples = np.random.default_rng(0).normal(0, 50, (20, 600))
    stamps = 1000 + np.arange(600) / 200 + np.repeat([0, 4], [250, 350])
    names = (*ELECTRODES, "ECG")
    paused = eeg(samples, names, 200.0, stamps=stamps, offsets=[(1000 + k, 0.5) for k in range(8)], stated=7)
    whole = eeg(np.rint(samples), names, 200.0, "int16")
    marks = markers((1000.5, "Fp1 häng"), (1006.0, "seizure"))
    return [
        write(folder / f"{name}.{suffix}", [stream, marks]) for name, stream in (("paused", paused), ("whole", whole))
    ]


def _chunk(tag: int, content: bytes) -> bytes:
    n_bytes = len(content) + 2
    length = struct.pack("<BB", 1, n_bytes) if n_bytes < 256 else struct.pack("<BI", 4, n_bytes)
    return length + struct.pack("<H", tag) + content


def _header(stream: Stream) -> str:
    channels = "".join(
        "<channel>"
        + "".join(
            f"<{key}>{escape(text)}</{key}>"
            for key, text in zip(("label", "unit", "type"), each, strict=True)
            if text
        )
        + "</channel>"
        for each in stream.described
    )
    return (
        f"<?xml version='1.0'?><info><name>{stream.name}</name><type>{stream.kind}</type>"
        f"<channel_count>{len(stream.values)}</channel_count><nominal_srate>{stream.rate_hz}</nominal_srate>"
        f"<channel_format>{stream.form}</channel_format><hostname>ward</hostname>"
        f"<desc><channels>{channels}</channels>{stream.more}</desc></info>"
    )


def _samples(stream: Stream, begin: int, end: int) -> bytes:
    n_samples = min(end, len(stream.stamps)) - begin
    content = struct.pack("<BI", 4, n_samples)
    for at in range(begin, begin + n_samples):
        is_stated = at % stream.stated == 0 or at == begin
        content += struct.pack("<Bd", 8, stream.stamps[at]) if is_stated else b"\0"
        for row in stream.values:
            if stream.form == "string":
                text = str(row[at]).encode()
                content += struct.pack("<BB", 1, len(text)) + text
            else:
                content += np.array(row[at]).astype(DTYPES[stream.form]).tobytes()
    return content
