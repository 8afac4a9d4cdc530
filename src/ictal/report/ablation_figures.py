"""Figures as SVG text, drawn with matplotlib without a screen."""

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ictal.core.labels import PANELS, PATTERN_TITLES, PATTERNS, STRATA
from ictal.evaluation import ArmResult, Comparison, Difference, Estimate, LearningCurve
from ictal.evaluation.evaluate import Group
from ictal.report.drawing import FAINT, INK, STYLE, to_svg

COLOURS = ("#1b6ca8", "#d1495b", "#3a7d44", "#8f5fa8", "#c77d0a", "#00798c", "#6b705c")
"""Colours of the arms, in their order: distinguishable also without red-green vision, as are the markers."""
MARKERS = "osD^vPX"


def _figure(width: float, height: float, columns: int = 1, **options: Any) -> tuple[Figure, list[Axes]]:
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(width, height))
        axes = figure.subplots(1, columns, squeeze=False, **options)
    return figure, list(axes[0])


def _interval(axes: Axes, y: float, estimate: Estimate, colour: str, marker: str = "o") -> None:
    if estimate.interval:
        axes.plot(estimate.interval, [y, y], color=colour, lw=2, solid_capstyle="round")
    axes.plot([estimate.value], [y], marker, color=colour, ms=6, mec="white", mew=0.8)


def arms_figure(comparison: Comparison) -> str:
    """Draw the KL of each arm in cross-validation and test, with baselines and floor as lines."""
    has_test = any(arm.test for arm in comparison.arms)
    figure, panels = _figure(7.2, 1.2 + 0.38 * len(comparison.arms), 1 + has_test, sharex=True, sharey=True)
    for axes, split in zip(panels, ("cv", "test"), strict=False):
        for row, arm in enumerate(comparison.arms):
            estimate = getattr(arm, split)
            _interval(axes, row, estimate, COLOURS[row % len(COLOURS)], MARKERS[row % len(MARKERS)])
        for baseline, style in zip(comparison.rows[len(comparison.arms) :], ("--", ":", "-"), strict=False):
            estimate = getattr(baseline, split)
            axes.axvline(estimate.value, color=FAINT, ls=style, lw=1.2)
        axes.set_xlabel(f"KL, {'cross-validation' if split == 'cv' else 'held-out test'}  (lower is better)")
        axes.set_ylim(len(comparison.arms) - 0.5, -0.5)
        axes.set_xlim(left=0)
    panels[0].set_yticks(range(len(comparison.arms)), [arm.name for arm in comparison.arms])
    return to_svg(figure)


def differences_figure(differences: Sequence[Difference], title: str) -> str:
    """Draw paired differences with their intervals around zero."""
    figure, (axes,) = _figure(7.2, 0.9 + 0.34 * len(differences))
    for row, difference in enumerate(differences):
        colour = INK if difference.decided else FAINT
        _interval(axes, row, difference.estimate, colour, "o" if difference.split == "cv" else "s")
    axes.axvline(0, color=INK, lw=0.8)
    words = {"cv": "cross-validation", "test": "test"}
    axes.set_yticks(range(len(differences)), [f"{d.a} − {d.b}, {words[d.split]}" for d in differences])
    axes.set_ylim(len(differences) - 0.5, -0.5)
    axes.set_xlabel(title)
    return to_svg(figure)


def groups_figure(arms: Sequence[ArmResult], split: str, kind: str) -> str:
    """Draw the KL of each arm per pattern ('per_pattern') or per stratum and panel size ('per_stratum')."""
    names = list(PATTERNS) if kind == "per_pattern" else [*STRATA, *PANELS]
    titles = (
        {**PATTERN_TITLES, "few": "1–9 votes", "many": "10+ votes"}
        if kind == "per_pattern"
        else {"few": "1–9 votes", "many": "10+ votes"}
    )
    figure, (axes,) = _figure(7.2, 0.9 + 0.2 * len(names) * max(2, len(arms)))
    for index, arm in enumerate(arms):
        offset = (index - (len(arms) - 1) / 2) * 0.22
        for row, name in enumerate(names):
            group = getattr(arm.evaluations[split], kind)[name]
            if group.kl:
                colour, marker = COLOURS[index % len(COLOURS)], MARKERS[index % len(MARKERS)]
                _interval(axes, row + offset, group.kl, colour, marker)
        axes.plot([], [], MARKERS[index % len(MARKERS)], color=COLOURS[index % len(COLOURS)], label=arm.name)
    counts = getattr(arms[0].evaluations[split], kind)
    axes.set_yticks(range(len(names)), [f"{titles.get(n, n)} (n={counts[n].n_windows})" for n in names])
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.set_xlim(left=0)
    axes.set_xlabel("KL (lower is better)")
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, 1.12), ncols=len(arms))
    return to_svg(figure)


