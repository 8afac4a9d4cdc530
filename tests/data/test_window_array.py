import shutil
import threading
from collections import namedtuple
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ictal.core.montage import CHANNELS
from ictal.core.recording import Recording
from ictal.core.windows import RATE_HZ, WINDOW_SAMPLES
from ictal.data import prepare
from ictal.data.label_table import LABEL_COLUMNS
from ictal.data.stored_signals import BLOCK
from ictal.errors import IctalError, ReadError, TableError
from ictal.preprocessing.settings import StandardiseSettings
from tests.helpers import noise

STANDARD = StandardiseSettings()
Usage = namedtuple("Usage", ["total", "used", "free"])


@dataclass
class InMemory:
    """A data set of recordings in memory, each with one window; counts how often one is asked for."""

    recordings: dict[str, Recording]
    name: str = "in memory"
    asked: list[str] = field(default_factory=list)
    fold: list[str] | None = None

    @property
    def labels(self) -> pd.DataFrame:
        rows = [(f"{eeg}_0", eeg, f"p{eeg}", 0.0, 3, 0, 0, 0, 0, 1) for eeg in self.recordings]
        labels = pd.DataFrame(rows, columns=LABEL_COLUMNS)
        return labels if self.fold is None else labels.assign(fold=self.fold)

    @property
    def outline(self) -> pd.DataFrame:
        return self.labels

    def recording(self, eeg_id: str) -> Recording:
        self.asked.append(eeg_id)
        return self.recordings[eeg_id]

    def fingerprint(self) -> str:
        return "0123456789abcdef"


def of(*samples: np.ndarray, **more: object) -> InMemory:
    """Return a data set of EEGs a, b, c, ..."""
    return InMemory(
        {
            name: Recording.from_array(array, CHANNELS, RATE_HZ, name)
            for name, array in zip("abcdefgh", samples, strict=False)
        },
        **more,
    )


def good(n_eegs: int = 4) -> InMemory:
    return of(*(noise(WINDOW_SAMPLES, seed) for seed in range(n_eegs)))


def with_missing(seed: int, n_electrodes: int, flat: bool = False) -> np.ndarray:
    """Return an EEG whose first electrodes hold no sample, or no signal."""
    samples = noise(WINDOW_SAMPLES, seed)
    samples[:n_electrodes] = 12 if flat else np.nan
    return samples


def interrupt_after(n_eegs: int, error: BaseException) -> object:
    """Return a progress that stops the program, as Ctrl-C does."""

    def progress(task: str, done: float, total: float) -> None:
        if done == n_eegs:
            raise error

    return progress


def finished(cache: Path) -> list[Path]:
    """Return whatever is in the cache but the locks."""
    return [path for path in cache.iterdir() if path.suffix != ".lock"]


