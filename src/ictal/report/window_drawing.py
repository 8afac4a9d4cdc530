"""A window of a report as SVG: 10 s in the double banana montage, beside its six probabilities.

It is written directly: matplotlib would need a second for the windows of a report.
"""

from collections.abc import Collection, Iterable, Sequence
from html import escape
from typing import Literal

import numpy as np
import numpy.typing as npt

from ictal.core.labels import PATTERN_TITLES, PATTERNS
from ictal.core.montage import Derivation
from ictal.core.recording import Signal
from ictal.core.windows import CENTRE_S, CENTRE_SAMPLES
from ictal.report.colours import PATTERN_COLOURS
from ictal.report.drawing import FAINT, INK, next_id
from ictal.report.traces import TraceRow, row_scale, trace_rows

WIDTH, HEIGHT = 792, 360
"""In points, as all lengths here; y counts downwards."""
LEFT, TOP, BOTTOM = 44, 5, 330
"""Borders of the traces."""
UNITS = 2
"""Steps of a curve from sample to sample: it is written in whole steps of 0.14 points, a fifth of a pixel."""
STEP = 560 / (CENTRE_SAMPLES * UNITS)
RIGHT = LEFT + CENTRE_SAMPLES * UNITS * STEP
ABOVE = 1.5
"""Space above the first trace and below the last, in rows."""
BARS_LEFT, BARS_WIDTH, BAR_ROW = 668, 94, 16
"""Start of the bars, length of a probability of one, and distance between bars."""
FONT = "DejaVu Sans, Verdana, sans-serif"


def window_svg(
    samples: Signal,
    probabilities: Sequence[float],
    axis: str,
    lost: Collection[Derivation] = (),
    interpolated: Collection[str] = (),
) -> str:
    """Draw one centre next to its six probabilities.

    What was not recorded is left out, see `ictal.report.traces.trace_rows`.

    Parameters
    ----------
    samples
        [20, time] of at most 10 s, `CHANNELS` at 200 Hz, µV; NaN where nothing was recorded.
    probabilities
        In the order of `PATTERNS`; NaN for those that the model does not know.
    axis
        Label of the time axis.
    lost, interpolated
        See `ictal.report.traces.trace_rows`.

    Returns
    -------
    str
        An SVG element for a page; its id is unique.
    """
    row_uv = row_scale(samples)
    rows = trace_rows(samples, row_uv, lost, interpolated)
    parts = [*_time_axis(axis), *_traces(rows, row_uv), *_bars(probabilities)]
    if interpolated:
        note = f"* with an interpolated electrode: {', '.join(interpolated)}"
        parts.append(_text(LEFT, BOTTOM + 22, note, 7, "start"))
    return (
        f'<svg width="{WIDTH}pt" height="{HEIGHT}pt" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="{FONT}" '
        f'fill="{INK}">{"".join(parts)}</svg>'
    )


def _time_axis(label: str) -> Iterable[str]:
    """Draw the axis, and a line for each second."""
    places = [LEFT + (RIGHT - LEFT) * second / CENTRE_S for second in range(CENTRE_S + 1)]
    lines = "".join(f"M{place:g} {TOP}V{BOTTOM}" for place in places)
    ticks = "".join(f"M{place:g} {BOTTOM}v3.5" for place in places)
    yield f'<path d="{lines}" stroke="{FAINT}" stroke-width=".3"/>'
    yield f'<path d="{ticks}" stroke="{INK}" stroke-width=".8"/>'
    yield f'<path d="M{LEFT} {BOTTOM}H{RIGHT:g}" stroke="{FAINT}" stroke-width=".8"/>'
    yield from (_text(place, BOTTOM + 10.5, f"{second}", 9, "middle") for second, place in enumerate(places))
    yield _text((LEFT + RIGHT) / 2, BOTTOM + 24, label, 9, "middle")


def _traces(rows: Sequence[TraceRow], row_uv: float) -> Iterable[str]:
    """Draw curves and their names, and the bar that shows their scale."""
    height = (BOTTOM - TOP) / (2 * ABOVE - rows[-1].place)
    clip = next_id()
    yield f'<clipPath id="{clip}"><path d="M{LEFT} {TOP}H{RIGHT:g}V{BOTTOM}H{LEFT}z"/></clipPath>'
    yield f'<g clip-path="url(#{clip})" fill="none" stroke-linejoin="round">'
    yield f'<g transform="translate({LEFT} {TOP}) scale({STEP:g})">'
    for row in rows:
        if row.curve is not None:
            path = _curve(height / STEP * (ABOVE - row.place - row.curve))
            yield f'<path d="{path}" stroke="{row.colour}" stroke-width="{0.5 / STEP:.2f}"/>'
    yield "</g></g>"
    for row in rows:
        y, colour = TOP + height * (ABOVE - row.place), INK if row.curve is not None else FAINT
        yield _text(LEFT - 3.5, y, row.name, 7, "end", colour)
        if row.curve is None:
            yield _text(LEFT + 3, y, "not recorded", 7, "start", FAINT)
    top = TOP + (ABOVE - 0.5) * height
    yield f'<path d="M{RIGHT + 6:g} {top:.1f}v{height:.1f}" stroke="{INK}" stroke-width="2"/>'
    yield _text(RIGHT + 10, TOP + ABOVE * height, f"{row_uv:g} µV", 7, "start")


def _curve(steps: npt.NDArray[np.floating]) -> str:
    """Return the path of a curve, in steps, [time]; positions are rounded, so that no error accumulates."""
    known = np.isfinite(steps)
    y = np.where(known, steps, 0).round().astype(int)
    borders = np.flatnonzero(np.diff(np.concatenate([[False], known, [False]]).astype(np.int8)))
    path = []
    for first, last in zip(borders[::2].tolist(), borders[1::2].tolist(), strict=True):
        path.append(f"M{UNITS * first} {y[first]}")
        if last - first > 1:
            moves = f" {UNITS} ".join(map(str, np.diff(y[first:last]).tolist()))
            path.append(f"l{UNITS} {moves}".replace(" -", "-"))
    return "".join(path)


def _bars(probabilities: Sequence[float]) -> Iterable[str]:
    for row, (pattern, value) in enumerate(zip(PATTERNS, probabilities, strict=True)):
        y, length = TOP + BAR_ROW * (row + 0.5), BARS_WIDTH * float(np.nan_to_num(value))
        colour = PATTERN_COLOURS[pattern]
        yield f'<path d="M{BARS_LEFT} {y - 5.6:g}h{length:.1f}v11.2H{BARS_LEFT}z" fill="{colour}"/>'
        yield _text(BARS_LEFT - 3.5, y, PATTERN_TITLES[pattern], 8, "end")
        yield _text(BARS_LEFT + length + 3, y, "not known" if np.isnan(value) else f"{value:.2f}", 7.5, "start")
    bottom = TOP + BAR_ROW * len(PATTERNS)
    yield f'<path d="M{BARS_LEFT} {TOP}V{bottom}" stroke="{FAINT}" stroke-width=".8"/>'
    yield _text(BARS_LEFT, bottom + 8, "probabilities", 8, "start")


def _text(
    x: float, y: float, words: str, size: float, anchor: Literal["start", "middle", "end"], colour: str = INK
) -> str:
    """Write words, vertically centred at a place."""
    fill = "" if colour == INK else f' fill="{colour}"'
    place = f'x="{x:g}" y="{y + 0.36 * size:.1f}"'
    return f'<text {place} font-size="{size:g}" text-anchor="{anchor}"{fill}>{escape(words)}</text>'
