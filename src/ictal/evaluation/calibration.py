"""Calibration after training: a temperature, optionally with a bias per pattern, fitted to votes."""

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.optimize import minimize
from scipy.special import log_softmax, softmax

from ictal.core.labels import N_PATTERNS, distribution
from ictal.errors import TableError
from ictal.evaluation.bootstrap import Estimate, PatientBootstrap
from ictal.evaluation.metrics import FLOOR, kl_divergence

Floats = npt.NDArray[np.float64]

CALIBRATIONS = {"temperature": False, "temperature and bias": True}
"""Names of calibrations, and whether they include a bias per pattern."""
MOST_SHARP = 100.0
"""The temperature is between 1 / 100 and 100."""
MOST_BIAS = 10.0
"""Largest distance of a bias from that of the last pattern; without it, a pattern without votes has no optimum."""
MOST_STEPS = 30
"""Largest number of steps of Newton's method, which needs five to ten."""
MANY, THINNED = 100_000, 20
"""From this many windows on, a fit to every twentieth window provides the starting point."""
AT_A_TIME = 20_000
"""Windows whose second derivatives are summed at a time, so that they fit in the CPU cache."""


@dataclass(frozen=True)
class Calibration:
    """Calibrated probabilities are softmax(log p / temperature + bias).

    Attributes
    ----------
    temperature
        Above 1 if the probabilities were overconfident (Guo et al. 2017), below 1 if underconfident.
    bias
        [6]; sums to zero, since adding a constant to all biases changes nothing.
    """

    temperature: float = 1.0
    bias: Floats = field(default_factory=lambda: np.zeros(N_PATTERNS))

    def apply(self, probabilities: npt.ArrayLike) -> Floats:
        """Return calibrated probabilities, [window, 6]."""
        return np.asarray(softmax(_logits(probabilities) / self.temperature + self.bias, axis=-1))


def fit_calibration(
    votes: npt.ArrayLike,
    probabilities: npt.ArrayLike,
    weights: npt.ArrayLike,
    *,
    with_bias: bool = False,
    penalty: float = 0.0,
) -> Calibration:
    """Return the calibration that minimises the weighted mean KL divergence of calibrated probabilities from votes.

    With biases, this is bias-corrected temperature scaling (Alexandari et al. 2020). A ridge on the biases keeps them
    small if there are few votes, as Kull et al. (2019) do for the intercepts of Dirichlet calibration. The mean and
    the penalty are convex in 1 / temperature and bias, so there is one minimum.

    Parameters
    ----------
    votes, probabilities
        [window, 6]; probabilities below `FLOOR` are raised to it.
    weights
        [window].
    with_bias
        Whether each pattern has a bias; otherwise all are zero.
    penalty
        Added to the mean KL: this times the sum of the squared biases, which sum to zero.

    Raises
    ------
    TableError
        If there is no window to fit.
    """
    weights = np.asarray(weights, dtype=np.float64)
    if not weights.sum() > 0:
        raise TableError("a calibration cannot be fitted: there are no windows, or all have weight 0")
    return _fit(distribution(votes), _logits(probabilities), weights, with_bias, penalty)


def _fit(shares: Floats, logits: Floats, weights: Floats, with_bias: bool, penalty: float) -> Calibration:
    begin, some = Calibration(), slice(None, None, THINNED)
    if len(weights) > MANY and weights[some].sum() > 0:
        begin = _fit(shares[some], logits[some], weights[some], with_bias, penalty)
    weights = weights / weights.sum()
    n_biases = N_PATTERNS - 1 if with_bias else 0
    start = np.concatenate([[1 / begin.temperature], (begin.bias - begin.bias[-1])[:n_biases]])
    found = _by_newton(start, shares, logits, weights, penalty)
    if found is None:  # the minimum is at a bound, or the data do not distinguish the biases
        bounds = [(1 / MOST_SHARP, MOST_SHARP)] + [(-MOST_BIAS, MOST_BIAS)] * n_biases
        found = minimize(
            cross_entropy,
            np.concatenate([[1.0], np.zeros(n_biases)]),
            args=(shares, logits, weights, penalty),
            jac=True,
            method="L-BFGS-B",
            bounds=bounds,
            options={"ftol": 1e-12, "gtol": 1e-8},
        ).x
    bias = _all_biases(found[1:])
    return Calibration(float(1 / found[0]), bias - bias.mean())


