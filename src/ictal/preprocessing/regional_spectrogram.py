"""The context of a window: the regional spectrogram of the ten minutes around its centre, as HMS ships it.

HMS made its spectrograms with Chronux (`mtspecgramc`: time-bandwidth 2, three tapers, 4 s moved by 2 s, transforms of
1024 samples at 200 Hz). For the public EEG 3911565283, the spectrogram computed here agrees with that of HMS: the
correlation of log power is 0.9998, the scale is the same, and a column's time is the middle of its 4 s.
"""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from ictal.core.montage import CHAINS, CHANNELS, derivations_of, montage_matrix
from ictal.core.recording import Signal
from ictal.core.windows import RATE_HZ, WINDOW_SAMPLES

CONTEXT_S = 600
STEP_S = 2
N_COLUMNS = CONTEXT_S // STEP_S
REGIONS = {"LL": "LL", "RL": "RR", "LP": "LP", "RP": "RP"}
"""HMS's regions in HMS's order (left and right lateral, left and right parasagittal), and our chains of them."""
N_FFT = 1024
FIRST_BIN, LAST_BIN = 3, 102
CONTEXT_HZ = np.arange(FIRST_BIN, LAST_BIN + 1) * (RATE_HZ / N_FFT)
"""The frequencies of the rows: 0.59, 0.78, ..., 19.92 Hz."""
CONTEXT_SHAPE = (len(REGIONS), len(CONTEXT_HZ), N_COLUMNS)
"""[region, frequency, column]."""

FRAME = 4 * RATE_HZ
"""Samples that a column uses; its own 2 s are in their middle."""
STEP = STEP_S * RATE_HZ
BANDWIDTH, N_TAPERS = 2, 3
HIGH_PASS_HZ, HIGH_PASS_ORDER = 0.5, 3
"""Edge (-6 dB) and order of a Butterworth high-pass run forward and backward. HMS's EEG is not filtered like this and
its spectrograms are; of the filters tried, this one is closest to the one that HMS used."""
PAD_S = 10
"""How far the signal is extended for filtering: several periods of the edge."""

Context = npt.NDArray[np.float32]
"""[4, 100, column]: two-sided power density, µV²/Hz (half of the one-sided one); NaN where data are missing."""

assert CONTEXT_SHAPE == (4, 100, 300)

_CHAINS = {region: CHAINS[chain] for region, chain in REGIONS.items()}
_MATRIX = montage_matrix(derivations_of(_CHAINS))
_ELECTRODES = [
    [index for index, name in enumerate(CHANNELS) if any(name in derivation for derivation in chain)]
    for chain in _CHAINS.values()
]


