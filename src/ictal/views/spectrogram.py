"""The spectrogram view: mel images of the four chains."""

import math
from collections.abc import Callable
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch
from pydantic import Field, model_validator
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - the name that torch users know

from ictal.core.montage import CHAINS, derivations_of, montage_matrix
from ictal.core.windows import RATE_HZ
from ictal.views.middle import MiddleSettings, middle

POWER_FLOOR = 1e-10
"""Smallest power that is converted to decibels, µV² (librosa's `amin`)."""
RANK_TOLERANCE = 1e-7


class SpectrogramSettings(MiddleSettings):
    """Settings of the spectrogram images; the default sizes are those of the reference.

    Attributes
    ----------
    n_mels, width
        Height and width of the image: mel bands, and frames over the part of the window that is used.
    frame
        Length of the Hann window, samples.
    n_fft
        Length of the Fourier transform, to which a frame is padded: frequencies are RATE_HZ / n_fft apart.
    max_hz
        Upper edge of the highest band.
    reference
        Meaning of 0 dB. 'global': 1 µV² for every image, which keeps the amplitude. 'image': the maximum of each
        derivation's own spectrogram; values more than `range_db` below it are raised to that floor.
    range_db
        See `reference`.
    offset_db, scale_db
        A pixel is (decibels + offset_db) / scale_db. With the defaults, the pixels of real critical-care EEG, at 0 dB
        = 1 µV², have a mean of about zero and a standard deviation of about one.
    clip
        Pixels are clipped to +-clip, so that an artifact does not dominate a batch; None for no clipping.
    sides
        The four channels. 'apart': the chains, from left to right. 'folded': the mean and the absolute difference of
        left and right, of the lateral and the parasagittal chains, so that mirroring changes nothing.
    seconds
        See `MiddleSettings`.
    """

    n_mels: int = Field(128, ge=8)
    width: int = Field(256, ge=8)
    frame: int = Field(128, ge=16)
    n_fft: int = Field(1024, ge=16)
    max_hz: float = Field(20.0, gt=0, le=RATE_HZ / 2)
    reference: Literal["global", "image"] = "global"
    range_db: float = Field(80.0, gt=0)
    offset_db: float = -43.0
    scale_db: float = Field(11.0, gt=0)
    clip: float | None = Field(None, gt=0)
    sides: Literal["apart", "folded"] = "apart"

    @model_validator(mode="after")
    def _frame_fits(self) -> "SpectrogramSettings":
        if self.frame > self.n_fft:
            raise ValueError(f"frame is {self.frame}; allowed is at most n_fft, which is {self.n_fft}")
        if self.width > self.n_seen:
            raise ValueError(f"width is {self.width}; allowed is at most {self.n_seen} frames")
        return self

    @property
    def hop(self) -> int:
        """Samples from one frame to the next."""
        return self.n_seen // self.width

    def pixels(self, levels: Tensor) -> Tensor:
        """Return decibels as pixels: shifted, scaled and clipped."""
        pixels = (levels + self.offset_db) / self.scale_db
        return pixels if self.clip is None else pixels.clamp(-self.clip, self.clip)


