"""Tables of figures of several sides: ratios with their range, and exponents with their interval."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.stats import linregress, t


@dataclass(frozen=True)
class Ratio:
    """Cost of another side divided by ours: the median over rounds, the smallest and the largest."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, ours: Sequence[float], theirs: Sequence[float]) -> "Ratio":
        """Divide round by round, so that anything that slows the machine for a while affects both sides."""
        if len(ours) != len(theirs) or not ours:
            raise ValueError(
                f"{len(ours)} and {len(theirs)} rounds; both sides need the same number, and at least one"
            )
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
        The smallest ratio that reaches the target. None: the ratio is only reported.
    why
        What limits the ratio, reported if the target is missed.
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
        """Whether the median reaches the target; None if there is no target."""
        return None if self.target is None else self.ratio.median >= self.target

    @property
    def verdict(self) -> str:
        """Whether the target is reached, in words."""
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
    """Return the lines of a table with columns aligned in plain text."""
    cells = [list(header), *map(list, rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(header))]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |" for row in cells
    ]
    return [lines[0], "|" + "|".join("-" * (width + 2) for width in widths) + "|", *lines[1:]]


def misses(rows: Sequence[Row]) -> list[str]:
    """Return a line for each row that misses its target."""
    return [
        f"- **{row.name}**: {row.ratio.median:.3g}, target {row.target:g}. {row.why}"
        for row in rows
        if row.reached is False
    ]


@dataclass(frozen=True)
class Exponent:
    """Slope of log y against log x with its 95 % confidence interval: 1 is linear growth, 0 no growth."""

    value: float
    low: float
    high: float

    @classmethod
    def of(cls, x: npt.ArrayLike, y: npt.ArrayLike) -> "Exponent":
        """Fit a line to the logarithms by least squares; the interval uses Student's t with n - 2 degrees of freedom.

        Raises
        ------
        ValueError
            If there are fewer than three points, values that are not above 0, or only one value of x.
        """
        x, y = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
        if len(x) < 3 or len(set(x.tolist())) < 2 or min(x.min(), y.min()) <= 0:
            raise ValueError(f"x {x.tolist()}, y {y.tolist()}; give three points or more above 0, with different x")
        fit = linregress(np.log(x), np.log(y))
        # If all y are equal, there is no scatter, and linregress divides by zero.
        reach = float(t.ppf(0.975, len(x) - 2) * np.nan_to_num(fit.stderr))
        return cls(float(fit.slope), float(fit.slope) - reach, float(fit.slope) + reach)

    def __str__(self) -> str:
        return f"{self.value:.2f} [{self.low:.2f}, {self.high:.2f}]"
