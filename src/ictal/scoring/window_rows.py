"""The rows of a table of scores except the probabilities: times, quality, spectrum and amplitude of each window."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from ictal.core.windows import BEFORE_SAMPLES, CENTRE_S, RATE_HZ, Geometry
from ictal.preprocessing.channel_graph import ChannelMapping
from ictal.preprocessing.runs import Resampled
from ictal.scoring.quality import (
    FLAWS,
    QualityFrames,
    QualitySettings,
    amplitude_band,
    amplitude_integrated,
    left_right,
    measure_quality,
    reason_in_words,
)
from ictal.scoring.scores import AEEG_COLUMNS, SPECTRUM_COLUMNS


def describe_windows(
    excerpt: Resampled,
    mapping: ChannelMapping,
    starts: Sequence[int],
    onset_s: float,
    geometry: Geometry,
    quality: QualitySettings,
) -> pd.DataFrame:
    """Return a row per window; all but quality concerns its centre.

    Parameters
    ----------
    excerpt
        Part of a recording before the band-pass.
    mapping
        How its electrodes were formed.
    starts
        First sample of each window in the excerpt.
    onset_s
        When the excerpt begins.
    geometry, quality
        What the model sees of a window, and when a window is refused.
    """
    frames = measure_quality(excerpt, mapping, quality)
    envelopes = amplitude_integrated(excerpt.signal, mapping)
    rows = []
    for start in starts:
        centre = start + BEFORE_SAMPLES
        spectrum = frames.spectrum(centre)
        times = onset_s + centre / RATE_HZ, onset_s + centre / RATE_HZ + CENTRE_S
        bands = [border for side in ("left", "right") for border in amplitude_band(envelopes[side], centre)]
        rows.append(
            {
                **dict(zip(("start_s", "stop_s"), times, strict=True)),
                **_quality_of(frames, start, geometry, quality),
                "left_right": left_right(spectrum),
                **dict(zip(SPECTRUM_COLUMNS, spectrum.astype(np.float32), strict=True)),
                **dict(zip(AEEG_COLUMNS, bands, strict=True)),
            }
        )
    return pd.DataFrame(rows)


def _quality_of(
    frames: QualityFrames, start: int, geometry: Geometry, settings: QualitySettings
) -> dict[str, object]:
    """Return the quality of what the model sees of one window."""
    first = max(0, start + geometry.unseen)
    n_samples = min(frames.n_samples - first, geometry.needed)
    shown = frames.window(first, n_samples) >= settings.shown
    marks: npt.NDArray[np.int64] = (shown * (1 << np.arange(len(FLAWS)))[:, None]).sum(axis=0)
    return {
        "reason": reason_in_words(frames, first, n_samples, settings),
        "usable": frames.usable(first, n_samples),
        **{name: int(count) for name, count in zip(FLAWS, shown.sum(axis=1), strict=True)},
        "marks": marks.astype(np.uint8),
    }
