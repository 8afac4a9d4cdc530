"""Independent jobs on Dask: in processes of this machine, or on a cluster that somebody has started."""

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
"""So often is a job tried whose worker dies, or that raises an error which may pass."""
ANSWER_S = 10.0
"""How long a scheduler may take to answer."""
POLL_S = 1.0
"""How often it is seen whether workers came or went while nothing ends."""
LEAST_MEMORY = 512 * 2**20
"""Bytes of memory below which a worker would die before its first job, again and again."""

LOCAL: dict[str, Any] = {
    # A job whose worker died comes back at once, and `spread` counts the tries: Dask would blame them on all jobs.
    "distributed.scheduler.allowed-failures": 0,
    # At its limit a worker is ended and replaced. Results are too small to be spilled, and a pause might never end.
    "distributed.worker.memory.target": False,
    "distributed.worker.memory.spill": False,
    "distributed.worker.memory.pause": False,
    "distributed.worker.memory.terminate": 0.95,
    # A worker that takes long to be replaced, or dies anew meanwhile, would be given up for good.
    "distributed.deploy.lost-worker-timeout": "1000 days",
    # Training on a stream has processes of its own.
    "distributed.worker.daemon": False,
}
"""What Dask does otherwise by default, on this machine."""


def n_processors() -> int:
    """Return how many processors there are for this process, which is how many processes work side by side."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@dataclass(frozen=True)
class Cluster:
    """Where jobs run.

    Attributes
    ----------
    workers
        Processes of this machine, each with one thread; None: as many as there are processors.
    scheduler
        Address of a Dask scheduler in place of them; its workers are as they were started.
    memory
        Of each process of this machine, as '2GiB'; None: they share the machine's.
    """

    workers: int | None = None
    scheduler: str | None = None
    memory: str | None = None

    def __post_init__(self) -> None:
        if self.scheduler and (self.workers or self.memory):
            raise RunError(
                f"the workers of the scheduler {self.scheduler} are as they were started; the number of workers and "
                "their memory are for processes of this machine: name these, or the scheduler"
            )
        if self.memory and _bytes_of(self.memory) < LEAST_MEMORY:
            raise RunError(f"memory per worker is {self.memory}; allowed are {LEAST_MEMORY >> 20}MiB or more")


@dataclass(frozen=True)
class Finished(Generic[Job, Result]):
    """A job that has ended.

    Attributes
    ----------
    job
        What was to be done.
    result
        What came of it; None where there is an error.
    error
        Why nothing came of it: the job's own exception, or a `LostWorkerError`.
    tries
        How often it was begun.
    """

    job: Job
    result: Result | None
    error: BaseException | None
    tries: int


class LostWorkerError(IctalError):
    """The worker of a job died, as often as it was tried."""


@dataclass(frozen=True)
class _Flight(Generic[Job]):
    job: Job
    tries: int = 0


@contextmanager
def open_cluster(place: Cluster, say: Callable[[str], None] = lambda _: None) -> Iterator["Client"]:
    """Give a client of a cluster; one that was started here ends with the block.

    Parameters
    ----------
    place
        See `Cluster`.
    say
        Told the address of Dask's dashboard.

    Raises
    ------
    MissingExtraError
        If Dask is not installed.
    RunError
        If there is no scheduler at the address.
    """
    require("archive", "running jobs side by side", "dask", "distributed")
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
                dashboard_address="127.0.0.1:0",  # names of recordings are not for the network
                silence_logs=logging.CRITICAL,
            )
            client = Client(stack.enter_context(cluster))
            client.register_plugin(_ignoring_interrupts())
        say(stack.enter_context(client).dashboard_link)
        yield client


def _ignoring_interrupts() -> "WorkerPlugin":
    """Return what keeps workers from Ctrl-C, which reaches all processes: the one that runs them ends them."""
    from distributed import WorkerPlugin

    class IgnoreInterrupts(WorkerPlugin):  # type: ignore[misc]
        name = "ictal-ignore-interrupts"

        def setup(self, worker: object) -> None:
            signal.signal(signal.SIGINT, signal.SIG_IGN)

    return IgnoreInterrupts()


@contextmanager
def _environment_kept() -> Iterator[None]:
    """Take back what Dask sets in the environment of this process for its workers, as that they use one thread."""
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
    """Keep Dask from logging what becomes of its workers, which is told by whoever uses them."""
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
        raise RunError(f"memory per worker is '{memory}'; allowed are amounts as 2GiB or 800MB") from error


def spread(
    client: "Client",
    function: Callable[[Job], Result],
    jobs: Iterable[Job],
    *,
    passing: tuple[type[BaseException], ...] = (MemoryError,),
    tries: int = TRIES,
) -> Iterator[Finished[Job, Result]]:
    """Run a function on each of many jobs, and give them as they end, each once.

    A job is handed out when a thread of a worker is free, so that however long the list, no more are under way than
    there are threads; and when a worker dies, it is plain of which job. That job is tried again on another.

    Parameters
    ----------
    client
        Of an open cluster; workers may come and go.
    function
        Can be pickled. It may be called again for a job that is done, if the worker dies before its result is here.
    jobs
        However many.
    passing
        Errors that may pass, so that the job is tried again.
    tries
        How often at most.

    Raises
    ------
    RunError
        If the scheduler is lost.
    """
    waiting = deque(_Flight(job) for job in jobs)
    flying: dict[Future, _Flight[Job]] = {}
    ended: list[Finished[Job, Result]] = []
    with _memory_deaths(client) as deaths:
        while waiting or flying or ended:
            n_free = _n_threads(client) - len(flying)
            for flight in [waiting.popleft() for _ in range(min(n_free, len(waiting)))]:
                flying[client.submit(function, flight.job, pure=False)] = flight
            yield from ended  # after the workers have new jobs
            ended = []
            if waiting and not flying:
                time.sleep(POLL_S)  # no worker is there yet
            for future in _done(client, list(flying)):
                one = _finished(future, flying.pop(future), deaths)
                if isinstance(one.error, (LostWorkerError, *passing)) and one.tries < tries:
                    waiting.append(_Flight(one.job, one.tries))
                else:
                    ended.append(one)


@contextmanager
def _memory_deaths(client: "Client") -> Iterator[set[str]]:
    """Give the addresses of workers that are ended for their memory, as it happens."""
    topic, deaths = "worker-restart-memory", set[str]()
    client.subscribe_topic(topic, lambda event: deaths.add(event[1]["worker"]))
    try:
        yield deaths
    finally:
        if client.status == "running":
            client.unsubscribe_topic(topic)


@contextmanager
def _scheduler_there(client: "Client") -> Iterator[None]:
    """Turn the many ways in which Dask says that the scheduler is gone into one."""
    from distributed import CancelledError

    try:
        yield
        gone = client.status != "running"
    except (CancelledError, OSError):
        gone = True
    if gone:
        raise RunError("the Dask scheduler is gone; what is finished is kept: repeat the command to go on")


def _n_threads(client: "Client") -> int:
    with _scheduler_there(client):
        return sum(client.nthreads().values())


def _done(client: "Client", flying: list["Future"]) -> list["Future"]:
    """Return those that have ended, after at most `POLL_S`."""
    from distributed import wait

    if not flying:
        return []
    with _scheduler_there(client):
        try:
            return list(wait(flying, timeout=POLL_S, return_when="FIRST_COMPLETED").done)
        except TimeoutError:
            return []


def _finished(future: "Future", flight: _Flight[Job], deaths: set[str]) -> Finished[Job, Any]:
    from distributed import KilledWorker

    result, error = None, None
    with _scheduler_there(future.client):
        try:
            result = future.result()
        except Exception:
            # Its own error; or its result was lost with the worker that held it, and the new attempt had the error.
            if future.status != "error":
                raise
            error = future.exception()
    if isinstance(error, KilledWorker):
        of_memory = error.last_worker.address in deaths
        lost = LostWorkerError("it needed more memory than a worker has" if of_memory else "its worker died")
        return Finished(flight.job, None, lost, flight.tries + error.allowed_failures + 1)
    return Finished(flight.job, result, error, flight.tries + 1)
