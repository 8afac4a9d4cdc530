"""Agreement of raters with each other and with the model."""

from collections import Counter
from collections.abc import Iterable, Mapping
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt

from ictal.core.labels import N_PATTERNS, PATTERNS
from ictal.errors import TableError
from ictal.evaluation.bootstrap import PatientBootstrap
from ictal.evaluation.expert_labels import NOT_LABELLED, ExpertLabels
from ictal.evaluation.experts import compare_with_experts
from ictal.evaluation.metric_table import kappa_measured
from ictal.evaluation.metrics import agreement_parts, kappa_of
from ictal.web.votes import Vote

MODEL = "model"
FEWEST = 20
"""Number of common windows that two raters need for a confidence interval."""
N_RESAMPLES = 1000

Probabilities = Mapping[tuple[str, float], npt.NDArray[np.float64]]
"""Predictions of the model, by recording and time of the window."""


def agreement(votes: Iterable[Vote], probabilities: Probabilities) -> dict[str, Any]:
    """Return vote counts, kappa for each pair of raters and each rater with the model, and the model as a rater.

    Parameters
    ----------
    votes
        Votes of all raters.
    probabilities
        The model's predictions; only windows with predictions are compared with it.
    """
    given = list(votes)
    windows = sorted({(vote.recording, vote.time_s) for vote in given})
    raters = list(dict.fromkeys(sorted(vote.rater for vote in given)))
    labels = np.full((len(windows), len(raters)), NOT_LABELLED, dtype=np.int8)
    place = {window: row for row, window in enumerate(windows)}
    for vote in given:
        labels[place[vote.recording, vote.time_s], raters.index(vote.rater)] = PATTERNS.index(vote.pattern)
    unknown = np.full(N_PATTERNS, np.nan)
    model = np.array([probabilities.get(window, unknown) for window in windows]).reshape(len(windows), N_PATTERNS)
    recordings = np.array([recording for recording, _ in windows], dtype=object)
    panel, note = _panel(labels, raters, model, recordings)
    return {
        "raters": dict(sorted(Counter(vote.rater for vote in given).items())),
        "n_windows": len(windows),
        "pairs": _pairs(labels, raters, model, recordings),
        "panel": panel,
        "note": note,
    }


def _pairs(
    labels: npt.NDArray[np.int8],
    raters: list[str],
    model: npt.NDArray[np.float64],
    recordings: npt.NDArray[np.object_],
) -> list[dict[str, Any]]:
    known = np.asarray(np.isfinite(model).all(axis=1))
    tops = np.where(known, np.where(known[:, None], model, 0).argmax(axis=1), NOT_LABELLED).astype(np.int8)
    names, columns = [*raters, MODEL], [*labels.T, tops]
    return [
        {"a": names[one], "b": names[other], **_pair(columns[one], columns[other], recordings)}
        for one, other in combinations(range(len(names)), 2)
    ]


def _pair(
    one: npt.NDArray[np.int8], other: npt.NDArray[np.int8], recordings: npt.NDArray[np.object_]
) -> dict[str, Any]:
    """Return the agreement of two raters on common windows: share and Cohen's kappa, with an interval if possible."""
    both = (one != NOT_LABELLED) & (other != NOT_LABELLED)
    n_windows = int(both.sum())
    if not n_windows:
        return {"n_windows": 0, "agreeing": None, "kappa": None, "interval": None}
    parts = agreement_parts(np.eye(N_PATTERNS)[one[both]], other[both])
    whose = _resampled(recordings[both])
    bootstrap = PatientBootstrap(whose, np.ones(n_windows), N_RESAMPLES)
    resampled = kappa_of(bootstrap.means(parts)) if n_windows >= FEWEST else np.full(1, np.nan)
    value = float(kappa_of(parts.mean(axis=0)))
    interval = kappa_measured(bootstrap, parts, value, resampled).estimate(bootstrap).interval
    kappa = None if np.isnan(value) else value
    return {"n_windows": n_windows, "agreeing": float(parts[:, 0].mean()), "kappa": kappa, "interval": interval}


def _resampled(recordings: npt.NDArray[np.object_]) -> npt.NDArray[np.object_]:
    """Return the units to resample: recordings, since windows of one are not independent; or windows if only one."""
    return recordings if len(set(recordings)) > 1 else np.arange(len(recordings)).astype(object)


def _panel(
    labels: npt.NDArray[np.int8],
    raters: list[str],
    model: npt.NDArray[np.float64],
    recordings: npt.NDArray[np.object_],
) -> tuple[dict[str, Any] | None, str]:
    """Return the comparison of the model with raters, see `ictal.evaluation.experts`, or None, and a note."""
    known = np.isfinite(model).all(axis=1)
    several = (labels != NOT_LABELLED).sum(axis=1) > 1
    rows = known & several
    if rows.sum() < FEWEST:
        return None, (
            f"{rows.sum()} windows have votes of two raters and a prediction; {FEWEST} are needed to compare "
            "the model with raters."
        )
    patients = recordings[rows] if len(set(recordings[rows])) > 1 else None
    try:
        found = compare_with_experts(
            ExpertLabels(tuple(raters), labels[rows], model[rows], patients), min_others=1, n_resamples=N_RESAMPLES
        )
    except TableError as error:
        return None, str(error)
    what = "recordings" if patients is not None else "windows of one recording, which are not independent"
    return found.to_json(), f"The model replaces each rater in turn; confidence intervals resample {what}."
