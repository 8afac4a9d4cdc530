"""Patient-level bootstrap: patients are resampled because windows of one patient are not independent."""

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
"""Resamples or permutations drawn at a time, so that 10,000 of thousands of patients need little memory."""
IN_CACHE = 100
"""Resamples multiplied at a time, so that those of thousands of patients fit in the CPU cache."""
MOST_DRAWN = 2000
"""With more patients than this, groups of patients are drawn, see `PatientBootstrap.draws`."""
FEW_PATIENTS = 20
"""With fewer effective patients, confidence intervals and tests are unreliable."""


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
    """A figure with its confidence interval; the bounds are NaN if there are too few patients."""

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
        """Both bounds, or None if there is no interval."""
        return None if np.isnan(self.low) else [self.low, self.high]

    @property
    def excludes_zero(self) -> bool:
        """Whether there is an interval and zero is outside it."""
        return bool(self.low > 0 or self.high < 0)


@dataclass(frozen=True)
class PatientBootstrap:
    """Resamples of patients, the same for every figure, so that differences are paired.

    Attributes
    ----------
    patients
        Patient of each window, [window].
    weights
        Weight of each window, [window].
    n_resamples, seed, confidence
        See `ResamplingSettings`. Intervals are expanded percentile intervals, see `expanded_tail`.
    """

    patients: npt.NDArray[np.object_]
    weights: Floats
    n_resamples: int = 10_000
    seed: int = 0
    confidence: float = 0.95

    @cached_property
    def members(self) -> tuple[npt.NDArray[np.intp], int]:
        """Index of each window's patient, [window], and the number of patients."""
        codes, names = pd.factorize(self.patients)
        return codes, len(names)

    @cached_property
    def draws(self) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.uint16]]:
        """Index of each window's unit, [window], and how often each unit was drawn, [resample, unit].

        A unit is a patient. More than `MOST_DRAWN` patients are assigned at random to that many groups, and a group
        is drawn as one unit. Groups of independent patients are independent, too, and estimate the spread (random
        groups, Wolter 2007, *Introduction to Variance Estimation*, chapter 2) to within about 1 / sqrt(2 x 2000),
        1.6 %. Memory and time then do not grow with the number of patients.
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
        """Return the number of patients of the marked windows, [window]; of all if None."""
        codes, n = self.members
        return n if there is None else int((np.bincount(codes[there], minlength=n) > 0).sum())

    def means(self, values: npt.ArrayLike, shares: npt.ArrayLike | None = None) -> Floats:
        """Return the weighted mean in every resample, [resample, column].

        Parameters
        ----------
        values
            [window] or [window, column].
        shares
            How much of each window counts in each column, [window, column]; all of it if None.
        """
        # Column by column: with a million windows, thirteen columns of weights take as much memory as the table.
        of_columns = _columns(values)
        if shares is None:
            return self.ratios(self.sums(self.weights * column for column in of_columns), self.sums([self.weights]))
        counted = _columns(shares)
        pairs = zip(counted, of_columns, strict=True)
        numerator = self.sums(self.weights * share * column for share, column in pairs)
        return self.ratios(numerator, self.sums(self.weights * share for share in counted))

    def ratios(self, numerator: Floats, denominator: Floats) -> Floats:
        """Return the ratio of two sums in every resample, [resample, column], from the sums of each unit.

        Parameters
        ----------
        numerator, denominator
            Sums by the units of `draws`, [unit, column]; the denominator may have one column for all.
        """
        counts = self.draws[1]
        found = np.empty((self.n_resamples, numerator.shape[1]))
        for begin in range(0, self.n_resamples, IN_CACHE):
            part = counts[begin : begin + IN_CACHE].astype(np.float64)
            with np.errstate(invalid="ignore"):
                found[begin : begin + IN_CACHE] = (part @ numerator) / (part @ denominator)
        return found

    def sums(self, columns: Iterable[Floats]) -> Floats:
        """Return the sum of each column, [window], over the windows of each unit of `draws`, [unit, column]."""
        codes, counts = self.draws
        return np.stack([np.bincount(codes, column, counts.shape[1]) for column in columns], axis=1)

    @cached_property
    def n_effective(self) -> float:
        """Effective number of patients, see `effective`."""
        return self.effective()

    def effective(self, shares: npt.ArrayLike | None = None) -> float:
        """Return the number of equally weighted patients with the same variance: (sum w)^2 / sum w^2 (Kish 1965).

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
        """Return the weighted mean of one column with its confidence interval.

        Parameters
        ----------
        values, shares
            As in `means`.
        bounds
            Smallest and largest possible value, if known; an interval that reaches either does not collapse.
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
        """Return a figure with the interval of its resampled values; there is none for fewer than two patients.

        Parameters
        ----------
        value, resampled
            The figure, and its values in the resamples, [resample]; NaN where it is undefined.
        n_effective
            Effective number of patients behind the figure; that of all windows if None.
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
