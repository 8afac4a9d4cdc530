"""Which channels of a file with several sampling rates are read."""

from collections import Counter
from collections.abc import Sequence

from ictal.core.channel_labels import ELECTRODES, read_labels

OTHER_RATE = "have another sampling rate than the EEG"
"""Why a channel is left out."""


def are_scalp(labels: Sequence[str]) -> tuple[bool, ...]:
    """Return for each label of a file whether it names one of the 19 electrodes."""
    return tuple(bool(label and {*label} & {*ELECTRODES}) for label in read_labels(labels))


def scalp_rate(labels: Sequence[str], rates: Sequence[float]) -> float:
    """Return the most frequent sampling rate among the 19 electrodes, or among all channels if there are none.

    Of equally frequent rates, the highest is returned.
    """
    scalp = are_scalp(labels)
    counts = Counter(rate for rate, is_scalp in zip(rates, scalp, strict=True) if is_scalp or not any(scalp))
    return max(counts, key=lambda rate: (counts[rate], rate))
