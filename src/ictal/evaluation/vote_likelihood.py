"""The likelihood of panels' votes: how much they vary around a predicted distribution."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize_scalar
from scipy.special import gammaln, xlogy

from ictal.evaluation.bootstrap import Estimate, PatientBootstrap
from ictal.evaluation.metrics import FLOOR

Floats = npt.NDArray[np.float64]

LOG_RANGE = (-3.0, 12.0)
"""Range of the logarithm of a constant concentration."""


@dataclass(frozen=True)
class PanelLikelihood:
    """The mean log-likelihood of panels' votes, with equal weight for each EEG; higher is better.

    Attributes
    ----------
    multinomial
        If every expert votes independently, by the predicted distribution.
    constant
        Dirichlet-multinomial, with one concentration for all windows that was fitted on the other folds.
    predicted
        The same with the concentration that the arm predicts for each window; None if it predicts none.
    gain
        `predicted` minus `constant`; None if the arm predicts no concentration.
    """

    multinomial: Estimate
    constant: Estimate
    predicted: Estimate | None
    gain: Estimate | None

    def to_json(self) -> dict[str, Any]:
        """Return plain numbers, lists and None."""
        rows = {name: getattr(self, name) for name in ("multinomial", "constant", "predicted", "gain")}
        return {name: [row.value, row.interval] if row else None for name, row in rows.items()}


def log_likelihood(
    votes: npt.ArrayLike, probabilities: npt.ArrayLike, concentrations: npt.ArrayLike | None = None
) -> Floats:
    """Return the log-likelihood of each panel's votes, [window].

    Parameters
    ----------
    votes
        Counts, [window, 6].
    probabilities
        [window, 6]; those below `FLOOR` are raised to it.
    concentrations
        [window] or one number, for Dirichlet-multinomial votes (Mosimann 1962); None for their limit, multinomial
        votes.
    """
    votes = np.asarray(votes, dtype=np.float64)
    chances = np.maximum(np.asarray(probabilities, dtype=np.float64), FLOOR)
    chances = chances / chances.sum(axis=1, keepdims=True)
    size = votes.sum(axis=1)
    orders = gammaln(size + 1) - gammaln(votes + 1).sum(axis=1)
    if concentrations is None:
        return np.asarray(orders + xlogy(votes, chances).sum(axis=1))
    total = np.broadcast_to(np.asarray(concentrations, dtype=np.float64), size.shape)
    alpha = np.maximum(total[:, None] * chances, 1e-300)
    of_patterns = (gammaln(alpha + votes) - gammaln(alpha)).sum(axis=1)
    return np.asarray(orders + gammaln(total) - gammaln(total + size) + of_patterns)


def fit_concentration(votes: npt.ArrayLike, probabilities: npt.ArrayLike, weights: npt.ArrayLike) -> float:
    """Return the single concentration with the highest likelihood."""
    weights = np.asarray(weights, dtype=np.float64)

    def loss(log_concentration: float) -> float:
        return -float(np.average(log_likelihood(votes, probabilities, np.exp(log_concentration)), weights=weights))

    return float(np.exp(minimize_scalar(loss, bounds=LOG_RANGE, method="bounded").x))


def panel_likelihood(
    bootstrap: PatientBootstrap,
    votes: npt.NDArray[np.int64],
    probabilities: Floats,
    folds: npt.NDArray[np.int64],
    concentrations: Floats | None = None,
) -> PanelLikelihood:
    """Evaluate predictions by the likelihood of the panels' votes.

    Parameters
    ----------
    bootstrap
        Patients and weights of the rows.
    votes, probabilities, folds, concentrations
        For each row: [row, 6], [row, 6], [row] (at least two folds), and [row] or None.
    """
    constant = np.empty(len(votes))
    for fold in np.unique(folds):
        judged = folds == fold
        best = fit_concentration(votes[~judged], probabilities[~judged], bootstrap.weights[~judged])
        constant[judged] = log_likelihood(votes[judged], probabilities[judged], best)
    multinomial = bootstrap.mean(log_likelihood(votes, probabilities))
    if concentrations is None:
        return PanelLikelihood(multinomial, bootstrap.mean(constant), None, None)
    predicted = log_likelihood(votes, probabilities, concentrations)
    gain = bootstrap.mean(predicted - constant)
    return PanelLikelihood(multinomial, bootstrap.mean(constant), bootstrap.mean(predicted), gain)
