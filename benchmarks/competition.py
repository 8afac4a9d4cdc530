"""Measure the HMS competition at full size on a simulated folder: preparing it, its disk, and reading it in training.

The folder has EEGs of 80 s, the mean of the competition, with overlapping sub-windows at even seconds. It is written
once, and kept with --folder. Preparation runs in a process of its own, first on all CPUs, then on one; the first EEGs
are left out of the times, since they load libraries. `needs` calculates what the whole competition needs.
"""

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from _machine import machine
from ictal.core.labels import VOTE_COLUMNS
from ictal.core.windows import WINDOW_S
from ictal.data import DataSettings, SimulatedDataset, WindowArray, open_dataset, prepare
from ictal.data.hms import EEGS, OFFSET_COLUMN, TABLE
from ictal.data.stored_signals import BLOCK, BLOCK_S
from ictal.distributed import n_processors
from ictal.io.hms import write_hms
from ictal.preprocessing.settings import StandardiseSettings
from ictal.simulator import SimulationSettings

N_EEGS, N_WINDOWS, STRETCHES_S = 17_001, 106_519, 1_363_280
"""EEGs and windows of the competition's label table, and the duration of the stretches that its windows cover."""
FILES_GB = 26
"""Size of the competition's files."""
EEG_S = 80.0
EEGS_PER_PATIENT = 4
BATCH = 32
WARM_UP = 20
"""EEGs that are left out of the times of preparation."""
FULL_WINDOW_BYTES = 20 * 10_000 * 4
"""A window as float32, as networks take it."""


@dataclass(frozen=True)
class Preparation:
    """Seconds per EEG by the clock and of all threads, bytes on the disk, and bytes of memory at the peak."""

    wall_s: float
    cpu_s: float
    disk: int
    memory: int


def write_folder(folder: Path, n_eegs: int, n_windows: int) -> None:
    """Write a folder in the layout of the competition, with several windows per EEG."""
    patients = -(-n_eegs // EEGS_PER_PATIENT)
    settings = SimulationSettings(patients=patients, eegs_per_patient=EEGS_PER_PATIENT, seed=1, eeg_s=EEG_S)
    dataset = SimulatedDataset(settings)
    rng, starts_s = np.random.default_rng(0), np.arange(0, EEG_S - WINDOW_S + 1, 2)
    outline = dataset.outline.iloc[:n_eegs]
    for number, eeg_id in enumerate(outline["eeg_id"]):
        write_hms(folder / EEGS / f"{number}.parquet", dataset.recording(eeg_id))
    rows = pd.DataFrame({"eeg_id": range(n_eegs), "patient_id": outline["patient_id"].str[1:]})
    rows = rows.loc[rows.index.repeat(n_windows)].reset_index(drop=True)
    rows["eeg_sub_id"] = rows.groupby("eeg_id").cumcount()
    drawn = [np.sort(rng.choice(starts_s, n_windows, replace=False)) for _ in range(n_eegs)]
    rows[OFFSET_COLUMN] = np.concatenate(drawn)
    rows[list(VOTE_COLUMNS)] = rng.multinomial(12, np.full(len(VOTE_COLUMNS), 1 / len(VOTE_COLUMNS)), len(rows))
    rows.to_csv(folder / TABLE, index=False)


def prepare_here(folder: Path, cache: Path) -> WindowArray:
    """Prepare the folder in this process, and print the figures of `Preparation` as JSON."""
    dataset = open_dataset(str(folder), DataSettings())
    times: dict[float, tuple[float, float]] = {}
    array = prepare(
        dataset,
        StandardiseSettings(),
        cache,
        lambda _, done, total: times.setdefault(done, (time.perf_counter(), time.process_time())),
    )
    if times:
        first, last = times[WARM_UP], times[max(times)]
        seconds = [(one - other) / (max(times) - WARM_UP) for one, other in zip(last, first, strict=True)]
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        print(json.dumps([*seconds, _size(cache), memory]))
    return array


def prepared(folder: Path, cache: Path, n_cpus: int) -> Preparation:
    """Prepare the folder in a process that may use some CPUs."""
    shutil.rmtree(cache, ignore_errors=True)
    command = [sys.executable, __file__, "--only-prepare", "--folder", str(folder), "--cache", str(cache)]
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, sorted(before)[:n_cpus])
    try:
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    finally:
        os.sched_setaffinity(0, before)
    return Preparation(*json.loads(done.stdout))


