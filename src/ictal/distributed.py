"""Run independent jobs with Dask, in processes of this machine or on an existing cluster."""

import logging
import os
import signal
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from ictal.errors import IctalError, RunError, require

if TYPE_CHECKING:
    from distributed import Client, Future, WorkerPlugin

Job = TypeVar("Job")
Result = TypeVar("Result")

TRIES = 3
"""Attempts for a job whose worker dies, or that raises a temporary error."""
ANSWER_S = 10.0
"""How long a scheduler may take to answer."""
POLL_S = 1.0
"""Seconds between checks for new or lost workers."""
LEAST_MEMORY = 512 * 2**20
"""Smallest memory in bytes; a worker with less would die before its first job."""

LOCAL: dict[str, Any] = {
    # A job whose worker died is returned at once; `spread` counts its attempts. Dask would count those of all jobs.
    "distributed.scheduler.allowed-failures": 0,
    # At its limit, a worker is ended and replaced. Results are too small to spill, and a pause might never end.
    "distributed.worker.memory.target": False,
    "distributed.worker.memory.spill": False,
    "distributed.worker.memory.pause": False,
    "distributed.worker.memory.terminate": 0.95,
    # Otherwise a worker that takes long to restart, or dies again, would be given up for good.
    "distributed.deploy.lost-worker-timeout": "1000 days",
    # Training on a stream starts its own processes.
    "distributed.worker.daemon": False,
    # Otherwise glibc gets each larger array from the system and returns it at once: scoring takes 1.5 times as long.
    "distributed.nanny.pre-spawn-environ.MALLOC_TRIM_THRESHOLD_": None,
}
"""Dask options for workers on this machine."""


