"""Do the next piece of work in another thread while the one before it is used."""

from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Job = TypeVar("Job")


def ahead(jobs: Sequence[Callable[[], Job]]) -> Generator[Job, None, None]:
    """Yield the results of jobs in their order; each runs in another thread while the one before it is used.

    Close the iterator to end the thread, for example with `contextlib.closing`. An error comes in the place of the
    result.
    """
    with ThreadPoolExecutor(1, "ahead") as pool:
        begun = pool.submit(jobs[0])
        for job in jobs[1:]:
            result = begun.result()
            begun = pool.submit(job)
            yield result
        yield begun.result()