def _by_newton(start: Floats, shares: Floats, logits: Floats, weights: Floats, penalty: float) -> Floats | None:
    """Return the parameters of `cross_entropy` at its minimum, or None if it is not found within the bounds.

    With a million windows, one evaluation of the second derivatives saves many of the gradient.
    """
    now = start
    value, gradient, curvature = _second_order(now, shares, logits, weights, penalty)
    for _ in range(MOST_STEPS):
        try:
            step = np.linalg.solve(curvature, gradient)
        except np.linalg.LinAlgError:
            return None
        if abs(step).max() < 1e-6:  # the error after the step is about its square
            return now - step
        for halvings in range(10):
            to = now - step * 0.5**halvings
            if not 1 / MOST_SHARP < to[0] < MOST_SHARP or abs(to[1:]).max(initial=0) >= MOST_BIAS:
                return None
            found = _second_order(to, shares, logits, weights, penalty)
            if found[0] <= value + 1e-15:
                break
        else:
            return None
        now, (value, gradient, curvature) = to, found
    return None


def _second_order(
    parameters: Floats, shares: Floats, logits: Floats, weights: Floats, penalty: float
) -> tuple[float, Floats, Floats]:
    """Return `cross_entropy`, its gradient and its matrix of second derivatives."""
    n_biases = len(parameters) - 1
    value, gradient, curvature = _ridge(parameters, penalty)
    for begin in range(0, len(logits), AT_A_TIME):
        part = slice(begin, begin + AT_A_TIME)
        of, own, mass = shares[part].T.copy(), logits[part].T.copy(), weights[part]  # [6, window]
        scaled = own * parameters[0] + _all_biases(parameters[1:])[:, None]
        scaled -= scaled.max(axis=0)
        chances = np.exp(scaled)
        total = chances.sum(axis=0)
        chances /= total
        value += float(mass @ (np.log(total) - (of * scaled).sum(axis=0)))
        mean = (chances * own).sum(axis=0)
        weighted = chances * mass
        excess = weighted - of * mass
        gradient[0] += (excess * own).sum()
        gradient[1:] += excess[:n_biases].sum(axis=1)
        spread = weighted * (own - mean)
        curvature[0, 0] += (spread * own).sum()
        curvature[0, 1:] += spread[:n_biases].sum(axis=1)
        both = weighted[:n_biases] @ chances[:n_biases].T
        curvature[1:, 1:] += np.diag(weighted[:n_biases].sum(axis=1)) - both
    curvature[1:, 0] = curvature[0, 1:]
    return value, gradient, curvature


def _ridge(parameters: Floats, penalty: float) -> tuple[float, Floats, Floats]:
    """Return the penalty on biases, its gradient and its matrix of second derivatives.

    It is that of biases that sum to zero, so that it does not matter which of them is the last.
    """
    n = len(parameters)
    gradient, curvature = np.zeros(n), np.zeros((n, n))
    if penalty:
        curvature[1:, 1:] = 2 * penalty * (np.eye(n - 1) - 1 / N_PATTERNS)
        gradient = curvature @ parameters
    return float(parameters @ gradient) / 2, gradient, curvature


