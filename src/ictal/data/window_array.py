"""The array of standardised windows, and of their contexts: prepared once, and kept on disk."""

import math
import shutil
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path

import numpy as np
import pandas as pd
from filelock import FileLock
from platformdirs import user_cache_path

from ictal.core.atomic_files import hash_of, write_json, writing
from ictal.core.hashing import content_hashes
from ictal.core.labels import TRUE_COLUMNS
from ictal.core.montage import CHANNELS
from ictal.core.progress import Progress, silent
from ictal.data.dataset import TOLERANCE_S, Dataset
from ictal.data.label_table import FOLD_COLUMN, LABEL_COLUMNS
from ictal.data.preparation import PLACE_COLUMNS, Preparation, Prepared, in_order, most_blocks
from ictal.data.rows_file import CHUNK, RowsFile
from ictal.data.stored_signals import BLOCK, StoredSignals, Windows, damaged, mapped
from ictal.errors import IctalError, ReadError, TableError, listed, raise_problems, reason
from ictal.preprocessing.input_needs import ALL, Needs
from ictal.preprocessing.regional_spectrogram import CONTEXT_S, CONTEXT_SHAPE, Context
from ictal.preprocessing.settings import StandardiseSettings

VERSION = 4
"""Incremented when the same recording and settings give different windows, or when they are stored differently."""

CONTEXT_VERSION = 2
"""Incremented when the same recording and settings give different contexts."""

CONTEXT = np.dtype(np.float32)
SIGNALS, CONTEXTS, TABLE, ABOUT = "signals.npy", "contexts.npy", "windows.parquet", "about.json"

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
        [window, 20, 10000], float32, µV: an array, or `StoredSignals`, which reads windows when they are asked for.
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
    signals: Windows
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

    EEGs are prepared in a thread per CPU. What Ctrl-C or the end of the program interrupts goes on where it stopped
    when the same windows are asked for again.

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
        Listing all EEGs and contexts that cannot be read; also if files of the cache are damaged.
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
                preparation = Preparation(dataset, needs, settings, context_missing, cache)
                _build(preparation, folder, context_folder, progress)
    table = _read_table(folder / TABLE)
    _check_any_is_left(dataset.name, table, settings.max_missing)
    refused = table["refused"].to_numpy()
    places = table.loc[~refused, list(PLACE_COLUMNS)].to_numpy(np.int64)
    signals = StoredSignals(folder / SIGNALS, places, settings.short)
    contexts = _read_contexts(context_folder / CONTEXTS, len(signals)) if context_folder else None
    return WindowArray(_usable(table), signals, _labels(table[refused]), key, contexts, context_key)


def _check_any_is_left(name: str, table: pd.DataFrame, max_missing: float) -> None:
    if table["refused"].all():
        raise TableError(
            f"{name}: all {len(table)} windows have more than {max_missing:.0%} missing or flat samples "
            f"({listed(table['window_id'])}); standardise.max_missing sets this limit"
        )


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


def _build(preparation: Preparation, folder: Path, context_folder: Path | None, progress: Progress) -> None:
    """Make what is missing in one pass over the EEGs, since each may have to be simulated."""
    dataset = preparation.dataset
    with_windows, with_contexts = not folder.exists(), context_folder is not None and not context_folder.exists()
    labels = dataset.outline if with_windows else _read_table(folder / TABLE)
    if (labels["eeg_id"] != labels["eeg_id"].shift()).sum() != labels["eeg_id"].nunique():
        raise TableError(f"{dataset.name}: the rows of one EEG are not adjacent")
    n_blocks, n_contexts = most_blocks(labels) * with_windows, len(labels) * with_contexts
    needed = n_blocks * BLOCK.itemsize + n_contexts * math.prod(CONTEXT_SHAPE) * CONTEXT.itemsize
    _check_disk(dataset.name, len(labels), needed, [folder, *filter(None, [context_folder])])
    columns = [name for name in ("window_id", "eeg_id", "start_s", "refused") if name in labels]
    eegs = [rows for _, rows in labels[columns].groupby("eeg_id", sort=False)]
    with ExitStack() as stack:
        windows = contexts = None
        if with_windows:
            part = stack.enter_context(_whole_folder(folder))
            windows = stack.enter_context(RowsFile(part / SIGNALS, BLOCK, (), n_blocks))
        if context_folder and with_contexts:
            part = stack.enter_context(_whole_folder(context_folder))
            contexts = stack.enter_context(RowsFile(part / CONTEXTS, CONTEXT, CONTEXT_SHAPE, n_contexts))
        _write_eegs(preparation, eegs, windows, contexts, progress)
        if windows:
            _finish(preparation, windows)


