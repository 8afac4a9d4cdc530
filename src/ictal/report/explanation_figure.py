"""Explanations as figures for EEG readers: shading behind the double banana, heat over the chains' spectrograms."""

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any, Literal, get_args

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Colormap, LinearSegmentedColormap, Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Circle

from ictal.core.atomic_files import atomic_write
from ictal.core.labels import PATTERN_TITLES, PATTERNS
from ictal.core.montage import ANGLES, CHAINS, CHANNELS, ELECTRODES
from ictal.core.recording import Signal
from ictal.core.windows import CENTRE_S, RATE_HZ, WINDOW_S
from ictal.errors import ModelError, UnknownNameError
from ictal.explanations.explained import METHOD_NAMES, Floats, MethodName
from ictal.explanations.explanation import Explanation
from ictal.explanations.gradcam import Gradcam
from ictal.report.derivation_evidence import LEAST_NATS, of_derivations
from ictal.report.drawing import FAINT, INK, STYLE
from ictal.report.traces import draw_traces, known_rows, row_places, row_scale

Page = Literal["centre", "window"]

FOR, AGAINST = "#e8743b", "#4a90c4"
EVIDENCE = LinearSegmentedColormap.from_list("evidence", [AGAINST, "#ffffff", FOR])
"""Light enough for traces to stand out, and distinguishable without red-green vision."""
HEAT = LinearSegmentedColormap.from_list("heat", [(0.91, 0.45, 0.23, 0.0), (0.91, 0.45, 0.23, 0.4)])
CENTRE = ((WINDOW_S - CENTRE_S) // 2, (WINDOW_S + CENTRE_S) // 2)
"""First and last second of the centre, which the votes concern."""
CHAIN_TITLES = {
    "LL": "left lateral",
    "LP": "left parasagittal",
    "RP": "right parasagittal",
    "RR": "right lateral",
}
FORMATS = (".svg", ".png")
NAMES: dict[MethodName, str] = {
    "occlusion": "occlusion",
    "gradients": "integrated gradients",
    "gradcam": "Grad-CAM",
}


def explanation_figure(
    explanation: Explanation, method: MethodName, page: Page = "centre", title: str = ""
) -> Figure:
    """Draw one method of an explanation.

    Parameters
    ----------
    explanation
        With its window.
    method
        A method that the explanation contains.
    page
        Which traces: the 'centre' 10 s, or the whole 'window'; Grad-CAM always shows all that the network sees.
    title
        Names the window.

    Raises
    ------
    ModelError
        If the explanation was made without this method.
    UnknownNameError
        If there is no such page.
    """
    if page not in get_args(Page):
        raise UnknownNameError("page", page, get_args(Page))
    part = getattr(explanation, method) if method in METHOD_NAMES else None
    if part is None:
        had = ", ".join(name for name in METHOD_NAMES if getattr(explanation, name) is not None)
        raise ModelError(f"the explanation has no '{method}'; it has {had}")
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(11.5, 8.0))
        heading = f"{PATTERN_TITLES[explanation.pattern]}, probability {explanation.probability:.2f}"
        whose = f"{NAMES[method]}{f', arm {explanation.arm}' if explanation.arm else ''}"
        figure.text(0.06, 0.972, heading, fontsize=13, fontweight="bold", va="top")
        figure.text(0.965, 0.972, f"{title}{', ' if title else ''}{whose}", fontsize=9, va="top", ha="right")
        if isinstance(part, Gradcam):
            _draw_gradcam(figure, part)
        else:
            _draw_evidence(figure, explanation, method, page)
    return figure


def save_figure(figure: Figure, path: Path) -> None:
    """Write a figure as SVG or PNG, whole or not at all.

    Raises
    ------
    UnknownNameError
        If the name ends in neither.
    """
    if path.suffix.lower() not in FORMATS:
        raise UnknownNameError("kind of figure", path.suffix, FORMATS)
    kind = path.suffix.lower()[1:]
    with atomic_write(path) as part, mpl.rc_context({**STYLE, "svg.hashsalt": "ictal"}):
        figure.savefig(part, format=kind, dpi=150, metadata={"Date": None} if kind == "svg" else None)


def _draw_evidence(figure: Figure, explanation: Explanation, method: MethodName, page: Page) -> None:
    electrodes, seconds, grid = _evidence(explanation, method)
    boxes = figure.add_gridspec(
        2, 2, left=0.06, right=0.965, top=0.885, bottom=0.085, hspace=0.22, wspace=0.16,
        width_ratios=[3.4, 1], height_ratios=[5, 1],
    )  # fmt: skip
    side = boxes[:, 1].subgridspec(3, 1, height_ratios=[1.5, 1, 0.07], hspace=0.3)
    traces, strip = figure.add_subplot(boxes[0, 0]), figure.add_subplot(boxes[1, 0])
    figure.text(0.06, 0.933, _reading(explanation, method), fontsize=8.5, va="top")
    limit = _draw_traces(traces, explanation, grid, page)
    _draw_strip(strip, seconds)
    _draw_head(figure.add_subplot(side[0]), electrodes, recorded(explanation.recorded))
    _draw_probabilities(figure.add_subplot(side[1]), explanation)
    colours = ScalarMappable(Normalize(-limit, limit), EVIDENCE)
    bar = figure.colorbar(colours, cax=figure.add_subplot(side[2]), orientation="horizontal")
    bar.set_label("shading behind a trace, nats", fontsize=8)
    bar.set_ticks([-limit, 0, limit], labels=[_short(value) for value in (-limit, 0, limit)])
    bar.ax.tick_params(labelsize=7)