def groups_matrix(arms: Sequence[ArmResult], split: str) -> str:
    """Draw the KL of many arms per pattern, stratum and panel size: a row per arm, the lowest of a column bold."""
    titles = {**PATTERN_TITLES, "few": "1–9 votes", "many": "10+ votes"}
    kinds = [("per_pattern", PATTERNS), ("per_stratum", (*STRATA, *PANELS))]
    columns = [(kind, name) for kind, names in kinds for name in names]
    values = np.array([[_kl_of(arm, split, kind, name) for kind, name in columns] for arm in arms])
    figure, (axes,) = _figure(7.4, 1.3 + 0.26 * len(arms))
    largest = np.nan_to_num(values).max(axis=0)
    axes.imshow(np.nan_to_num(values) / np.where(largest > 0, largest, 1), "Blues", vmin=0, vmax=1.3, aspect="auto")
    best = np.where(np.isfinite(values), values, np.inf).argmin(axis=0)
    for row, column in np.argwhere(np.isfinite(values)):
        weight = "bold" if best[column] == row else "normal"
        axes.text(column, row, f"{values[row, column]:.2f}", ha="center", va="center", fontsize=7, weight=weight)
    _name_ticks(axes, [titles.get(name, name) for _, name in columns], [arm.name for arm in arms])
    axes.axvline(len(PATTERNS) - 0.5, color="white", lw=3)
    return to_svg(figure)


def _kl_of(arm: ArmResult, split: str, kind: str, name: str) -> float:
    group: Group = getattr(arm.evaluations[split], kind)[name]
    return group.kl.value if group.kl else np.nan


def pairs_figure(comparison: Comparison, split: str) -> str:
    """Draw the difference in KL of all pairs of arms: row minus column, with a star if it is significant."""
    names = [arm.name for arm in comparison.arms]
    values, decided = np.full((len(names), len(names)), np.nan), []
    for pair in comparison.between(split):
        row, column = names.index(pair.a), names.index(pair.b)
        values[row, column], values[column, row] = pair.estimate.value, -pair.estimate.value
        decided += [(row, column), (column, row)] if pair.decided else []
    size = 1.6 + 0.42 * len(names)
    figure, (axes,) = _figure(min(size + 0.6, 7.4), size)
    limit = float(np.nanmax(abs(values))) or 1.0
    axes.imshow(np.nan_to_num(values), cmap="PuOr", vmin=-1.6 * limit, vmax=1.6 * limit)
    for row, column in np.argwhere(np.isfinite(values)):
        bold = "bold" if (row, column) in decided else "normal"
        text = f"{values[row, column]:+.2f}{'*' if bold == 'bold' else ''}"
        axes.text(column, row, text, ha="center", va="center", fontsize=6.5, weight=bold)
    _name_ticks(axes, names, names)
    return to_svg(figure)


def reliability_figure(arms: Sequence[ArmResult]) -> str:
    """Draw how often each arm was right against its probability, four arms to a row."""
    figure, panels = _panels(len(arms))
    for index, (axes, arm) in enumerate(zip(panels, arms, strict=True)):
        colour = COLOURS[index % len(COLOURS)]
        axes.plot([0, 1], [0, 1], color=FAINT, lw=0.8)
        for confidence, right in arm.reliability:
            if right.interval:
                axes.plot([confidence, confidence], right.interval, color=colour, lw=1, alpha=0.5)
        at, observed = zip(*((confidence, right.value) for confidence, right in arm.reliability), strict=True)
        axes.plot(at, observed, "o", ms=3, color=colour)
        axes.set_title(arm.name, fontsize=8)
        axes.set_xlim(0, 1)
        axes.set_ylim(0, 1)
    figure.supxlabel("predicted probability of the most probable pattern", fontsize=9)
    figure.supylabel("share that was right", fontsize=9)
    return to_svg(figure)


