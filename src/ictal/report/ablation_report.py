"""The report of an ablation: one self-contained HTML page, without external scripts, fonts or pictures."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd
import yaml

from ictal.core.labels import PANELS, PATTERN_TITLES, PATTERNS, STRATA
from ictal.evaluation import MEASURES, Comparison, Difference, LearningCurve
from ictal.report import ablation_figures, verdicts
from ictal.report.html_page import page

MOST_SIDE_BY_SIDE = 4
"""At most this many arms are drawn side by side in one row of a figure."""


@dataclass(frozen=True)
class Report:
    """The content of a report.

    Attributes
    ----------
    comparison
        The tables.
    manifest, recipe
        How they were made, as plain values.
    summaries
        Each arm in one line.
    histories
        Loss and KL per epoch, for each unit.
    controls
        The tables of the simulator's controls, by name.
    learning_curve
        KL against the number of training patients, if it was computed.
    """

    comparison: Comparison
    manifest: Mapping[str, Any]
    recipe: Mapping[str, Any]
    summaries: Mapping[str, str]
    histories: Mapping[str, pd.DataFrame]
    controls: Mapping[str, Comparison] = field(default_factory=dict)
    learning_curve: LearningCurve | None = None


def render(report: Report) -> str:
    """Return the page."""
    comparison, arms = report.comparison, report.comparison.arms
    evaluations = arms[0].evaluations
    splits = ["cv", *(["test"] if arms[0].test else [])]
    baselines = [arm.name for arm in comparison.baselines]
    to_reference = [difference for split in splits for difference in comparison.to_reference(split)]
    to_baselines = [difference for difference in comparison.differences if difference.b in baselines]
    return page(
        "ablation.html",
        comparison=comparison,
        manifest=report.manifest,
        recipe=report.recipe,
        recipe_yaml=yaml.safe_dump(dict(report.recipe), sort_keys=False, allow_unicode=True),
        summaries=report.summaries,
        splits=splits,
        has_concentrations=any(arm.panel and arm.panel.predicted for arm in arms),
        controls=report.controls,
        learning_curve=report.learning_curve,
        of_curve=verdicts.curve_in_words(report.learning_curve) if report.learning_curve else [],
        stages=_stages(report.histories),
        reference=comparison.reference if to_reference else None,
        verdict=verdicts.verdict_of_arms(comparison),
        about_arms=comparison.differences[0].of_arms,
        scope=verdicts.scope_in_words(comparison.differences[0].n_seeds),
        few_patients=verdicts.few_patients_in_words(evaluations["cv"].n_effective),
        patients={
            split: verdicts.patients_in_words(of_split.n_patients, of_split.n_effective)
            for split, of_split in evaluations.items()
        },
        measures=MEASURES,
        calibrations=list(arms[0].calibrated),
        to_reference=[verdicts.difference_in_words(difference) for difference in to_reference],
        to_baselines=[verdicts.difference_in_words(difference) for difference in to_baselines],
        ways=[verdicts.way_in_words(way) for way in comparison.ways],
        gaps=[verdicts.gap_in_words(arm) for arm in arms],
        patterns=PATTERNS,
        titles=PATTERN_TITLES,
        strata=(*STRATA, *PANELS),
        figures=_figures(report, to_reference, to_baselines),
    )


def _figures(
    report: Report, to_reference: Sequence[Difference], to_baselines: Sequence[Difference]
) -> dict[str, str | list[str] | None]:
    """Draw everything, by the name that the template uses; None where there is nothing to draw."""
    comparison, arms = report.comparison, report.comparison.arms
    few = len(arms) <= MOST_SIDE_BY_SIDE
    drawings: dict[str, str | list[str] | None] = {
        "arms": ablation_figures.arms_figure(comparison),
        "histories": ablation_figures.histories_figure(report.histories) if report.histories else None,
        "to_baselines": ablation_figures.differences_figure(
            to_baselines, "difference in KL (left of zero: better than ignoring the EEG)"
        ),
        "reliability": ablation_figures.reliability_figure(arms),
        "confusions": [
            ablation_figures.confusion_figure(arm, "cv") for arm in sorted(arms, key=lambda arm: arm.cv.value)
        ],
        "patterns": ablation_figures.groups_figure(arms, "cv", "per_pattern") if few else None,
        "strata": ablation_figures.groups_figure(arms, "cv", "per_stratum") if few else None,
        "groups": None if few else ablation_figures.groups_matrix(arms, "cv"),
        "pairs": ablation_figures.pairs_figure(comparison, "cv") if len(arms) > 2 else None,
    }
    if report.learning_curve:
        drawings["learning_curve"] = ablation_figures.curve_figure(report.learning_curve, comparison)
    if to_reference:
        title = f"difference in KL (left of zero: better than {comparison.reference})"
        drawings["to_reference"] = ablation_figures.differences_figure(to_reference, title)
    return drawings


def _stages(histories: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Return the KL by panel size at the end of each stage, averaged over units, for arms with several stages."""
    ends = []
    for unit, history in histories.items():
        if "stage" in history and history["stage"].max() > 1:
            end = history.groupby("stage", as_index=False).last()
            ends.append(end.assign(arm=unit.split("-fold")[0])[["arm", "stage", "valid_kl_few", "valid_kl_many"]])
    if not ends:
        return pd.DataFrame()
    return pd.concat(ends).groupby(["arm", "stage"], as_index=False, sort=False).mean()
