"""What every command says things with: lines, tables, a bar with the time left, and JSON."""

import contextlib
import json
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event
from typing import Any

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from ictal.progress import Progress

screen = Console(stderr=True)

JSON = typer.Option("--json", help="Write what was measured as one JSON object; '-' for standard output.")


@contextlib.contextmanager
def bar(again: str = "go on where it stopped", more: Callable[[], str] = str) -> Iterator[Progress]:
    """Give a progress hook that draws a bar per task with its time left, and takes it away when done.

    `again` says what the same command does after it was interrupted; `more` gives what else stands beside the bars.
    """
    from rich.progress import (
        BarColumn,
        ProgressColumn,
        Task,
        TaskID,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )
    from rich.progress import Progress as Bars
    from rich.text import Text

    class More(ProgressColumn):
        def render(self, task: Task) -> Text:
            return Text(more())

    columns = (
        TextColumn("{task.description:<24}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %"),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        More(),
    )
    bars = Bars(*columns, console=screen, transient=True)
    ids: dict[str, TaskID] = {}
    asked_to_stop = Event()

    def stop(*_: Any) -> None:
        asked_to_stop.set()
        raise KeyboardInterrupt

    def tell(task: str, done: float, total: float) -> None:
        # Python drops a KeyboardInterrupt that meets a destructor or a callback of C code; the wish stands.
        if asked_to_stop.is_set():
            raise KeyboardInterrupt
        if task not in ids:
            ids[task] = bars.add_task(task, total=total)
        bars.update(ids[task], completed=done, total=total)
        if done >= total:
            bars.remove_task(ids.pop(task))

    before = signal.getsignal(signal.SIGINT)
    if before is not signal.SIG_IGN:  # as in a background job, which the terminal's Ctrl-C does not concern
        signal.signal(signal.SIGINT, stop)
    try:
        with bars:
            yield tell
    except BaseException:
        # C code in which it falls may end with an error of its own: torch.save, "unexpected pos".
        if not asked_to_stop.is_set():
            raise
        say(f"Interrupted. Repeat the same command to {again}.")
        raise typer.Exit(130) from None
    finally:
        signal.signal(signal.SIGINT, before)


def new_table(first: str, *others: str, title: str | None = None, min_width: int | None = None) -> Table:
    """Return a table whose first column is text and whose others are numbers, close enough for 80 characters."""
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, padding=0)
    table.add_column(first, no_wrap=True, min_width=min_width)
    for name in others:
        table.add_column(name, justify="right", no_wrap=True, min_width=min_width)
    return table


def give_json(content: dict[str, Any], where: str | None) -> None:
    """Write JSON to a file, or to standard output where that is '-'."""
    if where == "-":
        typer.echo(json.dumps(content, indent=2, allow_nan=False))
    elif where:
        from ictal.files import write_json

        write_json(Path(where), content)


def say(text: str) -> None:
    """Say a line on the terminal."""
    screen.print(text, markup=False, highlight=False, soft_wrap=True)
