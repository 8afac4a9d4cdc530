"""Typical amplitude of a recording's traces, to open it at a suitable sensitivity."""

import warnings

import numpy as np
import numpy.typing as npt

from ictal.core.recording import Recording
from ictal.web.montages import Montage
from ictal.web.traces import Filters, read_page

PAGES, PAGE_S = 6, 10.0
"""Number and length of the pages examined, spread over the recording: a single page may be an artifact or empty."""
FILTERS = Filters(low_hz=1.0, high_hz=70.0)
"""The default filters of a page."""
SHARE = 75
"""Percentile of the range within a second, over all traces and seconds. Seizures count; single artifacts do not."""
HEART = "EKG"


def amplitudes_uv(recording: Recording, montage: Montage) -> tuple[float | None, float | None]:
    """Return the typical peak-to-peak range within a second, of the EEG traces and of the EKG.

    None if there is no such trace, or if all are flat.
    """
    length_s = min(PAGE_S, recording.span_s)
    starts = np.linspace(0, recording.span_s - length_s, PAGES if recording.span_s > PAGE_S else 1)
    pages = [read_page(recording, montage, start, start + length_s, FILTERS).values for start in starts]
    every = np.concatenate([_ranges(page, recording.rate_hz) for page in pages], axis=1)
    heart = np.array([name == HEART for name in montage.names])
    return _typical(every[~heart]), _typical(every[heart])


def _ranges(traces: npt.NDArray[np.float32], rate_hz: float) -> npt.NDArray[np.float32]:
    """Return the range of each trace in each second, [trace, second]; NaN where nothing was recorded."""
    size = max(1, min(round(rate_hz), traces.shape[1]))
    n_seconds = traces.shape[1] // size
    seconds = traces[:, : n_seconds * size].reshape(len(traces), n_seconds, size)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # seconds in which nothing was recorded
        return np.asarray(np.nanmax(seconds, axis=2) - np.nanmin(seconds, axis=2))


def _typical(ranges: npt.NDArray[np.float32]) -> float | None:
    known = ranges[np.isfinite(ranges) & (ranges > 0)]
    return float(np.percentile(known, SHARE)) if len(known) else None