def cross_entropy(
    parameters: Floats, shares: Floats, logits: Floats, weights: Floats, penalty: float = 0.0
) -> tuple[float, Floats]:
    """Return the mean cross-entropy of votes and calibrated probabilities with the penalty, and its gradient.

    The cross-entropy equals the mean KL divergence plus the entropy of the votes, which no calibration changes.

    Parameters
    ----------
    parameters
        1 / temperature, and optionally the biases of all patterns except the last, whose bias is zero.
    shares, logits
        Shares of votes, and logarithms of probabilities, [window, 6].
    weights
        [window]; they sum to one.
    penalty
        As in `fit_calibration`.
    """
    scaled = logits * parameters[0] + _all_biases(parameters[1:])
    logs = log_softmax(scaled, axis=1)
    excess = (np.exp(logs) - shares) * weights[:, None]
    gradient = np.concatenate([[(excess * logits).sum()], excess.sum(axis=0)[: len(parameters) - 1]])
    size, slope, _ = _ridge(parameters, penalty)
    return size - float((shares * logs * weights[:, None]).sum()), slope + gradient


def calibrate_out_of_fold(
    votes: npt.ArrayLike,
    probabilities: npt.ArrayLike,
    weights: npt.ArrayLike,
    folds: npt.ArrayLike,
    *,
    with_bias: bool = False,
    penalty: float = 0.0,
) -> Floats:
    """Return calibrated probabilities, [window, 6]; the windows of each fold are calibrated by a fit to the others.

    Parameters
    ----------
    votes, probabilities, weights, with_bias, penalty
        As in `fit_calibration`.
    folds
        Fold of each window, [window]; no patient may be in two folds, see `patient_folds`.

    Raises
    ------
    TableError
        If there are fewer than two folds.
    """
    votes, probabilities, weights = (np.asarray(values) for values in (votes, probabilities, weights))
    folds = np.asarray(folds)
    names = np.unique(folds)
    if len(names) < 2:
        raise TableError(f"out-of-fold calibration needs two folds or more, not {len(names)}")
    calibrated = np.empty(probabilities.shape)
    shares, logits = distribution(votes), _logits(probabilities)
    for name in names:
        own = folds == name
        if not weights[~own].sum() > 0:
            raise TableError(
                f"a calibration for fold {name} cannot be fitted: all windows of other folds have weight 0"
            )
        fit = _fit(shares[~own], logits[~own], weights[~own], with_bias, penalty)
        calibrated[own] = fit.apply(probabilities[own])
    return calibrated


def calibrated_kl(
    bootstrap: PatientBootstrap, votes: npt.ArrayLike, probabilities: npt.ArrayLike, folds: npt.ArrayLike
) -> dict[str, Estimate]:
    """Return the mean KL divergence after each of `CALIBRATIONS`, out of fold; empty if there is only one fold.

    Parameters
    ----------
    bootstrap
        Patients and weights of the windows.
    votes, probabilities, folds
        As in `calibrate_out_of_fold`.
    """
    if len(np.unique(np.asarray(folds))) < 2:
        return {}
    found = {}
    for name, with_bias in CALIBRATIONS.items():
        calibrated = calibrate_out_of_fold(votes, probabilities, bootstrap.weights, folds, with_bias=with_bias)
        found[name] = bootstrap.mean(kl_divergence(votes, calibrated))
    return found


def patient_folds(patients: npt.ArrayLike, n_folds: int = 5, seed: int = 0) -> npt.NDArray[np.intp]:
    """Return a fold for each window, [window]; patients are assigned at random to folds of equal size.

    Parameters
    ----------
    patients
        Patient of each window, [window].
    n_folds
        Number of folds, from 2 to the number of patients.

    Raises
    ------
    TableError
        If there are fewer patients than folds.
    """
    codes, names = pd.factorize(np.asarray(patients, dtype=object))
    if not 2 <= n_folds <= len(names):
        raise TableError(f"n_folds is {n_folds}; allowed is 2 to the number of patients, {len(names)}")
    fold_of_patient = np.random.default_rng(seed).permutation(len(names)) % n_folds
    return np.asarray(fold_of_patient[codes])


def _logits(probabilities: npt.ArrayLike) -> Floats:
    return np.log(np.maximum(np.asarray(probabilities, dtype=np.float64), FLOOR))


def _all_biases(free: Floats) -> Floats:
    """Return all six biases from the free ones; the last is zero."""
    return np.concatenate([free, np.zeros(N_PATTERNS - len(free))])
