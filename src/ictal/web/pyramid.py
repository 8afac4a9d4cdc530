"""Traces of long recordings: minima and maxima at several resolutions, made once in the background and cached."""

import shutil
import tempfile
import threading
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from math import ceil
from pathlib import Path

import numpy as np
import numpy.typing as npt
from platformdirs import user_cache_path

from ictal.core.atomic_files import hash_of, write_json
from ictal.core.recording import Recording, Signal
from ictal.errors import IctalError
from ictal.web.montages import Montage
from ictal.web.traces import Filters, Traces, channels_of, min_max, usable_filters

FILTERS = Filters(low_hz=1.0, high_hz=35.0)
"""The filters of long time spans, independent of those of a page."""
BIN_S = 0.25
"""Duration of a bin (a minimum and a maximum) at the finest level."""
SIZES = (256, 64, 16, 4, 1)
"""Bins per piece at each level: a piece of 64 s is one bin of the coarsest level."""
PIECE_BINS = SIZES[0]
LARGEST_UV = 65_000.0
"""Limit of half precision, whose relative steps of 1/2048 are finer than a pixel."""
VERSION = 1
DONE = "done.json"
MOST_KEPT = 30
"""Number of recordings in the cache; beyond it, the oldest are removed."""

Halves = npt.NDArray[np.float16]


def cache_folder() -> Path:
    """Return the folder of the cache, with one folder per recording."""
    return user_cache_path("ictal") / "traces"


@dataclass
class Pyramid:
    """Minima and maxima of a recording's traces in every montage.

    One file per level stores the pieces in order, each [trace, bin, minimum and maximum]. Files only grow, and any
    time span is one read.

    Attributes
    ----------
    recording
        The recording.
    montages
        Its montages by name.
    folder
        Folder for the complete levels.
    n_ready
        Number of finished pieces.
    problem
        Why the pyramid cannot be built, or ''.
    """

    recording: Recording
    montages: dict[str, Montage]
    folder: Path
    n_ready: int = 0
    problem: str = ""
    _where: Path | None = field(default=None, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    @classmethod
    def of(cls, key: str, recording: Recording, montages: dict[str, Montage], cache: Path | None = None) -> "Pyramid":
        """Return the pyramid of a recording, from the cache if it is there."""
        form = hash_of([VERSION, recording.span_s, {name: each.names for name, each in montages.items()}])
        found = cls(recording, montages, (cache or cache_folder()) / f"{key}-{form}")
        if (found.folder / DONE).is_file():
            found.n_ready, found._where = found.n_pieces, found.folder
        return found

    @property
    def complete(self) -> bool:
        """Whether all pieces are finished."""
        return self.n_ready == self.n_pieces

    @property
    def n_pieces(self) -> int:
        """Number of pieces; the last one may be incomplete."""
        return max(1, int(np.ceil(self.recording.span_s / self.piece_s)))

    @property
    def piece_s(self) -> float:
        """Duration of a piece; a bin of the finest level has at least two samples."""
        return max(BIN_S, 2 / self.recording.rate_hz) * PIECE_BINS

    def build(self, check: Callable[[], None]) -> None:
        """Make all levels, one piece at a time; `check` may raise an error to stop."""
        try:
            self.folder.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(prefix=".", dir=self.folder.parent, ignore_cleanup_errors=True) as part:
                self._build(Path(part) / "levels", check)
        except OSError as error:
            with self._lock:
                self.n_ready, self.problem = 0, f"the overview of traces cannot be kept in the cache: {error}"
        finally:
            if not self.complete:
                self._where = None

    def _build(self, where: Path, check: Callable[[], None]) -> None:
        where.mkdir()
        with ExitStack() as stack:
            files = [stack.enter_context(path.open("wb", buffering=0)) for path in _files(where)]
            self._where = where
            for piece in range(self.n_pieces):
                check()
                for file, level in zip(files, self._levels_of(piece), strict=True):
                    file.write(level.tobytes())
                self.n_ready = piece + (
                    piece + 1 < self.n_pieces
                )  # the last piece counts once the files are in place
        write_json(where / DONE, {"version": VERSION})
        with self._lock:
            if not (self.folder / DONE).is_file():  # else another program was first
                where.replace(self.folder)
            self._where, self.n_ready = self.folder, self.n_pieces
        _forget(self.folder.parent)

    def _levels_of(self, piece: int) -> list[Halves]:
        """Return the levels of a piece, [trace, bin, 2] each."""
        rate_hz = self.recording.rate_hz
        first, last = (round((piece + end) * self.piece_s * rate_hz) for end in (0, 1))
        channels = channels_of(
            self.recording, range(len(self.recording.channels)), first, last, usable_filters(FILTERS, rate_hz)
        )
        thin = [min_max(each.apply(channels[list(each.channels)]), PIECE_BINS) for each in self.montages.values()]
        finest = np.clip(np.concatenate(thin), -LARGEST_UV, LARGEST_UV)
        return [min_max(finest, size).astype("<f2") for size in SIZES]

    def traces(self, name: str, start_s: float, stop_s: float, width: int) -> Traces:
        """Return the traces of a long time span as at most `width` minima and maxima.

        Unfinished parts are NaN.

        Raises
        ------
        IctalError
            If the cache cannot be written.
        """
        if self.problem:
            raise IctalError(self.problem)
        size = min([size for size in SIZES if (stop_s - start_s) / self.piece_s * size >= width] or SIZES[:1])
        bin_s = self.piece_s / size
        first = min(int(start_s / bin_s), self.n_pieces * size - 1)
        last = min(max(ceil(stop_s / bin_s), first + 1), self.n_pieces * size)
        pieces = range(first // size, -(-last // size))
        values = self._read(size, pieces)[self._rows(name), first - pieces.start * size : last - pieces.start * size]
        shown = min_max(values, width) if values.shape[1] > width else values
        filters, rate_hz = usable_filters(FILTERS, self.recording.rate_hz), self.recording.rate_hz
        complete = self.n_ready >= pieces.stop
        return Traces(shown, first * bin_s, last * bin_s, self.montages[name], filters, rate_hz, complete=complete)

    def _read(self, size: int, pieces: range) -> Signal:
        """Return some pieces of the level with `size` bins per piece, [trace, bin, 2]."""
        n_rows = sum(len(montage.names) for montage in self.montages.values())
        values = np.full((len(pieces), n_rows, size, 2), np.nan, dtype=np.float32)
        with self._lock:
            n_there = max(0, min(self.n_ready, pieces.stop) - pieces.start)
            if self._where is not None and n_there:
                offset, count = (n * n_rows * size * 2 for n in (pieces.start, n_there))
                path = _files(self._where)[SIZES.index(size)]
                values[:n_there] = np.fromfile(path, "<f2", count, offset=2 * offset).reshape(-1, n_rows, size, 2)
        return values.swapaxes(0, 1).reshape(n_rows, -1, 2)

    def _rows(self, name: str) -> slice:
        """Return the rows of a montage among those of all montages."""
        names = list(self.montages)
        before = sum(len(self.montages[each].names) for each in names[: names.index(name)])
        return slice(before, before + len(self.montages[name].names))


def _files(folder: Path) -> list[Path]:
    return [folder / f"level{size}.f16" for size in SIZES]


def _forget(cache: Path) -> None:
    """Remove the oldest recordings from the cache if there are too many."""
    kept = sorted(cache.glob(f"*/{DONE}"), key=lambda path: path.stat().st_mtime, reverse=True)
    for done in kept[MOST_KEPT:]:
        shutil.rmtree(done.parent, ignore_errors=True)
