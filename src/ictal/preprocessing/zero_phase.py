"""Recursive filters that run forward and backward over a signal, as products of matrices.

A filter H(z) that runs forward, and backward over the result, is one symmetric filter G(z) = H(z) H(1/z). In partial
fractions, each pole p of H adds a decay g p^(|n| - 1) to both sides of its impulse response. So a block of samples
needs only its own samples and, for each pole, two sums over all samples before and after it. That is one product with
a matrix, at the full speed of the CPU's vector units, and a recursion from block to block, instead of one from sample
to sample for each section of the filter.

Float32 suffices: for a Butterworth filter of order N, G(s) = 1 / (1 + s^2N) has residues of size |s| / 2N at its
poles, whatever the band, so decays do not cancel each other.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from ictal.core.recording import Signal

BLOCK = 64
"""Samples of a block: more need larger products, fewer more steps of the recursion."""
LARGEST_DECAY = 1.0
"""Where a decay adds more than this times the signal, decays cancel each other, and products are in float64. So it is
if two poles almost coincide, as with odd orders at few bands, such as from 1 to 5.8 Hz."""
NOTHING = 2.0**-60
"""A sum that is multiplied by less than this adds nothing to another in float64."""
Complex = npt.NDArray[np.complex128]
Matrix = npt.NDArray[np.floating]


@dataclass(frozen=True)
class ZeroPhaseFilter:
    """A filter that runs forward and backward; no two of its poles coincide.

    It gives what `scipy.signal.sosfiltfilt` gives in float64, within 2^-18 of the largest deviation of the extended
    signal from its mean (usually within 2^-21; float32 rounds the samples themselves to 2^-24).

    Attributes
    ----------
    gain
        What the filter H passes at once, H(infinity).
    poles, fractions
        H(z) is `gain` plus the sum of all fractions / (z - poles) and of their conjugates, so a real pole is there
        twice, with half of its fraction.
    constant
        H(1)^2, by which a constant signal is multiplied.
    """

    gain: float
    poles: Complex
    fractions: Complex
    constant: float

    @classmethod
    def of(cls, zeros: npt.ArrayLike, poles: npt.ArrayLike, gain: float) -> "ZeroPhaseFilter":
        """Return the filter with these zeros, as many poles, and this gain."""
        roots, every = np.asarray(zeros, dtype=np.complex128), np.asarray(poles, dtype=np.complex128)
        constant = gain * ((1 - roots) / (1 - every)).prod().real
        return cls(float(gain), *_partial_fractions(roots, every, gain), float(constant) ** 2)

    def __call__(self, signal: Signal, pad: int) -> Signal:
        """Filter a signal [channel, time].

        Before its start and after its end, it continues for `pad` samples, fewer than it has, mirrored in time and
        value. What comes before these is constant, and so is what comes after the output of the forward pass.
        """
        output = np.empty_like(signal)
        for samples, filtered in zip(signal, output, strict=True):
            mean = samples.mean()
            np.add(self._centred(samples - mean, pad), self.constant * mean, out=filtered)
        return output

    def _centred(self, samples: Signal, pad: int) -> Matrix:
        """Filter one channel with a mean of about 0: the larger samples are, the more float32 rounds them."""
        extended = _extended(samples, pad)
        to_sums, to_output = self._matrices
        blocks = np.empty((len(extended) // BLOCK, len(to_output)), dtype=to_output.dtype)
        own = blocks[:, :BLOCK]
        own[:] = extended.reshape(-1, BLOCK)
        of_blocks = (own @ to_sums).astype(np.float64).view(np.complex128)
        n_poles, steps = len(self.poles), self.poles**BLOCK
        before, total = _recursion(of_blocks[:, :n_poles], steps, extended[0] / (1 - self.poles))
        after, _ = _recursion(of_blocks[::-1, n_poles:], steps, self._after_end(before[-1], total, own[-1]))
        blocks[:, BLOCK : BLOCK + 2 * n_poles] = before.view(np.float64)
        blocks[:, BLOCK + 2 * n_poles :] = after[::-1].view(np.float64)
        end = len(extended) - pad
        return np.asarray((blocks @ to_output).reshape(-1)[end - len(samples) : end])

    def _after_end(self, before: Complex, total: Complex, last: Matrix) -> Complex:
        """Return the sums over what comes after the end, [pole], such that the forward pass goes on as it ends.

        They are the state in which the backward pass starts, without what the decays of the forward pass add to it.

        Parameters
        ----------
        before, total
            Sums before the last block and before its end, [pole].
        last
            The last block.
        """
        decays = 2 * self.fractions * self.poles ** np.arange(BLOCK)[:, None]
        impulse = np.concatenate([[self.gain], decays[:-1].sum(axis=1).real])
        end = impulse[::-1] @ last + (decays[-1] * before).sum().real
        return np.asarray((end / (1 - self.poles) - self._met(self.fractions * total)) / self._mirrored)

    @cached_property
    def _mirrored(self) -> Complex:
        """H(1/p) of each pole."""
        return self.gain + self.poles * self._met(self.fractions)

    @cached_property
    def _matrices(self) -> tuple[Matrix, Matrix]:
        """The matrices that give a block's sums from its samples, and its output from its samples and all sums.

        The sums are those of what comes before by pole, then those of what comes after, each with its imaginary part
        after the real one.
        """
        places = np.arange(BLOCK)
        decays = self.poles ** places[:, None]
        both = np.concatenate([decays[::-1], decays], axis=1)
        shares = self.fractions * self._mirrored
        at_once = self.gain**2 + 2 * (self.fractions * self._met(self.fractions)).sum().real
        impulse = np.concatenate([[at_once], 2 * (shares * decays[:-1]).sum(axis=1).real])
        of_sums = 2 * np.concatenate([shares * decays, shares * decays[::-1]], axis=1)
        to_output = np.concatenate([impulse[abs(places[:, None] - places)], of_sums.conj().view(np.float64).T])
        largest = abs(shares / (1 - abs(self.poles))).max()
        dtype = np.float32 if largest <= LARGEST_DECAY else np.float64
        return both.view(np.float64).astype(dtype), to_output.astype(dtype)

    def _met(self, amounts: Complex) -> Complex:
        """Return the sum of amount q / (1 - p q) over all poles q and their conjugates, by pole p, each over q."""
        poles = self.poles[:, None]
        terms = amounts / (1 - poles * self.poles) + amounts.conj() / (1 - poles * self.poles.conj())
        return np.asarray(terms.sum(axis=1))


@dataclass(frozen=True)
class ForwardFilter:
    """A filter that runs forward only, from rest; no two of its poles coincide.

    Attributes
    ----------
    gain, poles, fractions
        As in `ZeroPhaseFilter`.
    """

    gain: float
    poles: Complex
    fractions: Complex

    @classmethod
    def of(cls, zeros: Complex, poles: Complex, gain: float) -> "ForwardFilter":
        """Return the filter with these zeros, as many poles, and this gain."""
        return cls(gain, *_partial_fractions(zeros, poles, gain))

    def __call__(self, samples: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
        """Filter samples [time]; before them, there are zeros."""
        blocks = np.pad(samples.astype(np.float64), (0, -len(samples) % BLOCK)).reshape(-1, BLOCK)
        places = np.arange(BLOCK)
        decays = self.poles ** places[:, None]
        impulse = np.concatenate([[self.gain], 2 * (self.fractions * decays[:-1]).sum(axis=1).real])
        at_once = np.where(places >= places[:, None], impulse[abs(places - places[:, None])], 0)
        before, _ = _recursion(blocks @ decays[::-1], self.poles**BLOCK, np.zeros_like(self.poles))
        output = blocks @ at_once + 2 * ((before * self.fractions) @ decays.T).real
        return np.asarray(output.reshape(-1)[: len(samples)])


def _partial_fractions(zeros: Complex, poles: Complex, gain: float) -> tuple[Complex, Complex]:
    """Return the poles with an imaginary part of at least 0, and their fractions; see `ZeroPhaseFilter`."""
    upper = poles.imag >= 0
    chosen = poles[upper]
    apart = np.where(np.eye(len(poles), dtype=bool)[upper], 1, chosen[:, None] - poles)
    fractions = gain * ((chosen[:, None] - zeros) / apart).prod(axis=1)
    return chosen, np.where(chosen.imag > 0, fractions, fractions / 2)


def _extended(samples: Signal, pad: int) -> Signal:
    """Extend samples by `pad` mirrored ones on both sides, and repeat the first, so that they fill whole blocks."""
    before, after = 2 * samples[0] - samples[pad:0:-1], 2 * samples[-1] - samples[-2 : -pad - 2 : -1]
    first = (before if pad else samples)[0]
    return np.concatenate([np.full(-(len(samples) + 2 * pad) % BLOCK, first), before, samples, after])


def _recursion(of_blocks: Complex, steps: Complex, start: Complex) -> tuple[Complex, Complex]:
    """Return the sums before each block [block, pole], and those after the last [pole], given those of the blocks.

    Each sum is that before it times the step of its pole, plus that of its block. Adding what is 1, 2, 4, ... blocks
    back takes a few passes over the blocks, until steps are so small that float64 does not hold what they add.
    """
    sums = np.concatenate([start[None], of_blocks]).T.copy()
    for of_pole, step in zip(sums, steps, strict=True):
        back, factor = 1, step
        while back < len(of_pole) and abs(factor) > NOTHING:
            of_pole[back:] += factor * of_pole[:-back]
            back, factor = 2 * back, factor * factor
    before = np.ascontiguousarray(sums.T)
    return before[:-1], before[-1]