def _panels(n_panels: int, per_row: int = 4) -> tuple[Figure, list[Axes]]:
    """Return small panels with common axes, four to a row."""
    n_rows, n_columns = -(-n_panels // per_row), min(n_panels, per_row)
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(7.2, 0.6 + 1.9 * n_rows))
        found = figure.subplots(n_rows, n_columns, squeeze=False, sharex=True, sharey=True).ravel()
    for axes in found[n_panels:]:
        axes.remove()
    return figure, list(found[:n_panels])


def _name_ticks(axes: Axes, columns: Sequence[str], rows: Sequence[str]) -> None:
    axes.set_xticks(range(len(columns)), columns, rotation=40, ha="right", fontsize=8)
    axes.set_yticks(range(len(rows)), rows, fontsize=8)
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)


def confusion_figure(arm: ArmResult, split: str) -> str:
    """Draw the mean predicted probabilities by voted pattern, next to the panel compared with itself."""
    evaluation = arm.evaluations[split]
    figure, panels = _figure(7.4, 3.6, 2)
    for axes, matrix, title in (
        (panels[0], evaluation.confusion, f"{arm.name}: predicted probability"),
        (panels[1], evaluation.panel_confusion, "the panel compared with itself"),
    ):
        _matrix(axes, matrix)
        axes.set_title(title, fontsize=9)
    panels[0].set_ylabel("votes for")
    return to_svg(figure)


def _matrix(axes: Axes, matrix: npt.NDArray[np.float64]) -> None:
    titles = [PATTERN_TITLES[pattern] for pattern in PATTERNS]
    axes.imshow(np.nan_to_num(matrix), cmap="Blues", vmin=0, vmax=1)
    for row, column in np.argwhere(np.isfinite(matrix)):
        value = matrix[row, column]
        colour = "white" if value > 0.55 else INK
        axes.text(column, row, f"{value * 100:.0f}", ha="center", va="center", color=colour, fontsize=8)
    _name_ticks(axes, titles, titles)


def curve_figure(curve: LearningCurve, comparison: Comparison) -> str:
    """Draw the KL of each arm against the number of training patients, with baselines and floor as lines."""
    figure, (axes,) = _figure(7.2, 3.4)
    names = [arm.name for arm in comparison.arms]
    sizes = sorted({point.n_patients for point in curve.points})
    for number, arm in enumerate(curve.arms):
        index = names.index(arm) if arm in names else len(names) + number
        colour, marker = COLOURS[index % len(COLOURS)], MARKERS[index % len(MARKERS)]
        points, beside = curve.of_arm(arm), 1 + 0.03 * (number - (len(curve.arms) - 1) / 2)
        at = [point.n_patients * beside for point in points]
        for x, point in zip(at, points, strict=True):
            if point.kl.interval:
                axes.plot([x, x], point.kl.interval, color=colour, lw=1.5, solid_capstyle="round")
        axes.plot(at, [point.kl.value for point in points], color=colour, lw=1, marker=marker, ms=5, label=arm)
    lines = {"prior": "--", "floor": "-"}
    for row in comparison.rows:
        if row.name in lines:
            axes.axhline(row.cv.value, color=FAINT, ls=lines[row.name], lw=1.2)
            axes.annotate(
                row.name, (1, row.cv.value), xycoords=("axes fraction", "data"), va="bottom", ha="right", color=INK
            )
    axes.set_xscale("log", base=2)
    axes.set_xticks(sizes, [str(size) for size in sizes])
    axes.minorticks_off()
    axes.set_ylim(bottom=0)
    axes.set_xlabel("training patients per fold")
    axes.set_ylabel("KL, cross-validation  (lower is better)")
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, 1.14), ncols=len(curve.arms))
    return to_svg(figure)


def histories_figure(histories: Mapping[str, pd.DataFrame]) -> str:
    """Draw the validation KL of every unit over the epochs, a panel per arm."""
    arms = list(dict.fromkeys(name.split("-fold")[0] for name in histories))
    figure, panels = _panels(len(arms))
    for index, (axes, arm) in enumerate(zip(panels, arms, strict=True)):
        colour = COLOURS[index % len(COLOURS)]
        for name, history in histories.items():
            if name.split("-fold")[0] == arm:
                axes.plot(history["epoch"], history["valid_kl"], color=colour, lw=1, alpha=0.8, marker=".")
                axes.plot(history["epoch"], history["train_loss"], color=FAINT, lw=0.8, ls=":")
        axes.set_title(arm, fontsize=8)
        axes.set_ylim(0, 2.5)
    figure.supxlabel("epoch", fontsize=9)
    figure.supylabel("KL", fontsize=9)
    return to_svg(figure)
