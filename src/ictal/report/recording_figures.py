"""The figure that gives an overview of a scored recording."""

from collections.abc import Callable
from functools import partial
from typing import Any

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LinearSegmentedColormap, Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from ictal.core.labels import PATTERN_TITLES, PATTERNS
from ictal.core.predictions import ALWAYS_KNOWN, PROBABILITY_COLUMNS
from ictal.report.clock import HOUR_S, MINUTE_S, counted, duration_in_words, interval_in_words
from ictal.report.colours import PATTERN_COLOURS
from ictal.report.day import Day
from ictal.report.drawing import FAINT, INK, STYLE
from ictal.report.score_columns import Floats, column_means, spectra
from ictal.scoring.burden import burden
from ictal.scoring.events import EventSettings
from ictal.scoring.quality import FLAWS, N_ELECTRODES, SPECTRUM_HZ
from ictal.scoring.scores import Scores

GAP = "#aab2bb"
BAND = "#52606d"
BLANK: dict[str, Any] = {"facecolor": "white", "edgecolor": "#cdd3da", "hatch": "////", "linewidth": 0.0}
AEEG_LINEAR_UV = 10.0
"""The scale of the amplitude-integrated EEG is linear up to this, then logarithmic (Hellström-Westas et al. 2006)."""
AEEG_TICKS_UV = (0, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000)
AEEG_TOPS_UV = (100, 250, 500, 1000, 2500, 5000, 10_000)
"""Possible upper limits of its axis, the same for both sides."""
AEEG_SHOWN = 99
"""The axis extends to this percentile of the upper border, so that a rare artifact does not flatten the rest."""
WIDTH, TOP, BETWEEN, BOTTOM = 11.0, 0.55, 0.33, 0.5
"""Width of the figure, and space above, between and below its panels, in inches."""
LEFT, RIGHT = 0.1, 0.87
"""Start and end of the time axis, as shares of the width."""
TROUBLE = LinearSegmentedColormap.from_list("trouble", ["#ffffff", "#f0b98d", "#b3541e", "#4d1d00"])


def burden_every(span_s: float) -> int:
    """Return the interval of burden in seconds, chosen so that bars do not crowd."""
    if span_s > 36 * HOUR_S:
        return 6 * HOUR_S
    return HOUR_S if span_s > 3 * HOUR_S else 10 * MINUTE_S


def scores_figure(scores: Scores, settings: EventSettings | None = None) -> Figure:
    """Draw an overview of a scored recording: panels above each other with one time axis.

    Time that was not scored is hatched and gaps are grey, so that neither is mistaken for a low value. Images have
    `ictal.report.day.N_COLUMNS` time columns, each the mean over its time. Events are drawn at their own times and
    never thinner than a line, so that short events are visible in long recordings.
    """
    day = Day(scores, settings or EventSettings())
    every = burden_every(day.span_s)
    shown = [panel for panel in PANELS if panel[2] is not _draw_burden or day.span_s >= 2 * every]
    heights = [height for _, height, _ in shown]
    inches = TOP + sum(heights) + BETWEEN * (len(heights) - 1) + BOTTOM
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, inches))
        figure.subplots_adjust(LEFT, BOTTOM / inches, RIGHT, 1 - TOP / inches)
        panels = figure.subplots(
            len(shown), squeeze=False, height_ratios=heights, gridspec_kw={"hspace": BETWEEN / np.mean(heights)}
        )[:, 0]
        for axes, (title, _, draw) in zip(panels, shown, strict=True):
            axes.set_title(title.format(every=interval_in_words(every)), fontsize=8.5, loc="left", pad=3)
            draw(axes, day)
            _finish(axes, day, last=axes is panels[-1])
        _legend(figure, day, 1 - 0.16 / inches)
    return figure


def _legend(figure: Figure, day: Day, height: float) -> None:
    handles = [Patch(color=PATTERN_COLOURS[name], label=PATTERN_TITLES[name]) for name in (*day.patterns, "other")]
    handles += [Patch(**BLANK, label="not scored"), Patch(color=GAP, label="gap in the recording")]
    at = ((LEFT + RIGHT) / 2, height)
    figure.legend(
        handles=handles, loc="center", bbox_to_anchor=at, ncols=8, fontsize=8.5, handlelength=1.3, columnspacing=1.4
    )


def _finish(axes: Axes, day: Day, last: bool) -> None:
    """Add the time axis, hatching and gaps to a panel."""
    axes.patch.set(**BLANK)
    for start_s, duration_s in day.scores.recording.gaps:
        axes.axvspan(start_s, start_s + duration_s, facecolor=GAP, edgecolor=GAP, lw=0.6, zorder=2.5)
    places, labels = day.clock.ticks(day.span_s)
    axes.set_xlim(0, day.span_s)
    axes.set_xticks(places, labels if last else [""] * len(places))
    axes.grid(axis="x", color=INK, alpha=0.15, lw=0.5)
    axes.tick_params(labelsize=7.5, length=2.5)
    axes.spines[["top", "right", "left", "bottom"]].set_visible(True)
    if last and day.clock.start is None:
        axes.set_xlabel("time since the start", fontsize=8)


