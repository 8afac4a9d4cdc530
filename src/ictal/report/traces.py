"""EEG as readers know it: the double banana over time, 10 s to a page."""

from collections.abc import Sequence

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ictal.montage import CHANNELS, MONTAGES, montage_matrix
from ictal.recording import Signal
from ictal.report.figures import FAINT, INK, STYLE
from ictal.windows import RATE_HZ

BANANA = MONTAGES["double_banana"]
CHAIN_GAP = 0.6
"""Blank between two chains, in rows."""
HEART_UV = 400.0
"""The EKG is drawn at its own scale: so many µV to a row."""


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
            _draw(axes, samples, row_uv)
            axes.set_title(title, fontsize=9, loc="left")
        figure.set_layout_engine("tight")
    return figure


def _draw(axes: Axes, samples: Signal, row_uv: float) -> None:
    time = np.arange(samples.shape[1]) / RATE_HZ
    top, names, places = 0.0, [], []
    for chain in BANANA.values():
        rows = montage_matrix(chain) @ samples
        for name, row in zip(chain, rows - np.median(rows, axis=1, keepdims=True), strict=True):
            axes.plot(time, row / row_uv - top, color=INK, lw=0.5)
            names.append(str(name))
            places.append(-top)
            top += 1
        top += CHAIN_GAP
    heart = samples[CHANNELS.index("EKG")]
    axes.plot(time, (heart - np.median(heart)) / HEART_UV - top, color="#a4262c", lw=0.5)
    axes.set_yticks([*places, -top], [*names, "EKG"], fontsize=7)
    axes.set_ylim(-top - 1.5, 1.5)
    axes.set_xlim(0, time[-1])
    axes.set_xticks(np.arange(0, time[-1] + 1, 1))
    axes.grid(axis="x", color=FAINT, lw=0.3)
    axes.spines["left"].set_visible(False)
    axes.tick_params(axis="y", length=0)
    bar = time[-1] * 1.01
    axes.plot([bar, bar], [0.5, -0.5], color=INK, lw=2, clip_on=False)
    axes.text(1.008 * bar, 0, f"{row_uv:g} µV", fontsize=7, ha="left", va="center")
    axes.set_xlabel("seconds")
