"""A panel of raters: from how a pattern is expressed to the distribution of votes."""

import numpy as np
import numpy.typing as npt

from ictal.labels import PATTERNS
from ictal.simulate.patterns import PatternTraits

Floats = npt.NDArray[np.float64]


def _sigmoid(x: float) -> float:
    return float(1 / (1 + np.exp(-x)))


def vote_distribution(traits: PatternTraits) -> Floats:
    """Return the probability of each pattern in the eyes of the average rater, [6].

    A rater decides in turn: is there a pattern at all (strength), is it a seizure (fast and evolving), is
    it lateralized (laterality), is it periodic or rhythmic (sharpness). Each answer is a logistic curve, so
    patterns near a limit split the panel.
    """
    named = _sigmoid((np.log(traits.strength) - np.log(0.9)) / 0.25) if traits.strength > 0 else 0.03
    fast = _sigmoid((traits.frequency_hz - 2.5) / 0.2)
    evolving = _sigmoid((0.85 - traits.evolution) / 0.04)
    seizure = fast * evolving
    lateral = _sigmoid((traits.laterality - 0.5) / 0.08)
    periodic = _sigmoid((traits.sharpness - 0.5) / 0.08)
    shares = {
        "seizure": seizure,
        "lpd": (1 - seizure) * lateral * periodic,
        "gpd": (1 - seizure) * (1 - lateral) * periodic,
        "lrda": (1 - seizure) * lateral * (1 - periodic),
        "grda": (1 - seizure) * (1 - lateral) * (1 - periodic),
        "other": 0.0,
    }
    result = 0.98 * named * np.array([shares[pattern] for pattern in PATTERNS])
    result[PATTERNS.index("other")] = 1 - result.sum()
    return result


def draw_votes(rng: np.random.Generator, probabilities: Floats) -> npt.NDArray[np.int64]:
    """Draw the votes of a panel, [6]: a third of the panels are few (1 to 9), the others many (10 to 20)."""
    size = rng.integers(1, 10) if rng.random() < 1 / 3 else rng.integers(10, 21)
    return rng.multinomial(size, probabilities)
