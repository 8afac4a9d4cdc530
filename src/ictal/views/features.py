"""The feature view: 101 measurements of a window, of the kind that an electroencephalographer would make.

Each is the same for a window and its left-right mirror image. None depends on the reference, since all are based on
the derivations of the double banana.
"""

import math
from itertools import product

import numpy as np
import numpy.typing as npt
import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - the name that torch users know

from ictal.core.montage import MONTAGES, derivations_of
from ictal.core.settings import Settings
from ictal.core.windows import CENTRE_S, WINDOW_S
from ictal.views.waveform import Waveform, WaveformSettings

DECIMATE = 4
RATE_HZ = 50
"""Samples per second of the traces, enough for frequencies below 25 Hz."""
FRAME_S = 4
"""Length of the Hann windows of the spectra; each begins 2 s after the one before."""
STEP = FRAME_S * RATE_HZ // 2
HERTZ = np.arange(2, 80) / FRAME_S
"""Frequencies of the spectra: 0.5 to 19.75 Hz."""
BANDS_HZ = ((0.5, 1.5), (1.5, 3), (3, 5), (5, 8), (8, 13), (13, 20))
SLOW = slice(int((HERTZ < 8).sum()))
"""Frequencies below 8 Hz, whose entropy distinguishes a single rhythm from a mixture."""
PIECE = CENTRE_S * RATE_HZ
N_PIECES = WINDOW_S // CENTRE_S
"""Repetition is measured in pieces of 10 s; the middle one is the labelled centre."""
CENTRE = slice(N_PIECES // 2, N_PIECES // 2 + 1)
"""The middle piece."""
CENTRE_FRAMES = slice(10, 14)
"""The frames of the spectra within the centre: those that begin 20 to 26 s after the start of the window."""

assert (CENTRE.start * CENTRE_S, CENTRE.stop * CENTRE_S) == (20, 30)
assert CENTRE_FRAMES.start * FRAME_S / 2 == 20
assert (CENTRE_FRAMES.stop - 1) * FRAME_S / 2 + FRAME_S == 30

FINE_HZ = np.arange(1, 401) * (RATE_HZ / (2 * PIECE))
"""Frequencies, up to 20 Hz, from which the autocorrelation of a piece is calculated."""
LAGS = np.arange(RATE_HZ // 5, 5 * RATE_HZ // 2 + 1)
"""Lags at which repetition is searched, in samples: 0.2 to 2.5 s, that is 0.4 to 5 per second."""
SMOOTHED = 5
"""Samples over which the envelope of slopes is averaged: a tenth of a second."""

_DERIVATIONS = derivations_of(MONTAGES["double_banana"])
LEFT, RIGHT, MIDLINE, FRONT, BACK = (
    [row for row, pair in enumerate(_DERIVATIONS) if str(pair) in names.split()]
    for names in (
        "Fp1-F7 F7-T3 T3-T5 T5-O1 Fp1-F3 F3-C3 C3-P3 P3-O1",
        "Fp2-F8 F8-T4 T4-T6 T6-O2 Fp2-F4 F4-C4 C4-P4 P4-O2",
        "Fz-Cz Cz-Pz",
        "Fp1-F7 Fp1-F3 Fp2-F4 Fp2-F8",
        "T5-O1 P3-O1 P4-O2 T6-O2",
    )
)
# In the montage, the right parasagittal chain precedes the lateral one; reorder so that homologous rows match.
RIGHT = [*RIGHT[4:], *RIGHT[:4]]

SPANS = ("centre", "window")
MEASURES = (
    *(f"log power {low:g} to {high:g} Hz" for low, high in BANDS_HZ),
    "log line length",
    "spectral entropy",
    "log kurtosis",
)
POOLS = ("typical", "asymmetry", "midline", "front minus back")
COURSES = ("waves", "transients")
_REPETITION = ("height", "height x rate", "height, better side", "trough")
FEATURES = (
    *(f"{span}: {measure}, {pool}" for pool, span, measure in product(POOLS, SPANS, MEASURES)),
    *(f"{span}: repetition of {course}, {what}" for course, span, what in product(COURSES, SPANS, _REPETITION)),
    *(f"window: repetition of {course}, change" for course in COURSES),
    *(
        f"{span}: left-right correlation of {course}, {what}"
        for course, span, what in product(COURSES, SPANS, ("median", "highest"))
    ),
    "window: log power, quietest",
    "window: log power, loudest minus quietest",
    "log power, centre minus window",
)
"""Name of each feature, in the order of `Features`."""

LITTLE_UV2, LITTLE_UV_S = 0.1, 1.0
"""Added to a power, and to a slope, before taking the logarithm."""


class FeaturesSettings(Settings):
    """Settings of the feature view.

    Attributes
    ----------
    clip_uv
        Larger voltages of a derivation are clipped to this, in µV.
    """

    clip_uv: float = Field(1000.0, gt=0)

    @property
    def waveform(self) -> WaveformSettings:
        """Settings of the traces that are measured, in µV."""
        return WaveformSettings(montage="double_banana", decimate=DECIMATE, clip_uv=self.clip_uv, scale_uv=1.0)


class Features(nn.Module):
    """Raw windows [batch, 20, 10000] in µV to features [batch, feature], named by `FEATURES`.

    **Measures** of each derivation, over the labelled centre (10 s) and over the window (50 s):

    - the natural logarithm of the power in six bands (µV²; Welch's method, Hann windows of 4 s);
    - the natural logarithm of the line length per second (µV/s; Esteller et al. 2001);
    - the entropy of the spectrum from 0.5 to 8 Hz (nats): low if one rhythm dominates;
    - the natural logarithm of the kurtosis: high if discharges stand out from a quiet background.

    For each measure there are four features: *typical* (the median of a hemisphere's eight derivations, averaged over
    both hemispheres), *asymmetry* (absolute difference of the hemispheres, each by its two largest values), *midline*
    (mean), and *front minus back* (the derivations of Fp1 and Fp2 minus those of O1 and O2).

    **Repetition** comes from the autocorrelation over 10 s, averaged over derivations: of the *waves* themselves, and
    of *transients*, the mean slope over 0.1 s, which repeats with discharges of any shape. The features are the
    *height* of the best peak from 0.2 to 2.5 s (0: none, 1: perfect repetition), the height times its *rate* (log2 of
    Hz), the height on the *better side*, the deepest *trough*, and the standard deviation of the height over pieces
    (*change*).

    **Synchrony** is the correlation between homologous derivations of both hemispheres, for waves and for slopes: the
    median of the eight, and the mean of the two highest. **Continuity** is the log power of the third quietest of 24
    frames, the range from there to the third loudest, and the centre compared with the whole window.
    """

    spectrum: Tensor
    fine: Tensor
    cosines: Tensor
    overlap: Tensor
    bands: Tensor

    def __init__(self, settings: FeaturesSettings) -> None:
        super().__init__()
        self.settings = settings
        self.traces = Waveform(settings.waveform)
        hann = np.hanning(FRAME_S * RATE_HZ + 1)[:-1]
        density = hann * math.sqrt(2 / RATE_HZ / (hann**2).sum())  # one-sided, µV²/Hz
        inside = [(low <= HERTZ) & (high > HERTZ) for low, high in BANDS_HZ]
        buffers = {
            "spectrum": _waves(HERTZ, len(hann)) * density[:, None],
            "fine": _waves(FINE_HZ, PIECE),
            "cosines": np.cos(2 * np.pi * np.outer(FINE_HZ, LAGS / RATE_HZ)),
            "overlap": 1 - LAGS / PIECE,
            "bands": np.stack(inside, axis=1) / FRAME_S,
        }
        for name, values in buffers.items():
            self.register_buffer(name, torch.from_numpy(values.astype(np.float32)), persistent=False)

    def forward(self, windows: Tensor) -> Tensor:
        """Return the features, always in float32, also under autocast."""
        with torch.autocast(windows.device.type, enabled=False):
            traces = self.traces(windows.float())
            pieces = traces.reshape(*traces.shape[:2], N_PIECES, PIECE)
            pieces = pieces - pieces.mean(dim=-1, keepdim=True)
            slopes = pieces.diff(dim=-1) * RATE_HZ
            spectra = self._spectra(traces)
            of_centre = (spectra[:, :, CENTRE_FRAMES], pieces[:, :, CENTRE], slopes[:, :, CENTRE])
            spans = (of_centre, (spectra, pieces, slopes))
            measures = torch.stack([self._measures(*span) for span in spans], dim=-2)
            figures = [
                _pooled(measures).flatten(1),
                self._repetition(pieces, slopes),
                _synchrony(pieces, slopes),
                _continuity(spectra),
            ]
            return torch.cat(figures, dim=1)

    def _spectra(self, traces: Tensor) -> Tensor:
        """Return power spectral densities [batch, derivation, frame, frequency], µV²/Hz."""
        halves = traces.reshape(*traces.shape[:2], -1, STEP)
        frames = torch.cat([halves[:, :, :-1], halves[:, :, 1:]], dim=-1)
        return _power((frames - frames.mean(dim=-1, keepdim=True)) @ self.spectrum)

    def _measures(self, spectra: Tensor, pieces: Tensor, slopes: Tensor) -> Tensor:
        """Return `MEASURES` of one span, [batch, derivation, measure]."""
        density = spectra.mean(dim=2)
        powers = (density @ self.bands + LITTLE_UV2).log()
        slow = density[..., SLOW] + 1e-3
        shares = slow / slow.sum(dim=-1, keepdim=True)
        line_length = (slopes.abs().mean(dim=(-1, -2)) + LITTLE_UV_S).log()
        entropy = -(shares * shares.log()).sum(dim=-1)
        squares = pieces.square()
        kurtosis = (squares.square().mean(dim=(-1, -2)) + 1e-4) / (squares.mean(dim=(-1, -2)) + 1e-2).square()
        return torch.cat([powers, torch.stack([line_length, entropy, kurtosis.log()], dim=-1)], dim=-1)

    def _repetition(self, pieces: Tensor, slopes: Tensor) -> Tensor:
        sizes = slopes.abs()
        transients = F.avg_pool1d(sizes.flatten(0, 2), SMOOTHED, 1, SMOOTHED // 2, count_include_pad=False)
        transients = transients.reshape(sizes.shape)
        figures, changes = [], []
        for course in (pieces, transients - transients.mean(dim=-1, keepdim=True)):
            power = _power(course @ self.fine[: course.shape[-1]])  # [batch, derivation, piece, frequency]
            left, right = power[:, LEFT].sum(dim=1), power[:, RIGHT].sum(dim=1)
            sides = [self._autocorrelation(of_some) for of_some in (left, right, left + right)]
            for part in (CENTRE, slice(None)):
                of_left, of_right, of_all = (side[:, part].mean(dim=1) for side in sides)
                height, rate = _best_peak(of_all, self.overlap)
                better = torch.maximum(*(_best_peak(side, self.overlap)[0] for side in (of_left, of_right)))
                figures += [height, height * rate, better, of_all.amin(dim=-1)]
            heights, _ = _best_peak(sides[-1], self.overlap)
            changes.append((heights.var(dim=1) + 1e-6).sqrt())
        return torch.stack([*figures, *changes], dim=1)

    def _autocorrelation(self, power: Tensor) -> Tensor:
        """Return the autocorrelation at `LAGS` of a signal with some power at `FINE_HZ`, corrected for its length."""
        return (power @ self.cosines) / (power.sum(dim=-1, keepdim=True) + 1e-3) / self.overlap


def _waves(hertz: npt.NDArray[np.floating], n_samples: int) -> npt.NDArray[np.float64]:
    """Return cosines, then sines, of some frequencies at `RATE_HZ`, [time, 2 x frequency]."""
    phase = 2 * np.pi * np.outer(np.arange(n_samples) / RATE_HZ, hertz)
    return np.asarray(np.hstack([np.cos(phase), np.sin(phase)]), dtype=np.float64)


def _power(projected: Tensor) -> Tensor:
    """Return the power from projections on cosines and sines, [..., 2 x frequency] to [..., frequency]."""
    cosine, sine = projected.square().chunk(2, dim=-1)
    return cosine + sine


def _best_peak(correlation: Tensor, overlap: Tensor) -> tuple[Tensor, Tensor]:
    """Return the height (0 if there is none) and rate (log2 of Hz) of the best local maximum over the last axis.

    A signal that repeats after one period also repeats after two. Peaks are therefore ranked by height times overlap,
    which decreases with the lag, to find the first.
    """
    inner = correlation[..., 1:-1]
    is_peak = (inner >= correlation[..., :-2]) & (inner >= correlation[..., 2:])
    ranks = torch.where(is_peak, inner, inner.new_zeros(())).clamp(min=0) * overlap[1:-1]
    rank, place = ranks.max(dim=-1)
    return rank / overlap[place + 1], math.log2(RATE_HZ) - (place + int(LAGS[1])).to(rank.dtype).log2()


def _median(values: Tensor) -> Tensor:
    """Return the median over an even number of values in the last axis; ONNX export supports topk, not median."""
    half = values.shape[-1] // 2
    return values.topk(half + 1, dim=-1).values[..., half - 1 :].mean(dim=-1)


def _highest(values: Tensor) -> Tensor:
    return values.topk(2, dim=-1).values.mean(dim=-1)


def _pooled(measures: Tensor) -> Tensor:
    """Return `POOLS` of measures [batch, derivation, span, measure], [batch, pool, span, measure]."""
    values = measures.movedim(1, -1)
    left, right = values[..., LEFT], values[..., RIGHT]
    pools = [
        (_median(left) + _median(right)) / 2,
        (_highest(left) - _highest(right)).abs(),
        values[..., MIDLINE].mean(dim=-1),
        values[..., FRONT].mean(dim=-1) - values[..., BACK].mean(dim=-1),
    ]
    return torch.stack(pools, dim=1)


def _synchrony(pieces: Tensor, slopes: Tensor) -> Tensor:
    figures = []
    for course, little in ((pieces, 1.0), (slopes, 10.0)):  # µV², (µV/s)²: silence is not synchrony
        products = (course[:, LEFT] * course[:, RIGHT]).mean(dim=-1)
        sizes = course.square().mean(dim=-1)
        for part in (CENTRE, slice(None)):
            both = sizes[:, LEFT, part].mean(dim=-1) * sizes[:, RIGHT, part].mean(dim=-1)
            correlation = products[:, :, part].mean(dim=-1) / (both + little**2).sqrt()
            figures += [_median(correlation), _highest(correlation)]
    return torch.stack(figures, dim=1)


def _continuity(spectra: Tensor) -> Tensor:
    power = spectra[:, [*LEFT, *RIGHT]].sum(dim=-1) / FRAME_S
    ordered = (power + LITTLE_UV2).log().topk(power.shape[-1], dim=-1).values
    quietest, loudest = ordered[..., -3], ordered[..., 2]
    whole, centre = ((part.mean(dim=-1) + LITTLE_UV2).log() for part in (power, power[..., CENTRE_FRAMES]))
    figures = [_median(quietest), _median(loudest - quietest), _median(centre - whole)]
    return torch.stack(figures, dim=1)
