"""Nihon Kohden: recording times of the blocks in an .EEG file, which MNE-Python reads as if they were continuous.

Source: the layout used by nk2edf (Teunis van Beelen) and biosig; MNE-Python uses the same one.
"""

from datetime import UTC, datetime
from pathlib import Path

from ictal.io.times import Join, Times

COMPANIONS = (".21E", ".PNT", ".LOG")
"""Files with channel names, patient and events; MNE-Python expects these suffixes in capitals."""
CLOCK_S = 1.0
"""Resolution of the start times of blocks."""


def nihon_times(path: Path) -> Times:
    """Return the times that the blocks of an .EEG file state; empty if the file has another format."""
    content = path.open("rb")
    with content:

        def number(at: int, width: int) -> int:
            content.seek(at)
            return int.from_bytes(content.read(width), "little")

        def start(at: int) -> datetime | None:
            content.seek(at)
            digits = content.read(6).hex()
            try:
                return datetime.strptime("20" + digits, "%Y%m%d%H%M%S").replace(tzinfo=UTC)
            except ValueError:
                return None

        control = number(0x92, 4)
        blocks = [number(control + 18 + 20 * block, 4) for block in range(number(control + 17, 1))]
        lengths, starts = [], []
        for block in blocks:
            rate_hz, tenths = number(block + 0x1A, 2) & 0x3FFF, number(block + 0x1C, 4)
            lengths.append(tenths * rate_hz // 10 / rate_hz if rate_hz else 0.0)
            starts.append(start(block + 0x14))
    joins, at_s = [], 0.0
    for length_s, before, after in zip(lengths, starts, starts[1:], strict=False):
        at_s += length_s
        pause_s = (after - before).total_seconds() - length_s if after and before else None
        joins.append(Join(at_s, None if pause_s is not None and abs(pause_s) <= CLOCK_S else pause_s))
    known = any(join.pause_s for join in joins)
    notes = ("its gaps are accurate to the second, since its blocks state start times in seconds",) if known else ()
    return Times(tuple(joins), starts[0] if starts else None, notes=notes)
