"""Parts of the report of a recording in words: what was measured, and what could not be scored."""

from ictal.core.predictions import ALWAYS_KNOWN
from ictal.report.clock import counted, duration_in_words
from ictal.report.day import Day
from ictal.report.score_columns import own_times
from ictal.scoring.quality import flaws_in_words
from ictal.terminology.findings import Frequency, Location, Shape

UNKNOWN = "–"


def frequency_in_words(frequency: Frequency | None) -> str:
    """Write a typical frequency and its range.

    Examples
    --------
    >>> frequency_in_words(Frequency(1.2, 1.0, 1.5, (1.1, 1.3)))
    '1.2 Hz (1.0–1.5)'
    """
    if frequency is None:
        return UNKNOWN
    return f"{frequency.typical:.1f} Hz ({frequency.low:.1f}–{frequency.high:.1f})"


def location_in_words(location: Location | None) -> str:
    """Write side, or main term, and the regions where a pattern is largest."""
    if location is None:
        return UNKNOWN
    start: str = location.main_term
    if location.side:
        start = location.side if start == "lateralized" else f"{start}, more on the {location.side}"
    return ": ".join(part for part in (start, ", ".join(location.regions)) if part)


def shape_in_words(shape: Shape | None) -> str:
    """Write amplitude, sharpness and phases; what is not known is left out.

    Examples
    --------
    >>> shape_in_words(Shape(104.4, "sharp", 3))
    '104 µV, sharp, 3 phases'
    """
    if shape is None:
        return UNKNOWN
    phases = "" if shape.phases is None else counted(shape.phases, "phase")
    return ", ".join(part for part in (f"{shape.amplitude_uv:.0f} µV", shape.sharpness, phases) if part)


def coverage_in_words(day: Day) -> str:
    """State how much of the recording was scored, and why the rest was not."""
    starts, stops = own_times(day.frame)
    seconds, scored = stops - starts, day.frame[ALWAYS_KNOWN].notna().to_numpy()
    gaps = [duration_s for _, duration_s in day.scores.recording.gaps]
    flaws = flaws_in_words(day.frame[~scored])
    lost = {
        f"in {counted(len(gaps), 'gap')}": sum(gaps),
        f"because of low quality{f' ({flaws})' if flaws else ''}": seconds[~scored].sum(),
        "at the edges, outside every window's centre": day.span_s - sum(gaps) - seconds.sum(),
    }
    why = [f"{duration_in_words(total)} {words}" for words, total in lost.items() if total >= 1]
    text = f"{duration_in_words(seconds[scored].sum())} of {duration_in_words(day.span_s)} were scored"
    return f"{text}. Not scored: {'; '.join(why)}." if why else f"{text}."
