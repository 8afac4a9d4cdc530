"""What a card says about a calibration. Completion reads cards, so this needs neither torch nor pandas."""

from ictal.core.settings import Settings


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
