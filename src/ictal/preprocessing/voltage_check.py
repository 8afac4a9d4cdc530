"""Refuse recordings whose voltages cannot be microvolts of a scalp."""

from collections.abc import Sequence

import numpy as np

from ictal.core.montage import ELECTRODES
from ictal.core.recording import Recording, Signal
from ictal.errors import ReadError
from ictal.preprocessing.channel_graph import ChannelMapping

PLAUSIBLE_UV = 100_000
"""An electrode whose median deviation is larger than this was not recorded in µV."""
IMPERCEPTIBLE_UV = 0.001
"""If the electrodes vary, but none by as much as this, they were not recorded in µV: amplifiers make more noise."""
ENOUGH_SAMPLES = 100_000
"""About how many of each electrode its median deviation is taken of, evenly from all over a recording."""
CHECKED_S, N_CHECKED = 10, 8
"""The unit of a long recording is judged by so many stretches of so many seconds."""


def check_unit(samples: Signal, name: str) -> None:
    """Refuse voltages that cannot be those of a scalp.

    Raises
    ------
    ReadError
        If the median deviation of an electrode is above `PLAUSIBLE_UV`, or the largest of all is below
        `IMPERCEPTIBLE_UV`; it may be 0, where nothing was recorded.
    """
    some = samples[: len(ELECTRODES), :: max(1, samples.shape[1] // ENOUGH_SAMPLES)]
    centred = abs(some - np.median(some, axis=1, keepdims=True))
    spread = float(np.median(centred, axis=1).max())
    if spread > PLAUSIBLE_UV:
        raise ReadError(
            f"{name}: an electrode varies by {spread:.3g} µV; scalp EEG stays below {PLAUSIBLE_UV:g}: "
            "the file's physical unit is probably wrong"
        )
    if 0 < spread < IMPERCEPTIBLE_UV:
        raise ReadError(
            f"{name}: no electrode varies by more than {spread:.3g} µV; even an amplifier's noise is above "
            f"{IMPERCEPTIBLE_UV:g}: the file's physical unit is probably wrong"
        )


def sample_of(recording: Recording, mapping: ChannelMapping) -> Signal:
    """Return stretches from all over a recording, one after the other, [20, time] at the file's rate."""
    return mapping.apply(rows_of(recording, mapping.rows))


def rows_of(recording: Recording, rows: Sequence[int]) -> Signal:
    """Return the same of channels as the file has them, [row, time]; missing samples are 0."""
    length = min(round(CHECKED_S * recording.rate_hz), recording.n_samples)
    starts = np.linspace(0, recording.n_samples - length, N_CHECKED).astype(int)
    parts = [recording.read(start, start + length, rows) for start in dict.fromkeys(starts.tolist())]
    return np.nan_to_num(np.concatenate(parts, axis=1), posinf=0, neginf=0)
