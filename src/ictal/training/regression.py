"""Multinomial logistic regression on distributions of votes, with a penalty chosen by cross-validation."""

from dataclasses import dataclass, fields
from typing import Self

import numpy as np
import numpy.typing as npt
from sklearn.linear_model import LogisticRegression

from ictal.core.labels import N_PATTERNS
from ictal.recipes.regression import RegressionSettings

Floats = npt.NDArray[np.float64]
MAX_ITERATIONS = 5000
NORMAL_IQR = 1.349
"""Interquartile range of a normal distribution, in standard deviations."""


@dataclass(frozen=True)
class Examples:
    """Windows to fit a regression to.

    Attributes
    ----------
    features
        [window, feature].
    targets
        Distributions of votes, [window, 6].
    weights
        Weight of each window in the fit, [window]; they are scaled to sum to the number of windows.
    eeg_weights
        Weight of each window in the KL by which the penalty is chosen, [window].
    patients
        Patient of each window, [window].
    """

    features: Floats
    targets: Floats
    weights: Floats
    eeg_weights: Floats
    patients: npt.NDArray[np.object_]

    def select(self, rows: npt.NDArray[np.bool_]) -> Self:
        """Return some of the windows."""
        return type(self)(*(getattr(self, part.name)[rows] for part in fields(self)))


@dataclass(frozen=True)
class Regression:
    """A fitted regression: the logits are weights @ clipped((features - centre) / spread) + bias.

    Attributes
    ----------
    centre, spread
        Median and robust standard deviation of each feature, [feature].
    weights, bias
        [pattern, feature] and [pattern].
    clip
        Standardised features are clipped to +-clip.
    """

    centre: Floats
    spread: Floats
    weights: Floats
    bias: Floats
    clip: float

    def probabilities(self, features: Floats) -> Floats:
        """Return the probabilities of the patterns, [window, 6], for features [window, feature]."""
        logits = _standardised(features, self.centre, self.spread, self.clip) @ self.weights.T + self.bias
        exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
        return np.asarray(exponentials / exponentials.sum(axis=1, keepdims=True))


@dataclass(frozen=True)
class ChosenPenalty:
    """A penalty, and the figures behind the choice.

    Attributes
    ----------
    penalty
        The one with the lowest KL; the strongest if there is only one patient.
    kl
        KL of each penalty in the inner cross-validation, in the order of the settings; NaN with one patient.
    out_of_fold
        Probabilities of each window from a regression that did not see its patient, [window, 6]; None with one
        patient.
    """

    penalty: float
    kl: tuple[float, ...]
    out_of_fold: Floats | None


def fit_regression(examples: Examples, penalty: float, clip: float) -> Regression:
    """Fit a regression to distributions of votes by minimising the weighted KL.

    Parameters
    ----------
    examples
        What to fit to.
    penalty, clip
        See `RegressionSettings` and `Regression`.
    """
    features, weights = examples.features, examples.weights
    low, centre, high = np.quantile(features, [0.25, 0.5, 0.75], axis=0)
    spread = (high - low) / NORMAL_IQR
    spread[spread < 1e-6] = 1.0  # a constant feature carries no information
    # One extra window with a uniform distribution keeps patterns that the data lack from getting probability zero.
    inputs = np.vstack([_standardised(features, centre, spread, clip), np.zeros(features.shape[1])])
    targets = np.vstack([examples.targets, np.full(N_PATTERNS, 1 / N_PATTERNS)])
    window_weights = np.append(weights * len(weights) / weights.sum(), 1.0)
    # scikit-learn takes no distributions as targets: each window is repeated per pattern, weighted by its share.
    rows, patterns = np.nonzero(targets)
    model = LogisticRegression(C=1 / penalty, max_iter=MAX_ITERATIONS)
    model.fit(inputs[rows], patterns, targets[rows, patterns] * window_weights[rows])
    return Regression(centre, spread, model.coef_, model.intercept_, clip)


def choose_penalty(
    examples: Examples, settings: RegressionSettings, clip: float, lapse: float, rng: np.random.Generator
) -> ChosenPenalty:
    """Choose the penalty by cross-validation over patients.

    Parameters
    ----------
    examples
        What the regression will be fitted to.
    settings
        The penalties to choose from.
    clip
        See `Regression`.
    lapse
        Share of each prediction that is spread evenly over the patterns before it is evaluated.
    rng
        Assigns patients to folds.
    """
    patients = sorted({*examples.patients})
    if len(patients) < 2:
        return ChosenPenalty(max(settings.penalties), (float("nan"),) * len(settings.penalties), None)
    numbers = np.arange(len(patients)) % settings.inner_folds
    fold_of = dict(zip(rng.permutation(patients).tolist(), numbers, strict=True))
    folds = np.array([fold_of[patient] for patient in examples.patients])
    kl, out_of_fold = [], []
    for penalty in settings.penalties:
        probabilities = np.empty_like(examples.targets)
        for fold in np.unique(folds):
            held_out = folds == fold
            model = fit_regression(examples.select(~held_out), penalty, clip)
            predicted = model.probabilities(examples.features[held_out])
            probabilities[held_out] = (1 - lapse) * predicted + lapse / N_PATTERNS
        kl.append(float(np.average(_kl(examples.targets, probabilities), weights=examples.eeg_weights)))
        out_of_fold.append(probabilities)
    best = int(np.argmin(kl))
    return ChosenPenalty(settings.penalties[best], tuple(kl), out_of_fold[best])


def _standardised(features: Floats, centre: Floats, spread: Floats, clip: float) -> Floats:
    return ((features - centre) / spread).clip(-clip, clip)


def _kl(targets: Floats, probabilities: Floats) -> Floats:
    ratio = np.where(targets > 0, targets, 1.0) / np.where(targets > 0, probabilities.clip(1e-15), 1.0)
    return np.asarray((targets * np.log(ratio)).sum(axis=1))
