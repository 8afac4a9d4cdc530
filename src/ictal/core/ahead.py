"""Read the next item while the current one is used."""

from collections.abc import Generator, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar, cast

Item = TypeVar("Item")
END = object()
"""What the thread returns after the last item."""


def one_ahead(items: Iterable[Item]) -> Generator[Item, None, None]:
    """Yield items in their order, while a thread reads the next one.

    This is worth its thread where reading releases the interpreter lock, as that of files and arrays does. Close the
    iterator to end the thread, for example with `contextlib.closing`. An error comes in the place of the item.
    """
    source = iter(items)
    with ThreadPoolExecutor(1, "reading ahead") as pool:
        ahead = pool.submit(next, source, END)
        while (item := ahead.result()) is not END:
            ahead = pool.submit(next, source, END)
            yield cast(Item, item)