def _evidence(explanation: Explanation, method: MethodName) -> tuple[Floats, Floats, Floats]:
    """Return the evidence for the pattern by electrode, by second, and by both (without a grid: by electrode)."""
    if method == "gradients" and explanation.gradients:
        grid = explanation.gradients.grid
        return grid.sum(axis=1), grid.sum(axis=0), grid
    assert explanation.occlusion
    found = explanation.occlusion
    return found.electrodes, found.seconds, found.electrodes[:, None] if found.grid is None else found.grid


def _reading(explanation: Explanation, method: MethodName) -> str:
    """Return a caption that explains the figure, or warns that it must not be interpreted."""
    pattern = PATTERN_TITLES[explanation.pattern]
    if method == "occlusion":
        return (
            f"Orange is evidence for {pattern}: without it, the probability falls. Blue is evidence against it.\n"
            "Removed: an electrode becomes the mean of its neighbours; a second keeps 1/10 of its amplitude."
        )
    assert explanation.gradients
    found = explanation.gradients
    check = f"Shares add up within {abs(found.gap):.3f} nats."
    if not found.complete:
        check = (
            f"Do not interpret this map: the shares miss the sum that they should have by {abs(found.gap):.2f} nats."
        )
    elif not found.readable:
        check = "Do not interpret this map: silence resembles the pattern more than this window does."
    return (
        f"Orange is evidence for {pattern}, blue against it: shares of the change in log probability, "
        f"{_short(found.difference)} nats, from silence\n(probability {found.silence:.2f}) to this window. {check}"
    )


def recorded(samples: Signal) -> frozenset[str]:
    """Return the electrodes that have a sample, of samples [20, time] that are NaN where nothing was recorded."""
    return frozenset(name for name, known in zip(CHANNELS, known_rows(samples), strict=True) if known)


def _draw_traces(axes: Axes, explanation: Explanation, grid: Floats, page: Page) -> float:
    """Draw the traces and the shading behind them; return the value of the strongest colour."""
    first, last = CENTRE if page == "centre" else (0, WINDOW_S)
    shown = explanation.recorded[:, first * RATE_HZ : last * RATE_HZ]
    draw_traces(axes, shown, row_scale(shown), float(first), lost=explanation.lost)
    there, values = recorded(shown), of_derivations(grid)
    drawn = [{*pair} <= there and pair not in explanation.lost for pair in row_places()]
    values[np.logical_not(drawn)] = 0
    limit = max(float(np.abs(values).max()), LEAST_NATS)
    edges = np.linspace(0, WINDOW_S, values.shape[1] + 1)
    scale: dict[str, Any] = {"vmin": -limit, "vmax": limit, "cmap": EVIDENCE}
    for place, row in zip(row_places().values(), values, strict=True):
        heights = [place - 0.5, place + 0.5]
        axes.pcolormesh(edges, heights, row[None], **scale, zorder=0, rasterized=True)
    axes.set_xlim(first, last)
    if page == "window":
        for second in CENTRE:
            axes.axvline(second, color=INK, lw=1, ls="--")
    axes.set_xlabel("seconds of the window" + ("" if page == "window" else ": the centre, which the votes concern"))
    return limit


def _draw_strip(axes: Axes, seconds: Floats) -> None:
    colours = np.where(seconds > 0, FOR, AGAINST).tolist()
    axes.axvspan(*CENTRE, color=FAINT, alpha=0.2, lw=0)
    axes.bar(np.arange(WINDOW_S) + 0.5, seconds, width=0.9, color=colours)
    axes.axhline(0, color=INK, lw=0.6)
    low, high = min(float(seconds.min()), 0.0), max(float(seconds.max()), 0.0)
    axes.set_ylim(1.15 * low - LEAST_NATS / 5, 1.15 * high + LEAST_NATS)
    axes.set_xlim(0, WINDOW_S)
    axes.set_xticks(range(0, WINDOW_S + 1, 5))
    axes.tick_params(labelsize=7)
    axes.set_xlabel("each second of the window, nats; grey: the centre")


