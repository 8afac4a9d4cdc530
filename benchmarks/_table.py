"""Figures of several sides as a table: ratios with their spread, and exponents with their interval."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.stats import linregress, t


@dataclass(frozen=True)
class Ratio:
    """How many times more another side takes than ours: the median over rounds, the least and the largest."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, ours: Sequence[float], theirs: Sequence[float]) -> "Ratio":
        """Divide round by round, so that what slows the machine for a while slows both."""
        if len(ours) != len(theirs) or not ours:
            raise ValueError(f"{len(ours)} and {len(theirs)} rounds; needed are as many of both, and at least one")
        ratios = np.asarray(theirs, dtype=float) / np.asarray(ours, dtype=float)
        return cls(float(np.median(ratios)), float(ratios.min()), float(ratios.max()))

    def __str__(self) -> str:
        return f"{self.median:.3g} ({self.low:.3g} to {self.high:.3g})"


@dataclass(frozen=True)
class Row:
    """One line of the table.

    Attributes
    ----------
    name, unit
        What was measured.
    ours, theirs
        A figure per round; smaller is better.
    target
        The least ratio that is asked for; None: it is only told.
    why
        What limits the ratio, told where it is missed.
    """

    name: str
    unit: str
    ours: tuple[float, ...]
    theirs: tuple[float, ...]
    target: float | None = None
    why: str = ""

    @property
    def ratio(self) -> Ratio:
        """Theirs over ours."""
        return Ratio.of(self.ours, self.theirs)

    @property
    def reached(self) -> bool | None:
        """Whether the median reaches the target; None where there is none."""
        return None if self.target is None else self.ratio.median >= self.target

    @property
    def verdict(self) -> str:
        """The same in words."""
        if self.target is None:
            return ""
        return f"{'reached' if self.reached else 'missed'}: at least {self.target:g}"

    @property
    def told(self) -> str:
        """The row in one line, for the screen."""
        return " | ".join(filter(None, self.cells()))

    def cells(self) -> list[str]:
        """Return the cells of the table."""
        ours, theirs = (f"{np.median(side):.3g}" for side in (self.ours, self.theirs))
        return [f"{self.name}, {self.unit}", theirs, ours, str(self.ratio), self.verdict]


def markdown(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Return the lines of a table whose columns stand below each other also as plain text."""
    cells = [list(header), *map(list, rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(header))]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |" for row in cells
    ]
    return [lines[0], "|" + "|".join("-" * (width + 2) for width in widths) + "|", *lines[1:]]


def misses(rows: Sequence[Row]) -> list[str]:
    """Return a sentence for each row that misses its target."""
    return [
        f"- **{row.name}** misses {row.target:g} with {row.ratio.median:.3g}. {row.why}"
        for row in rows
        if row.reached is False
    ]


@dataclass(frozen=True)
class Exponent:
    """The slope of log y against log x with its 95 % interval: 1 is linear growth, 0 none."""

    value: float
    low: float
    high: float

    @classmethod
    def of(cls, x: npt.ArrayLike, y: npt.ArrayLike) -> "Exponent":
        """Fit a line to logarithms by least squares; the interval is Student's, on points - 2 degrees of freedom.

        Raises
        ------
        ValueError
            If there are fewer than three points, values that are not above 0, or only one x.
        """
        x, y = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
        if len(x) < 3 or len(set(x.tolist())) < 2 or min(x.min(), y.min()) <= 0:
            raise ValueError(f"x {x.tolist()}, y {y.tolist()}; needed are three points above 0, not all of one x")
        fit = linregress(np.log(x), np.log(y))
        # Where all y are alike there is no scatter, and linregress divides by zero.
        reach = float(t.ppf(0.975, len(x) - 2) * np.nan_to_num(fit.stderr))
        return cls(float(fit.slope), float(fit.slope) - reach, float(fit.slope) + reach)

    def __str__(self) -> str:
        return f"{self.value:.2f} [{self.low:.2f}, {self.high:.2f}]"
