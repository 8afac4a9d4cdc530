"""Paired differences of predictors on the same windows: intervals, tests, and what could have been seen."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.stats import norm

from ictal.evaluation.measures import Measured
from ictal.evaluation.permutation import holm, permutation_p_values
from ictal.evaluation.resampling import Estimate, PatientBootstrap

Floats = npt.NDArray[np.float64]

POWER = 0.8
"""With which the smallest difference would have been detected."""
N_PERMUTATIONS = 10_000
"""However few resamples: after correction for many pairs a p of fewer permutations could never be small."""


@dataclass(frozen=True)
class Difference:
    """The KL of `a` minus that of `b` on the same windows; negative where `a` is better.

    Attributes
    ----------
    estimate
        With its interval by resampling patients, and seeds where there are several.
    p, p_holm
        Of the permutation test by patient, and corrected over the family that it was compared in.
    detectable
        The smallest difference that such data would show with a power of 80 %, at the level that Holm's correction
        asks of the smallest p of the family: 2.8 standard errors for one pair (Bloom 1995, *Evaluation Review*), 3.2
        for three, 4.3 for a hundred.
    measures
        The same difference of every other measure, by its name (`ictal.evaluation.measures.MEASURES`); with several
        seeds, of all their rows together, and patients alone are resampled.
    split
        Of the windows, 'cv' or 'test'; empty where there is none.
    """

    a: str
    b: str
    estimate: Estimate
    p: float
    p_holm: float
    detectable: float
    measures: dict[str, Estimate]
    split: str = ""

    @property
    def decided(self) -> bool:
        """Whether the interval excludes zero and the corrected p is below its level."""
        return self.estimate.excludes_zero and self.p_holm < 1 - self.estimate.confidence

    def to_json(self) -> dict[str, Any]:
        """Return plain numbers, lists and None."""
        return {
            "a": self.a,
            "b": self.b,
            **({"split": self.split} if self.split else {}),
            "difference": self.estimate.value,
            "interval": self.estimate.interval,
            "p": self.p,
            "p_holm": self.p_holm,
            "detectable": self.detectable,
            "measures": {
                name: {"difference": _number(measure.value), "interval": measure.interval}
                for name, measure in self.measures.items()
            },
        }


def paired_differences(
    pairs: Sequence[tuple[str, str]],
    losses: Mapping[str, Floats],
    measured: Mapping[str, Mapping[str, Measured]],
    bootstrap: PatientBootstrap,
    split: str = "",
    seeds: npt.NDArray[np.int64] | None = None,
) -> tuple[Difference, ...]:
    """Compare pairs of predictors, which make one family of tests.

    Parameters
    ----------
    pairs
        Names, each of which `losses` and `measured` have.
    losses
        KL of each row, [row].
    measured
        The measures of each predictor, by their names.
    bootstrap
        Patients and weights of the rows.
    split
        Goes into the result.
    seeds
        Of training, of each row, [row]; None for one seed.
    """
    if not pairs:
        return ()
    gaps = [losses[a] - losses[b] for a, b in pairs]
    p_values = permutation_p_values(
        np.stack(gaps, axis=1), bootstrap.patients, bootstrap.weights, N_PERMUTATIONS, bootstrap.seed
    )
    factor = norm.ppf(1 - (1 - bootstrap.confidence) / (2 * len(pairs))) + norm.ppf(POWER)
    found = []
    for (a, b), gap, p, p_holm in zip(pairs, gaps, p_values, holm(p_values), strict=True):
        resampled = _resampled(bootstrap, gap, seeds)
        estimate = bootstrap.estimate(float(np.average(gap, weights=bootstrap.weights)), resampled)
        measures = {
            name: (measured[a][name] - measured[b][name]).estimate(bootstrap) for name in measured[a] if name != "kl"
        }
        found.append(Difference(a, b, estimate, p, p_holm, float(factor * resampled.std()), measures, split))
    return tuple(found)


def _resampled(bootstrap: PatientBootstrap, gap: Floats, seeds: npt.NDArray[np.int64] | None) -> Floats:
    """Return the mean in every resample of patients and, independently, of seeds."""
    if seeds is None or len(names := np.unique(seeds)) == 1:
        return bootstrap.means(gap)[:, 0]
    of_seed = (seeds[:, None] == names).astype(np.float64)
    means = bootstrap.means(np.repeat(gap[:, None], len(names), axis=1), of_seed)
    generator = np.random.default_rng((bootstrap.seed, len(names)))
    counts = generator.multinomial(len(names), np.full(len(names), 1 / len(names)), len(means))
    return np.asarray((means * counts).sum(axis=1) / len(names))


def _number(value: float) -> float | None:
    return None if np.isnan(value) else value
