"""Weights of an ensemble: the weighted mean that fits the votes best, evaluated out of fold."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from ictal.core.labels import distribution
from ictal.core.predictions import COLUMNS, PROBABILITY_COLUMNS, Predictions
from ictal.evaluation.metrics import FLOOR

Floats = npt.NDArray[np.float64]

MOST_STEPS = 2_000
TOLERANCE = 1e-9


def fit_weights(votes: npt.ArrayLike, probabilities: npt.ArrayLike, weights: npt.ArrayLike) -> Floats:
    """Return the weights, [predictor], of the mean of probabilities with the lowest KL divergence.

    The mean is a mixture with known components. Each step of expectation-maximisation lowers the KL divergence, until
    it reaches the only minimum (Dempster, Laird and Rubin 1977). The weights are not negative and sum to one.

    Parameters
    ----------
    votes
        [window, 6].
    probabilities
        [predictor, window, 6].
    weights
        [window].
    """
    probabilities = np.maximum(np.asarray(probabilities, dtype=np.float64), FLOOR)
    shares = distribution(votes) * np.asarray(weights, dtype=np.float64)[:, None]
    shares = shares / shares.sum()
    found = np.full(len(probabilities), 1 / len(probabilities))
    for _ in range(MOST_STEPS):
        mixed = np.tensordot(found, probabilities, axes=1)
        step = found * np.tensordot(probabilities, shares / mixed, axes=2)
        moved = abs(step - found).max()
        found = step / step.sum()
        if moved < TOLERANCE:
            break
    return found


def weigh(
    votes: npt.ArrayLike,
    probabilities: npt.ArrayLike,
    weights: npt.ArrayLike,
    groups: npt.ArrayLike,
    fitted_on: npt.ArrayLike | None = None,
) -> tuple[Floats, dict[int, Floats]]:
    """Return the weighted mean of several predictors; the weights of each group are fitted on the other groups.

    Parameters
    ----------
    votes, probabilities, weights
        As in `fit_weights`.
    groups
        Group of each window, [window], for example its fold; no patient is in two groups.
    fitted_on
        Which windows may be used for fitting, [window]; the others (a held-out test) get weights that were fitted on
        all groups. All if None.

    Returns
    -------
    mean : ndarray
        [window, 6].
    found : dict
        The weights for the windows of each group, [predictor].
    """
    votes, weights, groups = np.asarray(votes), np.asarray(weights), np.asarray(groups)
    probabilities = np.asarray(probabilities, dtype=np.float64)
    usable = np.ones(len(groups), dtype=bool) if fitted_on is None else np.asarray(fitted_on, dtype=bool)
    mean, found = np.empty(probabilities.shape[1:]), {}
    for name in np.unique(groups[usable]).tolist():
        judged = usable & (groups == name)
        seen = usable & ~judged
        found[name] = fit_weights(votes[seen], probabilities[:, seen], weights[seen])
        mean[judged] = np.tensordot(found[name], probabilities[:, judged], axes=1)
    if not usable.all():
        of_all = fit_weights(votes[usable], probabilities[:, usable], weights[usable])
        mean[~usable] = np.tensordot(of_all, probabilities[:, ~usable], axes=1)
    return mean, found


def weighted_mean(tables: Sequence[Predictions], arm: str) -> tuple[Predictions, dict[str, list[float]]]:
    """Return the weighted mean of arms on the same windows, folds and seeds as a new arm, and the weights by fold.

    The windows of a fold get weights that were fitted on the other folds; those of the test, on all folds.
    """
    frames = [table.frame.sort_values(["window_id", "fold", "seed"]) for table in tables]
    parts = [Predictions(frame.reset_index(drop=True)) for frame in frames]
    first = parts[0]
    answers = np.stack([part.probabilities for part in parts])
    cv = (first.frame["split"] == "cv").to_numpy()
    mean, found = weigh(first.votes, answers, first.weights, first.folds, cv)
    frame = first.frame[list(COLUMNS)].copy()
    frame[list(PROBABILITY_COLUMNS)] = mean
    frame["arm"] = arm
    return Predictions(frame), {f"fold {fold}": weights.tolist() for fold, weights in found.items()}
