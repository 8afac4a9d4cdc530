"""Jobs on real workers, which come, go and die."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import dask
import pytest
from distributed import Client

from ictal.distributed import Cluster, LostWorkerError, open_cluster, spread
from ictal.errors import MissingExtraError, RunError


def double(job: int) -> int:
    return 2 * job


def fail_at_three(job: int) -> int:
    if job == 3:
        raise ValueError("three")
    return job


def die_until(folder: Path, limits: dict[int, int], job: int) -> int:
    """Kill the process of the worker, until a job was begun so often."""
    (folder / f"{job}-{time.time_ns()}").touch()
    if len(list(folder.glob(f"{job}-*"))) <= limits.get(job, 0):
        os.kill(os.getpid(), signal.SIGKILL)
    return job


def run_out(folder: Path, job: int) -> int:
    (folder / f"{job}-{time.time_ns()}").touch()
    raise MemoryError


def fill_memory(job: int) -> int:
    if job == 1:
        kept = []
        while True:
            kept.append(bytearray(os.urandom(1 << 20)) * 64)
            time.sleep(0.02)
    return job


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    with open_cluster(Cluster(workers=2, memory="1GiB")) as client:
        yield client


def test_every_job_comes_back_once(client):
    finished = list(spread(client, double, range(20)))
    assert sorted(one.job for one in finished) == list(range(20))
    assert all((one.result, one.error, one.tries) == (2 * one.job, None, 1) for one in finished)
    assert list(spread(client, double, [])) == []


def test_an_error_is_that_of_its_job_alone(client):
    errors = {one.job: one.error for one in spread(client, fail_at_three, range(5)) if one.error}
    assert {job: str(error) for job, error in errors.items()} == {3: "three"}


def test_no_more_jobs_are_under_way_than_there_are_threads(client, monkeypatch):
    flying: list[int] = []
    most = 0
    submit = client.submit

    def counted(*what: object, **how: object) -> object:
        nonlocal most
        future = submit(*what, **how)
        flying.append(future)
        most = max(most, sum(not one.done() for one in flying))
        return future

    monkeypatch.setattr(client, "submit", counted)
    assert len(list(spread(client, double, range(40)))) == 40
    assert len(flying) == 40
    assert most <= 2


def test_a_job_whose_worker_dies_is_tried_again_and_then_given_up_and_no_other_suffers(client, tmp_path):
    work = partial(die_until, tmp_path, {2: 1, 5: 99})
    finished = {one.job: one for one in spread(client, work, range(8))}
    assert set(finished) == set(range(8))
    assert {job for job, one in finished.items() if one.error} == {5}
    assert isinstance(finished[5].error, LostWorkerError)
    assert str(finished[5].error) == "its worker died"
    assert finished[5].tries == len(list(tmp_path.glob("5-*"))) == 3
    assert finished[2].tries == 2
    assert {one.tries for job, one in finished.items() if job not in (2, 5)} == {1}


def test_what_workers_are_told_does_not_stay_in_the_environment(monkeypatch):
    for name in ("OMP_NUM_THREADS", "MALLOC_TRIM_THRESHOLD_"):
        monkeypatch.delenv(name, raising=False)
    before = dict(os.environ)
    with open_cluster(Cluster(workers=1)) as client:
        assert client.submit(os.environ.get, "OMP_NUM_THREADS").result() == "1"
        assert client.submit(os.environ.get, "MALLOC_TRIM_THRESHOLD_").result() is None
    assert dict(os.environ) == before


def test_an_error_that_may_pass_is_tried_again(client, tmp_path):
    (one,) = spread(client, partial(run_out, tmp_path), [0])
    assert isinstance(one.error, MemoryError)
    assert one.tries == len(list(tmp_path.iterdir())) == 3


def test_a_job_that_exhausts_the_memory_of_a_worker_is_given_up_with_this_reason(client):
    finished = {one.job: one for one in spread(client, fill_memory, range(4), tries=1)}
    assert {job: str(one.error) for job, one in finished.items() if one.error} == {
        1: "it needed more memory than a worker has"
    }


def test_a_worker_that_takes_long_to_be_replaced_is_not_given_up(tmp_path):
    """Dask gives it up after 15 s, which a busy machine takes; here after a moment, if it were asked."""
    with (
        dask.config.set({"distributed.deploy.lost-worker-timeout": "1ms"}),
        open_cluster(Cluster(workers=1)) as client,
    ):
        finished = list(spread(client, partial(die_until, tmp_path, {1: 2}), range(3)))
    assert {one.job: one.result for one in finished} == {0: 0, 1: 1, 2: 2}


@pytest.mark.exhaustive
def test_a_lost_scheduler_is_one_error(tmp_path):
    address = tmp_path / "scheduler.json"
    dask = [sys.executable, "-m", "distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", "0"]
    worker = [
        sys.executable,
        "-m",
        "distributed.cli.dask_worker",
        "--nthreads",
        "1",
        "--scheduler-file",
        str(address),
    ]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with (
        subprocess.Popen([*dask, "--no-dashboard", "--scheduler-file", str(address)], **quiet) as scheduler,
        subprocess.Popen([*worker, "--scheduler-file", str(address)], **quiet) as working,
    ):
        try:
            while not address.exists():
                time.sleep(0.05)
            place = Cluster(scheduler=json.loads(address.read_text())["address"])
            ended = []
            with open_cluster(place) as client:
                finished = spread(client, double, range(10_000))
                ended += [next(finished) for _ in range(5)]
                scheduler.kill()
                with pytest.raises(RunError, match="the Dask scheduler was lost"):
                    ended.extend(finished)
            assert 5 <= len(ended) < 100
        finally:
            scheduler.kill()
            working.kill()


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"workers": 2, "scheduler": "tcp://host:8786"}, "has its own workers"),
        ({"memory": "2GiB", "scheduler": "tcp://host:8786"}, "has its own workers"),
        ({"memory": "100MiB"}, "memory per worker is 100MiB; allowed is at least 512MiB"),
        ({"memory": "much"}, "memory per worker is 'much'; allowed are amounts such as 2GiB or 800MB"),
    ],
)
def test_what_cannot_be_is_said(values, told):
    with pytest.raises(RunError, match=told):
        Cluster(**values)


def test_without_dask_the_extra_is_named(monkeypatch):
    monkeypatch.setattr("ictal.errors.find_spec", lambda name: None)
    message = r"needs dask, distributed; install them with: pip install 'ictal\[archive\]'"
    with pytest.raises(MissingExtraError, match=message), open_cluster(Cluster(1)):
        pass
