"""EEG traces in the double banana montage, 10 s to a page."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ictal.core.montage import CHANNELS, MONTAGES, Derivation, derivations_of
from ictal.core.recording import Signal
from ictal.core.windows import RATE_HZ
from ictal.report.drawing import FAINT, INK, STYLE

BANANA = MONTAGES["double_banana"]
CHAIN_GAP = 0.6
"""Space between two chains, in rows."""
HEART_UV = 400.0
"""The EKG is drawn at its own scale: µV per row."""
HEART_COLOUR = "#a4262c"
SENSITIVITIES_UV = (30.0, 50.0, 70.0, 100.0, 150.0, 200.0, 300.0, 500.0, 1000.0)
"""Possible scales in µV per row, as readers set them."""
PAGE_S = 20
"""Up to this duration, each second is numbered."""


def traces_figure(panels: Sequence[tuple[str, Signal]], row_uv: float = 100.0) -> Figure:
    """Draw EEGs side by side in the double banana.

    Parameters
    ----------
    panels
        Title and samples [20, time] (`CHANNELS` at 200 Hz, µV) of each; NaN where nothing was recorded.
    row_uv
        µV per distance between two rows.
    """
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(0.6 + 5.6 * len(panels), 6.4))
        for axes, (title, samples) in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels, strict=True):
            draw_traces(axes, samples, row_uv)
            axes.set_title(title, fontsize=9, loc="left")
        figure.set_layout_engine("tight")
    return figure


def row_places() -> dict[Derivation, float]:
    """Return the position of each derivation on the vertical axis, from the top downwards."""
    gaps = {first: CHAIN_GAP * number for number, (first, *_) in enumerate(BANANA.values())}
    places, gap = {}, 0.0
    for row, name in enumerate(derivations_of(BANANA)):
        gap = gaps.get(name, gap)
        places[name] = -(row + gap)
    return places


def derived(samples: Signal, derivations: Sequence[Derivation]) -> Signal:
    """Return derivations [derivation, time] of electrodes [20, time]; NaN where either electrode is."""
    anodes, cathodes = ([CHANNELS.index(name) for name in side] for side in zip(*derivations, strict=True))
    return np.asarray(samples[anodes] - samples[cathodes])


def known_rows(rows: Signal) -> list[bool]:
    """Return for each row [row, time] whether it has a sample."""
    return [bool(np.isfinite(row).any()) for row in rows]


def centred(rows: Signal) -> Signal:
    """Return rows [row, time] without their medians; NaN does not count."""
    there = known_rows(rows)
    found = rows.copy()
    found[there] -= np.nanmedian(rows[there], axis=1, keepdims=True)
    return found


def row_scale(samples: Signal) -> float:
    """Return the µV per row for which all but a few peaks stay within the neighbouring rows."""
    rows = centred(derived(samples, tuple(row_places())))
    known = np.abs(rows[np.isfinite(rows)])
    needed = float(np.percentile(known, 97)) if known.size else SENSITIVITIES_UV[0]
    return next((step for step in SENSITIVITIES_UV if step >= needed), SENSITIVITIES_UV[-1])


@dataclass(frozen=True)
class TraceRow:
    """A row of a page of EEG.

    Attributes
    ----------
    name
        Of the derivation, with a star if it uses an interpolated electrode; or EKG.
    place
        On the vertical axis, in rows, from the top downwards: 0, -1, ...
    curve
        [time], in rows upwards from its place; NaN where samples are missing. None if nothing was recorded.
    colour
        Of the curve.
    """

    name: str
    place: float
    curve: Signal | None
    colour: str = INK


def trace_rows(
    samples: Signal, row_uv: float, lost: Collection[Derivation] = (), interpolated: Collection[str] = ()
) -> list[TraceRow]:
    """Return the rows of the double banana, and of the EKG below it if there is one, from the top.

    Samples that were not recorded are not to be drawn: a line has a gap where samples are missing, a derivation
    without samples has a grey name and no line, and a recording without EKG has no row for it.

    Parameters
    ----------
    samples, row_uv
        As in `traces_figure`; NaN where nothing was recorded.
    lost
        Derivations that the recording cannot form; nothing is drawn of them.
    interpolated
        Electrodes that are interpolated from others; their derivations are marked by a star.
    """
    places = row_places()
    rows = centred(derived(samples, tuple(places)))
    rows[[name in lost for name in places]] = np.nan
    found = [
        TraceRow(f"{name}*" if {*name} & {*interpolated} else str(name), place, row / row_uv if known else None)
        for (name, place), row, known in zip(places.items(), rows, known_rows(rows), strict=True)
    ]
    heart = centred(samples[[CHANNELS.index("EKG")]])
    if any(known_rows(heart)):
        found.append(TraceRow("EKG", found[-1].place - 1 - CHAIN_GAP, heart[0] / HEART_UV, HEART_COLOUR))
    return found


def draw_traces(
    axes: Axes, samples: Signal, row_uv: float, start_s: float = 0.0, *, lost: Collection[Derivation] = ()
) -> None:
    """Draw one EEG in the double banana, with the EKG below it.

    What was not recorded is left out, see `trace_rows`.

    Parameters
    ----------
    axes
        To draw on.
    samples, row_uv, lost
        See `trace_rows`.
    start_s
        Time of the first sample on the axis.
    """
    duration_s = (samples.shape[1] - 1) / RATE_HZ
    time = start_s + np.arange(samples.shape[1]) / RATE_HZ
    rows = trace_rows(samples, row_uv, lost)
    for row in rows:
        if row.curve is None:
            axes.text(start_s, row.place, "  not recorded", fontsize=7, color=FAINT, va="center")
        else:
            axes.plot(time, row.curve + row.place, color=row.colour, lw=0.5)
    axes.set_yticks([row.place for row in rows], [row.name for row in rows], fontsize=7)
    for label, row in zip(axes.get_yticklabels(), rows, strict=True):
        label.set_color(FAINT if row.curve is None else INK)
    axes.set_ylim(rows[-1].place - 1.5, 1.5)
    axes.set_xlim(start_s, time[-1])
    axes.set_xticks(np.arange(start_s, time[-1] + 1, 1 if duration_s <= PAGE_S else 5))
    axes.grid(axis="x", color=FAINT, lw=0.3)
    axes.spines["left"].set_visible(False)
    axes.tick_params(axis="y", length=0)
    bar = 1.01 * duration_s
    axes.plot([start_s + bar] * 2, [0.5, -0.5], color=INK, lw=2, clip_on=False)
    axes.text(start_s + 1.008 * bar, 0, f"{row_uv:g} µV", fontsize=7, ha="left", va="center")
    axes.set_xlabel("seconds")
