import gc
import json
import os
import pickle
import signal
import subprocess
import sys
import textwrap
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pytest

from ictal.core.recording_header import header_of, recording_of
from ictal.errors import MissingExtraError, ReadError
from ictal.io.devices import guarded as module
from ictal.io.devices.guarded import guarded
from tests.io.devices.odd_readers import counting

PROJECT = Path(__file__).resolve().parents[3]


@pytest.fixture(autouse=True)
def _the_child_finds_these_tests(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(map(str, (PROJECT, PROJECT / "src"))))


@pytest.fixture
def path(tmp_path) -> Path:
    made = tmp_path / "a.bin"
    made.write_text("fine")
    return made


def opened(path: Path, reader: str = "counting"):
    return guarded(f"tests.io.devices.odd_readers:{reader}", path)


def child_of(path: Path) -> int:
    return int(path.with_suffix(".pid").read_text())


def is_alive(number: int) -> bool:
    stat = Path(f"/proc/{number}/stat")
    try:
        return stat.read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def wait_for(condition, seconds: float = 20.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.01)


def test_a_recording_is_the_same_as_without_another_process(path):
    made, own = opened(path), counting(path)
    for field in fields(made):
        if field.name != "source":
            assert getattr(made, field.name) == getattr(own, field.name)
    np.testing.assert_array_equal(made.read(), own.read())
    np.testing.assert_array_equal(made.read(5000, 16_000, [2, 0]), own.read(5000, 16_000, [2, 0]))
    assert made.read(7, 7).shape == (3, 0)
    assert made.read(7, 9, []).shape == (0, 2)
    assert made.all_notes == own.all_notes == ("it was made up", "something was found")


def test_only_a_few_processes_run_and_the_others_start_again(path, monkeypatch):
    monkeypatch.setattr(module, "MOST_RUNNING", 3)
    made = [opened(path) for _ in range(7)]
    running = [one.source.process.number for one in made]
    assert [number is not None for number in running] == [False] * 4 + [True] * 3
    for one in made:
        np.testing.assert_array_equal(one.read(0, 9), counting(path).read(0, 9))
        assert sum(other.source.process.number is not None for other in made) == 3


@pytest.mark.parametrize(
    ("reader", "words"),
    [
        ("refuses", "is not what it should be"),
        ("dies", module.TOO_MUCH),
        ("grows", module.TOO_MUCH),
        ("breaks", "cannot be read: it is damaged, or its reader is not made for it (KeyError: 'Ω\\n')"),
        ("leaves", "cannot be read: it is damaged, or its reader is not made for it (it gave up)"),
        ("lies", module.TOO_MUCH),
    ],
)
def test_whatever_happens_to_a_reader_is_an_error_that_names_the_file(path, reader, words):
    with pytest.raises(ReadError) as caught:
        opened(path, reader)
    assert str(caught.value) == f"{path}: {words}"


def test_a_missing_extra_is_named(path):
    with pytest.raises(MissingExtraError, match=r"pip install 'ictal\[vendor\]'"):
        opened(path, "lacks")


def test_what_a_reader_prints_is_not_taken_for_an_answer(path):
    assert opened(path, "prints").read(3, 4).tolist() == [[3], [1003], [2003]]


@pytest.mark.parametrize("word", ["die", "garble", "grow"])
def test_a_reader_that_fails_later_is_an_error_and_may_recover(path, word):
    made = opened(path)
    path.write_text(word)
    with pytest.raises(ReadError) as caught:
        made.read(0, 10)
    assert str(caught.value).startswith(f"{path}: cannot be read: it is damaged, or ")
    path.write_text("fine")
    assert made.read(3, 4, [1]).tolist() == [[1003]]


def test_a_reader_that_hangs_is_ended(path, monkeypatch):
    monkeypatch.setattr(module, "READ_S", 0.1)
    made = opened(path)
    path.write_text("hang")
    with pytest.raises(ReadError, match=r"a\.bin: cannot be read: .* more memory or time than allowed"):
        made.read(0, 10)
    assert not is_alive(child_of(path))
    monkeypatch.setattr(module, "OPEN_S", 0.1)
    with pytest.raises(ReadError, match=r"a\.bin: cannot be read: .* more memory or time than allowed"):
        opened(path, "hangs")


def test_a_file_that_changes_is_noticed_when_it_is_opened_again(path):
    made = opened(path)
    path.write_text("short")
    with pytest.raises(ReadError, match="has changed since it was opened"):
        pickle.loads(pickle.dumps(made)).read(0, 1)


def test_a_copy_in_another_process_reads_the_same(path):
    made = opened(path)
    with get_context("spawn").Pool(1) as pool:
        np.testing.assert_array_equal(pool.apply(made.read, (5, 9)), made.read(5, 9))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_fork_reads_with_a_process_of_its_own(path):
    made = opened(path)
    first = child_of(path)
    with get_context("fork").Pool(2) as pool:
        for answer in pool.starmap(made.read, [(k, k + 2) for k in range(20)]):
            assert answer[0, 1] == answer[0, 0] + 1
    assert is_alive(first)
    assert made.read(3, 4, [1]).tolist() == [[1003]]


def test_threads_get_their_own_samples(path):
    made = opened(path)
    with ThreadPoolExecutor(8) as pool:
        for start, answer in enumerate(pool.map(lambda k: made.read(k, k + 3, [1]), range(200))):
            assert answer.tolist() == [[1000 + start, 1001 + start, 1002 + start]]


def test_the_process_ends_with_the_recording(path):
    made = opened(path)
    child = child_of(path)
    assert is_alive(child)
    del made
    gc.collect()
    assert not is_alive(child)


def test_an_idle_process_ends_and_starts_again(path):
    made = opened(path, "hasty")
    first = child_of(path)
    wait_for(lambda: not is_alive(first))
    assert made.read(3, 4, [1]).tolist() == [[1003]]
    assert child_of(path) != first


PARENT = """
    import sys, time
    from pathlib import Path
    from ictal.io.devices.guarded import guarded
    path = Path(sys.argv[1])
    made = guarded("tests.io.devices.odd_readers:counting", path)
    path.write_text("hang")
    print("ready", flush=True)
    made.read(0, 10)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="signals of Unix")
@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL, signal.SIGINT])
def test_the_process_ends_with_its_parent_even_during_a_request(path, how):
    command = [sys.executable, "-c", textwrap.dedent(PARENT), str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as parent:
        assert parent.stdout.readline() == "ready\n"
        child = child_of(path)
        assert is_alive(child)
        parent.send_signal(how)
        wait_for(lambda: not is_alive(child))
        assert "ReadError" not in parent.communicate(timeout=20)[1]


@pytest.mark.parametrize(
    "change",
    [
        {"rate_hz": 0},
        {"rate_hz": "x"},
        {"n_samples": -1},
        {"channels": None},
        {"kinds": ["eeg"]},
        {"gaps": [[1.0, float("inf")]]},
        {"gaps": [[0.0, 1.0]]},
        {"gaps": [[1e9, 1.0]]},
        {"annotations": [[1.0, 2.0]]},
        {"start": "yesterday"},
    ],
)
def test_a_header_that_cannot_be_is_refused(path, change):
    header = json.loads(json.dumps(header_of(counting(path)))) | change
    with pytest.raises(ReadError, match="its header describes an impossible recording"):
        recording_of(header, None)