def _draw_head(axes: Axes, electrodes: Floats, there: Collection[str]) -> None:
    """Draw the 19 electrodes from above, nose up, coloured on their own scale, with the number in each.

    An electrode that was not recorded is an empty dashed circle.
    """
    known = [name in there for name in ELECTRODES]
    limit = max(float(np.abs(electrodes[known]).max(initial=0)), LEAST_NATS)
    axes.add_patch(Circle((0, 0), 1.0, fill=False, ec=FAINT, lw=1.2))
    axes.plot([-0.1, 0, 0.1], [0.995, 1.1, 0.995], color=FAINT, lw=1.2)
    for name, value in zip(ELECTRODES, electrodes.tolist(), strict=True):
        inclination, azimuth = np.deg2rad(ANGLES[name])
        x, y = np.array([np.cos(azimuth), np.sin(azimuth)]) * inclination / np.deg2rad(112)
        if name not in there:
            axes.add_patch(Circle((x, y), 0.165, fill=False, ec=FAINT, lw=0.6, ls=":"))
            axes.text(x, y, name, ha="center", va="center", fontsize=6.5, color=FAINT)
            continue
        colour = EVIDENCE(0.5 + value / limit / 2)
        axes.add_patch(Circle((x, y), 0.165, fc=colour, ec=FAINT, lw=0.6))
        axes.text(x, y + 0.055, name, ha="center", va="center", fontsize=6.5)
        axes.text(x, y - 0.065, _short(value), ha="center", va="center", fontsize=5.5)
    axes.set(xlim=(-1.12, 1.12), ylim=(-1.08, 1.14), aspect="equal")
    axes.set_axis_off()
    axes.set_title("each electrode, nats", fontsize=9)


def _short(value: float) -> str:
    if abs(value) < 0.0005:
        return "0"
    return (f"{value:+.2f}" if abs(value) >= 0.095 else f"{value:+.3f}").replace("-", "−")


def _draw_probabilities(axes: Axes, explanation: Explanation) -> None:
    colours = [FOR if name == explanation.pattern else FAINT for name in PATTERNS]
    axes.barh(range(len(PATTERNS)), explanation.probabilities, color=colours, height=0.65)
    for row, value in enumerate(explanation.probabilities.tolist()):
        axes.text(value + 0.02, row, f"{value:.2f}", va="center", fontsize=7)
    axes.set_yticks(range(len(PATTERNS)), [PATTERN_TITLES[name] for name in PATTERNS], fontsize=8)
    axes.set(xlim=(0, 1.1), xticks=[], ylim=(len(PATTERNS) - 0.5, -0.5))
    axes.spines["bottom"].set_visible(False)
    axes.tick_params(axis="y", length=0)
    axes.set_title("probabilities", fontsize=9)


def _draw_gradcam(figure: Figure, found: Gradcam) -> None:
    rows, columns = found.cells.shape
    cell_s = (found.seconds[1] - found.seconds[0]) * len(found.seconds) / columns
    words = (
        f"Orange: where the last map of {rows} × {columns} cells is evidence for the pattern, blurred; a cell is "
        f"{cell_s:.3g} s × {found.hertz[-1] / rows:.2g} Hz. Lines: half and three quarters of the maximum.\n"
        "One map for all four chains: it shows when and at which frequency, but not on which side."
    )
    if not found.cells.any():
        words = "No part of the network's last map is evidence for the pattern: there is nothing to show."
    figure.text(0.06, 0.933, words, fontsize=8.5, va="top")
    boxes = figure.add_gridspec(
        4, 2, left=0.06, right=0.93, top=0.865, bottom=0.065, hspace=0.2, wspace=0.03, width_ratios=[60, 1]
    )
    low, high = np.percentile(found.images, [25, 99.8])
    power = (Normalize(low, high), mpl.colormaps["gray_r"])
    heat = (Normalize(0, max(float(found.heat.max()), 1e-12)), HEAT)
    panels = [figure.add_subplot(boxes[row, 0]) for row in range(len(CHAINS))]
    for axes, image, chain in zip(panels, found.images, CHAINS, strict=True):
        _draw_image(axes, found, image, (power, heat))
        axes.set_title(f"{chain}, {CHAIN_TITLES[chain]}", fontsize=9, loc="left", pad=3)
        axes.tick_params(labelbottom=axes is panels[-1])
    panels[-1].set_xlabel("seconds of the window; between the dashed lines: the centre, which the votes concern")
    for scale, where, label in ((power, slice(0, 2), "power, dB"), (heat, slice(2, 4), "heat, no unit")):
        bar = figure.colorbar(ScalarMappable(*scale), cax=figure.add_subplot(boxes[where, 1]))
        bar.set_label(label, fontsize=8)
        bar.ax.tick_params(labelsize=7)


def _draw_image(axes: Axes, found: Gradcam, image: Floats, scales: Sequence[tuple[Normalize, Colormap]]) -> None:
    for values, (norm, colours) in zip((image, found.heat), scales, strict=True):
        options: dict[str, Any] = {"norm": norm, "cmap": colours, "shading": "nearest", "rasterized": True}
        axes.pcolormesh(found.seconds, found.hertz, values, **options)
    for second in CENTRE:
        axes.axvline(second, color=INK, lw=1, ls="--")
    if found.heat.max() > 0:
        levels = np.array([0.5, 0.75]) * found.heat.max()
        axes.contour(found.seconds, found.hertz, found.heat, levels, colors=FOR, linewidths=[0.8, 1.6])
    axes.set_xlim(0, WINDOW_S)
    axes.set_xticks(range(0, WINDOW_S + 1, 5))
    axes.set_ylabel("Hz")