def _write_eegs(
    preparation: Preparation,
    eegs: Sequence[pd.DataFrame],
    windows: RowsFile | None,
    contexts: RowsFile | None,
    progress: Progress,
) -> None:
    """Write the blocks and contexts of the EEGs that are not there yet, in their order.

    All EEGs are counted, also those of which no window is usable, so that what was begun with windows can be resumed
    without them.
    """

    def prepare_one(number: int) -> Prepared:
        rows, with_windows = eegs[number], windows is not None and number >= len(windows.notes)
        if not with_windows:
            refused = rows["refused"] if windows is None else [one["refused"] for one in windows.notes[number]]
            rows = rows[~np.array(refused, dtype=bool)]
        with_contexts = contexts is not None and number >= len(contexts.notes)
        return preparation.prepare(rows, windows=with_windows, contexts=with_contexts)

    problems = list[str]()
    first = min(len(file.notes) for file in (windows, contexts) if file)
    with closing(in_order(prepare_one, range(first, len(eegs)))) as done:
        for number, future in done:
            try:
                prepared = future.result()
                if not problems:  # with a gap, an interrupted preparation could not be resumed
                    _append(prepared, windows, contexts)
            except ReadError as error:
                problems.append(f"eeg_id {eegs[number]['eeg_id'].iloc[0]}: {error}")
            progress("reading EEGs", number + 1, len(eegs))
    raise_problems(preparation.dataset.name, problems, ReadError)


def _append(prepared: Prepared, windows: RowsFile | None, contexts: RowsFile | None) -> None:
    """Write what was prepared of one EEG."""
    if windows and prepared.blocks:
        note = [window | {"block": window["block"] + windows.n_rows} for window in prepared.windows]
        with prepared.blocks as blocks:
            windows.append(iter(partial(blocks.read, CHUNK), b""), note)
    if contexts and prepared.contexts is not None:
        contexts.append([prepared.contexts.reshape(-1).view(np.uint8).data], None)


def _finish(preparation: Preparation, windows: RowsFile) -> None:
    """Write the table of all windows, and a note on data and settings."""
    dataset, folder = preparation.dataset, windows.path.parent
    labels = dataset.labels
    columns = [name for name in (*LABEL_COLUMNS, FOLD_COLUMN, *TRUE_COLUMNS) if name in labels.columns]
    table = pd.concat([labels[columns], pd.DataFrame([*chain(*windows.notes)])], axis=1)
    with writing(folder / TABLE):
        table.to_parquet(folder / TABLE, index=False)
    write_json(folder / ABOUT, {"data": dataset.name, "standardise": preparation.settings.model_dump()})


def _read_table(path: Path) -> pd.DataFrame:
    try:
        return pd.read_parquet(path)
    except (OSError, ValueError) as error:  # those of pyarrow are also these
        raise damaged(path, reason(error)) from error


def _read_contexts(path: Path, n_windows: int) -> Context:
    contexts = mapped(path)
    if (contexts.dtype, contexts.shape) != (CONTEXT, (n_windows, *CONTEXT_SHAPE)):
        raise damaged(path, "it does not contain the contexts of these windows")
    return contexts


def _usable(table: pd.DataFrame) -> pd.DataFrame:
    return _labels(table[~table["refused"]])


def _labels(table: pd.DataFrame) -> pd.DataFrame:
    return table.drop(columns=["refused", *PLACE_COLUMNS]).reset_index(drop=True)


def _check_disk(name: str, n_windows: int, n_bytes: int, folders: Sequence[Path]) -> None:
    cache, parts = folders[0].parent, [_part(folder) for folder in folders]
    taken = sum(file.stat().st_size for part in parts if part.exists() for file in part.iterdir())
    free = shutil.disk_usage(cache).free
    if n_bytes - taken > 0.95 * free:
        raise TableError(
            f"{name}: {n_windows} windows need {n_bytes / 1e9:.1f} GB in {cache}, which has "
            f"{free / 1e9:.1f} GB free; choose another folder with --cache, or set data.max_windows_per_eeg"
        )


def _part(folder: Path) -> Path:
    """Return the name of a folder of the cache while it is incomplete."""
    return folder.with_name(f"{folder.name}.part")


@contextmanager
def _whole_folder(folder: Path) -> Iterator[Path]:
    """Yield a temporary folder to write to, and rename it to `folder` if the block ends without an error.

    The lock is held, so what is in the folder was left by an interrupted run. It stays there if this one is
    interrupted, but not after an error, since data or settings must then change.
    """
    part = _part(folder)
    part.mkdir(parents=True, exist_ok=True)
    try:
        yield part
        part.rename(folder)
    except IctalError:
        shutil.rmtree(part, ignore_errors=True)
        raise
