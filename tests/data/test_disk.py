"""Really full disks, quotas and limits: one error, nothing left behind, and never a crash."""

import os
import resource
import shutil
from collections import namedtuple
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest

from ictal.cli import main
from ictal.core.windows import WINDOW_SAMPLES
from ictal.data import prepare
from ictal.data.stored_signals import BLOCK, BLOCK_SAMPLES
from ictal.errors import IctalError, TableError, WriteError
from tests.archive.storm import small_disk
from tests.conftest import TINY
from tests.data.test_window_array import STANDARD, finished, good, of, with_missing
from tests.helpers import noise

WINDOW_BYTES = WINDOW_SAMPLES // BLOCK_SAMPLES * BLOCK.itemsize
Usage = namedtuple("Usage", ["total", "used", "free"])


@pytest.fixture
def plenty(monkeypatch):
    """Let the look at the free space come before another program fills the disk."""
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(10**12, 0, 10**12))


@pytest.fixture(params=["room is taken first", "the system cannot take room first"])
def reserving(request, monkeypatch):
    if "cannot" in request.param:
        monkeypatch.delattr(os, "posix_fallocate", raising=False)


@contextmanager
def disk(folder, n_bytes) -> Iterator[None]:
    mounted = small_disk(folder, n_bytes)
    try:
        mounted.__enter__()
    except PermissionError as error:
        pytest.skip(str(error))
    try:
        yield
    finally:
        mounted.__exit__(None, None, None)


@contextmanager
def files_of_at_most(n_bytes) -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_disk_that_fills_up_while_windows_are_prepared_is_one_error(tmp_path, plenty, reserving):
    with disk(tmp_path / "disk", round(2.5 * WINDOW_BYTES)):
        with pytest.raises(WriteError, match=r"signals.npy: cannot be written: No space left on device"):
            prepare(good(), STANDARD, tmp_path / "disk" / "cache")
        assert finished(tmp_path / "disk" / "cache") == []


def test_a_limit_on_the_size_of_files_is_one_error(tmp_path, reserving):
    with (
        files_of_at_most(round(2.5 * WINDOW_BYTES)),
        pytest.raises(WriteError, match=r"signals.npy: cannot be written: File too large"),
    ):
        prepare(good(), STANDARD, tmp_path)
    assert finished(tmp_path) == []


@pytest.mark.skipif(not hasattr(os, "posix_fallocate"), reason="this system cannot take room before it is used")
def test_of_two_that_do_not_fit_together_the_second_is_told_before_it_begins(tmp_path):
    first, second = good(), of(*(noise(1, seed) for seed in range(4)), name="other")
    refused = []

    def meanwhile(task, done, total):
        if not refused:
            with pytest.raises(TableError, match=r"other: 4 windows need 0\.0 GB") as caught:
                prepare(second, STANDARD.model_copy(update={"max_missing": 0.3}), tmp_path / "disk" / "cache")
            refused.append(caught)

    with disk(tmp_path / "disk", round(5.5 * WINDOW_BYTES)):
        made = prepare(first, STANDARD, tmp_path / "disk" / "cache", meanwhile)
        assert len(refused) == 1
        assert second.asked == []
        assert np.isfinite(made.signals).all()


def test_room_that_refused_windows_would_have_taken_is_given_back(tmp_path):
    dataset = of(noise(10_000, 0), with_missing(1, 19), with_missing(2, 19), noise(10_000, 3))
    made = prepare(dataset, STANDARD, tmp_path)
    (signals,) = tmp_path.rglob("signals.npy")
    assert len(made.signals) == 2
    assert len(np.load(signals)) * BLOCK.itemsize == 2 * WINDOW_BYTES
    assert signals.stat().st_blocks * 512 < 2.5 * WINDOW_BYTES


@pytest.mark.parametrize(
    ("room", "file"), [(4, "recipe.yaml"), (12, "last.ckpt"), (150, "ablation.json"), (250, "report.html")]
)
def test_a_full_disk_under_ablate_is_one_line(cache, tmp_path, room, file, monkeypatch, capfd):
    arguments = ("ablate", "sim", "--recipe", TINY, "--arms", "temporal", "--cache", cache)
    with disk(tmp_path / "disk", room << 10):
        command = ("ictal", *arguments, "--out", tmp_path / "disk" / "run")
        monkeypatch.setattr("sys.argv", [str(argument) for argument in command])
        with pytest.raises(SystemExit) as ended:
            main()
        said = capfd.readouterr().err
        assert ended.value.code == 1
        assert said.count("Error:") == 1
        assert f"{file}: cannot be written: No space left on device" in said
        assert "Traceback" not in said
        assert not [path for path in (tmp_path / "disk").rglob("*") if ".part" in path.name]


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (PermissionError(13, "Permission denied", "/data/a.edf"), "Error: /data/a.edf: Permission denied"),
        (OSError(28, "Error writing bytes to file. Detail: [errno 28]"), "Error: No space left on device"),
        (OSError("the tape broke"), "Error: the tape broke"),
        (FileExistsError(17, "File exists", "a", None, "b"), "Error: a and b: File exists"),
        (IctalError("a word"), "Error: a word"),
    ],
)
def test_whatever_the_system_refuses_is_one_line(error, line, monkeypatch, capfd):
    def fail(**_):
        raise error

    monkeypatch.setattr("ictal.cli.app", fail)
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 1
    assert capfd.readouterr().err.strip() == line
