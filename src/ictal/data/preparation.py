"""Prepare one EEG after another: the stretches that its windows lie in, what is missing of each window, contexts."""

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import SpooledTemporaryFile
from typing import Any, TypeVar

import numpy as np
import pandas as pd

from ictal.core.atomic_files import writing
from ictal.core.blas import one_blas_thread
from ictal.core.montage import ELECTRODES
from ictal.core.recording import Recording, Signal
from ictal.core.windows import BEFORE_S, RATE_HZ, WINDOW_S, WINDOW_SAMPLES, Geometry, WindowPosition
from ictal.data.dataset import Dataset
from ictal.data.stored_signals import BLOCK_S, encode
from ictal.distributed import n_processors
from ictal.errors import TableError
from ictal.io.regional_spectrogram import cut_context, read_spectrogram
from ictal.preprocessing.channel_graph import ChannelMapping
from ictal.preprocessing.input_needs import Needs
from ictal.preprocessing.model_windows import TOGETHER, ModelWindow, neighbouring_windows
from ictal.preprocessing.model_windows import contexts as contexts_around
from ictal.preprocessing.regional_spectrogram import CONTEXT_SHAPE, Context
from ictal.preprocessing.runs import RecordedRun, check_unit, recorded_runs, sample_of
from ictal.preprocessing.settings import StandardiseSettings

PLACE_COLUMNS = ("block", "stretch_samples", "start")
"""Of a window: see the `places` of `ictal.data.stored_signals.StoredSignals`."""
HELD_BYTES = 32 << 20
"""A recording of at most this size, 28 minutes at 200 Hz, is read once and held, since all of it is looked at."""
IN_MEMORY = 16 << 20
"""Bytes of an EEG's blocks, 35 minutes, that wait in memory until it is their turn to be written; more wait on the
disk. Many CPUs prepare many EEGs at once."""
AHEAD = 2
"""EEGs per thread that may be prepared before their turn."""

Job = TypeVar("Job")
Result = TypeVar("Result")


class Waiting(SpooledTemporaryFile[bytes]):
    """Bytes that wait to be written: in memory, or in a folder if they are many."""

    def __init__(self, folder: Path) -> None:
        super().__init__(IN_MEMORY, dir=str(folder))
        self.folder = folder

    def add(self, content: bytes) -> None:
        """Append bytes, or raise a `WriteError`."""
        with writing(self.folder):
            self.write(content)

    def __del__(self) -> None:
        self.close()  # after an error, nobody else does


@dataclass(frozen=True)
class Prepared:
    """What becomes of one EEG.

    Attributes
    ----------
    blocks
        Its stretches, as bytes of `BLOCK`; None if they are not wanted.
    windows
        Per window, its `QUALITY_COLUMNS`, `PLACE_COLUMNS`, and whether it is 'refused'. Blocks are counted from the
        first of this EEG.
    contexts
        Of the windows that are not refused; None if they are not wanted.
    """

    blocks: Waiting | None
    windows: list[dict[str, Any]]
    contexts: Context | None


@dataclass(frozen=True)
class Preparation:
    """How the EEGs of a data set are prepared.

    Attributes
    ----------
    dataset, needs, settings, context_missing
        See `ictal.data.window_array.prepare`.
    scratch
        Folder for what waits to be written.
    """

    dataset: Dataset
    needs: Needs
    settings: StandardiseSettings
    context_missing: float | None
    scratch: Path

    def prepare(self, rows: pd.DataFrame, *, windows: bool, contexts: bool) -> Prepared:
        """Prepare one EEG, given the rows of its windows; without `windows`, only contexts of windows that are kept.

        Raises
        ------
        ReadError
            If it cannot be read.
        TableError
            If it does not have a window.
        """
        source = blocks = None
        of_windows: list[dict[str, Any]] = []
        if windows or not all(window_id in self.dataset.contexts for window_id in rows["window_id"]):
            source = self._open(str(rows["eeg_id"].iloc[0]))
        if windows and source:
            blocks = Waiting(self.scratch)
            of_windows = source.write_stretches(self._places(source, rows), blocks)
            blocks.seek(0)
        if not contexts:
            return Prepared(blocks, of_windows, None)
        kept = rows[[not window["refused"] for window in of_windows]] if windows else rows
        return Prepared(blocks, of_windows, self._contexts(source, kept))

    def _open(self, eeg_id: str) -> "_Eeg":
        recording, settings = self.dataset.recording(eeg_id), self.settings
        mapping = self.needs.map_channels(recording)
        recording = _held(recording, mapping.rows)
        runs = recorded_runs(recording, mapping, settings.fill)
        check_unit(sample_of(recording, mapping), recording.name)
        return _Eeg(runs, mapping, self.needs.geometry(settings.short), settings)

    def _places(self, source: "_Eeg", rows: pd.DataFrame) -> list[WindowPosition]:
        """Return the places of windows; for files, opening the data set has already checked that they exist."""
        found = []
        for eeg_id, start_s in zip(rows["eeg_id"], rows["start_s"], strict=True):
            at_s = float(start_s) + BEFORE_S
            place = source.geometry.place(source.runs, at_s)
            if place is None:
                why = source.geometry.why_not(source.runs, at_s)
                raise TableError(f"{self.dataset.name}: EEG {eeg_id}: the 10 s from {at_s:g} s cannot be used: {why}")
            found.append(place)
        return found

    def _contexts(self, source: "_Eeg | None", rows: pd.DataFrame) -> Context:
        """Return the contexts of windows: from files where there are any, else computed from the EEG."""
        kept_in = [self.dataset.contexts.get(window_id) for window_id in rows["window_id"]]
        own = np.zeros((len(rows), *CONTEXT_SHAPE), dtype=np.float32)
        for path in {file.path for file in kept_in if file}:
            whole = read_spectrogram(path)
            for index, file in enumerate(kept_in):
                if file and file.path == path:
                    own[index] = cut_context(whole, file.offset_s, str(path))
        computed = [index for index, file in enumerate(kept_in) if file is None]
        if source and computed and self.context_missing is not None:
            places = self._places(source, rows.iloc[computed])
            own[computed] = contexts_around(source.runs, places, self.context_missing)
        return own


