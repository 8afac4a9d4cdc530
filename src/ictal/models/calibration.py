"""The calibration of a model's probabilities, without torch."""

from typing import Self

import numpy as np
import numpy.typing as npt
from pydantic import Field

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
        from scipy.special import softmax  # takes a fifth of a second, which 'ictal info' does not need

        logs = np.log(np.maximum(probabilities, np.finfo(np.float32).tiny))
        return np.asarray(softmax(logs / self.temperature + np.array(self.bias), axis=1))

    def then(self, other: Self) -> Self:
        """Return the one calibration that does the same as this one followed by another."""
        bias = tuple(own / other.temperature + more for own, more in zip(self.bias, other.bias, strict=True))
        return type(self)(temperature=self.temperature * other.temperature, bias=bias)


NO_CALIBRATION = CalibrationSettings()
