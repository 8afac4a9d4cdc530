"""The array of standardised windows: made once, kept on disk, mapped into memory."""

import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
from filelock import FileLock
from platformdirs import user_cache_path

from ictal.data.dataset import Dataset
from ictal.data.table import FOLD_COLUMN, LABEL_COLUMNS
from ictal.errors import TableError
from ictal.files import hash_of, write_json
from ictal.labels import TRUE_COLUMNS
from ictal.montage import CHANNELS, ELECTRODES
from ictal.progress import Progress, silent
from ictal.standardise import Standardised, StandardiseSettings, standardise
from ictal.windows import RATE_HZ, WINDOW_S, WINDOW_SAMPLES, cut

VERSION = 1
"""Raised whenever the same recording and settings give other windows."""

QUALITY_COLUMNS = ("missing_share", "flat_electrodes", "made_up_share")
"""Per window: share of the samples of the 19 electrodes that are missing or flat, how many electrodes are
flat or missing throughout, and which share of the window a short recording did not fill."""


@dataclass(frozen=True)
class WindowArray:
    """All windows of a data set that take part.

    Attributes
    ----------
    labels
        A row per window: `LABEL_COLUMNS`, `QUALITY_COLUMNS`, and perhaps 'fold' and `TRUE_COLUMNS`.
    signals
        [window, 20, 10000], float32, µV, mapped from disk.
    refused
        The windows left out for missing samples, with their `QUALITY_COLUMNS`.
    fingerprint
        Of data and settings.
    """

    labels: pd.DataFrame
    signals: npt.NDArray[np.float32]
    refused: pd.DataFrame
    fingerprint: str

    def __len__(self) -> int:
        return len(self.labels)


def default_cache() -> Path:
    """Return the folder in which arrays are kept unless the user names another."""
    return user_cache_path("ictal") / "windows"


def prepare(
    dataset: Dataset,
    settings: StandardiseSettings,
    cache: Path | None = None,
    progress: Progress = silent,
) -> WindowArray:
    """Return the windows of a data set, from the cache where they are there already.

    Parameters
    ----------
    dataset
        Checked labels, and EEG.
    settings
        How recordings become input, and which share of missing samples refuses a window.
    cache
        A folder; None for `default_cache`.
    progress
        Told about each EEG.

    Raises
    ------
    TableError
        If no window is left, or the disk is too small for the array.
    """
    cache = cache or default_cache()
    key = hash_of([VERSION, dataset.fingerprint(), settings.model_dump(), list(CHANNELS)])
    folder = cache / key
    if not folder.exists():
        cache.mkdir(parents=True, exist_ok=True)
        with FileLock(cache / f"{key}.lock"):
            if not folder.exists():
                _build(dataset, settings, folder, progress)
    table = pd.read_parquet(folder / "windows.parquet")
    refused = table["refused"].to_numpy()
    if refused.all():
        raise TableError(
            f"{dataset.name}: all {len(table)} windows have more than {settings.max_missing:.0%} missing or "
            "flat samples; allowed is what standardise.max_missing says"
        )
    table = table.drop(columns="refused")
    signals = np.load(folder / "signals.npy", mmap_mode="r")
    kept = table[~refused].reset_index(drop=True)
    return WindowArray(kept, signals[: len(kept)], table[refused].reset_index(drop=True), key)


def _build(dataset: Dataset, settings: StandardiseSettings, folder: Path, progress: Progress) -> None:
    labels = dataset.labels
    part = folder.with_name(f"{folder.name}.part")
    shutil.rmtree(part, ignore_errors=True)  # of a killed run; the lock says that nobody else is at it
    shape = (len(labels), len(CHANNELS), WINDOW_SAMPLES)
    needed, free = int(np.prod(shape, dtype=np.int64)) * 4, shutil.disk_usage(folder.parent).free
    if needed > 0.95 * free:
        raise TableError(
            f"{dataset.name}: {len(labels)} windows need {needed / 1e9:.1f} GB in {folder.parent}, which has "
            f"{free / 1e9:.1f} GB free; name another folder by --cache, or set data.max_windows_per_eeg"
        )
    if (labels["eeg_id"] != labels["eeg_id"].shift()).sum() != labels["eeg_id"].nunique():
        raise TableError(f"{dataset.name}: the rows of one EEG do not stand together")
    part.mkdir(parents=True)
    try:
        signals = np.lib.format.open_memmap(part / "signals.npy", mode="w+", dtype=np.float32, shape=shape)
        quality, n_kept = [], 0
        groups = labels.groupby("eeg_id", sort=False)["start_s"]
        for done, (eeg_id, starts) in enumerate(groups, 1):
            standardised = standardise(dataset.recording(str(eeg_id)), settings)
            for start_s in starts:
                window, row = _window(standardised, float(start_s), settings, f"{dataset.name}: EEG {eeg_id}")
                row["refused"] = row["missing_share"] > settings.max_missing
                if not row["refused"]:
                    signals[n_kept] = window
                    n_kept += 1
                quality.append(row)
            progress("reading EEGs", done, groups.ngroups)
        signals.flush()
        columns = [*LABEL_COLUMNS, *(name for name in (FOLD_COLUMN, *TRUE_COLUMNS) if name in labels.columns)]
        table = pd.concat([labels[columns], pd.DataFrame(quality)], axis=1)
        table.to_parquet(part / "windows.parquet", index=False)
        write_json(part / "about.json", {"data": dataset.name, "standardise": settings.model_dump()})
        part.rename(folder)
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise


def _window(
    standardised: Standardised, start_s: float, settings: StandardiseSettings, name: str
) -> tuple[npt.NDArray[np.float32], dict[str, float | int | bool]]:
    n_samples = standardised.signal.shape[1]
    if n_samples < WINDOW_SAMPLES and settings.short == "refuse":
        raise TableError(
            f"{name} lasts {n_samples / RATE_HZ:g} s, which is shorter than a window of {WINDOW_S} s; "
            "standardise.short is 'refuse', allowed are also 'reflect' and 'zero'"
        )
    start = min(round(start_s * RATE_HZ), max(n_samples - WINDOW_SAMPLES, 0))
    window, n_made_up = cut(standardised.signal, start, settings.short)
    there = slice(start, start + WINDOW_SAMPLES)
    shares = standardised.missing[: len(ELECTRODES), there].mean(axis=1)
    return window, {
        "missing_share": float(shares.mean()),
        "flat_electrodes": int((shares == 1).sum()),
        "made_up_share": n_made_up / WINDOW_SAMPLES,
    }
