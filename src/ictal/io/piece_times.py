"""Order of the pieces of one recording, and their places in time, from the starts that their files state."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise

from ictal.core.recording import Recording
from ictal.errors import listed
from ictal.io.edf.dates import FIRST_DAY
from ictal.io.times import JITTER_S, ROUNDING_S

CLOCK_S = 1.0
"""Resolution of starts in whole seconds (EDF). A piece may also begin this much before the end of the one before it,
since a recorder's clock drifts from its samples."""
HOUR_S, SUNDAY = 3600.0, 7
FORWARD_MONTHS, CHANGE_HOURS = (3, 4, 9, 10), range(5)
"""Most clocks are set forward on a Sunday of these months, before 5 o'clock (IANA time zone database)."""
LONG_GAP_S, LONGEST_GAP_S = 86_400.0, 7 * 86_400.0
"""Gaps between pieces that are mentioned, and that are in doubt."""


@dataclass(frozen=True)
class PieceTimes:
    """The pieces in their order, and what is known about their times.

    Attributes
    ----------
    order
        For each place in time, the number of the piece.
    onsets_s
        Time of the first sample of each, in that order, in seconds from the start of the first.
    notes, doubts, problems
        As in `Recording`; problems are reasons why the pieces cannot be joined.
    """

    order: tuple[int, ...] = ()
    onsets_s: tuple[float, ...] = ()
    notes: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Timed:
    """A piece: its number, name, start without time zone, and duration with its own gaps."""

    number: int
    name: str
    start: datetime
    span_s: float

    def late_s(self, before: "_Timed") -> float:
        """Return how much later it begins than another piece ends."""
        return (self.start - before.start).total_seconds() - before.span_s


def place_pieces(pieces: Sequence[Recording], names: Sequence[str]) -> PieceTimes:
    """Order pieces by their starts, and find the gaps between them.

    - A piece that begins more than `CLOCK_S` before the one before it ends overlaps with it: a problem.
    - If all starts are in whole seconds, gaps below `CLOCK_S` are not known; otherwise, those up to `JITTER_S`. Such
      pieces are joined without a gap, and a note says by how much the clock differs from the samples.
    - A piece that begins an hour before the one before it ends is a doubt: the clock may have been set back. So is a
      gap of an hour in a night in which clocks are set forward, and a gap above `LONGEST_GAP_S`.

    Parameters
    ----------
    pieces
        At least one.
    names
        Their names in messages.
    """
    if len(pieces) == 1:
        return PieceTimes((0,), (0.0,))
    starts = [piece.start for piece in pieces]
    unknown = [name for name, start in zip(names, starts, strict=True) if start is None]
    if unknown:
        return PieceTimes(problems=tuple(f"{name} states no start, which gives the order" for name in unknown))
    given = [
        _Timed(number, names[number], _plain(start), pieces[number].span_s)
        for number, start in enumerate(starts)
        if start is not None
    ]
    by_name = sorted(given, key=lambda piece: _natural(piece.name))
    by_start = sorted(by_name, key=lambda piece: piece.start)
    # After a clock was set back, an hour comes twice, and only the names show the order.
    chosen = by_start if _follow(by_start) or _overlaps(by_name) else by_name
    onsets_s, differences = _onsets(chosen)
    return PieceTimes(
        tuple(piece.number for piece in chosen),
        tuple(onsets_s),
        (*differences, *_days(chosen, LONG_GAP_S, LONGEST_GAP_S)),
        (*_clock_changes(chosen), *_days(chosen, LONGEST_GAP_S), *_undated(chosen, by_name)),
        tuple(_overlaps(chosen)),
    )


def _plain(start: datetime) -> datetime:
    """Return a start without time zone: in UTC, if it has one."""
    return start if start.tzinfo is None else start.astimezone(UTC).replace(tzinfo=None)


def _natural(name: str) -> list[str | int]:
    """Return a key that sorts 'night_2' before 'night_10'."""
    return [int(part) if part.isdecimal() else part.casefold() for part in re.split(r"(\d+)", name)]


