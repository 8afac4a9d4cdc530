"""The background of a stretch of EEG in numbers and terms, from the rows of its windows."""

import numpy as np
import numpy.typing as npt
import pandas as pd

from ictal.measurement.background import SUPPRESSED_UV
from ictal.scoring.events import EVENT_PATTERNS
from ictal.scoring.quality import SPECTRUM_HZ
from ictal.terminology.findings import BackgroundFinding
from ictal.terminology.terms import (
    CONTINUITY,
    band_word,
    continuity_word,
    symmetry_word,
    voltage_word,
)

EVENT_PROBABILITIES = tuple(f"{pattern}_probability" for pattern in EVENT_PATTERNS)
Floats = npt.NDArray[np.float64]

PATTERN_FROM = 0.3
"""A window shows a pattern, which is measured, if the most probable one is at least as probable as in an event."""
FREE = 0.2
"""The background is taken from the windows without a pattern, if these are at least this share of all."""
LEAST_CONTRAST = 3.0
"""Bursts have at least this many times the voltage between them; in continuous EEG, the ratio is about 2."""
SLOWEST_HZ = 1.0
"""Predominant frequencies are from 1 Hz, since drifts are as large as slower EEG."""
SMOOTH_BINS = 3
POSTERIOR = 0.3
"""A posterior rhythm is reported if this share of the windows shows it."""
UNKNOWN = BackgroundFinding(None, None, None, None, None, None, None, None, None, 0.0)


def background_of(frame: pd.DataFrame) -> BackgroundFinding:
    """Return the background, from scores of some time.

    Windows without a pattern count. If there are few, all windows do, but only for continuity, voltage and symmetry:
    the frequencies are then those of the pattern.
    """
    rows = frame[np.isfinite(frame["voltage_uv"].to_numpy(dtype=np.float64))]
    free = rows[rows[list(EVENT_PROBABILITIES)].max(axis=1).fillna(0) < PATTERN_FROM]
    is_free = len(free) >= max(1, FREE * len(rows))
    rows = free if is_free else rows
    if not len(rows):
        return UNKNOWN
    suppressed_share, voltage_uv = float(rows["suppressed"].mean()), float(rows["voltage_uv"].median())
    burst_uv, between_uv = rows[["burst_uv", "between_uv"]].median().astype(float)
    continuity, suppressed_share = continuity_of(suppressed_share, voltage_uv, burst_uv, between_uv)
    left_right = _middle_ratio(rows["left_right"].to_numpy(dtype=np.float64))
    predominant_hz = predominant_frequency_hz(rows) if is_free else None
    return BackgroundFinding(
        continuity=continuity,
        suppressed_share=suppressed_share,
        voltage_uv=voltage_uv,
        voltage=voltage_word(voltage_uv),
        left_right=left_right,
        symmetry=None if left_right is None else symmetry_word(left_right),
        predominant_hz=predominant_hz,
        predominant=None if predominant_hz is None else band_word(predominant_hz),
        posterior_hz=posterior_rhythm_hz(rows["posterior_hz"].to_numpy(dtype=np.float64)) if is_free else None,
        measured_s=float((rows["stop_s"] - rows["start_s"]).sum()),
    )


def continuity_of(share: float, voltage_uv: float, burst_uv: float, between_uv: float) -> tuple[str, float]:
    """Return the term for the continuity of a background, and the share of it that is suppressed or attenuated.

    Low voltage alone is not burst suppression: without bursts, the voltage of most of the time decides.
    """
    if share < CONTINUITY[0][0] or burst_uv >= LEAST_CONTRAST * between_uv:
        return continuity_word(share, between_uv < SUPPRESSED_UV), share
    return ("suppressed", 1.0) if voltage_uv < SUPPRESSED_UV else ("continuous", 0.0)


def predominant_frequency_hz(rows: pd.DataFrame) -> float | None:
    """Return the frequency at which the mean spectrum, multiplied by frequency, is largest; None if none is known.

    Without the factor, the spectrum of the EEG, which falls as 1 / f or faster, would always be largest at its slow
    end. It is unknown if it is largest at 20 Hz, as that of muscle is.
    """
    spectra = [row for name in ("spectrum_left", "spectrum_right") for row in rows[name] if np.ndim(row) == 1]
    known = np.array([row for row in spectra if np.isfinite(row).all()], dtype=np.float64)
    if not known.size:
        return None
    power = (10 ** (known / 10)).mean(axis=0) * SPECTRUM_HZ
    smooth = np.convolve(np.pad(power, SMOOTH_BINS // 2, mode="edge"), np.full(SMOOTH_BINS, 1 / SMOOTH_BINS), "valid")
    inside = SPECTRUM_HZ >= SLOWEST_HZ
    best = int(smooth[inside].argmax())
    return float(SPECTRUM_HZ[inside][best]) if best < inside.sum() - 1 else None


def posterior_rhythm_hz(found: Floats) -> float | None:
    """Return the frequency of the posterior rhythm from that of windows; 0 if few show it, None if none could."""
    known = found[np.isfinite(found)]
    if not len(known):
        return None
    seen = known[known > 0]
    return float(np.median(seen)) if len(seen) >= POSTERIOR * len(known) else 0.0


def _middle_ratio(ratios: Floats) -> float | None:
    """Return the median ratio of left to right, such that exchanging the sides gives the inverse; None if unknown."""
    known = ratios[np.isfinite(ratios) & (ratios > 0)]
    return float(np.exp(np.median(np.log(known)))) if len(known) else None
