"""Means over the frames of windows, which overlapping windows share except near their edges."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from ictal.core.recording import Signal
from ictal.core.windows import WINDOW_SAMPLES
from ictal.errors import listed
from ictal.scoring.export_contract import Part, frames_name

Run = Callable[[dict[str, Signal]], list[Signal]]
"""Run one graph: inputs by name to outputs."""


def means_of_frames(part: Part, runs: Mapping[str, Run], signal: Signal, starts: Sequence[int]) -> Signal:
    """Return the means over the frames of windows, [window, filters, chain].

    A frame that depends on nothing outside its window is the same in all windows, and is computed once for the whole
    signal. A network that drops its edges has no others. Another one sees zeros in place of what is outside, so the
    frames near the edges of a window are its own: each stage of the network adds as many as it reaches, and needs as
    many of the shared ones next to them.

    Parameters
    ----------
    part
        One that takes frames.
    runs
        What runs each graph, by file name.
    signal
        [20, time], standardised.
    starts
        First sample of each window in the signal, a multiple of the distance of frames.
    """
    if any(start % part.every for start in starts):
        raise ValueError(f"windows begin at {listed(starts)}; allowed are multiples of {part.every} samples")
    first, n_frames = np.asarray(starts) // part.every, signal.shape[1] // part.every
    traces, *stages = [runs[file] for file in part.files[:-1]]
    if part.reach and not _worth_sharing(part.reach, len(starts), n_frames, WINDOW_SAMPLES // part.every):
        features = _run(traces, "windows", _pieces(signal[None], np.asarray(starts), WINDOW_SAMPLES))
        for number, stage in enumerate(stages):
            features = _run(stage, frames_name(number), features)
        return np.asarray(features.mean(axis=-1, dtype=np.float64), np.float32)
    shared = _run(traces, "windows", signal[None, :, : n_frames * part.every])
    size = WINDOW_SAMPLES // part.every - (n_frames - shared.shape[-1])  # without the frames that are dropped
    begins = ends = np.zeros((len(starts), *shared.shape[1:3], 0), np.float32)
    before = after = 0
    for number, (stage, (left, right)) in enumerate(zip(stages, part.reach or (), strict=True)):
        name, reach = frames_name(number), left + right
        next_to = _pieces(shared, first + before, reach)
        begins = _run(stage, name, np.concatenate([begins, next_to], axis=-1))[..., : before + left]
        next_to = _pieces(shared, first + size - after - reach, reach)
        ends = _run(stage, name, np.concatenate([next_to, ends], axis=-1))[..., left:]
        shared = _run(stage, name, shared)
        before, after = before + left, after + right
    sums = np.pad(np.cumsum(shared[0], axis=-1, dtype=np.float64), ((0, 0), (0, 0), (1, 0)))
    total = np.moveaxis(sums[..., first + size - after] - sums[..., first + before], -1, 0)
    if stages:
        total = total + begins.sum(axis=-1, dtype=np.float64) + ends.sum(axis=-1, dtype=np.float64)
    return np.asarray(total / size, np.float32)


def _worth_sharing(reach: Sequence[tuple[int, int]], n_windows: int, n_shared: int, size: int) -> bool:
    """Return whether the last stage, which costs most, computes fewer frames than for each window alone."""
    own = sum(map(sum, reach)) + 2 * sum(reach[-1])
    return n_shared + n_windows * own < n_windows * size


def _pieces(shared: Signal, begins: npt.NDArray[np.int_], length: int) -> Signal:
    """Return pieces of this length, [piece, ..., time], of [1, ..., time]."""
    return np.stack([shared[0, ..., begin : begin + length] for begin in begins])


def _run(graph: Run, name: str, features: Signal) -> Signal:
    return graph({name: np.ascontiguousarray(features)})[0]
