"""Multinomial logistic regression on distributions of votes, its penalty chosen within the training patients."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from sklearn.linear_model import LogisticRegression

from ictal.core.labels import N_PATTERNS
from ictal.recipes.regression import RegressionSettings

Floats = npt.NDArray[np.float64]
MOST_ITERATIONS = 5000
NORMAL_IQR = 1.349
"""Distance of the quartiles of a normal distribution, in standard deviations."""


@dataclass(frozen=True)
class Regression:
    """A fitted regression: the logits are weights @ clip((figures - centre) / spread) + bias.

    Attributes
    ----------
    centre, spread
        Median and robust standard deviation of each figure, [feature].
    weights, bias
        [pattern, feature] and [pattern].
    most
        Standardised figures are clipped to +-most.
    """

    centre: Floats
    spread: Floats
    weights: Floats
    bias: Floats
    most: float

    def probabilities(self, figures: Floats) -> Floats:
        """Return the distribution over patterns, [window, 6], of figures [window, feature]."""
        logits = _standardised(figures, self.centre, self.spread, self.most) @ self.weights.T + self.bias
        exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
        return np.asarray(exponentials / exponentials.sum(axis=1, keepdims=True))


@dataclass(frozen=True)
class Chosen:
    """A penalty, and what the choice was based on.

    Attributes
    ----------
    penalty
        The one with the lowest KL.
    kl
        Of each penalty in the inner cross-validation, in the order of the settings; NaN with a single patient, where
        there is nothing to choose by and the strongest is taken.
    out_of_fold
        Probabilities of each window by a regression that did not see its patient, [window, 6]; None there.
    """

    penalty: float
    kl: tuple[float, ...]
    out_of_fold: Floats | None


def fit_regression(figures: Floats, shares: Floats, weights: Floats, penalty: float, most: float) -> Regression:
    """Fit one regression to distributions of votes, by the least weighted KL.

    Parameters
    ----------
    figures
        [window, feature].
    shares
        Of the votes, [window, 6], each row adding up to one.
    weights
        Of the windows, [window]; they are scaled so that their sum is their number.
    penalty, most
        See `RegressionSettings` and `Regression`.
    """
    low, centre, high = np.quantile(figures, [0.25, 0.5, 0.75], axis=0)
    spread = (high - low) / NORMAL_IQR
    spread[spread < 1e-6] = 1.0  # a figure that hardly ever differs says nothing
    # One more window, of one sixth each: no pattern that is missing in the data has probability zero.
    inputs = np.vstack([_standardised(figures, centre, spread, most), np.zeros(figures.shape[1])])
    targets = np.vstack([shares, np.full(N_PATTERNS, 1 / N_PATTERNS)])
    of_windows = np.append(weights * len(weights) / weights.sum(), 1.0)
    # scikit-learn knows no distributions as targets: each window comes once per pattern, weighted by its share.
    rows, patterns = np.nonzero(targets)
    model = LogisticRegression(C=1 / penalty, max_iter=MOST_ITERATIONS)
    model.fit(inputs[rows], patterns, targets[rows, patterns] * of_windows[rows])
    return Regression(centre, spread, model.coef_, model.intercept_, most)


def choose_penalty(
    figures: Floats,
    shares: Floats,
    weights: Floats,
    judged: Floats,
    patients: Sequence[str],
    settings: RegressionSettings,
    most: float,
    lapse: float,
    rng: np.random.Generator,
) -> Chosen:
    """Choose the penalty by cross-validation over patients.

    Parameters
    ----------
    figures, shares, weights, most
        As in `fit_regression`.
    judged
        Weight of each window in the KL that decides, [window].
    patients
        Of each window, [window].
    settings
        The penalties to choose from.
    lapse
        Share of a prediction that is spread evenly over the patterns before it is judged.
    rng
        Deals the patients out into folds.
    """
    names = sorted({*patients})
    if len(names) < 2:
        return Chosen(max(settings.penalties), (float("nan"),) * len(settings.penalties), None)
    dealt = dict(zip(rng.permutation(names).tolist(), np.arange(len(names)) % settings.inner_folds, strict=True))
    folds = np.array([dealt[patient] for patient in patients])
    found: list[tuple[float, Floats]] = []
    for penalty in settings.penalties:
        probabilities = np.empty_like(shares)
        for fold in np.unique(folds):
            own = folds == fold
            model = fit_regression(figures[~own], shares[~own], weights[~own], penalty, most)
            probabilities[own] = (1 - lapse) * model.probabilities(figures[own]) + lapse / N_PATTERNS
        found.append((float(np.average(_kl(shares, probabilities), weights=judged)), probabilities))
    best = min(range(len(found)), key=lambda number: found[number][0])
    return Chosen(settings.penalties[best], tuple(kl for kl, _ in found), found[best][1])


def _standardised(figures: Floats, centre: Floats, spread: Floats, most: float) -> Floats:
    return ((figures - centre) / spread).clip(-most, most)


def _kl(shares: Floats, probabilities: Floats) -> Floats:
    ratio = np.where(shares > 0, shares, 1.0) / np.where(shares > 0, probabilities.clip(1e-15), 1.0)
    return np.asarray((shares * np.log(ratio)).sum(axis=1))
