"""XDF of the Lab Streaming Layer (LSL): several streams, each with time stamps of its own clock; .xdf, .xdfz.

The package pyxdf decodes the file, relates the clocks to each other, and removes the jitter of the time stamps.

Sources: the specification of XDF 1.0 and its meta-data for EEG, https://github.com/sccn/xdf/wiki.
"""

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyxdf

from ictal.core.recording import Annotation, Recording, Signal
from ictal.errors import ReadError, listed
from ictal.io.devices.voltages import voltages
from ictal.io.devices.xdf_chunks import BYTES, XdfFile
from ictal.io.edf.header_fields import printable
from ictal.io.edf.reader import MAX_RATE_HZ
from ictal.io.times import Join, Times, layout_of

PAUSE_S = 1.0
"""A longer jump of the time stamps is a gap; a shorter one is jitter, since samples arrive in bursts."""
RATE_ERROR, JITTER_S = 0.01, 0.5
"""The measured rate may differ from the nominal one by this fraction, or by this time over the whole recording."""
CLOCK_S = 2.0
"""If time stamps and samples disagree by more than this, a note says so."""
MARKERS = ("marker", "markers", "event", "events")
"""Types, in lower case, of streams with annotations; so are all streams of texts."""
Tree = Mapping[str, Any]
Times64 = npt.NDArray[np.float64]


@dataclass(frozen=True)
class XdfSource:
    """Samples of a stream in memory, as pyxdf returns them.

    Attributes
    ----------
    values
        [time, channel of the stream].
    columns, factors
        Of each channel that is read: its place in the stream, and µV of its unit.
    """

    values: npt.NDArray[Any]
    columns: tuple[int, ...]
    factors: tuple[float, ...]

    def read(self, start: int, stop: int, rows: Sequence[int] | None = None) -> Signal:
        """Return samples `start` to `stop` of the channels `rows` or of all, [channel, time]."""
        chosen = [*(range(len(self.columns)) if rows is None else rows)]
        values = self.values[start:stop, [self.columns[row] for row in chosen]].T
        with np.errstate(over="ignore", invalid="ignore"):
            return values.astype(np.float32) * np.array([self.factors[row] for row in chosen], np.float32)[:, None]


def read_xdf(path: Path) -> Recording:
    """Open a .xdf or .xdfz file: its only EEG stream, and its markers.

    Raises
    ------
    ReadError
        If it is damaged before its end, has no EEG stream or several, or lacks names or units of electrodes. Time
        stamps that go back, or that contradict the nominal rate, are doubts.
    """
    file = XdfFile.open(path)
    with _messages() as messages, np.errstate(all="ignore"):
        known = {each["stream_id"]: each for each in pyxdf.resolve_streams(file.stream())}
        eeg, markers = _choose(path, known)
        wanted = (eeg, *markers)
        file.check({each: (known[each]["channel_format"], known[each]["channel_count"]) for each in wanted})
        loaded, header = pyxdf.load_xdf(
            file.stream(),
            select_streams=[*wanted],
            jitter_break_threshold_seconds=PAUSE_S,
            jitter_break_threshold_samples=1,
        )
    streams = {stream["info"]["stream_id"]: stream for stream in loaded}
    info, stamps = streams[eeg]["info"], streams[eeg]["time_stamps"]
    labels, units, kinds, reference = _channels(path, known[eeg], info)
    factors, notes = voltages(path, labels, units)
    if not len(stamps) or not np.isfinite(stamps).all():
        raise ReadError(f"{path}: its EEG stream has no samples, or impossible time stamps")
    rate_hz = float(known[eeg]["nominal_srate"])
    joins, doubts, clock_notes = _joins(info, stamps, rate_hz)
    layout = layout_of(len(stamps), rate_hz, joins)
    onsets = np.concatenate([each.onset_s + np.arange(each.stop - each.start) / rate_hz for each in layout.segments])
    start, start_notes = _start(header or {})
    others = [_title(each) for number, each in known.items() if number not in wanted]
    found = {
        f"left out because they are neither EEG nor markers: streams {listed(others)}": others,
        f"it is truncated: its last {file.n_lost} bytes are an incomplete part, and left out": file.n_lost,
        f"what pyxdf says: {listed(dict.fromkeys(messages))}": messages,
    }
    return Recording(
        str(path),
        tuple(labels[row] for row in factors),
        rate_hz,
        len(stamps),
        XdfSource(streams[eeg]["time_series"], tuple(factors), tuple(factors.values())),
        start,
        layout.gaps,
        _annotations([streams[each] for each in markers], stamps, onsets),
        kinds=tuple(kinds[row] for row in factors),
        notes=(*notes, *start_notes, *clock_notes, *(note for note, applies in found.items() if applies)),
        doubts=(*Times(joins).doubts, *doubts),
        references=(reference,) * len(factors),
    )


@contextmanager
def _messages() -> Iterator[list[str]]:
    """Collect what pyxdf logs, but for differences that are expected or found here."""
    found: list[str] = []
    handler = logging.Handler(logging.WARNING)
    handler.emit = lambda record: found.append(printable(record.getMessage()))  # type: ignore[method-assign]
    handler.addFilter(lambda record: "differ" not in record.getMessage())
    logger = logging.getLogger("pyxdf")
    logger.addHandler(handler)
    try:
        yield found
    finally:
        logger.removeHandler(handler)