@dataclass(frozen=True)
class _Eeg:
    """One EEG, and how its windows are cut."""

    runs: list[RecordedRun]
    mapping: ChannelMapping
    geometry: Geometry
    settings: StandardiseSettings

    def write_stretches(self, places: Sequence[WindowPosition], to: Waiting) -> list[dict[str, Any]]:
        """Write the stretches that windows lie in; return `Prepared.windows`."""
        known = []
        n_blocks = 0
        for windows in neighbouring_windows(self.runs, places, self.geometry, self.settings):
            of_windows = [self._quality(window) for window in windows]
            kept = [number for number, quality in enumerate(of_windows) if not quality["refused"]]
            for first, stop, members in _stretches([windows[number] for number in kept]):
                blocks = encode(windows[0].signal[:, first:stop])
                to.add(blocks.tobytes())
                for member in members:
                    place = (n_blocks, stop - first, windows[kept[member]].start - first)
                    of_windows[kept[member]] |= dict(zip(PLACE_COLUMNS, place, strict=True))
                n_blocks += len(blocks)
            known += of_windows
        return known

    def _quality(self, window: ModelWindow) -> dict[str, Any]:
        """Return what `Prepared.windows` has of a window that is not stored."""
        known = [ELECTRODES.index(name) for name in self.mapping.known]
        missing = window.missing
        shares = missing[known].mean(axis=1) if missing.any() else np.zeros(len(known))
        missing_share = float(shares.mean())
        return {
            "missing_share": missing_share,
            "flat_electrodes": int((shares == 1).sum()),
            "made_up_share": window.n_padded / self.geometry.needed,
            "refused": missing_share > self.settings.max_missing,
            **dict.fromkeys(PLACE_COLUMNS, 0),
        }


def _stretches(windows: Sequence[ModelWindow]) -> Iterator[tuple[int, int, list[int]]]:
    """Yield which samples of a chunk its windows cover, from and to, and the windows of each such stretch."""
    first = stop = -1
    members: list[int] = []
    for number, window in enumerate(windows):
        begin, end = max(0, window.start), min(window.signal.shape[1], window.start + WINDOW_SAMPLES)
        if members and begin <= stop:
            stop = max(stop, end)
        else:
            if members:
                yield first, stop, members
            first, stop, members = begin, end, []
        members.append(number)
    if members:
        yield first, stop, members


@dataclass(frozen=True)
class _Held:
    """Some channels of a recording, read once."""

    samples: Signal
    rows: tuple[int, ...]

    def read(self, start: int, stop: int, rows: Sequence[int] | None = None) -> Signal:
        """Return the samples from `start` to `stop`."""
        chosen = self.rows if rows is None else rows
        return self.samples[[self.rows.index(row) for row in chosen], start:stop]


def _held(recording: Recording, rows: tuple[int, ...]) -> Recording:
    """Return a recording whose source has read these channels already, unless it is too long."""
    if recording.n_samples * len(rows) * np.dtype(np.float32).itemsize > HELD_BYTES:
        return recording
    return replace(recording, source=_Held(recording.read(rows=rows), rows))


def most_blocks(outline: pd.DataFrame) -> int:
    """Return how many blocks the windows of a data set take at most."""
    rows = outline[["eeg_id", "start_s"]].sort_values(["eeg_id", "start_s"], kind="stable")
    step_s = rows["start_s"].diff().where(rows["eeg_id"] == rows["eeg_id"].shift(), np.inf)
    stretches = step_s.clip(upper=WINDOW_S).groupby((step_s > WINDOW_S).cumsum())
    whole = np.ceil(stretches.sum() / BLOCK_S).sum() + (stretches.size() > 1).sum()  # starts are rounded to samples
    # A stretch ends where its chunk does; if windows overlap there, the next one has their samples again.
    starts = rows.groupby("eeg_id")["start_s"]
    breaks = ((starts.max() - starts.min()) * RATE_HZ // TOGETHER).sum()
    return int(whole + breaks * (WINDOW_S // BLOCK_S + 1))


def in_order(
    work: Callable[[Job], Result], jobs: Iterable[Job]
) -> Generator[tuple[Job, "Future[Result]"], None, None]:
    """Do jobs in a thread per CPU, and yield each with its result in their order; few wait for their turn.

    Reading, filtering and encoding release the interpreter lock, so that threads are as fast as processes, and need
    neither a second copy of the data set nor a script that can be started again.
    """
    workers = n_processors()
    waiting: deque[tuple[Job, Future[Result]]] = deque()
    with ThreadPoolExecutor(workers, "preparing") as pool, one_blas_thread():
        try:
            for job in jobs:
                waiting.append((job, pool.submit(work, job)))
                if len(waiting) > AHEAD * workers:
                    yield waiting.popleft()
            while waiting:
                yield waiting.popleft()
        finally:
            for _, future in waiting:
                future.cancel()
