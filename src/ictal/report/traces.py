"""EEG as readers know it: the double banana over time, 10 s to a page."""

from collections.abc import Sequence

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ictal.montage import CHANNELS, MONTAGES, Derivation, derivations_of, montage_matrix
from ictal.recording import Signal
from ictal.report.drawing import FAINT, INK, STYLE
from ictal.windows import RATE_HZ

BANANA = MONTAGES["double_banana"]
CHAIN_GAP = 0.6
"""Blank between two chains, in rows."""
HEART_UV = 400.0
"""The EKG is drawn at its own scale: so many µV to a row."""
SENSITIVITIES_UV = (30.0, 50.0, 70.0, 100.0, 150.0, 200.0, 300.0, 500.0, 1000.0)
"""What a row may stand for, as readers set it."""
PAGE_S = 20
"""Up to this duration each second is numbered."""


def traces_figure(panels: Sequence[tuple[str, Signal]], row_uv: float = 100.0) -> Figure:
    """Draw EEGs side by side in the double banana.

    Parameters
    ----------
    panels
        Title and samples [20, time] (`CHANNELS` at 200 Hz, µV) of each.
    row_uv
        How many µV are as high as the distance between two rows.
    """
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(0.6 + 5.6 * len(panels), 6.4))
        for axes, (title, samples) in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels, strict=True):
            draw_traces(axes, samples, row_uv)
            axes.set_title(title, fontsize=9, loc="left")
        figure.set_layout_engine("tight")
    return figure


def row_places() -> dict[Derivation, float]:
    """Return where the row of each derivation lies on the vertical axis, from the top downwards."""
    gaps = {first: CHAIN_GAP * number for number, (first, *_) in enumerate(BANANA.values())}
    places, gap = {}, 0.0
    for row, name in enumerate(derivations_of(BANANA)):
        gap = gaps.get(name, gap)
        places[name] = -(row + gap)
    return places


def row_scale(samples: Signal) -> float:
    """Return how many µV a row stands for, so that all but a few peaks stay within their neighbours' rows."""
    rows = montage_matrix(tuple(row_places())) @ samples
    needed = float(np.percentile(np.abs(rows - np.median(rows, axis=1, keepdims=True)), 97))
    return next((step for step in SENSITIVITIES_UV if step >= needed), SENSITIVITIES_UV[-1])


def draw_traces(axes: Axes, samples: Signal, row_uv: float, start_s: float = 0.0) -> None:
    """Draw one EEG in the double banana, with the EKG below it.

    Parameters
    ----------
    axes
        To draw on.
    samples, row_uv
        As in `traces_figure`.
    start_s
        Time of the first sample on the axis.
    """
    duration_s = (samples.shape[1] - 1) / RATE_HZ
    time = start_s + np.arange(samples.shape[1]) / RATE_HZ
    places = row_places()
    rows = montage_matrix(tuple(places)) @ samples
    for place, row in zip(places.values(), rows - np.median(rows, axis=1, keepdims=True), strict=True):
        axes.plot(time, row / row_uv + place, color=INK, lw=0.5)
    heart, below = samples[CHANNELS.index("EKG")], min(places.values()) - 1 - CHAIN_GAP
    axes.plot(time, (heart - np.median(heart)) / HEART_UV + below, color="#a4262c", lw=0.5)
    axes.set_yticks([*places.values(), below], [*map(str, places), "EKG"], fontsize=7)
    axes.set_ylim(below - 1.5, 1.5)
    axes.set_xlim(start_s, time[-1])
    axes.set_xticks(np.arange(start_s, time[-1] + 1, 1 if duration_s <= PAGE_S else 5))
    axes.grid(axis="x", color=FAINT, lw=0.3)
    axes.spines["left"].set_visible(False)
    axes.tick_params(axis="y", length=0)
    bar = 1.01 * duration_s
    axes.plot([start_s + bar] * 2, [0.5, -0.5], color=INK, lw=2, clip_on=False)
    axes.text(start_s + 1.008 * bar, 0, f"{row_uv:g} µV", fontsize=7, ha="left", va="center")
    axes.set_xlabel("seconds")