def reading_ms(array: WindowArray, *, cold: bool) -> float:
    """Return the milliseconds per window of reading an epoch in random order, in batches."""
    if cold:
        with (array.signals.path).open("rb") as file:  # type: ignore[union-attr]
            os.fsync(file.fileno())
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    rows: npt.NDArray[np.int64] = np.random.default_rng(0).permutation(len(array))
    begin = time.perf_counter()
    for first in range(0, len(rows), BATCH):
        array.signals[rows[first : first + BATCH]]
    return 1e3 * (time.perf_counter() - begin) / len(rows)


def steps_ms(rounds: int = 5) -> dict[str, float]:
    """Return the milliseconds per window of a training step of each network of the recipe 'quick'."""
    import torch

    from ictal.models.build import build
    from ictal.recipes import load_recipe
    from speed import median_ms, step

    models = load_recipe("quick").models
    windows = torch.randn(BATCH, 20, 10_000) * 30
    arms = ("temporal", "spatial", "symmetric")
    return {arm: median_ms(step(build(arm, models).train(), windows, bf16=False), BATCH, rounds) for arm in arms}


def needs(one_cpu: Preparation, all_cpus: Preparation, n_cpus: int, ms: float, steps: dict[str, float]) -> list[str]:
    """Return lines on what the whole competition needs, each with its assumption."""
    blocks = STRETCHES_S / BLOCK_S + N_EEGS / 2
    disk = f"{blocks * BLOCK.itemsize / 1e9:.1f} GB for {N_WINDOWS:,} windows"
    whole = f"{N_WINDOWS * FULL_WINDOW_BYTES / 1e9:.0f} GB as whole windows in float32"
    minutes = [N_EEGS * made.wall_s / 60 for made in (one_cpu, all_cpus)]
    twice = f"{FILES_GB} GB are read twice, to hash and to prepare them, from a disk that is as fast as here"
    epochs = [
        f"an epoch of {arm}, a window of each EEG: {N_EEGS * step / 6e4:.1f} minutes on {n_cpus} CPUs"
        for arm, step in steps.items()
    ]
    return [
        f"disk: {disk}; {whole}",
        f"preparation: {minutes[0]:.1f} minutes on one CPU, {minutes[1]:.1f} on {n_cpus}; {twice}",
        f"reading an epoch: {N_EEGS * ms / 1e3:.1f} s, one batch ahead of the network",
        *epochs,
    ]


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--eegs", type=int, default=2000, help="number of EEGs (at least 100)")
    parser.add_argument("--windows", type=int, default=8, help="windows per EEG, at most 16")
    parser.add_argument("--folder", type=Path, help="where the simulated folder is kept; default: a temporary one")
    parser.add_argument("--cache", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--only-prepare", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.only_prepare:
        prepare_here(options.folder, options.cache)
        return
    with tempfile.TemporaryDirectory() as scratch:
        folder, cache = options.folder or Path(scratch) / "data", Path(scratch) / "cache"
        if not (folder / TABLE).exists():
            write_folder(folder, options.eegs, options.windows)
        n_cpus = n_processors()
        one_cpu, all_cpus = prepared(folder, cache, 1), prepared(folder, cache, n_cpus)
        array = prepare_here(folder, cache)
        n_eegs = array.labels["eeg_id"].nunique()
        print(machine())
        print(f"{n_eegs} EEGs of {EEG_S:g} s with {len(array)} windows, {_size(folder) / 1e9:.2f} GB as Parquet")
        for name, made in (("one CPU", one_cpu), (f"{n_cpus} CPUs", all_cpus)):
            print(
                f"preparation on {name}: {1e3 * made.wall_s:.1f} ms per EEG ({1e3 * made.cpu_s:.1f} ms of all "
                f"threads), {made.disk / 1e9:.2f} GB on the disk, {made.memory / 2**20:.0f} MiB of memory"
            )
        print(f"as whole windows in float32: {len(array) * FULL_WINDOW_BYTES / 1e9:.2f} GB")
        cold, warm = reading_ms(array, cold=True), reading_ms(array, cold=False)
        print(f"reading in random order: {cold:.2f} ms per window from the disk, {warm:.2f} from memory")
        steps = steps_ms()
        for arm, ms in steps.items():
            print(f"training step of {arm} (quick): {ms:.1f} ms per window; reading is {warm / ms:.1%} of it")
        print("The whole competition:", *needs(one_cpu, all_cpus, n_cpus, cold, steps), sep="\n  ")


if __name__ == "__main__":
    main()
