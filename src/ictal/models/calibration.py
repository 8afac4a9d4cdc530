"""Calibrations of saved models, without torch: what is applied, and what it was fitted to."""

from typing import Self

import numpy as np
import numpy.typing as npt
from pydantic import Field
from scipy.special import softmax

from ictal.core.labels import N_PATTERNS
from ictal.core.settings import Settings


class CalibrationSettings(Settings):
    """A calibration that was fitted after training: probabilities become softmax(log p / temperature + bias).

    Attributes
    ----------
    temperature
        Above 1 if the probabilities were overconfident (Guo et al. 2017).
    bias
        One per pattern.
    """

    temperature: float = Field(1.0, gt=0)
    bias: tuple[float, ...] = Field((0.0,) * N_PATTERNS, min_length=N_PATTERNS, max_length=N_PATTERNS)

    @property
    def changes_nothing(self) -> bool:
        """Whether probabilities stay as they are."""
        return self == NO_CALIBRATION

    def apply(self, probabilities: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Return calibrated probabilities, [window, 6]; those that are 0 in float32 count as its smallest number."""
        if self.changes_nothing:
            return probabilities
        logs = np.log(np.maximum(probabilities, np.finfo(np.float32).tiny))
        return np.asarray(softmax(logs / self.temperature + np.array(self.bias), axis=1))

    def then(self, other: Self) -> Self:
        """Return the one calibration that does the same as this one followed by another."""
        bias = tuple(own / other.temperature + more for own, more in zip(self.bias, other.bias, strict=True))
        return type(self)(temperature=self.temperature * other.temperature, bias=bias)


NO_CALIBRATION = CalibrationSettings()


class CalibrationRecord(Settings):
    """What a calibration was fitted to, and what it changed.

    Attributes
    ----------
    model
        Name of the model that was calibrated; it has the same weights.
    data, data_fingerprint
        Name of the labelled data, and hash of their windows.
    n_windows, n_patients
        How many there were.
    penalty
        Penalty on the biases; None if only a temperature was fitted.
    kl_before
        Mean KL divergence on these windows before the calibration.
    kl, kl_interval
        The same after calibrations that were chosen and fitted on other patients (nested cross-validation).
    difference, difference_interval
        Of the two, after minus before, paired by patient.
    confidence
        Of the intervals.
    ictal_version
        Version that fitted it.
    """

    model: str
    data: str
    data_fingerprint: str
    n_windows: int
    n_patients: int
    penalty: float | None
    kl_before: float
    kl: float
    kl_interval: tuple[float, float] | None
    difference: float
    difference_interval: tuple[float, float] | None
    confidence: float
    ictal_version: str

    def in_words(self) -> str:
        """State what was fitted to which windows, and the KL before and after."""
        kind = "temperature" if self.penalty is None else f"temperature and biases (penalty {self.penalty:g})"
        span = ""
        if self.kl_interval:
            low, high = self.kl_interval
            span = f", {100 * self.confidence:g} % confidence interval {low:.3f} to {high:.3f}"
        return (
            f"{self.model} with a {kind} fitted to {self.data}: {self.n_windows} windows of {self.n_patients} "
            f"patients. KL on patients that it was not fitted to: {self.kl_before:.3f} before, {self.kl:.3f} "
            f"after{span}"
        )
