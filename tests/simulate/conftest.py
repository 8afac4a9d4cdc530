"""One thread of BLAS for the simulator, whose matrices are small: a second one costs several times what it saves."""

from collections.abc import Iterator

import pytest
from threadpoolctl import threadpool_limits


@pytest.fixture(scope="package", autouse=True)
def _one_thread() -> Iterator[None]:
    with threadpool_limits(1, "blas"):
        yield
