"""Faults with really killed processes, really full disks and memory: nothing is lost, and nothing is there twice."""

import json
import os
import signal
import subprocess
from collections import Counter
from pathlib import Path

import psutil
import pytest

from tests.archive import helpers
from tests.archive.dying import MARKS, WHEN
from tests.archive.helpers import check_adds_up, command, ledger, make_source, n_lines, run, wait_for, workers_of
from tests.archive.storm import enlarge, small_disk, storm

pytestmark = pytest.mark.exhaustive
N = 24


@pytest.fixture(scope="module")
def source(tmp_path_factory) -> Path:
    return make_source(tmp_path_factory.mktemp("faults") / "eeg", N)


@pytest.fixture(scope="module")
def recordings(source) -> set[str]:
    return {str(path.relative_to(source)) for path in source.rglob("*.edf")}


def told_twice(out: Path) -> list[str]:
    """Return the recordings of which the ledger has more than one line."""
    lines = (out / "ledger.jsonl").read_text().splitlines()
    return [name for name, count in Counter(json.loads(line)["recording"] for line in lines).items() if count > 1]


def test_a_killed_worker_costs_a_try_and_no_recording(source, recordings, tmp_path):
    out = tmp_path / "out"
    with subprocess.Popen(command(source, out), stderr=subprocess.PIPE, text=True) as running:
        wait_for(lambda: n_lines(out) >= 2, running)
        workers = workers_of(psutil.Process(running.pid))
        assert len(workers) == 2
        for worker in workers:
            worker.kill()
        said = running.communicate(timeout=120)[1]
    assert running.returncode == 0, said
    rows = check_adds_up(out, recordings, set())
    assert told_twice(out) == []
    assert 1 <= (rows["tries"] == 2).sum() <= 2


def test_a_killed_run_takes_its_workers_along_and_goes_on(source, recordings, tmp_path):
    """The scheduler lives in the process of the run."""
    out = tmp_path / "out"
    with subprocess.Popen(command(source, out), stderr=subprocess.DEVNULL) as running:
        wait_for(lambda: n_lines(out) >= 4, running)
        workers = workers_of(psutil.Process(running.pid))
        running.kill()
    assert psutil.wait_procs(workers, timeout=30)[1] == []
    ended = n_lines(out)
    assert 4 <= ended < N
    again = run(command(source, out))
    assert again.returncode == 0, again.stderr
    check_adds_up(out, recordings, set())
    assert told_twice(out) == []


def test_a_worker_that_dies_while_files_get_their_names_leaves_nothing_by_halves(source, recordings, tmp_path):
    out, marks = tmp_path / "out", tmp_path / "marks"
    marks.mkdir()
    preload = str(Path(helpers.__file__).with_name("dying.py"))
    env = os.environ | {MARKS: str(marks), "DASK_DISTRIBUTED__WORKER__PRELOAD": preload}
    done = run(command(source, out), env=env)
    assert done.returncode == 0, done.stderr
    assert {path.name for path in marks.iterdir()} == set(WHEN)
    parts = list(out.rglob("*.part"))
    assert len(parts) == 3, "of those who died before"
    assert run(command(source, out)).returncode == 0
    rows = check_adds_up(out, recordings, set())
    tries = {Path(name).stem: count for name, count in rows["tries"].items()}
    assert {name: tries[name] for name in WHEN} == dict.fromkeys(WHEN, 2)


def test_a_run_that_is_killed_while_the_ledger_gets_its_name_goes_on(source, recordings, tmp_path):
    out = tmp_path / "out"
    code = """
import os, pathlib, signal
replace = pathlib.Path.replace
def dying(self, target):
    if pathlib.Path(target).name == "ledger.parquet":
        os.kill(os.getpid(), signal.SIGKILL)
    return replace(self, target)
if __name__ == "__main__":
    pathlib.Path.replace = dying
    from ictal.cli import main
    main()
"""
    script = tmp_path / "dying_run.py"
    script.write_text(code)
    python, _, _, *arguments = command(source, out)
    assert run([python, str(script), *arguments]).returncode == -signal.SIGKILL
    assert n_lines(out) == N
    again = run([*command(source, out), "--log", "-"])
    assert '"due": 0' in again.stdout
    check_adds_up(out, recordings, set())


def test_a_full_disk_ends_the_run_with_one_message_and_with_room_it_goes_on(source, recordings, tmp_path):
    disk = tmp_path / "disk"
    try:
        mounted = small_disk(disk, 400 << 10)
        mounted.__enter__()
    except PermissionError as error:
        pytest.skip(str(error))
    try:
        full = run(command(source, disk / "out"))
        assert full.returncode == 1, full.stderr
        assert full.stderr.count("Error:") == full.stderr.count("No space left on device") == 1
        assert "finished recordings are kept: repeat the command to resume" in full.stderr
        assert "Traceback" not in full.stderr
        assert set(ledger(disk / "out")["state"]) == {"done"}
        assert 0 < n_lines(disk / "out") < N
        enlarge(disk)
        assert run(command(source, disk / "out")).returncode == 0
        check_adds_up(disk / "out", recordings, set())
        assert told_twice(disk / "out") == []
    finally:
        mounted.__exit__(None, None, None)


def test_a_recording_that_exhausts_memory_is_quarantined_with_the_reason(tmp_path):
    source, out = make_source(tmp_path / "eeg", 4), tmp_path / "out"
    assert helpers.bomb(source / "bomb.parquet").stat().st_size < 2e6
    done = run(command(source, out, "--memory", "1GiB"))
    assert done.returncode == 3, done.stderr
    rows = ledger(out)
    assert rows.loc["bomb.parquet", ["state", "tries"]].tolist() == ["quarantined", 3]
    assert rows.loc["bomb.parquet", "reason"] == "it needed more memory than a worker has (3 tries)"
    assert (rows.drop("bomb.parquet")["state"] == "done").all()
    assert (rows.drop("bomb.parquet")["tries"] == 1).all(), "no other is blamed"


def test_after_ctrl_c_the_same_command_goes_on(source, recordings, tmp_path):
    out = tmp_path / "out"
    arguments = command(source, out)
    with subprocess.Popen(arguments, stderr=subprocess.PIPE, text=True, start_new_session=True) as running:
        wait_for(lambda: n_lines(out) >= 3, running)
        os.killpg(running.pid, signal.SIGINT)  # as a terminal does: to the workers, too
        said = running.communicate(timeout=60)[1]
    assert running.returncode == 130, said
    assert "Interrupted. Repeat the same command to resume." in said
    assert "Traceback" not in said
    assert run(arguments).returncode == 0
    check_adds_up(out, recordings, set())
    assert told_twice(out) == []


def test_with_all_faults_at_once_the_ledger_adds_up(tmp_path):
    try:
        happened = storm(tmp_path, 60)
    except PermissionError as error:
        pytest.skip(str(error))
    assert (happened.n_crashes, happened.n_full, happened.n_died) == (2, 1, len(WHEN))
    assert happened.n_killed >= 2
    assert happened.n_bad == 4
