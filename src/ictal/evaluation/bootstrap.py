"""Intervals: patients are drawn with replacement, since windows of one patient are not independent."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pandas as pd
from pydantic import Field

from ictal.core.intervals import Bounded, Interval, bounded_mean, expanded_tail
from ictal.core.settings import Settings

Floats = npt.NDArray[np.float64]

CHUNK = 1000
"""Resamples, or permutations, that are drawn at a time, so that 10,000 x thousands of patients need little memory."""
IN_CACHE = 100
"""Resamples that are multiplied at a time, so that those of thousands of patients fit in a processor's cache."""
MOST_DRAWN = 2000
"""Of more patients, groups are drawn, see `PatientBootstrap.draws`."""
FEW_PATIENTS = 20
"""With fewer effective patients, intervals and tests are not to be relied on."""


class ResamplingSettings(Settings):
    """How confidence intervals are calculated.

    Attributes
    ----------
    n_resamples
        Resamples of patients.
    seed
        Seed for resamples and permutations.
    confidence
        Two-sided confidence level.
    """

    n_resamples: int = Field(10_000, ge=1)
    seed: int = Field(0, ge=0)
    confidence: float = Field(0.95, gt=0, lt=1)


@dataclass(frozen=True)
class Estimate:
    """A figure with its interval; the bounds are NaN where there are too few patients for one."""

    value: float
    low: float
    high: float
    confidence: float = 0.95

    def __str__(self) -> str:
        return f"{self:.3f}"

    def __format__(self, spec: str) -> str:
        spec = spec or ".3f"
        if np.isnan(self.low):
            return f"{self.value:{spec}} [–]"
        return f"{self.value:{spec}} [{self.low:{spec}}, {self.high:{spec}}]"

    @property
    def interval(self) -> list[float] | None:
        """Both bounds, or None where there is no interval."""
        return None if np.isnan(self.low) else [self.low, self.high]

    @property
    def excludes_zero(self) -> bool:
        """Whether there is an interval, and zero is outside of it."""
        return bool(self.low > 0 or self.high < 0)