def hz_to_mel(hz: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Return mels on Slaney's scale: linear below 1 kHz, where 15 mel are 1 kHz (Auditory Toolbox, 1998)."""
    hz = np.asarray(hz, dtype=np.float64)
    above = np.maximum(hz, 1000) / 1000
    return np.where(hz < 1000, hz * 3 / 200, 15 + np.log(above) * 27 / math.log(6.4))


def mel_to_hz(mel: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Return the frequency of a mel on Slaney's scale."""
    mel = np.asarray(mel, dtype=np.float64)
    return np.where(mel < 15, mel * 200 / 3, 1000 * np.exp((np.maximum(mel, 15) - 15) * math.log(6.4) / 27))


def mel_filters(n_mels: int, n_fft: int, max_hz: float) -> npt.NDArray[np.float64]:
    """Return triangular filters of unit area per Hz, [bin below max_hz, band], from 0 to `max_hz`."""
    bins = np.arange(n_fft // 2 + 1) * RATE_HZ / n_fft
    edges = mel_to_hz(np.linspace(0, hz_to_mel(max_hz), n_mels + 2))
    rising = (bins[:, None] - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - bins[:, None]) / (edges[2:] - edges[1:-1])
    weights = np.maximum(0, np.minimum(rising, falling)) * 2 / (edges[2:] - edges[:-2])
    return np.asarray(weights[bins < max_hz])


def fourier_factors(
    frame: int, n_fft: int, n_bins: int
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return the windowed Fourier transform of a frame, below `max_hz`, as a product of thin matrices.

    A frame of 128 samples padded to 1,024 contains only 128 numbers, and only the lowest bins are used. Therefore
    ``frame @ basis`` contains all that the cosines and sines of these bins depend on (19 + 19 numbers with the
    reference's settings; singular values below 1e-7 of the largest, the rounding of float32, are dropped). This is an
    FFT without the padding and the unused bins. Phases are relative to the middle of the frame, where cosines depend
    only on the even part and sines on the odd part; this does not change the power.

    Returns
    -------
    basis : ndarray
        [frame, rank], for the cosines first, then for the sines.
    cosine, sine : ndarray
        [rank of the cosines or sines, bin].
    """
    time = np.arange(frame)
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * time / frame)
    phase = 2 * np.pi * np.outer(time - frame / 2, np.arange(n_bins)) / n_fft
    bases, maps = [], []
    for wave in (np.cos(phase), np.sin(phase)):
        left, size, right = np.linalg.svd(wave * hann[:, None], full_matrices=False)
        rank = int((size > RANK_TOLERANCE * size[0]).sum())
        bases.append(left[:, :rank])
        maps.append(size[:rank, None] * right[:rank])
    return np.concatenate(bases, axis=1), maps[0], maps[1]


class MelDecibels(nn.Module):
    """Raw windows [batch, 20, 10000] in µV to mel power in dB, [batch, channel, width, n_mels].

    Frame i is centred on sample i * hop; the signal is padded with zeros.

    Parameters
    ----------
    matrix
        [channel, 20]: the weight of each electrode in each channel.
    settings
        Frames, bands and reference.
    """

    matrix: Tensor
    basis: Tensor
    cosine: Tensor
    sine: Tensor
    mel: Tensor

    def __init__(self, matrix: npt.NDArray[np.float32], settings: SpectrogramSettings) -> None:
        super().__init__()
        self.settings = settings
        mel = mel_filters(settings.n_mels, settings.n_fft, settings.max_hz)
        factors = fourier_factors(settings.frame, settings.n_fft, len(mel))
        arrays = (matrix, *factors, mel)
        for name, array in zip(("matrix", "basis", "cosine", "sine", "mel"), arrays, strict=True):
            tensor = torch.from_numpy(np.ascontiguousarray(array, dtype=np.float32))
            self.register_buffer(name, tensor, persistent=False)

    def forward(self, windows: Tensor) -> Tensor:
        """Return decibels, before offset and scale."""
        return 10 * self.powers(windows).log10()

    def powers(self, windows: Tensor) -> Tensor:
        """Return the power relative to 0 dB, before it is converted to decibels."""
        settings = self.settings
        half, windows = settings.frame // 2, middle(windows, settings.n_seen)
        last = (settings.width - 1) * settings.hop + settings.frame
        power = self.of_frames(F.pad(windows, (half, max(0, last - half - windows.shape[-1])))[..., :last])
        if settings.reference == "image":
            power = (power / power.amax(dim=(-2, -1), keepdim=True)).clamp_(min=10 ** (-settings.range_db / 10))
        return power

    def of_frames(self, electrodes: Tensor) -> Tensor:
        """Return the power, in µV², of all frames within a signal of any length, starting at its first sample."""
        signal = self.matrix @ electrodes
        if torch.compiler.is_exporting():
            power = self._power_by_convolution(signal)
        else:
            projected = signal.unfold(-1, self.settings.frame, self.settings.hop) @ self.basis
            n_cosines = len(self.cosine)
            cosine, sine = projected[..., :n_cosines] @ self.cosine, projected[..., n_cosines:] @ self.sine
            # In place, here and below, because memory is slower than arithmetic.
            power = cosine.square_().addcmul_(sine, sine) @ self.mel
        return power.clamp_(min=POWER_FLOOR)

    def _power_by_convolution(self, signal: Tensor) -> Tensor:
        """Return the same for an exported graph, where unfold would gather single samples."""
        batch, channels, time = signal.shape
        of_channels = signal.reshape(batch * channels, 1, time)
        projected = F.conv1d(of_channels, self.basis.T[:, None], stride=self.settings.hop)
        projected = projected.reshape(batch, channels, *projected.shape[1:])
        n_cosines = len(self.cosine)
        cosine, sine = self.cosine.T @ projected[:, :, :n_cosines], self.sine.T @ projected[:, :, n_cosines:]
        return (self.mel.T @ (cosine * cosine).addcmul(sine, sine)).transpose(-2, -1)


def float32_by_window(images: Callable[[Tensor], Tensor], windows: Tensor) -> Tensor:
    """Return images(windows), always in float32, also under autocast."""
    with torch.autocast(windows.device.type, enabled=False):
        if windows.device.type != "cpu" or torch.compiler.is_exporting():
            return images(windows)
        # One window at a time, so that intermediate results stay in the CPU cache.
        return torch.cat([images(window) for window in torch.split(windows, 1)])


class Spectrogram(nn.Module):
    """Raw windows [batch, 20, 10000] in µV to images [batch, 4, n_mels, width].

    Each of the 16 lateral derivations of the double banana gets a mel power spectrogram in decibels. The image of a
    chain is the mean of its four.
    """

    def __init__(self, settings: SpectrogramSettings) -> None:
        super().__init__()
        self.settings = settings
        self.decibels = MelDecibels(montage_matrix(derivations_of(CHAINS)), settings)

    def images(self, windows: Tensor) -> Tensor:
        """Return the images of all windows at once."""
        return self._pixels(self.decibels.powers(windows))

    def columns(self, electrodes: Tensor) -> Tensor:
        """Return the columns of all frames within a signal [batch, 20, time], [batch, 4, n_mels, frame].

        If 0 dB is the same for all images, the columns of a longer stretch contain those of every window in it that
        begins at a multiple of the hop, except for frames that extend beyond the window.
        """
        return self._pixels(self.decibels.of_frames(electrodes))

    def _pixels(self, powers: Tensor) -> Tensor:
        # Logarithms of products need half as many logarithms. A product of all four could overflow float32.
        pairs = powers.reshape(powers.shape[0], len(CHAINS), 2, 2, *powers.shape[2:])
        logs = (pairs[:, :, :, 0] * pairs[:, :, :, 1]).log10()
        levels = (logs[:, :, 0] + logs[:, :, 1]) * (10 / 4)
        pixels = self.settings.pixels(levels.transpose(-2, -1))
        if self.settings.sides == "apart":
            return pixels
        left, right = pixels[:, :2], pixels[:, 2:].flip(1)  # lateral, parasagittal
        return torch.cat([(left + right) / 2, (left - right).abs()], dim=1)

    def forward(self, windows: Tensor) -> Tensor:
        """Return the images, always in float32, also under autocast."""
        return float32_by_window(self.images, windows)
