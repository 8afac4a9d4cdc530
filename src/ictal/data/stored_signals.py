"""Windows as views of stretches of EEG that are stored once, in 16 bits."""

import zlib
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ictal.core.montage import N_CHANNELS
from ictal.core.recording import Signal
from ictal.core.windows import RATE_HZ, WINDOW_SAMPLES, ShortPolicy, pad_window
from ictal.errors import ReadError, reason

WINDOW_SHAPE = (N_CHANNELS, WINDOW_SAMPLES)
BLOCK_S = 2
"""Seconds that share a step. An artifact makes steps coarser in its own block and channel, and nowhere else."""
BLOCK_SAMPLES = BLOCK_S * RATE_HZ
LARGEST_CODE = 32_767
SMALLEST_UV = 1e-30
"""Blocks of a channel that stay below this are stored as zeros: their step would not be a normal number."""

BLOCK = np.dtype(
    [("crc", "<u4"), ("step_uv", "<f4", (N_CHANNELS,)), ("codes", "<i2", (N_CHANNELS, BLOCK_SAMPLES))], align=True
)
"""A block of 2 s: a checksum of what follows, the step of each channel, and samples as multiples of it."""
_CHECKED = BLOCK.fields["step_uv"][1] if BLOCK.fields else 0
"""Where in a block the bytes begin that its checksum covers."""

Blocks = npt.NDArray[np.void]


