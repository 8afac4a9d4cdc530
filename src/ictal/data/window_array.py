"""The array of standardised windows, and of their contexts: made once, kept on disk, mapped into memory."""

import math
import shutil
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
from filelock import FileLock
from platformdirs import user_cache_path

from ictal.core.atomic_files import hash_of, write_json, writing
from ictal.core.hashing import content_hashes
from ictal.core.labels import TRUE_COLUMNS
from ictal.core.montage import CHANNELS, ELECTRODES
from ictal.core.progress import Progress, silent
from ictal.core.recording import Recording
from ictal.core.windows import BEFORE_S, WINDOW_SAMPLES, Geometry, WindowPosition
from ictal.data.dataset import TOLERANCE_S, Dataset
from ictal.data.label_table import FOLD_COLUMN, LABEL_COLUMNS
from ictal.data.rows_file import RowsFile
from ictal.errors import ReadError, TableError, listed, raise_problems
from ictal.io.regional_spectrogram import cut_context, read_spectrogram
from ictal.preprocessing.channel_graph import ChannelMapping
from ictal.preprocessing.input_needs import ALL, Needs
from ictal.preprocessing.model_windows import ModelWindow, model_windows
from ictal.preprocessing.model_windows import contexts as contexts_around
from ictal.preprocessing.regional_spectrogram import CONTEXT_S, CONTEXT_SHAPE, Context
from ictal.preprocessing.runs import RecordedRun, check_unit, recorded_runs, sample_of
from ictal.preprocessing.settings import StandardiseSettings

VERSION = 3
"""Incremented when the same recording and settings give different windows."""

CONTEXT_VERSION = 2
"""Incremented when the same recording and settings give different contexts."""

WINDOW_SHAPE = (len(CHANNELS), WINDOW_SAMPLES)
SIGNALS, CONTEXTS, TABLE = "signals.npy", "contexts.npy", "windows.parquet"

QUALITY_COLUMNS = ("missing_share", "flat_electrodes", "made_up_share")
"""Per window, within the part that the model sees: share of electrode samples that are missing or flat, number of
electrodes that are flat or missing throughout, and share that is outside a short recording."""


@dataclass(frozen=True)
class WindowArray:
    """The windows of a data set, ready for a model.

    Attributes
    ----------
    labels
        A row per window: `LABEL_COLUMNS` (of EEG without votes, those without votes), `QUALITY_COLUMNS`, and
        optionally 'fold' and `TRUE_COLUMNS`.
    signals
        [window, 20, 10000], float32, µV, memory-mapped.
    refused
        Windows left out because of missing samples, with their `QUALITY_COLUMNS`.
    fingerprint
        Hash of data and settings; the same with and without contexts.
    contexts
        [window, 4, 100, 300], float32, µV²/Hz, see `regional_spectrogram`, memory-mapped; None if not requested.
    context_fingerprint
        Hash of everything that the contexts depend on.
    """

    labels: pd.DataFrame
    signals: npt.NDArray[np.float32]
    refused: pd.DataFrame
    fingerprint: str
    contexts: Context | None = None
    context_fingerprint: str | None = None

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def fingerprints(self) -> str:
        """The fingerprint, followed by that of the contexts if there are any."""
        return "+".join(filter(None, (self.fingerprint, self.context_fingerprint)))


def default_cache() -> Path:
    """Return the user's cache folder, where arrays are stored unless another folder is given."""
    return user_cache_path("ictal") / "windows"


def prepare(
    dataset: Dataset,
    settings: StandardiseSettings,
    cache: Path | None = None,
    progress: Progress = silent,
    *,
    needs: Needs = ALL,
    context_missing: float | None = None,
) -> WindowArray:
    """Return the windows of a data set, from the cache if they are already there.

    Parameters
    ----------
    dataset
        Checked labels, and EEG.
    settings
        How recordings become input, and which share of missing samples excludes a window.
    cache
        A folder; None for `default_cache`.
    progress
        Called after each EEG.
    needs
        The model's needs, for which the data set was opened.
    context_missing
        The share of a context that may be missing, see `DataSettings`; None: windows come without contexts. Contexts
        are stored in their own folder and leave the cached windows unchanged.

    Raises
    ------
    TableError
        If no window is left, the arrays do not fit on the disk, or windows have no context.
    ReadError
        Listing all EEGs and contexts that cannot be read.
    """
    cache = cache or default_cache()
    key = hash_of([VERSION, dataset.fingerprint(), settings.model_dump(), list(CHANNELS), needs.seen_s])
    folder = cache / key
    context_key = None if context_missing is None else _context_key(dataset, key, context_missing)
    context_folder = cache / context_key if context_key else None
    if not _exist(folder, context_folder):
        cache.mkdir(parents=True, exist_ok=True)
        with FileLock(cache / f"{key}.lock"):
            if not _exist(folder, context_folder):
                if context_missing is not None:
                    _check_durations(dataset, context_missing)
                _build(dataset, settings, needs, folder, context_folder, progress)
    table = pd.read_parquet(folder / TABLE)
    refused = table["refused"].to_numpy()
    if refused.all():
        raise TableError(
            f"{dataset.name}: all {len(table)} windows have more than {settings.max_missing:.0%} missing or flat "
            f"samples ({listed(table['window_id'])}); standardise.max_missing sets this limit"
        )
    kept = _usable(table)
    signals = np.load(folder / SIGNALS, mmap_mode="r")[: len(kept)]
    contexts = np.load(context_folder / CONTEXTS, mmap_mode="r")[: len(kept)] if context_folder else None
    table = table[refused].drop(columns="refused").reset_index(drop=True)
    return WindowArray(kept, signals, table, key, contexts, context_key)


