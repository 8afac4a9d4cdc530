"""Predictors that ignore the EEG: the prior, the uniform distribution, and the floor of simulated data."""

import numpy as np
import pandas as pd

from ictal.core.labels import N_PATTERNS, TRUE_COLUMNS, distribution
from ictal.core.predictions import PROBABILITY_COLUMNS, Predictions

PRIOR, UNIFORM, FLOOR = "prior", "uniform", "floor"


def baseline(table: Predictions, name: str) -> Predictions:
    """Return predictions that ignore the EEG, for the windows of a table.

    Parameters
    ----------
    table
        One arm, a row per window, with the folds of split 'cv'.
    name
        'uniform': one sixth each; 'prior': the mean distribution of votes, each EEG weighing the same, over the
        cross-validation windows of the other folds (for 'test': of all folds), with one more window of
        one sixth each, so that no pattern has probability zero.
    """
    frame = table.frame.copy()
    probabilities = np.full((len(frame), N_PATTERNS), 1 / N_PATTERNS)
    if name == PRIOR:
        shares = distribution(table.votes) * table.weights[:, None]
        cv, fold = (frame["split"] == "cv").to_numpy(), frame["fold"].to_numpy()
        for own in {*fold[cv], None}:  # None: the test windows, which no fold has seen
            judged = ~cv if own is None else cv & (fold == own)
            total = shares[cv & ~judged].sum(axis=0) + 1 / N_PATTERNS
            probabilities[judged] = total / total.sum()
    frame[list(PROBABILITY_COLUMNS)] = probabilities
    frame["arm"] = name
    return Predictions(frame)


def floor(table: Predictions, truth: pd.DataFrame) -> Predictions:
    """Return the predictions of a predictor that knows the distribution behind the votes."""
    frame = table.frame.copy()
    frame[list(PROBABILITY_COLUMNS)] = truth.loc[frame["window_id"], list(TRUE_COLUMNS)].to_numpy()
    frame["arm"] = FLOOR
    return Predictions(frame)
