"""Paired differences between predictors on the same windows: confidence intervals, tests and power."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.optimize import brentq
from scipy.stats import t

from ictal.evaluation.bootstrap import Estimate, PatientBootstrap
from ictal.evaluation.metric_table import Measured
from ictal.evaluation.permutation import holm, least_p, permutation_p_values

Floats = npt.NDArray[np.float64]

POWER = 0.8
"""Power of the detectable difference."""
N_PERMUTATIONS = 10_000
"""Smallest number of permutations; a large family of tests needs more for a p-value that can be small enough."""
FEWEST_SEEDS = 3
"""Training seeds per arm that a verdict about arms needs; two are too few to estimate their spread."""


@dataclass(frozen=True)
class Difference:
    """The KL divergence of `a` minus that of `b` on the same windows; negative if `a` is better.

    Attributes
    ----------
    estimate
        The difference with its confidence interval over patients, and also over training seeds if there are
        `FEWEST_SEEDS` or more.
    p, p_holm
        p-value of the permutation test by patient, and the same corrected over the family of tests. With
        `FEWEST_SEEDS` or more, the larger of this p-value and that of the interval.
    detectable
        The smallest difference that such data would show with a power of 80 %, at the level that Holm's correction
        requires of the smallest p-value of the family, by quantiles of t (Bloom 1995, *Evaluation Review*): 2.8
        standard errors for one pair and many patients, more for several pairs or few patients. None if nothing can be
        decided.
    measures
        The difference in every other measure, by its name (`metric_table.MEASURES`). With several seeds, it is
        computed over all their rows, and only patients are resampled.
    split
        Split of the windows, 'cv' or 'test'; empty if there is none.
    n_seeds
        Number of trainings of each side whose mean KL is compared. With fewer than `FEWEST_SEEDS`, the difference
        applies to these trained networks only; see `of_arms`.
    n_effective
        Effective number of patients.
    decidable
        Whether there are enough patients to decide any pair of the family.
    """

    a: str
    b: str
    estimate: Estimate
    p: float
    p_holm: float
    detectable: float | None
    measures: dict[str, Estimate]
    split: str = ""
    n_seeds: int = 1
    n_effective: float = float("nan")
    decidable: bool = True

    @property
    def decided(self) -> bool:
        """Whether the interval excludes zero and the corrected p-value is below its level."""
        return self.decidable and self.estimate.excludes_zero and self.p_holm < 1 - self.estimate.confidence

    @property
    def of_arms(self) -> bool:
        """Whether it also applies to other trainings of the same arms, not only to these trained networks."""
        return self.n_seeds >= FEWEST_SEEDS

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
            "decidable": self.decidable,
            "decided": self.decided,
            "n_seeds": self.n_seeds,
            "n_effective_patients": self.n_effective,
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
    """Compare pairs of predictors as one family of tests.

    Parameters
    ----------
    pairs
        Names of predictors, keys of `losses` and `measured`.
    losses
        KL divergence of each row, [row], by predictor.
    measured
        The measures of each predictor, by name.
    bootstrap
        Patients and weights of the rows.
    split
        Copied to the result.
    seeds
        Training seed of each row, [row]; None for one seed.
    """
    if not pairs:
        return ()
    level = 1 - bootstrap.confidence
    gaps = np.stack([losses[a] - losses[b] for a, b in pairs], axis=1)
    # Twice the number with which the smallest corrected p-value can fall below its level.
    n_permutations = max(N_PERMUTATIONS, ceil(2 * len(pairs) / level))
    p_values = permutation_p_values(gaps, bootstrap.draws[0], bootstrap.weights, n_permutations, bootstrap.seed)
    n_seeds = 1 if seeds is None else len(np.unique(seeds))
    decidable = least_p(bootstrap.n_effective) * len(pairs) < level
    of_arms = n_seeds >= FEWEST_SEEDS
    estimates, compared = zip(*(_compared(bootstrap, gap, seeds if of_arms else None) for gap in gaps.T), strict=True)
    if of_arms:
        p_values = [max(p, one.p) for p, one in zip(p_values, compared, strict=True)]
    return tuple(
        Difference(
            a,
            b,
            estimate,
            p,
            p_holm,
            one.margin(level / len(pairs) / 2) + one.margin(1 - POWER) if decidable else None,
            {
                name: (measured[a][name] - measured[b][name]).estimate(bootstrap)
                for name in measured[a]
                if name != "kl"
            },
            split,
            n_seeds,
            bootstrap.n_effective,
            decidable,
        )
        for (a, b), estimate, one, p, p_holm in zip(pairs, estimates, compared, p_values, holm(p_values), strict=True)
    )


@dataclass(frozen=True)
class _Compared:
    """A mean difference and its components of variance: patients, and seeds if there are enough of them.

    Attributes
    ----------
    value
        The difference.
    parts
        Variance of the mean and degrees of freedom of each component.
    """

    value: float
    parts: tuple[tuple[float, float], ...]

    def margin(self, tail: float) -> float:
        """Return the margin of error of the mean, with a probability of `tail` beyond it on either side.

        The margins of the components, each by the t distribution with its own degrees of freedom, are added in
        quadrature. This keeps the coverage for any true variances (Banerjee 1960); degrees of freedom estimated from
        few seeds (Satterthwaite) do not quite keep it.
        """
        return float(np.sqrt(sum(t.ppf(1 - tail, freedom) ** 2 * variance for variance, freedom in self.parts)))

    @property
    def p(self) -> float:
        """The two-sided p-value of no difference."""
        if not any(variance for variance, _ in self.parts) or self.value == 0:
            return float(self.value == 0)
        least, most = 1e-12, 0.5 - 1e-12
        if self.margin(least) <= abs(self.value):
            return 2 * least
        return 2 * float(brentq(lambda tail: self.margin(tail) - abs(self.value), least, most))


def _compared(
    bootstrap: PatientBootstrap, gap: Floats, seeds: npt.NDArray[np.int64] | None
) -> tuple[Estimate, _Compared]:
    """Return the mean difference of rows, over patients, and also over seeds if they are given.

    Seeds are paired: averages of arms share networks, and a variant of an arm shares its initial weights. The
    variance of the mean over K seeds is the variance over patients for these networks, plus the variance of the
    seeds' differences divided by K. The interaction of seeds and patients is in both, so the sum is slightly too
    large.
    """
    value = float(np.average(gap, weights=bootstrap.weights))
    resampled = bootstrap.means(gap)[:, 0]
    estimate = bootstrap.estimate(value, resampled)
    if estimate.interval is None:
        return estimate, _Compared(value, ())
    # The variance of a bootstrap of n patients is (n - 1) / n of that of samples.
    n = bootstrap.n_effective
    patients = float(resampled.var()) * n / (n - 1), n - 1
    if seeds is None:
        return estimate, _Compared(value, (patients,))
    names = np.unique(seeds)
    of_seeds = [float(np.average(gap[seeds == name], weights=bootstrap.weights[seeds == name])) for name in names]
    trainings = float(np.var(of_seeds, ddof=1)) / len(names), len(names) - 1
    compared = _Compared(value, (patients, trainings))
    half = compared.margin((1 - bootstrap.confidence) / 2)
    return Estimate(value, value - half, value + half, bootstrap.confidence), compared


def _number(value: float) -> float | None:
    return None if np.isnan(value) else value