def _exist(folder: Path, context_folder: Path | None) -> bool:
    return folder.exists() and (context_folder is None or context_folder.exists())


def _context_key(dataset: Dataset, key: str, context_missing: float) -> str:
    files = dataset.contexts
    prints = content_hashes({file.path for file in files.values()})
    rows = sorted((window_id, prints[file.path], file.offset_s) for window_id, file in files.items())
    return hash_of([CONTEXT_VERSION, key, context_missing, rows])


def _check_durations(dataset: Dataset, context_missing: float) -> None:
    """Refuse windows without a context before any EEG is read."""
    labels = dataset.outline
    computed = labels[~labels["window_id"].isin(list(dataset.contexts))]
    durations = {eeg_id: dataset.duration_s(eeg_id) for eeg_id in computed["eeg_id"].unique()}
    least_s = (1 - context_missing) * CONTEXT_S
    lacking = computed["window_id"][computed["eeg_id"].map(durations) < least_s - TOLERANCE_S]
    if len(lacking):
        of = computed["eeg_id"][lacking.index[0]]
        raise TableError(
            f"{dataset.name}: {len(lacking)} of {len(labels)} windows have no context (the {CONTEXT_S} s around a "
            f"window): {listed(lacking)}. EEG {of} lasts {durations[of]:g} s; allowed are EEGs of {least_s:g} s or "
            "more, or, in the HMS layout, spectrograms in train_spectrograms/ or test_spectrograms/. Leave out the "
            "arms that use contexts, or raise data.context_missing (for 'sim', data.sim.eeg_s)"
        )


def _build(
    dataset: Dataset,
    settings: StandardiseSettings,
    needs: Needs,
    folder: Path,
    context_folder: Path | None,
    progress: Progress,
) -> None:
    """Make what is missing in one pass over the EEGs, since each may have to be simulated."""
    with_windows, with_context = not folder.exists(), context_folder is not None and not context_folder.exists()
    labels = dataset.outline if with_windows else _usable(pd.read_parquet(folder / TABLE))
    shapes = [WINDOW_SHAPE] * with_windows + [CONTEXT_SHAPE] * with_context
    _check_disk(dataset.name, len(labels), shapes, folder.parent)
    if (labels["eeg_id"] != labels["eeg_id"].shift()).sum() != labels["eeg_id"].nunique():
        raise TableError(f"{dataset.name}: the rows of one EEG are not adjacent")
    with ExitStack() as stack:
        geometry = needs.geometry(settings.short)
        windows = contexts = None
        if with_windows:
            part = stack.enter_context(_whole_folder(folder))
            signals = stack.enter_context(RowsFile(part / SIGNALS, WINDOW_SHAPE, len(labels)))
            windows = _Windows(part, signals, dataset, settings)
        if context_folder and with_context:
            part = stack.enter_context(_whole_folder(context_folder))
            rows_file = stack.enter_context(RowsFile(part / CONTEXTS, CONTEXT_SHAPE, len(labels)))
            contexts = _Contexts(rows_file, dataset, settings)
        groups, problems = labels.groupby("eeg_id", sort=False), []
        for done, (eeg_id, rows) in enumerate(groups, 1):
            source = None
            try:
                if windows or not all(window_id in dataset.contexts for window_id in rows["window_id"]):
                    source = _Eeg.of(dataset.recording(str(eeg_id)), needs, geometry, settings)
                if windows and source:
                    rows = windows.add(source, rows)
                if contexts:
                    contexts.add(source, rows)
            except ReadError as error:
                problems.append(f"eeg_id {eeg_id}: {error}")
            progress("reading EEGs", done, groups.ngroups)
        raise_problems(dataset.name, problems, ReadError)
        if windows:
            windows.finish()


def _usable(table: pd.DataFrame) -> pd.DataFrame:
    return table[~table["refused"]].drop(columns="refused").reset_index(drop=True)


def _check_disk(name: str, n_windows: int, shapes: Sequence[tuple[int, ...]], cache: Path) -> None:
    needed = n_windows * sum(math.prod(shape) for shape in shapes) * 4
    free = shutil.disk_usage(cache).free
    if needed > 0.95 * free:
        raise TableError(
            f"{name}: {n_windows} windows need {needed / 1e9:.1f} GB in {cache}, which has "
            f"{free / 1e9:.1f} GB free; choose another folder with --cache, or set data.max_windows_per_eeg"
        )