def _ground(axes: Axes, day: Day, known: Floats) -> None:
    """Paint the background white where values [column] are known; the rest stays hatched."""
    for start, stop in _true_ranges(np.isfinite(known)):
        axes.axvspan(day.edges[start], day.edges[stop], color="white", lw=0, zorder=0)


def _true_ranges(flags: npt.NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Return the first index of each sequence of true flags, and the one after its last."""
    steps = np.flatnonzero(np.diff(np.concatenate([[False], flags, [False]]).astype(np.int8)))
    return [(int(start), int(stop)) for start, stop in steps.reshape(-1, 2)]


def _draw_events(axes: Axes, day: Day) -> None:
    _ground(axes, day, day.column(ALWAYS_KNOWN)[:, 0])
    for row, pattern in enumerate(day.patterns):
        events = day.events_of(pattern)
        bars = [(event.start_s, event.duration_s) for event in events]
        colour = PATTERN_COLOURS[pattern]
        axes.broken_barh(bars, (row - 0.36, 0.72), facecolor=colour, edgecolor=colour, linewidth=0.8, zorder=3)
        total = duration_in_words(sum(event.duration_s for event in events))
        words = f"{counted(len(events), 'event')}, {total}" if events else "none"
        axes.text(1.008, row, words, transform=axes.get_yaxis_transform(), fontsize=7, va="center")
    axes.set_ylim(len(day.patterns) - 0.4, -0.6)
    axes.set_yticks(range(len(day.patterns)), [PATTERN_TITLES[pattern] for pattern in day.patterns])


def _draw_probabilities(axes: Axes, day: Day) -> None:
    values = day.column(*PROBABILITY_COLUMNS)
    scored = np.isfinite(day.column(ALWAYS_KNOWN))
    values = np.where(scored, np.nan_to_num(values), np.nan)  # a pattern that the model does not know has no height
    colours = [PATTERN_COLOURS[pattern] for pattern in PATTERNS]
    stacks = axes.stackplot(day.middles, values.T, colors=colours, lw=0, step="mid", antialiased=False)
    for stack in stacks:
        stack.set_rasterized(True)
    _percent(axes, 1.0)


def _percent(axes: Axes, top: float) -> None:
    axes.set_ylim(0, top)
    axes.set_yticks([0, top / 2, top], [f"{100 * value:g} %" for value in (0, top / 2, top)])


def _draw_spectrum(axes: Axes, day: Day, side: str) -> None:
    both = np.concatenate([spectra(day.frame, "left"), spectra(day.frame, "right")])
    finite = both[np.isfinite(both)]
    low, high = np.percentile(finite, [2, 99]) if finite.size else (0.0, 1.0)
    image = column_means(day.edges, day.frame, spectra(day.frame, side))
    scale = Normalize(low, max(high, low + 1))
    axes.imshow(
        image.T, aspect="auto", origin="lower", norm=scale, cmap="viridis", interpolation="nearest",
        extent=(0, day.span_s, SPECTRUM_HZ[0] - 0.25, SPECTRUM_HZ[-1] + 0.25), zorder=1,
    )  # fmt: skip
    axes.set_yticks([1, 5, 10, 15, 20])
    axes.set_ylabel("Hz", fontsize=8)
    if finite.size:
        _bar(axes, ScalarMappable(scale, "viridis"), "dB of 1 µV²/Hz")


def _bar(axes: Axes, colours: ScalarMappable, label: str, **options: Any) -> None:
    box = axes.inset_axes((1.012, 0.0, 0.012, 1.0))
    bar = axes.figure.colorbar(colours, cax=box, **options)
    bar.outline.set_visible(False)
    bar.set_label(label, fontsize=7.5)
    box.tick_params(labelsize=7, length=2)


def _draw_aeeg(axes: Axes, day: Day, side: str) -> None:
    low, high = day.column(f"aeeg_{side}_low", f"aeeg_{side}_high").T
    _ground(axes, day, low)
    axes.fill_between(day.middles, low, high, step="mid", color=BAND, lw=0, zorder=2, rasterized=True)
    axes.set_yscale("function", functions=(semilog, semilog_inverse))
    top = aeeg_top(day.frame[["aeeg_left_high", "aeeg_right_high"]].to_numpy(dtype=np.float64))
    axes.set_ylim(0, top)
    axes.set_yticks([tick for tick in AEEG_TICKS_UV if tick <= top])
    axes.grid(axis="y", color=FAINT, lw=0.4, zorder=1)
    axes.set_ylabel("µV", fontsize=8)


def aeeg_top(highs: Floats) -> float:
    """Return the upper limit of the axis for these upper borders, µV; NaN does not count."""
    known = highs[np.isfinite(highs)]
    needed = float(np.percentile(known, AEEG_SHOWN)) if known.size else 0.0
    return next((top for top in AEEG_TOPS_UV if top >= needed), AEEG_TOPS_UV[-1])


def semilog(microvolts: Any) -> Any:
    """Return the height on the scale of the amplitude-integrated EEG: 1 at 10 µV, 2 at 100 µV."""
    values = np.asarray(microvolts, dtype=np.float64) / AEEG_LINEAR_UV
    return np.where(values > 1, 1 + np.log10(np.maximum(values, 1)), values)


def semilog_inverse(height: Any) -> Any:
    """Return the µV at a height of `semilog`."""
    values = np.asarray(height, dtype=np.float64)
    return AEEG_LINEAR_UV * np.where(values > 1, 10 ** (np.maximum(values, 1) - 1), values)


def _draw_burden(axes: Axes, day: Day) -> None:
    seconds = burden_every(day.span_s)
    table = burden(day.frame, day.events, f"{seconds:g}s")
    _ground(axes, day, day.column(ALWAYS_KNOWN)[:, 0])
    width = seconds * 0.84 / len(day.patterns)
    for number, pattern in enumerate(day.patterns):
        rows = table[table["pattern"] == pattern]
        lefts = rows["start_s"] + seconds * 0.08 + number * width
        axes.bar(lefts, rows["burden"].fillna(0), width * 0.9, align="edge", color=PATTERN_COLOURS[pattern], zorder=3)
    for edge in np.arange(seconds, day.span_s, seconds):
        axes.axvline(edge, color=FAINT, lw=0.5, ls=":", zorder=2)
    highest = table["burden"].max()
    _percent(axes, next((top for top in (0.1, 0.2, 0.5) if highest <= top), 1.0))


def _draw_spread(axes: Axes, day: Day) -> None:
    values = day.column("spread")[:, 0]
    _ground(axes, day, values)
    axes.fill_between(day.middles, 0, values, step="mid", color=FAINT, lw=0, zorder=2, rasterized=True)
    _percent(axes, 1.0)


def _draw_quality(axes: Axes, day: Day) -> None:
    """Draw the share of electrodes with each flaw, and of time without a prediction, as rows of an image."""
    counts = day.column(*FLAWS) / N_ELECTRODES
    refused = (day.frame["reason"] != "").to_numpy(dtype=np.float64)
    unusable = 1 - day.frame["usable"].to_numpy(dtype=np.float64)
    first = column_means(day.edges, day.frame, np.stack([refused, unusable], axis=1))
    image = np.concatenate([first, counts], axis=1).T
    names = ["refused", "unusable", *(flaw.replace("_", " ") for flaw in FLAWS)]
    axes.imshow(
        image, aspect="auto", cmap=TROUBLE, vmin=0, vmax=1, interpolation="nearest",
        extent=(0, day.span_s, len(names) - 0.5, -0.5), zorder=1,
    )  # fmt: skip
    axes.set_yticks(range(len(names)), names)
    for row in range(1, len(names)):
        axes.axhline(row - 0.5, color=FAINT, lw=0.3, zorder=2)
    ticks = {"ticks": [0, 0.5, 1], "format": lambda value, _: f"{100 * value:g} %"}
    _bar(axes, ScalarMappable(Normalize(0, 1), TROUBLE), "of electrodes", **ticks)


PANELS: tuple[tuple[str, float, Callable[[Axes, Day], None]], ...] = (
    ("Events", 1.05, _draw_events),
    ("Probability of each pattern", 1.3, _draw_probabilities),
    ("Burden: share of the scored time of each {every} in events", 0.9, _draw_burden),
    ("Spread of the prediction: 0 % if one pattern is certain, 83 % if all are equally likely", 0.5, _draw_spread),
    ("Spectrum, left hemisphere", 0.95, partial(_draw_spectrum, side="left")),
    ("Spectrum, right hemisphere", 0.95, partial(_draw_spectrum, side="right")),
    ("Amplitude-integrated EEG, left (C3-P3)", 0.85, partial(_draw_aeeg, side="left")),
    ("Amplitude-integrated EEG, right (C4-P4)", 0.85, partial(_draw_aeeg, side="right")),
    ("Quality: share of electrodes with a flaw, and refused time", 1.15, _draw_quality),
)
"""Title, height in inches and drawing function of each panel, from the top."""