@dataclass(frozen=True)
class PatientBootstrap:
    """Resamples of patients, the same for every figure that is asked of them, so that differences are paired.

    Attributes
    ----------
    patients
        Patient of each window, [window].
    weights
        Weight of each window, [window].
    n_resamples, seed, confidence
        Of the expanded percentile interval, see `expanded_tail`.
    """

    patients: npt.NDArray[np.object_]
    weights: Floats
    n_resamples: int = 10_000
    seed: int = 0
    confidence: float = 0.95

    @cached_property
    def members(self) -> tuple[npt.NDArray[np.intp], int]:
        """The number of each window's patient, [window], and how many patients there are."""
        codes, names = pd.factorize(self.patients)
        return codes, len(names)

    @cached_property
    def draws(self) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.uint16]]:
        """The number of what each window is drawn with, [window], and how often that was drawn, [resample, number].

        That is its patient. More than `MOST_DRAWN` patients are dealt at random to as many groups, which are drawn as
        one: groups of independent patients are independent, too, and tell as much of the spread (the random groups of
        Wolter 2007, *Introduction to Variance Estimation*, chapter 2), to about 1 / sqrt(2 x 2000), 1.6 %, of its
        size. Memory and time do not grow with the patients then.
        """
        codes, n = self.members
        if n > MOST_DRAWN:
            codes = (np.random.default_rng((self.seed, n)).permutation(n) % MOST_DRAWN)[codes]
            n = MOST_DRAWN
        generator = np.random.default_rng(self.seed)
        uniform = np.full(n, 1 / n)
        counts = np.empty((self.n_resamples, n), dtype=np.uint16)
        for begin in range(0, self.n_resamples, CHUNK):
            ndraws = min(CHUNK, self.n_resamples - begin)
            counts[begin : begin + CHUNK] = generator.multinomial(n, uniform, ndraws)
        return codes, counts

    def n_patients(self, there: npt.NDArray[np.bool_] | None = None) -> int:
        """Return how many patients some windows are of, [window]; all if None."""
        codes, n = self.members
        return n if there is None else int((np.bincount(codes[there], minlength=n) > 0).sum())

    def means(self, values: npt.ArrayLike, shares: npt.ArrayLike | None = None) -> Floats:
        """Return the weighted mean in every resample, [resample, column].

        Parameters
        ----------
        values
            [window] or [window, column].
        shares
            How much of a window counts in each column, [window, column]; all of it if None.
        """
        # Column by column: of a million windows, thirteen columns of weights take as much memory as the table.
        of_columns = _columns(values)
        if shares is None:
            return self.ratios(self.sums(self.weights * column for column in of_columns), self.sums([self.weights]))
        counted = _columns(shares)
        pairs = zip(counted, of_columns, strict=True)
        numerator = self.sums(self.weights * share * column for share, column in pairs)
        return self.ratios(numerator, self.sums(self.weights * share for share in counted))

    def ratios(self, numerator: Floats, denominator: Floats) -> Floats:
        """Return the ratio of two sums in every resample, [resample, column], from what each patient adds to them.

        Parameters
        ----------
        numerator, denominator
            By the numbers of `draws`, [number, column]; the denominator may have one column for all.
        """
        counts = self.draws[1]
        found = np.empty((self.n_resamples, numerator.shape[1]))
        for begin in range(0, self.n_resamples, IN_CACHE):
            part = counts[begin : begin + IN_CACHE].astype(np.float64)
            with np.errstate(invalid="ignore"):
                found[begin : begin + IN_CACHE] = (part @ numerator) / (part @ denominator)
        return found

    def sums(self, columns: Iterable[Floats]) -> Floats:
        """Return the sum of each column, [window], over the windows of each number of `draws`, [number, column]."""
        codes, counts = self.draws
        return np.stack([np.bincount(codes, column, counts.shape[1]) for column in columns], axis=1)

    @cached_property
    def n_effective(self) -> float:
        """How many equal patients these ones are worth, see `effective`."""
        return self.effective()

    def effective(self, shares: npt.ArrayLike | None = None) -> float:
        """Return how many patients of equal weight would vary as much: (sum w)^2 / sum w^2 (Kish 1965).

        Parameters
        ----------
        shares
            How much of each window counts, [window]; all of it if None.
        """
        weights = self.weights if shares is None else self.weights * np.asarray(shares, dtype=np.float64)
        of_patients = np.bincount(self.members[0], weights)
        squares = float((of_patients**2).sum())
        return float(of_patients.sum() ** 2 / squares) if squares > 0 else 0.0

    def mean(
        self, values: npt.ArrayLike, shares: npt.ArrayLike | None = None, bounds: Interval | None = None
    ) -> Estimate:
        """Return the weighted mean of one column with its interval.

        Parameters
        ----------
        values, shares
            Those of `means`.
        bounds
            Which values are possible, where that is known: then an interval that reaches an end does not collapse.
        """
        values = np.asarray(values, dtype=np.float64)
        counted = np.ones_like(values) if shares is None else np.asarray(shares, dtype=np.float64)
        weights = counted * self.weights
        total = weights.sum()
        value = float((weights * values).sum() / total) if total > 0 else float("nan")
        n_effective = self.effective(counted)
        bounded = bounded_mean(value, n_effective, self.confidence, *bounds) if bounds and total > 0 else None
        return self.estimate(value, self.means(values, shares)[:, 0], n_effective, bounded)

    def estimate(
        self, value: float, resampled: Floats, n_effective: float | None = None, bounded: Bounded | None = None
    ) -> Estimate:
        """Return a figure with the interval of its resampled values; none for fewer than two patients.

        Parameters
        ----------
        value, resampled
            The figure, and its values in the resamples, [resample]; NaN in those that say nothing of it.
        n_effective
            Patients whom it rests on, as if all had the same weight; those of all windows if None.
        bounded
            See `Bounded`.
        """
        n_effective = self.n_effective if n_effective is None else n_effective
        if n_effective < 1 + 1e-9:
            return Estimate(value, float("nan"), float("nan"), self.confidence)
        tail = expanded_tail(n_effective, self.confidence)
        low, high = np.nanquantile(resampled, [tail, 1 - tail])
        if bounded and np.isfinite(low):
            low, high = bounded.instead(float(low), float(high))
        return Estimate(value, float(low), float(high), self.confidence)


def _columns(values: npt.ArrayLike) -> npt.NDArray[np.generic]:
    """Return the columns of [window] or [window, column]."""
    values = np.asarray(values)
    return values.reshape(len(values), -1).T