@contextmanager
def _whole_folder(folder: Path) -> Iterator[Path]:
    """Yield a temporary folder to write to, and rename it to `folder` if the block ends without an error."""
    part = folder.with_name(f"{folder.name}.part")
    shutil.rmtree(part, ignore_errors=True)  # left by a killed run; the lock is held, so nobody else uses it
    part.mkdir(parents=True)
    try:
        yield part
        part.rename(folder)
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise


class _Windows:
    """Writes the windows that are not refused, and the table of all windows."""

    def __init__(self, folder: Path, signals: RowsFile, dataset: Dataset, settings: StandardiseSettings) -> None:
        self.folder, self.signals, self.dataset, self.settings = folder, signals, dataset, settings
        self.quality: list[dict[str, float | int | bool]] = []

    def add(self, source: "_Eeg", rows: pd.DataFrame) -> pd.DataFrame:
        """Write the windows of one EEG; return the rows that are kept."""
        kept = []
        for excerpt in source.model_windows(source.places(rows, self.dataset.name)):
            row = source.quality(excerpt)
            row["refused"] = row["missing_share"] > self.settings.max_missing
            if not row["refused"]:
                self.signals.append(excerpt.window)
            kept.append(not row["refused"])
            self.quality.append(row)
        return rows[kept]

    def finish(self) -> None:
        """Write the table, and a note on data and settings."""
        labels = self.dataset.labels
        columns = [name for name in (*LABEL_COLUMNS, FOLD_COLUMN, *TRUE_COLUMNS) if name in labels.columns]
        table = pd.concat([labels[columns], pd.DataFrame(self.quality)], axis=1)
        with writing(self.folder / TABLE):
            table.to_parquet(self.folder / TABLE, index=False)
        about = {"data": self.dataset.name, "standardise": self.settings.model_dump()}
        write_json(self.folder / "about.json", about)


class _Contexts:
    """Writes the contexts of windows."""

    def __init__(self, contexts: RowsFile, dataset: Dataset, settings: StandardiseSettings) -> None:
        self.contexts, self.dataset, self.max_missing = contexts, dataset, settings.max_missing

    def add(self, source: "_Eeg | None", rows: pd.DataFrame) -> None:
        """Write the contexts of one EEG's windows: from files where there are any, else computed from the EEG."""
        kept_in = [self.dataset.contexts.get(window_id) for window_id in rows["window_id"]]
        own = np.zeros((len(rows), *CONTEXT_SHAPE), dtype=np.float32)
        for path in {file.path for file in kept_in if file}:
            whole = read_spectrogram(path)
            for index, file in enumerate(kept_in):
                if file and file.path == path:
                    own[index] = cut_context(whole, file.offset_s, str(path))
        computed = [index for index, file in enumerate(kept_in) if file is None]
        if source and computed:
            places = source.places(rows.iloc[computed], self.dataset.name)
            own[computed] = contexts_around(source.runs, places, self.max_missing)
        self.contexts.append(own)


@dataclass(frozen=True)
class _Eeg:
    """One EEG, from which windows are cut."""

    runs: list[RecordedRun]
    mapping: ChannelMapping
    geometry: Geometry
    settings: StandardiseSettings

    @classmethod
    def of(cls, recording: Recording, needs: Needs, geometry: Geometry, settings: StandardiseSettings) -> "_Eeg":
        mapping = needs.map_channels(recording)
        runs = recorded_runs(recording, mapping, settings.fill)
        check_unit(sample_of(recording, mapping), recording.name)
        return cls(runs, mapping, geometry, settings)

    def places(self, rows: pd.DataFrame, name: str) -> list[WindowPosition]:
        """Return the places of windows; for files, opening the data set has already checked that they exist."""
        found = []
        for eeg_id, start_s in zip(rows["eeg_id"], rows["start_s"], strict=True):
            place = self.geometry.place(self.runs, float(start_s) + BEFORE_S)
            if place is None:
                at_s = float(start_s) + BEFORE_S
                why = self.geometry.why_not(self.runs, at_s)
                raise TableError(f"{name}: EEG {eeg_id}: the 10 s from {at_s:g} s cannot be used: {why}")
            found.append(place)
        return found

    def model_windows(self, places: Sequence[WindowPosition]) -> Iterator[ModelWindow]:
        return model_windows(self.runs, places, self.geometry, self.settings)

    def quality(self, excerpt: ModelWindow) -> dict[str, float | int | bool]:
        """Return the `QUALITY_COLUMNS` of a window, for the EEG's electrodes and the part that the model sees."""
        known = [ELECTRODES.index(name) for name in self.mapping.known]
        shares = excerpt.missing[known].mean(axis=1)
        return {
            "missing_share": float(shares.mean()),
            "flat_electrodes": int((shares == 1).sum()),
            "made_up_share": excerpt.n_padded / self.geometry.needed,
        }
