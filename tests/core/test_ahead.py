"""What is read ahead comes in order, one item at a time, and errors come in their place."""

import threading
from collections.abc import Iterator
from contextlib import closing

import pytest

from ictal.core.ahead import one_ahead


class StrangeError(Exception):
    """What no code of ours knows."""


def reading() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith("reading ahead")]


def test_items_come_in_order_and_at_most_one_waits():
    made: list[int] = []

    def items() -> Iterator[int]:
        for number in range(6):
            made.append(number)
            yield number

    got = []
    with closing(one_ahead(items())) as given:
        for number in given:
            got.append(number)
            assert len(made) <= number + 2, "memory is bounded"
    assert got == made == [0, 1, 2, 3, 4, 5]
    assert not reading()


def test_the_next_item_is_read_while_one_is_used():
    begun = threading.Event()
    with closing(one_ahead(job() for job in (lambda: 0, begun.set))) as given:
        assert next(given) == 0
        assert begun.wait(5)


def test_an_error_comes_in_its_place_and_as_it_is():
    error = StrangeError("the disk is gone")

    def items() -> Iterator[int]:
        yield 0
        raise error

    got = []

    def take() -> None:
        with closing(one_ahead(items())) as given:
            got.extend(given)

    with pytest.raises(StrangeError) as caught:
        take()
    assert caught.value is error
    assert got == [0]
    assert not reading()


@pytest.mark.parametrize("error", [KeyboardInterrupt, StrangeError])
def test_whoever_stops_looking_stops_the_thread(error):
    """It ends with the item that it is reading."""
    made: list[int] = []

    def stop() -> None:
        with closing(one_ahead(made.append(1) for _ in range(50))) as given:
            next(given)
            raise error

    with pytest.raises(error):
        stop()
    assert not reading()
    assert len(made) <= 2