def _was_set_back(late_s: float) -> bool:
    return abs(late_s + HOUR_S) <= CLOCK_S


def _follow(pieces: Sequence[_Timed]) -> bool:
    """Return whether each piece begins when the one before it ends."""
    return all(abs(piece.late_s(before)) <= CLOCK_S + ROUNDING_S for before, piece in pairwise(pieces))


def _overlaps(pieces: Sequence[_Timed]) -> list[str]:
    """Return a sentence for each piece that begins before the one before it ends."""
    found = []
    for before, piece in pairwise(pieces):
        late_s = piece.late_s(before)
        if late_s >= -CLOCK_S - ROUNDING_S or _was_set_back(late_s):
            continue
        if piece.start == before.start:
            found.append(f"{before.name} and {piece.name} begin at the same time, {piece.start:%Y-%m-%d %H:%M:%S}")
        else:
            found.append(f"{piece.name} begins {-late_s:.6g} s before {before.name} ends")
    return found


def _onsets(pieces: Sequence[_Timed]) -> tuple[list[float], list[str]]:
    """Return the onset of each piece, and a note if gaps are too short to be known."""
    known_s = JITTER_S if any(piece.start.microsecond for piece in pieces) else CLOCK_S
    onsets_s, end_s, back_s = [0.0], pieces[0].span_s, 0.0
    ignored: dict[str, float] = {}
    for before, piece in pairwise(pieces):
        late_s = piece.late_s(before)
        if _was_set_back(late_s):
            late_s, back_s = late_s + HOUR_S, back_s + HOUR_S
        # Small differences add up, so the whole time since the first start counts, too.
        since_s = (piece.start - pieces[0].start).total_seconds() + back_s - end_s
        gap_s = max(late_s, since_s)
        if gap_s < known_s - ROUNDING_S:
            ignored |= {piece.name: since_s} if abs(since_s) > JITTER_S else {}
            gap_s = 0.0
        onsets_s.append(end_s + gap_s)
        end_s = onsets_s[-1] + piece.span_s
    if not ignored:
        return onsets_s, []
    differences = listed(f"{name} by {late_s:+.2g} s" for name, late_s in ignored.items())
    return onsets_s, [f"joined without a gap, although the clock differs from the samples: {differences}"]


def _clock_changes(pieces: Sequence[_Timed]) -> list[str]:
    found = []
    for before, piece in pairwise(pieces):
        late_s, start = piece.late_s(before), piece.start
        if _was_set_back(late_s):
            found.append(
                f"{piece.name} begins an hour before {before.name} ends, as after a clock was set back; they are "
                "read as one after the other, but may be two recordings of the same hour"
            )
        night = start.isoweekday() == SUNDAY and start.month in FORWARD_MONTHS and start.hour in CHANGE_HOURS
        if night and abs(late_s - HOUR_S) <= CLOCK_S:
            found.append(
                f"{piece.name} begins an hour after {before.name} ends, in a night in which clocks are set forward; "
                "this is read as a gap, but there may be none"
            )
    return found


def _days(pieces: Sequence[_Timed], above_s: float, to_s: float = math.inf) -> list[str]:
    """Return a sentence for each gap of a length in days."""
    late = [(before, piece, piece.late_s(before)) for before, piece in pairwise(pieces)]
    return [
        f"{piece.name} begins {late_s / LONG_GAP_S:.1f} days after {before.name} ends"
        for before, piece, late_s in late
        if above_s < late_s <= to_s
    ]


def _undated(chosen: Sequence[_Timed], by_name: Sequence[_Timed]) -> list[str]:
    """Return a sentence if dates are unknown, and the order may be wrong: midnight comes before the evening."""
    if chosen == by_name or all(piece.start.date() != FIRST_DAY for piece in chosen):
        return []
    return [f"pieces are dated {FIRST_DAY}, which stands for an unknown date, and their names suggest another order"]
