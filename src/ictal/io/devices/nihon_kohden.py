"""Nihon Kohden: an .EEG file with blocks of samples, and files with channel names (.21E) and events (.LOG) beside it.

Source: the layout used by nk2edf (Teunis van Beelen), biosig and MNE-Python; for the blocks of newer EEG-1200A files,
that used by eeg2edf. See docs/formats.md for what was compared.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

from ictal.core.recording import Annotation, Recording
from ictal.errors import ReadError, listed
from ictal.io.devices.binary import BinaryFile, narrow_text
from ictal.io.devices.interleaved import InterleavedSource
from ictal.io.devices.nihon_kohden_events import LogEvent, read_log
from ictal.io.devices.nihon_kohden_names import MARKS, NOT_EEG, channel_names
from ictal.io.times import Join, Times, layout_of

VERSIONS = (
    *("EEG-1100A V01.00", "EEG-1100B V01.00", "EEG-1100C V01.00", "EEG-1100A V02.00", "EEG-1100B V02.00"),
    *("EEG-1100C V02.00", "QI-403A   V01.00", "QI-403A   V02.00", "EEG-2100  V01.00", "EEG-2100  V02.00"),
    *("DAE-2100D V01.30", "DAE-2100D V02.00", "EEG-1200A V01.00"),
)
EXTENDED = b"EEG-1200A V01.00"
"""What follows the last block if the file has a second list of blocks. The first list then has only a stub."""
EXTENSION_AT = 0x3EE
"""Where the head may state the place of the second list."""
CLOCK_S = 1.0
"""Resolution of the start times of blocks."""
ZERO = 2**15
STEP_UV = 6400 / 2**16
"""EEG inputs measure from -3200 to 3200 µV."""
STEP_DC_UV = 2 * 12_002.9e3 / 2**16
"""DC inputs measure from -12 to 12 V."""


@dataclass(frozen=True)
class NihonBlock:
    """Samples without a pause.

    Attributes
    ----------
    data_at
        Byte of the first sample.
    n_samples, rate_hz
        As the block states them.
    codes
        Code of the input of each channel.
    start
        Clock time of the first sample, in whole seconds; None if it is invalid.
    """

    data_at: int
    n_samples: int
    rate_hz: int
    codes: bytes
    start: datetime | None

    @property
    def frame_bytes(self) -> int:
        """Bytes per point in time: two per channel, and two for the marker."""
        return 2 * (len(self.codes) + 1)


def read_nihon_kohden(path: Path) -> Recording:
    """Open an .EEG file.

    Raises
    ------
    ReadError
        If it is damaged, or its blocks have different channels or rates. Unknown names of channels are a doubt.
    """
    with BinaryFile.open(path) as file:
        blocks = _blocks(file)
        pieces, notes = _pieces(file, blocks)
    rate_hz, codes = blocks[0].rate_hz, blocks[0].codes
    n_samples = sum(length for _, length in pieces)
    if not n_samples:
        raise ReadError(f"{path}: has no samples")
    names, name_notes, doubts = channel_names(path, codes)
    columns = tuple(column for column, name in enumerate(names) if name and codes[column] not in MARKS)
    if not columns:
        raise ReadError(f"{path}: has no channels with names")
    times = _times(blocks)
    layout = layout_of(n_samples, rate_hz, times.joins)
    events, log_notes = read_log(path)
    annotations = [_placed(event, times.start, layout.true_s) for event in events]
    return Recording(
        str(path),
        tuple(names[column] for column in columns),
        float(rate_hz),
        n_samples,
        InterleavedSource(
            path,
            "<u2",
            len(codes) + 1,
            pieces,
            columns,
            tuple(STEP_DC_UV if codes[column] in NOT_EEG else STEP_UV for column in columns),
            (ZERO,) * len(columns),
        ),
        times.start,
        layout.gaps,
        tuple(sorted(annotations, key=lambda note: note.onset_s)),
        kinds=tuple("misc" if codes[column] in NOT_EEG else "" for column in columns),
        notes=(*name_notes, *notes, *log_notes, *times.all_notes),
        doubts=(*doubts, *times.doubts),
    )


def nihon_times(path: Path) -> Times:
    """Return the times that the blocks of an .EEG file state.

    Raises
    ------
    ReadError
        If the file is not an .EEG file of Nihon Kohden.
    """
    with BinaryFile.open(path) as file:
        return _times(_blocks(file))


def _placed(event: LogEvent, start: datetime | None, true_s: Callable[[float], float]) -> Annotation:
    """Return an event at its true time: by its clock if it has one, otherwise by the samples before it."""
    if event.clock is not None and start is not None:
        return Annotation((event.clock - start).total_seconds(), 0.0, event.text)
    return Annotation(true_s(event.second), 0.0, event.text)


def _blocks(file: BinaryFile) -> tuple[NihonBlock, ...]:
    """Return the blocks in the order of the list, all of them with the same channels and rate."""
    versions = [narrow_text(file.bytes(at, 16, "the version")) for at in (0, 0x81)]
    if not {*versions} <= {*VERSIONS}:
        raise ReadError(f"{file.path}: is not a Nihon Kohden file; it states the versions {listed(versions)}")
    blocks = []
    for number in range(file.number("B", 0x91, "the number of lists of blocks")):
        control = file.number("I", 0x92 + 20 * number, "the place of a list of blocks")
        for block in range(file.number("B", control + 17, "a list of blocks")):
            blocks.append(_block(file, file.number("I", control + 18 + 20 * block, "a list of blocks")))
    extension = _extension(file, blocks)
    if extension is not None:
        blocks = _extended_blocks(file, extension)
    elif versions[0].encode() == EXTENDED and all(len(block.codes) == 1 for block in blocks):
        raise ReadError(f"{file.path}: is damaged or truncated: its samples are in a second list that is not found")
    blocks = [block for block in blocks if block.n_samples]
    if not blocks:
        raise ReadError(f"{file.path}: has no samples")
    if len({(block.rate_hz, block.codes) for block in blocks}) > 1:
        raise ReadError(f"{file.path}: its blocks have different channels or sampling rates, which is not read")
    return tuple(blocks)


def _extension(file: BinaryFile, blocks: Sequence[NihonBlock]) -> int | None:
    """Return the place of the second list of blocks: after the last block, and stated in the head."""
    ends = [block.data_at + block.n_samples * block.frame_bytes for block in blocks[-1:]]
    for at in (*ends, file.number("Q", EXTENSION_AT, "the head")):
        if at and at + 17 <= file.n_bytes and file.bytes(at + 1, 16, "the version") == EXTENDED:
            return at
    return None


def _block(file: BinaryFile, at: int) -> NihonBlock:
    rate, tenths, n_channels = file.numbers("HI6xB", at + 0x1A, "a block")
    rate &= 0x3FFF
    codes = file.bytes(at + 0x27, 10 * n_channels, "the channels of a block")[::10]
    start = _clock(file.bytes(at + 0x14, 6, "a block").hex(), "%y%m%d%H%M%S")
    return NihonBlock(at + 0x27 + 10 * n_channels, tenths * rate // 10, rate, codes, start)


def _extended_blocks(file: BinaryFile, at: int) -> list[NihonBlock]:
    """Return the blocks of the second list, whose numbers are wider."""
    if file.number("B", at + 0x11, "the number of lists of blocks") != 1:
        raise ReadError(f"{file.path}: has several lists of blocks in the layout of EEG-1200A, which is not read")
    control = file.number("I", at + 0x12, "the place of a list of blocks")
    blocks = []
    for block in range(file.number("H", control + 0x11, "a list of blocks")):
        begin = file.number("Q", control + 0x14 + 24 * block, "a list of blocks")
        text = file.bytes(begin + 0x14, 14, "a block").decode("latin-1")
        rate, tenths, n_channels = file.numbers("II20xI", begin + 0x28, "a block")
        codes = file.bytes(begin + 0x48, 10 * n_channels, "the channels of a block")[::10]
        start = _clock(text, "%Y%m%d%H%M%S")
        blocks.append(NihonBlock(begin + 0x48 + 10 * n_channels, tenths * rate // 10, rate, codes, start))
    return blocks


def _clock(text: str, form: str) -> datetime | None:
    try:
        return datetime.strptime(text, form).replace(tzinfo=UTC)
    except ValueError:
        return None


def _pieces(file: BinaryFile, blocks: Sequence[NihonBlock]) -> tuple[tuple[tuple[int, int], ...], list[str]]:
    """Return where the samples of each block begin, and how many there are; the last block may be truncated."""
    pieces = [(block.data_at, block.n_samples) for block in blocks]
    at, stated = pieces[-1]
    stored = min(stated, max(file.n_bytes - at, 0) // blocks[-1].frame_bytes)
    if any(
        after.data_at < at + length * after.frame_bytes
        for (at, length), after in zip(pieces, blocks[1:], strict=False)
    ):
        raise ReadError(f"{file.path}: is damaged: its blocks overlap")
    pieces[-1] = at, stored
    notes = [f"it is truncated: its last block has {stored} of {stated} samples"] if stored < stated else []
    return tuple(pieces), notes


def _times(blocks: Sequence[NihonBlock]) -> Times:
    """Return the pauses between blocks. Those within the resolution of the clock have no known length."""
    joins, at_s = [], 0.0
    for before, after in pairwise(blocks):
        length_s = before.n_samples / before.rate_hz
        at_s += length_s
        pause_s = (after.start - before.start).total_seconds() - length_s if after.start and before.start else None
        joins.append(Join(at_s, None if pause_s is not None and abs(pause_s) <= CLOCK_S else pause_s))
    known = any(join.pause_s for join in joins)
    notes = ("its gaps are accurate to the second, since its blocks state start times in seconds",) if known else ()
    return Times(tuple(joins), blocks[0].start, notes=notes)