def n_processors() -> int:
    """Return the number of CPUs available to this process."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@dataclass(frozen=True)
class Cluster:
    """Where jobs run.

    Attributes
    ----------
    workers
        Number of processes on this machine, each with one thread; None: one per CPU.
    scheduler
        Address of a Dask scheduler to use instead; its workers keep the settings they were started with.
    memory
        Memory limit of each process on this machine, such as '2GiB'; None: they share the memory of the machine.
    """

    workers: int | None = None
    scheduler: str | None = None
    memory: str | None = None

    def __post_init__(self) -> None:
        if self.scheduler and (self.workers or self.memory):
            raise RunError(
                f"the scheduler {self.scheduler} has its own workers; the number of workers and their memory can "
                "only be set for processes on this machine: give either these or the scheduler"
            )
        if self.memory and _bytes_of(self.memory) < LEAST_MEMORY:
            raise RunError(f"memory per worker is {self.memory}; allowed is at least {LEAST_MEMORY >> 20}MiB")


@dataclass(frozen=True)
class Finished(Generic[Job, Result]):
    """A finished job.

    Attributes
    ----------
    job
        The job.
    result
        Its result; None if there is an error.
    error
        The job's own exception or a `LostWorkerError`; None if it succeeded.
    tries
        Number of attempts.
    """

    job: Job
    result: Result | None
    error: BaseException | None
    tries: int


class LostWorkerError(IctalError):
    """The worker of a job died in every attempt."""


@dataclass(frozen=True)
class _Attempt(Generic[Job]):
    job: Job
    tries: int = 0


@contextmanager
def open_cluster(place: Cluster, say: Callable[[str], None] = lambda _: None) -> Iterator["Client"]:
    """Yield a client of a cluster; local workers are started, and end with the block.

    Parameters
    ----------
    place
        See `Cluster`.
    say
        Callback for the address of Dask's dashboard.

    Raises
    ------
    MissingExtraError
        If Dask is not installed.
    RunError
        If no scheduler answers at the address.
    """
    require("archive", "running jobs in parallel", "dask", "distributed")
    import dask
    from distributed import Client, LocalCluster

    with ExitStack() as stack:
        stack.enter_context(_quiet())
        if place.scheduler:
            try:
                client = Client(place.scheduler, timeout=ANSWER_S)
            except (OSError, ValueError) as error:
                raise RunError(f"{place.scheduler}: no Dask scheduler answers there: {error}") from error
        else:
            stack.enter_context(dask.config.set(LOCAL))
            stack.enter_context(_environment_kept())
            cluster = LocalCluster(
                n_workers=place.workers or n_processors(),
                threads_per_worker=1,
                memory_limit=place.memory or "auto",
                dashboard_address="127.0.0.1:0",  # it shows names of recordings, so it must not be on the network
                silence_logs=logging.CRITICAL,
            )
            client = Client(stack.enter_context(cluster))
            client.register_plugin(_ignoring_interrupts())
        say(stack.enter_context(client).dashboard_link)
        yield client


def _ignoring_interrupts() -> "WorkerPlugin":
    """Return a plugin that makes workers ignore Ctrl-C, which reaches all processes; the main process ends them."""
    from distributed import WorkerPlugin

    class IgnoreInterrupts(WorkerPlugin):  # type: ignore[misc]
        name = "ictal-ignore-interrupts"

        def setup(self, worker: object) -> None:
            signal.signal(signal.SIGINT, signal.SIG_IGN)

    return IgnoreInterrupts()


@contextmanager
def _environment_kept() -> Iterator[None]:
    """Restore environment variables that Dask sets in this process for its workers, such as the thread count."""
    import dask

    names = [*dask.config.get("distributed.nanny.pre-spawn-environ"), "PYTHONHASHSEED", "__DASK_PARENT_PID"]
    before = {name: os.environ.get(name) for name in names}
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence Dask's logs about its workers; the caller reports on them."""
    loggers = [logging.getLogger(name) for name in ("distributed", "distributed.client")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def _bytes_of(memory: str) -> int:
    require("archive", "limiting the memory of workers", "dask")
    from dask.utils import parse_bytes

    try:
        return int(parse_bytes(memory))
    except ValueError as error:
        raise RunError(f"memory per worker is '{memory}'; allowed are amounts such as 2GiB or 800MB") from error


def spread(
    client: "Client",
    function: Callable[[Job], Result],
    jobs: Iterable[Job],
    *,
    passing: tuple[type[BaseException], ...] = (MemoryError,),
    tries: int = TRIES,
) -> Iterator[Finished[Job, Result]]:
    """Run a function on many jobs, and yield each job once when it is finished.

    A job is submitted when a thread of a worker is free. So only as many jobs are running as there are threads, and
    when a worker dies, it is clear which job it was running. That job is tried again on another worker.

    Parameters
    ----------
    client
        Client of an open cluster; workers may come and go.
    function
        A function that can be pickled. It may be called again for a finished job, if the worker dies before its
        result has arrived.
    jobs
        Any number of jobs.
    passing
        Temporary errors, after which a job is tried again.
    tries
        Maximum number of attempts.

    Raises
    ------
    RunError
        If the scheduler is lost.
    """
    waiting = deque(_Attempt(job) for job in jobs)
    running: dict[Future, _Attempt[Job]] = {}
    ended: list[Finished[Job, Result]] = []
    with _memory_deaths(client) as deaths:
        while waiting or running or ended:
            n_free = _n_threads(client) - len(running)
            for attempt in [waiting.popleft() for _ in range(min(n_free, len(waiting)))]:
                running[client.submit(function, attempt.job, pure=False)] = attempt
            yield from ended  # after the workers have new jobs
            ended = []
            if waiting and not running:
                time.sleep(POLL_S)  # no worker has connected yet
            for future in _done(client, list(running)):
                one = _finished(future, running.pop(future), deaths)
                if isinstance(one.error, (LostWorkerError, *passing)) and one.tries < tries:
                    waiting.append(_Attempt(one.job, one.tries))
                else:
                    ended.append(one)


@contextmanager
def _memory_deaths(client: "Client") -> Iterator[set[str]]:
    """Yield a set that collects the addresses of workers that are ended because they need too much memory."""
    topic, deaths = "worker-restart-memory", set[str]()
    client.subscribe_topic(topic, lambda event: deaths.add(event[1]["worker"]))
    try:
        yield deaths
    finally:
        if client.status == "running":
            client.unsubscribe_topic(topic)


@contextmanager
def _scheduler_there(client: "Client") -> Iterator[None]:
    """Turn Dask's various errors for a lost scheduler into one."""
    from distributed import CancelledError

    try:
        yield
        gone = client.status != "running"
    except (CancelledError, OSError):
        gone = True
    if gone:
        raise RunError("the Dask scheduler was lost; finished jobs are kept: repeat the command to resume")


def _n_threads(client: "Client") -> int:
    with _scheduler_there(client):
        return sum(client.nthreads().values())


def _done(client: "Client", running: list["Future"]) -> list["Future"]:
    """Return the futures that have ended, after at most `POLL_S`."""
    from distributed import wait

    if not running:
        return []
    with _scheduler_there(client):
        try:
            return list(wait(running, timeout=POLL_S, return_when="FIRST_COMPLETED").done)
        except TimeoutError:
            return []


def _finished(future: "Future", attempt: _Attempt[Job], deaths: set[str]) -> Finished[Job, Any]:
    from distributed import KilledWorker

    result, error = None, None
    with _scheduler_there(future.client):
        try:
            result = future.result()
        except Exception:
            # The job's own error; or its result was lost with its worker, and the new attempt failed.
            if future.status != "error":
                raise
            error = future.exception()
    if isinstance(error, KilledWorker):
        of_memory = error.last_worker.address in deaths
        lost = LostWorkerError("it needed more memory than a worker has" if of_memory else "its worker died")
        return Finished(attempt.job, None, lost, attempt.tries + error.allowed_failures + 1)
    return Finished(attempt.job, result, error, attempt.tries + 1)
