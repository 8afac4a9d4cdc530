"""Interpolate electrodes that record nothing, or noise, from the others.

A bad electrode spoils all of its derivations, and a network that sees these may take them for a pattern. Interpolated
from the others by spherical splines, it adds nothing: a signal in all electrodes passes through unchanged.
"""

from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from ictal.core.montage import ELECTRODES, mirror
from ictal.core.recording import Signal
from ictal.core.windows import CENTRE_SAMPLES
from ictal.preprocessing.channel_graph import ChannelMapping
from ictal.preprocessing.settings import Marks
from ictal.preprocessing.spherical_splines import spline_weights

BLOCK = CENTRE_SAMPLES
"""Electrodes are judged in blocks of 10 s, counted from the start of a run: neither windows nor chunks matter."""
LOST = 0.1
"""An electrode is replaced in a block if more than this share of its samples is missing or flat."""
FEWEST = 3
"""At most one of so many electrodes is replaced."""
NOISY = 3.0
"""An electrode is noisy if it differs this many times more from the electrode to which it is most similar than others
do. Differences are root mean squares of steps from sample to sample, so that fast noise counts more than slow waves.
In healthy adults (EEGMAT, 107 blocks), no electrode is noisy, and two of 38 pages of inpatients have one. White noise
of 100 µV on an electrode of critical-care EEG (IIIC) is found in 92 % of blocks, of 50 µV in 74 %."""


def mask_electrodes(
    signal: Signal, missing: Marks, first: int, mapping: ChannelMapping | None, most: int
) -> tuple[Signal, Marks]:
    """Return a band-passed signal in which bad electrodes are interpolated, and where they are, [20, time] each.

    Parameters
    ----------
    signal, missing
        [20, time] at 200 Hz.
    first
        First sample of the signal in its run.
    mapping
        How its electrodes were formed; None: it has all of them. They must be recorded against one reference. In a
        bipolar recording, a channel can be bad although its electrodes are not.
    most
        A block in which more electrodes than this are bad, or more than a third, remains as it is.
    """
    output, masked = signal, np.zeros(signal.shape, dtype=bool)
    if mapping and (mapping.kind == "bipolar" or len(mapping.groups) > 1):
        return output, masked
    known, made = (mapping.known, mapping.interpolated) if mapping else (ELECTRODES, ())
    names = np.array([name for name in known if name not in made])
    rows = np.array([ELECTRODES.index(name) for name in names])
    most = min(most, len(rows) // FEWEST)
    if not most:
        return output, masked
    blocks = _blocks(first, signal.shape[1])
    lost = np.array([missing[rows, start:stop].mean(axis=1) > LOST for start, stop in blocks])
    every = lost | _are_noisy([signal[rows, start:stop] for start, stop in blocks], lost)
    for (start, stop), bad in zip(blocks, every, strict=True):
        if 0 < bad.sum() <= most:
            weights = _weights(tuple(names[~bad].tolist()), tuple(names[bad].tolist()))
            output = signal.copy() if output is signal else output
            output[rows[bad], start:stop] = weights @ signal[rows[~bad], start:stop]
            masked[rows[bad], start:stop] = True
    return output, masked


def _blocks(first: int, n_samples: int) -> list[tuple[int, int]]:
    """Return the blocks of a signal, from and to; one that is shorter than half belongs to the one before it."""
    edges = [0, *range(-first % BLOCK or BLOCK, n_samples - BLOCK // 2, BLOCK), n_samples]
    return [(start, stop) for start, stop in pairwise(edges) if start < stop]


def _are_noisy(blocks: Sequence[Signal], lost: Marks) -> Marks:
    """Return which electrodes of blocks [electrode, time] are noisy but not lost, [block, electrode]."""
    products = np.empty((*lost.shape, lost.shape[1]))
    for block, product in zip(blocks, products, strict=True):
        steps = np.diff(block.astype(np.float64))
        np.matmul(steps, steps.T, out=product)
    power = np.diagonal(products, axis1=1, axis2=2)
    apart = power[:, :, None] + power[:, None] - 2 * products
    apart[lost[:, :, None] | lost[:, None] | np.eye(lost.shape[1], dtype=bool)] = np.inf
    own = apart.min(axis=2)
    ordered, n_known = np.sort(own, axis=1), (~lost).sum(axis=1, keepdims=True)
    places = np.maximum((n_known - 1) // 2, 0), n_known // 2
    usual = sum(np.take_along_axis(ordered, place, axis=1) for place in places) / 2
    return np.asarray((own > NOISY**2 * usual) & ~lost & (n_known >= FEWEST))


@lru_cache(maxsize=1024)
def _weights(there: tuple[str, ...], bad: tuple[str, ...]) -> npt.NDArray[np.float32]:
    """Return the mean of both sides' weights: the electrodes of MNE's template head are not quite symmetric."""
    own, mirrored = (
        spline_weights(*names) for names in ((there, bad), [list(map(mirror, of)) for of in (there, bad)])
    )
    return ((own + mirrored) / 2).astype(np.float32)