def _choose(path: Path, known: Mapping[int, Tree]) -> tuple[int, list[int]]:
    """Return the ids of the EEG stream and of those with markers."""
    eeg = [number for number, each in known.items() if str(each["type"]).lower() == "eeg"]
    if len(eeg) != 1:
        streams = listed(f"{_title(each)} with {each['channel_count']} channels" for each in known.values())
        raise ReadError(
            f"{path}: has {len(eeg)} streams of type EEG; one is needed. Its streams: {streams or 'none'}"
        )
    kind, rate_hz = known[eeg[0]]["channel_format"], known[eeg[0]]["nominal_srate"]
    if kind not in BYTES or not 0 < rate_hz <= MAX_RATE_HZ:
        raise ReadError(
            f"{path}: its EEG stream has values of type {printable(str(kind))} at a rate of {rate_hz:g} Hz; "
            f"allowed are {listed(BYTES)}, and a constant rate of up to {MAX_RATE_HZ:g} Hz"
        )
    return eeg[0], [
        number
        for number, each in known.items()
        if each["channel_format"] == "string" or str(each["type"]).lower() in MARKERS
    ]


def _title(stream: Tree) -> str:
    return printable(f"{stream['name']} ({stream['type']})")


def _channels(path: Path, stream: Tree, info: Tree) -> tuple[list[str], list[str], list[str], str]:
    """Return name, unit and type of each channel, and the reference of all if the stream states it."""
    described = [each for desc in _children(info, "desc") for part in _children(desc, "channels")
                 for each in _children(part, "channel")]  # fmt: skip
    labels, units, kinds = ([_text(each, name) for each in described] for name in ("label", "unit", "type"))
    if len(labels) != stream["channel_count"] or not any(labels):
        raise ReadError(
            f"{path}: the names of its channels are unknown: its EEG stream has {stream['channel_count']} "
            f"channels, and names {sum(map(bool, labels))}"
        )
    references = [each for desc in _children(info, "desc") for each in _children(desc, "reference")]
    stated = references[0] if references and _text(references[0], "subtracted").lower() == "yes" else {}
    is_average = _text(stated, "common_average").lower() == "yes"
    return labels, units, [kind.lower() for kind in kinds], "AVG" if is_average else _text(stated, "label")


def _children(tree: object, name: str) -> Sequence[Any]:
    return tree.get(name) or [] if isinstance(tree, Mapping) else []


def _text(tree: object, name: str) -> str:
    texts = [each for each in _children(tree, name) if isinstance(each, str)]
    return printable(" ".join(texts[0].split())) if texts else ""


def _joins(info: Tree, stamps: Times64, rate_hz: float) -> tuple[tuple[Join, ...], list[str], list[str]]:
    """Return the joins of the runs that pyxdf found, doubts about the rate, and notes."""
    segments, measured_hz = info["segments"], float(info["effective_srate"])
    joins = tuple(
        Join(begin / rate_hz, float(stamps[begin] - stamps[last]) - 1 / rate_hz)
        for (_, last), (begin, _) in pairwise(segments)
    )
    drift_s = sum(float(stamps[last] - stamps[first]) - (last - first) / rate_hz for first, last in segments)
    doubt = f"its EEG stream states {rate_hz:g} Hz, but its time stamps are those of {measured_hz:.6g} Hz"
    is_doubtful = abs(drift_s) > JITTER_S and abs(measured_hz / rate_hz - 1) > RATE_ERROR
    drops = "its EEG stream states that it may drop samples, whose places are not known"
    may_drop = any(
        _text(each, "can_drop_samples").lower() == "true"
        for desc in _children(info, "desc")
        for each in _children(desc, "synchronization")
    )
    doubts = {doubt: is_doubtful, drops: may_drop}
    note = f"its time stamps and samples disagree by {drift_s:.1f} s at the end; times are counted in samples"
    return joins, [each for each, applies in doubts.items() if applies], [note] if abs(drift_s) > CLOCK_S else []


def _start(header: Tree) -> tuple[datetime | None, list[str]]:
    text = next((_text(each, "datetime") for each in [header.get("info")]), "")
    try:
        start = datetime.fromisoformat(text)
    except ValueError:
        return None, []
    note = "its start is the time when its file was made, which may be some seconds before the first sample"
    return start if start.tzinfo else start.replace(tzinfo=UTC), [note]


def _annotations(markers: Sequence[Tree], stamps: Times64, onsets: Times64) -> tuple[Annotation, ...]:
    """Return the markers, each at the time of the sample with its time stamp, also those beyond the samples."""
    order = np.argsort(stamps, kind="stable")
    found = []
    for stream in markers:
        times = stream["time_stamps"]
        inside = np.clip(times, stamps[order[0]], stamps[order[-1]])
        seconds = np.interp(inside, stamps[order], onsets[order]) + (times - inside)
        texts = (printable(" ".join(" ".join(map(str, values)).split())) for values in stream["time_series"])
        found += [
            Annotation(float(second), 0.0, text)
            for second, text in zip(seconds, texts, strict=True)
            if text and np.isfinite(second)
        ]
    return tuple(sorted(found, key=lambda note: note.onset_s))