def encode(signal: Signal) -> Blocks:
    """Return a stretch of signal as blocks, see `BLOCK`.

    A sample is off by at most 1/65,000 of the largest sample of its channel in the same block: 0.002 µV where EEG
    stays below 100 µV, and less than the step of most amplifiers (0.05 to 0.4 µV) where an artifact reaches 5 mV.

    Parameters
    ----------
    signal
        [20, time], µV, finite. The last block is completed with zeros.
    """
    n_blocks = -(-signal.shape[1] // BLOCK_SAMPLES)
    samples = np.zeros((N_CHANNELS, n_blocks * BLOCK_SAMPLES), dtype=np.float32)
    samples[:, : signal.shape[1]] = signal
    samples = samples.reshape(N_CHANNELS, n_blocks, BLOCK_SAMPLES)
    step_uv = np.maximum(samples.max(axis=2), -samples.min(axis=2)) / np.float32(LARGEST_CODE)
    step_uv[step_uv < SMALLEST_UV / LARGEST_CODE] = 0
    samples /= np.where(step_uv > 0, step_uv, np.float32(np.inf))[..., None]
    blocks = np.empty(n_blocks, dtype=BLOCK)
    blocks["step_uv"] = step_uv.T
    blocks["codes"] = np.rint(samples, out=samples).transpose(1, 0, 2)
    blocks["crc"] = checksums(blocks)
    return blocks


def decode(blocks: Blocks) -> Signal:
    """Return the samples of blocks, [20, time], µV."""
    samples = np.empty((N_CHANNELS, len(blocks), BLOCK_SAMPLES), dtype=np.float32)
    np.multiply(blocks["codes"].transpose(1, 0, 2), blocks["step_uv"].T[..., None], out=samples)
    return samples.reshape(N_CHANNELS, -1)


def checksums(blocks: Blocks) -> npt.NDArray[np.uint32]:
    """Return the checksum that each block should have."""
    content = blocks.view(np.uint8).data
    starts = range(0, len(content), BLOCK.itemsize)
    return np.array([zlib.crc32(content[at + _CHECKED : at + BLOCK.itemsize]) for at in starts], dtype=np.uint32)


class StoredSignals:
    """Windows in a file, read when they are asked for: an array [window, 20, 10000] of float32, µV.

    It is indexed like an array of NumPy, and what it returns is one. ``signals[rows]`` reads only these windows;
    further indices select from what was read. ``numpy.asarray(signals)`` reads all of them.

    Parameters
    ----------
    path
        A ``.npy`` file of `BLOCK`.
    places
        [window, 3]: the first block of the stretch that a window lies in, the number of samples of this stretch, and
        the sample of it at which the window begins. A window may begin before its stretch and end after it, where
        the recording does.
    short
        How such a window is completed, see `ictal.core.windows.pad_window`.

    Raises
    ------
    ReadError
        If the file is missing, truncated or no array of blocks; also when a damaged block is read.
    """

    dtype = np.dtype(np.float32)
    ndim = 3

    def __init__(self, path: Path, places: npt.NDArray[np.int64], short: ShortPolicy) -> None:
        self.path, self.places, self.short = path, places, short
        stored = mapped(path)
        if stored.dtype != BLOCK:
            raise damaged(path, "it does not contain blocks")
        self._offset = stored.offset

    @property
    def shape(self) -> tuple[int, int, int]:
        """(windows, 20, 10000)."""
        return (len(self), *WINDOW_SHAPE)

    def __len__(self) -> int:
        return len(self.places)

    def __getitem__(self, index: Any) -> Signal:
        first, *others = index if isinstance(index, tuple) and index else (index,)
        if first is Ellipsis or first is None:
            return np.asarray(np.asarray(self)[index])
        rows = np.asarray(np.arange(len(self))[first])
        windows = self._read(rows.ravel())
        if not others:
            return windows.reshape(*rows.shape, *WINDOW_SHAPE)
        # In place of the first index, one that selects all that was read: NumPy combines the others with it.
        every = slice(None) if isinstance(first, slice) else np.arange(rows.size).reshape(rows.shape)
        return np.asarray(windows[(every, *others)])

    def __array__(self, dtype: npt.DTypeLike | None = None, copy: bool | None = None) -> npt.NDArray[Any]:
        if copy is False:
            raise ValueError("windows are decoded when they are read: an array of them is always a copy")
        return self._read(np.arange(len(self))).astype(dtype or self.dtype, copy=False)

    def _read(self, rows: npt.NDArray[np.int64]) -> Signal:
        """Return the windows of these rows."""
        places = self.places[rows]
        windows = np.empty((len(rows), *WINDOW_SHAPE), dtype=np.float32)
        for row in np.lexsort((places[:, 2], places[:, 0])):  # in the order of the file, as disks like it
            self._decode_window(places[row], windows[row])
        return windows

    def _decode_window(self, place: npt.NDArray[np.int64], window: Signal) -> None:
        block, n_samples, start = place.tolist()
        begin, stop = max(0, start), min(n_samples, start + WINDOW_SAMPLES)
        skipped, end = begin // BLOCK_SAMPLES, -(-stop // BLOCK_SAMPLES)
        samples = decode(self._blocks(block + skipped, end - skipped))
        before = skipped * BLOCK_SAMPLES
        window[:] = pad_window(samples[:, begin - before : stop - before], start - begin, self.short)

    def _blocks(self, first: int, n_blocks: int) -> Blocks:
        # Unlike a mapped file, one that was cut off meanwhile is an error here and not the end of the program; and a
        # request for one piece is the fastest from any disk.
        try:
            blocks = np.fromfile(self.path, BLOCK, n_blocks, offset=self._offset + first * BLOCK.itemsize)
        except OSError as error:
            raise damaged(self.path, reason(error)) from error
        if len(blocks) < n_blocks:
            raise damaged(self.path, "it was truncated")
        if (wrong := blocks["crc"] != checksums(blocks)).any():
            raise damaged(self.path, f"block {first + int(wrong.argmax())} has changed")
        return blocks


Windows = StoredSignals | npt.NDArray[np.float32]
"""Windows [window, 20, 10000], µV: in a file, or in memory."""


def mapped(path: Path) -> np.memmap[Any, np.dtype[Any]]:
    """Return an array file of the cache, memory-mapped; raise a `ReadError` if it is missing or damaged."""
    try:
        stored = np.load(path, mmap_mode="r")  # reads the header, and compares the size of the file with it
    except (OSError, ValueError, EOFError) as error:
        raise damaged(path, reason(error)) from error
    if not isinstance(stored, np.memmap):
        raise damaged(path, "it is not an array")
    return stored


def damaged(path: Path, why: str) -> ReadError:
    """Return the error for a file of the cache that is not as it was written."""
    return ReadError(f"{path}: is damaged: {why}. Remove the folder {path.parent}, and it is prepared again")