def files_of(cache: Path) -> dict[str, bytes]:
    """Return the files of the only array of a cache."""
    (folder,) = finished(cache)
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_an_interrupted_preparation_is_resumed_and_ends_with_the_same_files(tmp_path):
    whole, cache = good(), tmp_path / "cache"
    prepare(whole, STANDARD, tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        prepare(good(), STANDARD, cache, interrupt_after(2, KeyboardInterrupt()))
    assert [path.suffix for path in finished(cache)] == [".part"]
    resumed = good()
    prepare(resumed, STANDARD, cache)
    assert sorted(resumed.asked) == sorted(whole.asked)[2:]  # threads ask in any order
    assert files_of(cache) == files_of(tmp_path / "whole")
    assert sorted(files_of(cache)) == ["about.json", "signals.npy", "windows.parquet"]


@pytest.mark.parametrize("n_kept", range(5))
@pytest.mark.parametrize("torn", ["journal", "end of line", "signals", "neither"])
def test_a_killed_preparation_keeps_each_eeg_that_is_complete(n_kept, torn, tmp_path):
    """As SIGKILL or a power failure leave it: reserved space, and a torn line or samples that were never written."""
    prepare(good(), STANDARD, tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        prepare(good(), STANDARD, tmp_path / "cache", interrupt_after(4, KeyboardInterrupt()))
    (part,) = finished(tmp_path / "cache")
    journal, signals = part / "signals.journal", part / "signals.npy"
    lines = journal.read_bytes().splitlines(keepends=True)
    content = bytearray(signals.read_bytes())
    if torn in ("journal", "end of line") and n_kept < 4:
        torn_at = 50 if torn == "journal" else -1
        journal.write_bytes(b"".join(lines[:n_kept]) + lines[n_kept][:torn_at])
    elif torn == "signals" and n_kept < 4:
        place = len(content) - (4 - n_kept) * 25 * BLOCK.itemsize
        content[place + 4096 : place + 8192] = bytes(4096)
        signals.write_bytes(content)
    else:
        journal.write_bytes(b"".join(lines[:n_kept]))
        signals.write_bytes(content + bytes(10_000))
    resumed = good()
    prepare(resumed, STANDARD, tmp_path / "cache")
    assert len(resumed.asked) == 4 - n_kept
    assert files_of(tmp_path / "cache") == files_of(tmp_path / "whole")


def test_after_an_error_nothing_is_left(tmp_path):
    samples = np.full((len(CHANNELS), WINDOW_SAMPLES), 1e7, np.float32) * noise(WINDOW_SAMPLES)
    with pytest.raises(ReadError, match="2 problems") as caught:
        prepare(of(samples, noise(WINDOW_SAMPLES), samples), STANDARD, tmp_path)
    assert "eeg_id a: " in str(caught.value)
    assert "eeg_id c: " in str(caught.value)
    assert finished(tmp_path) == []


@pytest.mark.parametrize("limit", ["HELD_BYTES", "IN_MEMORY"])
def test_files_do_not_depend_on_what_is_held_in_memory(limit, tmp_path, monkeypatch):
    prepare(good(), STANDARD, tmp_path / "one")
    monkeypatch.setattr(f"ictal.data.preparation.{limit}", 1000)
    prepare(good(), STANDARD, tmp_path / "other")
    assert files_of(tmp_path / "one") == files_of(tmp_path / "other")


@pytest.mark.parametrize("n_processors", [1, 2, 5])
def test_files_do_not_depend_on_the_number_of_threads(n_processors, tmp_path, monkeypatch):
    prepare(good(8), STANDARD, tmp_path / "one")
    monkeypatch.setattr("ictal.data.preparation.n_processors", lambda: n_processors)
    prepare(good(8), STANDARD, tmp_path / "other")
    assert files_of(tmp_path / "one") == files_of(tmp_path / "other")


def test_two_at_once_build_one_array(tmp_path):
    datasets, made = [good(), good()], []
    threads = [
        threading.Thread(target=lambda one=one: made.append(prepare(one, STANDARD, tmp_path))) for one in datasets
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(len(one.asked) for one in datasets) == [0, 4]
    np.testing.assert_array_equal(made[0].signals, made[1].signals)


def test_a_disk_that_is_too_small_is_told_before_anything_is_read(tmp_path, monkeypatch):
    needed = 4 * 25 * BLOCK.itemsize
    dataset = good()
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(10**12, 10**12 - needed, needed))
    with pytest.raises(TableError) as caught:
        prepare(dataset, STANDARD, tmp_path)
    for words in (
        "in memory: 4 windows need 0.0 GB",
        str(tmp_path),
        "0.0 GB free",
        "--cache",
        "max_windows_per_eeg",
    ):
        assert words in str(caught.value)
    assert dataset.asked == []
    assert not list(tmp_path.rglob("*.npy"))
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(10**12, 0, 2 * needed))
    assert len(prepare(dataset, STANDARD, tmp_path)) == 4


def test_windows_with_too_much_missing_are_left_out_and_told(tmp_path):
    fold = list("01201")
    dataset = of(
        noise(WINDOW_SAMPLES, 0),
        with_missing(1, 10),  # 10 of 19 is more than half
        with_missing(2, 9),
        with_missing(3, 12, flat=True),
        noise(WINDOW_SAMPLES, 4),
        fold=fold,
    )
    made = prepare(dataset, STANDARD, tmp_path)
    assert made.labels["eeg_id"].tolist() == ["a", "c", "e"]
    assert made.labels["fold"].tolist() == ["0", "2", "1"]
    assert made.labels["flat_electrodes"].tolist() == [0, 9, 0]
    np.testing.assert_allclose(made.labels["missing_share"], [0, 9 / 19, 0])
    assert made.refused["eeg_id"].tolist() == ["b", "d"]
    assert made.refused["flat_electrodes"].tolist() == [10, 12]
    for row, seed in enumerate((0, 2, 4)):
        alone = prepare(InMemory({"a": dataset.recordings["abcde"[seed]]}), STANDARD, tmp_path / f"{seed}")
        np.testing.assert_array_equal(made.signals[row], alone.signals[0])
    strict = prepare(dataset, StandardiseSettings(max_missing=0.4), tmp_path)
    assert strict.labels["eeg_id"].tolist() == ["a", "e"]


def test_there_is_one_signal_per_label(tmp_path):
    made = prepare(of(noise(WINDOW_SAMPLES), with_missing(1, 10)), STANDARD, tmp_path)
    assert len(made) == len(made.labels) == 1
    assert made.signals.shape == (1, len(CHANNELS), WINDOW_SAMPLES)


def test_where_no_window_is_left_the_limit_is_named(tmp_path):
    with pytest.raises(TableError, match=r"in memory: all 2 windows have more than 50%.*standardise\.max_missing"):
        prepare(of(with_missing(0, 10), with_missing(1, 19)), STANDARD, tmp_path)


def test_a_short_eeg_that_the_settings_refuse_is_named(tmp_path):
    dataset = of(noise(WINDOW_SAMPLES), noise(2000))
    with pytest.raises(IctalError, match=r"\bb\b.*10 s.*short"):
        prepare(dataset, StandardiseSettings(short="refuse"), tmp_path)


def test_settings_are_part_of_the_fingerprint(tmp_path):
    every = [
        StandardiseSettings(),
        *(
            StandardiseSettings(**change)
            for change in ({"band_hz": None}, {"order": 2}, {"fill": "zero"}, {"max_missing": 0.4})
        ),
        StandardiseSettings(short="zero"),
    ]
    made = [prepare(good(1), settings, tmp_path).fingerprint for settings in every]
    assert len(set(made)) == len(every)
    assert {path.name for path in finished(tmp_path)} == set(made)
