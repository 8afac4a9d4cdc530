"""Combine the units of an ablation into one table of predictions, and compare its arms."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from ictal.core.labels import TRUE_COLUMNS
from ictal.core.predictions import Predictions, concatenate, mean_of
from ictal.evaluation import Comparison, compare_arms
from ictal.evaluation.ensemble import weighted_mean
from ictal.experiments.ablation_plan import AblationPlan
from ictal.models.arms import ARMS, find_arm
from ictal.training.run_folder import RunFolder, Unit
from ictal.training.task import HISTORY
from ictal.training.unit import RunSetup

JOINT = {"fusion": "both", "fusion-finetuned": "both"}
"""Arms that train two networks jointly, and the average of the same networks."""

Weights = dict[str, dict[str, list[float]]]
"""Weights of weighted averages: by arm and fold, one per part."""


def collect(plan: AblationPlan, folder: RunFolder) -> tuple[Predictions, Weights]:
    """Return the predictions of all arms, and the weights of the weighted averages."""
    trained = {}
    for arm in plan.trained:
        trained[arm] = concatenate([folder.predictions(unit) for unit in plan.units if unit.arm == arm])
    tables, weights = [], {}
    for arm in plan.arms:
        parts = [trained[part] for part in find_arm(arm).parts]
        if find_arm(arm).weighted:
            table, weights[arm] = weighted_mean(parts, arm)
        else:
            table = mean_of(parts, arm) if parts else trained[arm]
        tables.append(table)
    return concatenate(tables), weights


def compare(predictions: Predictions, weights: Weights, plan: AblationPlan, setup: RunSetup) -> Comparison:
    """Compare the arms of an ablation."""
    options, arms, labels = plan.recipe.evaluation, plan.arms, setup.array.labels
    return compare_arms(
        predictions,
        plan.reference,
        n_resamples=options.n_resamples,
        seed=plan.recipe.seed,
        confidence=options.confidence,
        truth=labels.set_index("window_id") if TRUE_COLUMNS[0] in labels else None,
        averages={arm: ARMS[arm].parts for arm in arms if arm in ARMS and ARMS[arm].parts},
        joint={arm: average for arm, average in JOINT.items() if {arm, average} <= {*arms}},
        ensembles=weights,
        all_pairs=not plan.only_to_reference,
    )


def arms_frame(comparison: Comparison) -> pd.DataFrame:
    """Return a table of arms, baselines and floor: KL of cross-validation and test, and their difference."""
    rows = []
    ways = {(way.arm, way.split): way.estimate for way in comparison.ways}
    for arm in comparison.rows:
        row: dict[str, Any] = {"arm": arm.name}
        figures = [("cv_kl", arm.cv), ("test_kl", arm.test), ("test_minus_cv", arm.difference)]
        if ways:
            figures += [(f"{split}_way_to_floor", ways.get((arm.name, split))) for split in ("cv", "test")]
        for name, estimate in figures:
            values = (estimate.value, estimate.low, estimate.high) if estimate else (np.nan,) * 3
            row |= dict(zip((name, f"{name}_low", f"{name}_high"), values, strict=True))
        rows.append(row)
    return pd.DataFrame(rows)


def histories(units: Sequence[Unit], folder: RunFolder) -> Mapping[str, pd.DataFrame]:
    """Return the training history of each unit that was trained in epochs, by name."""
    return {unit.name: pd.read_csv(folder.unit(unit) / HISTORY) for unit in units if not find_arm(unit.arm).fitted}
