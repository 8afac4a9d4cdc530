"""Units that are trained by workers end in the table of one process."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import psutil
import pytest

from ictal.distributed import Cluster
from ictal.errors import RunError
from ictal.experiments.ablation import ablate
from tests.conftest import TINY
from tests.helpers import undrawn

ARMS = ("temporal", "volume", "fusion-finetuned")
"""The last one begins with units of the same fold: temporal and spatial."""


@pytest.fixture(scope="module")
def here(tmp_path_factory, cache) -> Path:
    with undrawn():
        return ablate("sim", TINY, ARMS, tmp_path_factory.mktemp("here") / "run", cache=cache, threads=1).folder


@pytest.mark.exhaustive
def test_workers_end_in_the_same_table_as_one_process(here, tmp_path, cache):
    told: list[tuple[float, float]] = []

    def tell(task: str, done: float, total: float) -> None:
        if task == "all units":
            told.append((done, total))

    there = ablate("sim", TINY, ARMS, tmp_path / "run", cache=cache, progress=tell, cluster=Cluster(workers=2)).folder
    for name in ("predictions.parquet", "ablation.csv"):
        read = pd.read_parquet if name.endswith("parquet") else pd.read_csv
        pd.testing.assert_frame_equal(read(there / name), read(here / name), check_exact=True)
    n_units = len(list((here / "units").iterdir()))
    assert told == [(done, n_units) for done in range(n_units + 1)]
    manifests = [json.loads((run / "manifest.json").read_text()) for run in (here, there)]
    assert set(manifests[0]["seconds"]) == set(manifests[1]["seconds"])
    assert [manifest["machine"]["threads"] for manifest in manifests] == [1, 1]


@pytest.mark.exhaustive
def test_a_run_whose_processes_are_killed_goes_on_and_ends_in_the_same_table(here, tmp_path, cache):
    """The worker first, which is replaced; then the process that runs all, and with it the scheduler."""
    options = ("--recipe", TINY, "--arms", ",".join(ARMS), "--out", tmp_path / "run", "--cache", cache)
    command = [sys.executable, "-m", "ictal", "ablate", "sim", *map(str, options), "--workers", "1"]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL) as running:
        wait_for(lambda: any((tmp_path / "run" / "units").glob("*")), running)
        workers = [one for one in psutil.Process(running.pid).children() if "spawn_main" in " ".join(one.cmdline())]
        for worker in workers:
            worker.send_signal(signal.SIGKILL)
        wait_for(lambda: any((tmp_path / "run" / "units").glob("*/done.json")), running)
        running.kill()
    psutil.wait_procs(workers, timeout=30)
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found = pd.read_parquet(tmp_path / "run" / "predictions.parquet")
    pd.testing.assert_frame_equal(found, pd.read_parquet(here / "predictions.parquet"), check_exact=True)


def wait_for(happens, running: subprocess.Popen, seconds: float = 120) -> None:
    begun = time.monotonic()
    while not happens():
        assert running.poll() is None, "it ended too early"
        assert time.monotonic() - begun < seconds, "it did not happen"
        time.sleep(0.05)


def test_a_scheduler_that_is_not_there_is_one_error(tmp_path, cache, monkeypatch):
    monkeypatch.setattr("ictal.distributed.ANSWER_S", 0.5)
    with pytest.raises(RunError, match=r"tcp://127.0.0.1:1: no Dask scheduler answers there"):
        ablate(
            "sim", TINY, ["temporal"], tmp_path / "run", cache=cache, cluster=Cluster(scheduler="tcp://127.0.0.1:1")
        )
