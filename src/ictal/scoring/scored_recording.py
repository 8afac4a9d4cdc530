"""What a table of scores keeps about the recording that was scored."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Literal

from ictal.core.recording import Recording
from ictal.core.settings import Settings
from ictal.io.joined import Piece, pieces_of
from ictal.io.recording_files import recording_hash
from ictal.preprocessing.channel_graph import ChannelMapping
from ictal.preprocessing.channel_mapping import reference_notes


def stem_of(name: str | Path) -> str:
    """Return how the result files of a recording begin: its file name without suffix, and without BIDS's '_eeg'."""
    return Path(Path(name).name.removesuffix(".gz")).stem.removesuffix("_eeg") or "recording"


class PieceInfo(Settings):
    """A piece of a joined recording.

    Attributes
    ----------
    name
        Path of the piece, or its id.
    start, onset_s
        Clock time of its first sample, and time in the joined recording.
    content
        Hash of its files, see `ictal.io.recording_files.recording_hash`; '' if it is not a file.
    """

    name: str
    start: datetime | None
    onset_s: float
    content: str

    @classmethod
    def of(cls, piece: Piece) -> "PieceInfo":
        """Describe a piece; this reads the whole file, unless its hash is known."""
        content = recording_hash(piece.path) if piece.path else ""
        return cls(name=piece.recording.name, start=piece.recording.start, onset_s=piece.onset_s, content=content)


class RecordingInfo(Settings):
    """The recording that was scored.

    Attributes
    ----------
    name
        Path of the recording, or its id.
    start
        Clock time of the first sample, if known.
    span_s
        From the first sample to the last, gaps included.
    rate_hz, channels
        Of the file.
    kind, interpolated
        See `ictal.preprocessing.channel_graph.ChannelMapping`.
    gaps
        Start and duration of each, in seconds.
    annotations
        Onset, duration and text of each.
    notes
        What a user should know about the file.
    pieces
        Of a joined recording, in the order of time.
    """

    name: str
    start: datetime | None
    span_s: float
    rate_hz: float
    channels: tuple[str, ...]
    kind: Literal["referential", "bipolar"]
    interpolated: tuple[str, ...] = ()
    gaps: tuple[tuple[float, float], ...] = ()
    annotations: tuple[tuple[float, float, str], ...] = ()
    notes: tuple[str, ...] = ()
    pieces: tuple[PieceInfo, ...] = ()

    @classmethod
    def of(cls, recording: Recording, mapping: ChannelMapping, notes: Sequence[str] = ()) -> "RecordingInfo":
        """Describe a recording as it was scored."""
        return cls(
            name=recording.name,
            start=recording.start,
            span_s=recording.span_s,
            rate_hz=recording.rate_hz,
            channels=recording.channels,
            kind=mapping.kind,
            interpolated=mapping.interpolated,
            gaps=tuple((gap.start_s, gap.duration_s) for gap in recording.gaps),
            annotations=tuple((note.onset_s, note.duration_s, note.text) for note in recording.annotations),
            notes=(*recording.all_notes, *reference_notes(mapping), *notes),
            pieces=tuple(PieceInfo.of(piece) for piece in pieces_of(recording)),
        )

    @property
    def stem(self) -> str:
        """How its result files begin, see `stem_of`."""
        return stem_of(self.name)

    def clock_time(self, second: float) -> str | None:
        """Return the clock time of a second of the recording, to the millisecond; None if its start is not known."""
        if self.start is None:
            return None
        # Result files give the local time of the recording, without the time zone that a reader may attach.
        return (self.start.replace(tzinfo=None) + timedelta(seconds=second)).isoformat(" ", "milliseconds")