def regional_spectrogram(signal: npt.NDArray[np.floating]) -> Context:
    """Return the regional spectrogram of a whole recording, as HMS would ship it.

    Parameters
    ----------
    signal
        [20, time], `ictal.core.montage.CHANNELS` at 200 Hz, µV, finite, not band-passed.

    Returns
    -------
    ndarray
        [4, 100, column], see `Context`: the mean over the four derivations of each chain and over three Slepian
        tapers (Thomson 1982). Column i covers the 4 s around second 1 + 2 i; beyond either end, the signal is
        continued by its mirror image. A remainder of less than 2 s is left out.
    """
    return _columns(_derivations(signal), 0, signal.shape[1] // STEP)


def contexts_of(
    signal: npt.NDArray[np.floating],
    missing: npt.NDArray[np.bool_],
    starts_s: Sequence[float],
    max_missing: float = 0.5,
) -> Context:
    """Return the contexts of windows of a recording.

    Parameters
    ----------
    signal, missing
        A recording from `ictal.preprocessing.standardise.resample`, [20, time].
    starts_s
        When the 50 s of each window begin, which may be before the recording.
    max_missing
        A region's column is missing if a larger share of the samples of its electrodes is missing.

    Returns
    -------
    ndarray
        [window, 4, 100, 300]. Columns whose own 2 s are not within the recording are missing, too.
    """
    derivations, n_samples = _derivations(signal), signal.shape[1]
    contexts = np.full((len(starts_s), *CONTEXT_SHAPE), np.nan, dtype=np.float32)
    for context, start_s in zip(contexts, starts_s, strict=True):
        begin = round(start_s * RATE_HZ) + WINDOW_SAMPLES // 2 - CONTEXT_S * RATE_HZ // 2
        first, last = max(0, -(begin // STEP)), min(N_COLUMNS, (n_samples - begin) // STEP)
        if first >= last:
            continue
        at, n_columns = begin + first * STEP, last - first
        found = _columns(derivations, at, n_columns)
        found.swapaxes(1, 2)[_missing_shares(missing, at, n_columns) > max_missing] = np.nan
        context[..., first:last] = found
    return contexts


def _derivations(signal: npt.NDArray[np.floating]) -> Signal:
    """Return the derivations of the regions, high-passed, [16, half a frame + time + half a frame]."""
    from scipy.fft import irfft, next_fast_len, rfft, rfftfreq  # slow to import, and models need only the sizes above

    n_samples, n_pad = signal.shape[1], PAD_S * RATE_HZ
    sides = ((0, 0), (n_pad, n_pad))
    padded = np.pad(_MATRIX @ signal.astype(np.float32), sides, mode="reflect", reflect_type="odd")
    length = next_fast_len(padded.shape[1], real=True)
    frequency = rfftfreq(length, 1 / RATE_HZ)
    frequency[0] = 1e-3  # removed by the high-pass
    gain = 1 / (1 + (HIGH_PASS_HZ / frequency) ** (2 * HIGH_PASS_ORDER))
    filtered = irfft(rfft(padded, length, axis=1) * gain.astype(np.float32), length, axis=1)
    return np.pad(filtered[:, n_pad : n_pad + n_samples], ((0, 0), (FRAME // 2 - STEP // 2,) * 2), mode="symmetric")


@lru_cache(maxsize=1)
def _basis() -> Signal:
    """Return the tapered cosines and sines of all frequencies, [800, taper x 2 x frequency]."""
    from scipy.signal.windows import dpss  # takes a third of a second, and few models see contexts

    phase = 2 * np.pi / RATE_HZ * np.outer(np.arange(FRAME), CONTEXT_HZ)
    waves = np.hstack([np.cos(phase), np.sin(phase)])
    tapers = dpss(FRAME, BANDWIDTH, N_TAPERS) / np.sqrt(N_TAPERS * RATE_HZ)
    return np.hstack([taper[:, None] * waves for taper in tapers]).astype(np.float32)


def _columns(derivations: Signal, begin: int, n_columns: int) -> Context:
    """Return `n_columns` columns; the own 2 s of the first begin at sample `begin` of the recording."""
    # Only a fifth of an FFT's bins are needed, so a product with their waves is faster.
    frames = np.lib.stride_tricks.sliding_window_view(derivations[:, begin:], FRAME, axis=1)[:, ::STEP][:, :n_columns]
    waves = frames.reshape(-1, FRAME) @ _basis()
    waves = waves.reshape(len(REGIONS), -1, n_columns, 2 * N_TAPERS, len(CONTEXT_HZ))
    power = np.einsum("rdcwf,rdcwf->rfc", waves, waves)
    return np.asarray(power / waves.shape[1])


def _missing_shares(missing: npt.NDArray[np.bool_], begin: int, n_columns: int) -> npt.NDArray[np.float64]:
    """Return the share of the samples of a region's electrodes that each column's own 2 s lack, [region, column]."""
    own = missing[:, begin : begin + n_columns * STEP].reshape(len(missing), n_columns, STEP).mean(axis=2)
    return np.stack([own[rows].mean(axis=0) for rows in _ELECTRODES])
