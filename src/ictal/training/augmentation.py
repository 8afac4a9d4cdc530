"""Augmentation: change windows in ways that should not change a panel's votes.

It acts on raw windows, before any view, so that every arm can use it, and on contexts where it is meaningful.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from ictal.core.montage import CHANNELS, ELECTRODES, MIRROR, NEIGHBOURS
from ictal.core.windows import RATE_HZ, WINDOW_SAMPLES
from ictal.recipes.augmentation import CONTEXT_AUGMENTATIONS, QUIETEST_UV, AugmentSettings

MIRROR_REGIONS = (1, 0, 3, 2)
"""Order of the regions LL, RL, LP, RP in a mirrored context."""
NOISE_HZ = (0.5, 20.0)
"""Band of the noise of an electrode."""
PAIRS = np.array([[CHANNELS.index(name) for name in pair] for pair in NEIGHBOURS])
"""Channel indices of adjacent electrodes, [pair, 2]."""


@dataclass(frozen=True)
class AugmentedBatch:
    """A batch after augmentation.

    Attributes
    ----------
    windows
        [batch, 20, 10000], µV.
    contexts
        [batch, 4, 100, 300], or None.
    partner, share
        With mixup, the loss is `share` times that for each window's own votes plus (1 - `share`) times that for the
        votes of window `partner`; None and 1 without.
    """

    windows: Tensor
    contexts: Tensor | None
    partner: Tensor | None = None
    share: float = 1.0


Change = Callable[[Tensor, AugmentSettings, np.random.Generator], Tensor]


def _mirror(windows: Tensor, settings: AugmentSettings, rng: np.random.Generator) -> Tensor:
    return windows[:, list(MIRROR)]


def _swap(windows: Tensor, pairs: np.ndarray[tuple[int, int], np.dtype[np.int64]]) -> Tensor:
    order = np.tile(np.arange(len(CHANNELS)), (len(windows), 1))
    row = np.arange(len(windows))
    order[row, pairs[:, 0]], order[row, pairs[:, 1]] = pairs[:, 1], pairs[:, 0]
    return windows[torch.from_numpy(row)[:, None], torch.from_numpy(order)]


def _swap_neighbours(windows: Tensor, settings: AugmentSettings, rng: np.random.Generator) -> Tensor:
    return _swap(windows, rng.choice(PAIRS, len(windows)))


def _swap_any(windows: Tensor, settings: AugmentSettings, rng: np.random.Generator) -> Tensor:
    pairs = [rng.choice(len(ELECTRODES), 2, replace=False) for _ in range(len(windows))]
    return _swap(windows, np.asarray(pairs))


def _drop_electrode(windows: Tensor, settings: AugmentSettings, rng: np.random.Generator) -> Tensor:
    kept = torch.ones((*windows.shape[:2], 1), device=windows.device)
    for row in range(len(windows)):
        n_dropped = int(rng.integers(1, settings.most_dropped + 1))
        kept[row, rng.choice(len(ELECTRODES), n_dropped, replace=False)] = 0
    return windows * kept


def _noisy_electrode(windows: Tensor, settings: AugmentSettings, rng: np.random.Generator) -> Tensor:
    hz = np.fft.rfftfreq(WINDOW_SAMPLES, 1 / RATE_HZ)
    steepness = rng.uniform(0, 1, (len(windows), 1))
    inside = (hz >= NOISE_HZ[0]) & (hz <= NOISE_HZ[1])
    spectrum = inside * np.maximum(hz, NOISE_HZ[0]) ** -steepness
    noise = np.fft.irfft(spectrum * np.exp(2j * np.pi * rng.random(spectrum.shape)), WINDOW_SAMPLES)
    size_uv = np.exp(rng.uniform(np.log(QUIETEST_UV), np.log(settings.noise_uv), (len(windows), 1)))
    noise *= size_uv / noise.std(axis=1, keepdims=True)
    noisy = windows.clone()
    row, electrode = np.arange(len(windows)), rng.integers(len(ELECTRODES), size=len(windows))
    noisy[row, electrode] += torch.from_numpy(noise).to(windows)
    return noisy


def _electrode_gain(windows: Tensor, settings: AugmentSettings, rng: np.random.Generator) -> Tensor:
    gain = 1 + settings.electrode_gain_sd * rng.standard_normal((*windows.shape[:2], 1))
    return windows * torch.from_numpy(gain).to(windows)


def _shift(windows: Tensor, settings: AugmentSettings, rng: np.random.Generator) -> Tensor:
    most = round(settings.shift_s * RATE_HZ)
    by = rng.integers(-most, most + 1, len(windows))
    at = np.abs(np.arange(WINDOW_SAMPLES) + by[:, None])
    at = np.minimum(at, 2 * (WINDOW_SAMPLES - 1) - at)
    index = torch.from_numpy(at).to(windows.device)[:, None].expand(windows.shape)
    return windows.gather(2, index)


def _reverse(windows: Tensor, settings: AugmentSettings, rng: np.random.Generator) -> Tensor:
    return windows.flip(2)


def _scale(windows: Tensor, settings: AugmentSettings, rng: np.random.Generator) -> Tensor:
    factor = 10 ** (rng.uniform(-settings.scale_db, settings.scale_db, len(windows)) / 20)
    return windows * torch.from_numpy(factor).to(windows)[:, None, None]


def _band_stop(windows: Tensor, settings: AugmentSettings, rng: np.random.Generator) -> Tensor:
    low = torch.from_numpy(rng.uniform(0.5, 20 - settings.band_stop_hz, len(windows))).to(windows)
    hz = torch.fft.rfftfreq(WINDOW_SAMPLES, 1 / RATE_HZ, device=windows.device)
    stopped = (hz >= low[:, None]) & (hz <= low[:, None] + settings.band_stop_hz)
    kept: Tensor = torch.fft.irfft(torch.fft.rfft(windows) * ~stopped[:, None], n=WINDOW_SAMPLES)
    return kept


CHANGES: dict[str, Change] = {
    "mirror": _mirror,
    "swap_neighbours": _swap_neighbours,
    "swap_any": _swap_any,
    "drop_electrode": _drop_electrode,
    "noisy_electrode": _noisy_electrode,
    "electrode_gain": _electrode_gain,
    "shift": _shift,
    "reverse": _reverse,
    "scale": _scale,
    "band_stop": _band_stop,
}
"""Functions that change some windows of a batch, by the setting of their probability, as in `AUGMENTATIONS`."""


def augment(
    windows: Tensor, contexts: Tensor | None, settings: AugmentSettings, rng: np.random.Generator
) -> AugmentedBatch:
    """Augment a batch.

    Parameters
    ----------
    windows, contexts
        [batch, 20, 10000] in µV, and [batch, 4, 100, 300] or None.
    settings
        Probabilities and strengths.
    rng
        Source of random numbers; the same state gives the same batch.
    """
    mixed = AugmentedBatch(windows, contexts)
    for name, change in CHANGES.items():
        chosen = np.flatnonzero(rng.random(len(windows)) < getattr(settings, name))
        if len(chosen):
            rows = torch.from_numpy(chosen).to(windows.device)
            changed = mixed.windows.index_copy(0, rows, change(mixed.windows[rows], settings, rng))
            mixed = AugmentedBatch(changed, _augment_contexts(mixed.contexts, name, rows))
    if settings.mixup and rng.random() < settings.mixup:
        mixed = _mix(mixed, float(rng.beta(settings.mixup_alpha, settings.mixup_alpha)), rng)
    return mixed


def _augment_contexts(contexts: Tensor | None, name: str, rows: Tensor) -> Tensor | None:
    """Mirror or reverse the contexts of changed windows; other changes do not apply to contexts."""
    if contexts is None or name not in CONTEXT_AUGMENTATIONS:
        return contexts
    chosen = contexts[rows]
    return contexts.index_copy(0, rows, chosen[:, list(MIRROR_REGIONS)] if name == "mirror" else chosen.flip(3))


def _mix(mixed: AugmentedBatch, share: float, rng: np.random.Generator) -> AugmentedBatch:
    partner = torch.from_numpy(rng.permutation(len(mixed.windows))).to(mixed.windows.device)
    windows = share * mixed.windows + (1 - share) * mixed.windows[partner]
    contexts = mixed.contexts
    if contexts is not None:
        contexts = share * contexts + (1 - share) * contexts[partner]
    return replace(mixed, windows=windows, contexts=contexts, partner=partner, share=share)
