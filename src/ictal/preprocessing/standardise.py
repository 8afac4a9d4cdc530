"""From any recording to the input of every model: 19 electrodes and EKG, 200 Hz, µV, band-passed.

Everything is local: what a sample becomes depends on the `MARGIN_S` around it and on nothing else. So a recording can
be taken in pieces of any length, and they are those of the whole.
"""

from ictal.core.recording import Recording
from ictal.errors import ReadError
from ictal.preprocessing.channel_graph import ChannelMapping
from ictal.preprocessing.channel_mapping import map_channels
from ictal.preprocessing.runs import Resampled, Standardised, filtered, stretches
from ictal.preprocessing.settings import Fill, StandardiseSettings
from ictal.preprocessing.voltage_check import check_unit


def standardise(
    recording: Recording, settings: StandardiseSettings, mapping: ChannelMapping | None = None
) -> Standardised:
    """Bring a whole recording into the form that every model takes.

    Parameters
    ----------
    recording
        At `MIN_RATE_HZ` or more, without gaps.
    settings
        Band-pass and filling.
    mapping
        How its channels become electrodes; None: it has the 19 electrodes under any known name.

    Returns
    -------
    Standardised
        The filter is a Butterworth applied forward and backward, so it shifts no phase; the resampling is
        polyphase, with the filter of `scipy.signal.resample_poly`.

    Raises
    ------
    ElectrodeError
        If electrodes are missing or doubled.
    ReadError
        If the rate is too low, the amplitude cannot be µV of a scalp, or there are gaps.
    """
    return filtered(resample(recording, settings.fill, mapping), settings)


def resample(recording: Recording, fill: Fill, mapping: ChannelMapping | None = None) -> Resampled:
    """Do the first part of `standardise`: everything but the band-pass."""
    refuse_gaps(recording)
    mapping = mapping or map_channels(recording)
    stretch = next(iter(stretches(recording, mapping, fill)))
    result = stretch.resampled(0, stretch.n_samples)
    check_unit(result.signal, recording.name)
    return result


def refuse_gaps(recording: Recording) -> None:
    """Raise a `ReadError` for a recording with gaps, of which there is no one array: its `stretches` are apart."""
    if recording.gaps:
        raise ReadError(
            f"{recording.name}: is discontinuous; its first of {len(recording.gaps)} gaps is at "
            f"{recording.gaps[0].start_s:g} s. Take its stretches one by one"
        )
