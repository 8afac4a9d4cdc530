"""Whether a model is calibrated: mean predicted and voted shares, and the temperature that would have been best."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import softmax

from ictal.core.labels import PATTERN_TITLES, PATTERNS, distribution
from ictal.core.summary_table import SummaryTable
from ictal.evaluation.bootstrap import Estimate, PatientBootstrap
from ictal.evaluation.calibration import MOST_SHARP, fit_calibration
from ictal.evaluation.metrics import FLOOR

Floats = npt.NDArray[np.float64]

SPAN, NODES = 8.0, 65
"""The temperature of a resample is sought from an eighth to eight times the best one, by interpolation between nodes.
They are 7 % apart, so the interpolation is exact to about a thousandth of the temperature."""


@dataclass(frozen=True)
class MeanShare:
    """The mean share of one pattern.

    Attributes
    ----------
    predicted, voted
        Mean of the predicted probabilities, and of the shares of votes.
    difference
        Predicted minus voted, paired.
    """

    predicted: float
    voted: float
    difference: Estimate

    def to_json(self) -> dict[str, Any]:
        """Return plain numbers and None."""
        return {
            "predicted": self.predicted,
            "voted": self.voted,
            "difference": self.difference.value,
            "difference_interval": self.difference.interval,
        }


@dataclass(frozen=True)
class CalibrationCheck:
    """Whether predictions are too certain, or give a pattern too much.

    Attributes
    ----------
    shares
        By pattern.
    temperature
        The temperature that minimises the KL divergence on these windows: above 1 if the predictions are
        overconfident, below 1 if underconfident.
    """

    shares: dict[str, MeanShare]
    temperature: Estimate

    def summary(self) -> SummaryTable:
        """Return the table of mean shares."""
        rows = tuple(
            (name, f"{share.predicted:.3f}", f"{share.voted:.3f}", f"{share.difference:+.3f}")
            for name, share in self.shares.items()
        )
        return SummaryTable(("mean share", "predicted", "voted", "predicted minus voted"), rows)

    def in_words(self) -> str:
        """State whether the model is under- or overconfident, and which mean shares are too high or too low."""
        best = self.temperature
        if best.interval is None:
            return "There are too few patients, or the predictions are all the same: no verdict on the calibration."
        sentences, found = [f"The data do not show under- or overconfidence: best temperature {best:.2f}."], False
        if best.high < 1 or best.low > 1:
            kind, side = ("underconfident", "below") if best.high < 1 else ("overconfident", "above")
            sentences, found = [f"The model is {kind}: best temperature {best:.2f}, {side} 1."], True
        off = {name: share for name, share in self.shares.items() if share.difference.excludes_zero}
        for sign, word in ((1, "high"), (-1, "low")):
            named = [_compared(name, share) for name, share in off.items() if sign * share.difference.value > 0]
            if named:
                sentences.append(f"Its mean share is too {word} for {_joined(named)}.")
                found = True
        if found:
            sentences.append("'ictal calibrate' can correct this, and shows whether that helps.")
        return " ".join(sentences)

    def to_json(self) -> dict[str, Any]:
        """Return plain numbers and None."""
        return {
            "shares": {name: share.to_json() for name, share in self.shares.items()},
            "best_temperature": self.temperature.value,
            "best_temperature_interval": self.temperature.interval,
        }


def check_calibration(
    bootstrap: PatientBootstrap, votes: npt.ArrayLike, probabilities: npt.ArrayLike
) -> CalibrationCheck:
    """Compare predictions with votes on average.

    Parameters
    ----------
    bootstrap
        Patients and weights of the windows.
    votes, probabilities
        [window, 6].
    """
    return CalibrationCheck(
        mean_shares(bootstrap, votes, probabilities), best_temperature(bootstrap, votes, probabilities)
    )


def mean_shares(
    bootstrap: PatientBootstrap, votes: npt.ArrayLike, probabilities: npt.ArrayLike
) -> dict[str, MeanShare]:
    """Return the mean predicted and voted share of each pattern; the parameters are those of `check_calibration`."""
    predicted, voted = np.asarray(probabilities, dtype=np.float64), distribution(votes)
    means = (np.average(of, axis=0, weights=bootstrap.weights).tolist() for of in (predicted, voted))
    return {
        name: MeanShare(own, other, bootstrap.mean(gap))
        for name, own, other, gap in zip(PATTERNS, *means, (predicted - voted).T, strict=True)
    }


def best_temperature(bootstrap: PatientBootstrap, votes: npt.ArrayLike, probabilities: npt.ArrayLike) -> Estimate:
    """Return the temperature that minimises the mean KL divergence, refitted in every resample of patients.

    The derivative of the mean KL with respect to 1 / temperature increases, and its zero is the best temperature. It
    is a mean over patients, so the derivatives of all patients at a few temperatures give those of all resamples.

    Parameters
    ----------
    bootstrap, votes, probabilities
        As in `check_calibration`.

    Returns
    -------
    Estimate
        Below 1, the predictions are underconfident. Without an interval if all probabilities are one sixth.
    """
    best = fit_calibration(votes, probabilities, bootstrap.weights).temperature
    nodes = np.geomspace(max(1 / best / SPAN, 1 / MOST_SHARP), min(SPAN / best, MOST_SHARP), NODES)
    shares = distribution(votes)
    logits = np.log(np.maximum(np.asarray(probabilities, dtype=np.float64), FLOOR))
    slopes = (((softmax(logits * node, axis=1) - shares) * logits).sum(axis=1) for node in nodes)
    sums = bootstrap.sums(bootstrap.weights * slope for slope in slopes)
    if np.ptp(sums.sum(axis=0)) < 1e-9 * bootstrap.weights.sum():
        return Estimate(best, float("nan"), float("nan"), bootstrap.confidence)
    resampled = bootstrap.ratios(sums, bootstrap.sums([bootstrap.weights]))
    return bootstrap.estimate(best, 1 / _zeros(nodes, resampled))


def _zeros(nodes: Floats, rising: Floats) -> Floats:
    """Return where each row of values at the nodes, [row, node], crosses zero, or the nearest end."""
    above = np.clip((rising < 0).sum(axis=1), 1, len(nodes) - 1)
    high, low = (np.take_along_axis(rising, at[:, None], axis=1)[:, 0] for at in (above, above - 1))
    with np.errstate(invalid="ignore", divide="ignore"):
        way = np.nan_to_num(np.clip(-low / (high - low), 0, 1), nan=0.5)
    return np.asarray(nodes[above - 1] + way * (nodes[above] - nodes[above - 1]))


def _compared(name: str, share: MeanShare) -> str:
    title = PATTERN_TITLES[name]
    return f"{title if title.isupper() else name} ({share.predicted:.2f}, votes {share.voted:.2f})"


def _joined(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
