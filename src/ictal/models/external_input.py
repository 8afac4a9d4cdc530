"""Compute the array that an external model takes from standardised windows."""

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt
from einops import EinopsError, repeat
from pydantic import ValidationError

from ictal.core.montage import CHANNELS, ELECTRODES, Derivation
from ictal.core.recording import Signal
from ictal.core.settings import problems_of
from ictal.core.windows import RATE_HZ, WINDOW_SAMPLES
from ictal.errors import ModelError, listed, require
from ictal.models.external_contract import InputSettings
from ictal.preprocessing.input_needs import Needs

LARGEST_FACTOR = 1000
"""Rates are ratios of whole numbers up to this, so that resampling filters stay short."""
SMALLEST = 1e-6
"""A channel whose spread is smaller, in units of `scale_uv`, is divided by 1: it is flat."""


class ExternalInput:
    """Standardised windows [window, 20, 10000] in µV to the array of an external model, float32.

    Parameters
    ----------
    settings
        The input of its contract.

    Attributes
    ----------
    needs
        What a recording must have.
    shape
        Shape of the array of one window, the axis of the batch included as 1.

    Raises
    ------
    ModelError
        If the layout does not fit the axes, the rate is impossible, or the view's settings are not allowed.
    MissingExtraError
        If the contract asks for a view and the extra 'train' is not installed.
    """

    def __init__(self, settings: InputSettings) -> None:
        self.settings = settings
        self._begin = WINDOW_SAMPLES // 2 - round(settings.before_s * RATE_HZ)
        self._end = self._begin + round(settings.seconds * RATE_HZ)
        self._ratio = Fraction(settings.rate_hz / RATE_HZ).limit_denominator(LARGEST_FACTOR)
        if not np.isclose(float(self._ratio) * RATE_HZ, settings.rate_hz):
            raise ModelError(f"input.rate_hz is {settings.rate_hz:g}; allowed are simple ratios to {RATE_HZ} Hz")
        self._array: Callable[[Signal], Signal] = self._voltages
        if settings.view is None:
            self._matrix, self._axes = settings.matrix, "batch channel time"
        else:
            self._matrix, self._array, self._axes = _view(settings)
        self.needs = Needs(derivations_in(self._matrix), settings.seen_s)
        try:
            self.shape = self(np.zeros((1, len(CHANNELS), WINDOW_SAMPLES), np.float32)).shape
        except EinopsError as error:
            told = str(error).strip().splitlines()[-1].strip()
            raise ModelError(
                f"input.layout is '{settings.layout}'; it must arrange the axes '{self._axes}': {told}"
            ) from error

    def __call__(self, windows: Signal) -> Signal:
        """Return the array, with the axes of the contract's layout."""
        array = self._array(windows[..., self._begin : self._end])
        return np.ascontiguousarray(repeat(array, f"{self._axes} -> {self.settings.layout}"), dtype=np.float32)

    def _voltages(self, windows: Signal) -> Signal:
        """Return voltages [window, channel, time] at the model's rate, clipped, scaled and normalised."""
        own, found = self.settings, np.matmul(self._matrix, windows)
        if self._ratio != 1:
            from scipy.signal import resample_poly  # takes half a second, and most models take 200 Hz

            up, down = self._ratio.numerator, self._ratio.denominator
            found = resample_poly(found, up, down, axis=-1, padtype="line")[..., : own.n_samples]
        if own.clip_uv:
            found = found.clip(-own.clip_uv, own.clip_uv)
        found = _normalised(found / np.float32(own.scale_uv), own)
        return np.asarray(found.clip(-own.clip, own.clip) if own.clip else found)


def derivations_in(matrix: npt.NDArray[np.floating]) -> tuple[Derivation, ...] | None:
    """Return derivations from which channels can be computed; None if some depend on the reference.

    Each row of a matrix [channel, 20] that sums to zero is a sum of voltages between its first electrode and the
    others.
    """
    scalp = matrix[:, : len(ELECTRODES)]
    if (abs(scalp.sum(axis=1)) > SMALLEST).any():
        return None
    found: dict[Derivation, None] = {}
    for row in scalp:
        if row.any():
            first, *others = (ELECTRODES[index] for index in np.flatnonzero(row))
            found |= dict.fromkeys(Derivation(first, other) for other in others)
    return tuple(found)


def _normalised(signal: Signal, settings: InputSettings) -> Signal:
    axes = -1 if settings.over == "channel" else (-2, -1)
    if settings.normalise == "none":
        return signal
    if settings.normalise == "zscore":
        middle, spread = signal.mean(axis=axes, keepdims=True), signal.std(axis=axes, keepdims=True)
    elif settings.normalise == "robust":
        low, middle, high = np.quantile(signal, [0.25, 0.5, 0.75], axis=axes, keepdims=True)
        spread = high - low
    else:
        middle, spread = np.float32(0), np.quantile(abs(signal), 0.95, axis=axes, keepdims=True)
    return np.asarray((signal - middle) / np.where(spread < SMALLEST, 1, spread))


def _view(settings: InputSettings) -> tuple[npt.NDArray[np.float32], Callable[[Signal], Signal], str]:
    """Return the electrodes that a view uses [channel, 20], the view, and the axes of its images."""
    asked = settings.view
    assert asked is not None
    require("train", f"a model that takes the view '{asked.name}'")
    import torch  # takes seconds, and only images need it

    from ictal.views import spectrogram, volume

    kinds: dict[str, tuple[type[spectrogram.SpectrogramSettings], Callable[[Any], Any], str]] = {
        "spectrogram": (spectrogram.SpectrogramSettings, spectrogram.Spectrogram, "batch chain mel time"),
        "volume": (volume.VolumeSettings, volume.Volume, "batch 1 time derivation frequency"),
    }
    kind, module, axes = kinds[asked.name]
    try:
        chosen = kind.model_validate({**asked.settings, "seconds": settings.seconds})
    except ValidationError as error:
        raise ModelError(f"input.view.settings: {listed(problems_of(error), 6)}") from error
    if getattr(chosen, "layout", "line") == "grid":
        axes = "batch frequency time row column"
    view = module(chosen)

    def images(windows: Signal) -> Signal:
        with torch.inference_mode():
            return np.asarray(view(torch.from_numpy(np.ascontiguousarray(windows))).numpy())

    return view.decibels.matrix.numpy(), images, axes
