"""From any recording to the input of every model: 19 electrodes and EKG, 200 Hz, µV, band-passed.

Everything is local: a sample of the result depends only on the `MARGIN_S` around it. So a recording can be processed
in chunks of any length, with the same result as at once.
"""

from ictal.core.recording import Recording
from ictal.errors import ReadError
from ictal.preprocessing.channel_graph import ChannelMapping
from ictal.preprocessing.channel_mapping import map_channels
from ictal.preprocessing.runs import Resampled, Standardised, check_unit, filtered, recorded_runs
from ictal.preprocessing.settings import Fill, StandardiseSettings


def standardise(
    recording: Recording, settings: StandardiseSettings, mapping: ChannelMapping | None = None
) -> Standardised:
    """Convert a whole recording to the form that every model takes.

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
        The Butterworth filter runs forward and backward, so it shifts no phase; the resampling is polyphase, with the
        filter of `scipy.signal.resample_poly`.

    Raises
    ------
    ElectrodeError
        If electrodes are missing or occur twice.
    ReadError
        If the rate is too low, the amplitude cannot be µV from a scalp, or there are gaps.
    """
    mapping = mapping or map_channels(recording)
    return filtered(resample(recording, settings.fill, mapping), settings, mapping)


def resample(recording: Recording, fill: Fill, mapping: ChannelMapping | None = None) -> Resampled:
    """Do the first step of `standardise`: everything but the band-pass."""
    refuse_gaps(recording)
    (run,) = recorded_runs(recording, mapping or map_channels(recording), fill)
    result = run.resampled(0, run.n_samples)
    check_unit(result.signal, recording.name)
    return result


def refuse_gaps(recording: Recording) -> None:
    """Raise a `ReadError` for a recording with gaps, which is not one array: its runs are processed one by one."""
    if recording.gaps:
        raise ReadError(
            f"{recording.name}: is discontinuous; its first of {len(recording.gaps)} gaps is at "
            f"{recording.gaps[0].start_s:g} s. Process its runs one by one"
        )
