"""What every command says things with: results on standard output; progress, notes and errors on standard error."""

import contextlib
import json
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import Any

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from ictal.core.progress import Progress

screen = Console(stderr=True)
"""Standard error: for progress, notes and errors."""

FAILED, WRONG_USAGE, PARTLY_FAILED, INTERRUPTED = 1, 2, 3, 130
"""Exit codes; docs/outputs.md says when a command ends with which."""
EXIT_CODES = (
    "Exit codes: 0 all right; 1 an error; 2 wrong usage; 3 finished, but some of several inputs failed; "
    "130 interrupted."
)
WIDE = 10_000
"""Characters to a line where no terminal sets a width, so that a redirected table is never cut."""

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
    bars = Bars(*columns, console=screen, transient=True, disable=not screen.is_terminal)
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
        raise typer.Exit(INTERRUPTED) from None
    finally:
        signal.signal(signal.SIGINT, before)


def new_table(first: str, *others: str, title: str | None = None, min_width: int | None = None) -> Table:
    """Return a table whose first column is text and whose others are numbers, close enough for 80 characters."""
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, padding=0)
    table.add_column(first, no_wrap=True, min_width=min_width)
    for name in others:
        table.add_column(name, justify="right", no_wrap=True, min_width=min_width)
    return table


@dataclass(frozen=True)
class Results:
    """Where the results of a command go.

    They go to standard output. Where that is to hold something else, as JSON, they go to standard error.

    Attributes
    ----------
    json_file
        Where the user wants JSON: a path, '-' for standard output, or None.
    taken
        Whether something else than JSON stands on standard output.
    """

    json_file: str | None = None
    taken: bool = False

    def show(self, *parts: str | Table) -> None:
        """Show lines of text, and tables: as wide as the terminal, or, where there is none, as they need."""
        stream = sys.stderr if self.taken or self.json_file == "-" else sys.stdout
        if stream.isatty():
            _print(Console(file=stream), parts)
            return
        console = Console(file=stream, width=WIDE)
        with console.capture() as caught:
            _print(console, parts)
        stream.writelines(f"{line.rstrip()}\n" for line in caught.get().splitlines())
        stream.flush()

    def give_json(self, content: dict[str, Any]) -> None:
        """Write JSON to a file, or to standard output where that is '-'; do nothing where none was asked for."""
        if self.json_file == "-":
            typer.echo(json.dumps(content, indent=2, allow_nan=False))
        elif self.json_file:
            from ictal.core.atomic_files import write_json

            write_json(Path(self.json_file), content)


def _print(console: Console, parts: Sequence[str | Table]) -> None:
    for part in parts:
        console.print(part, markup=False, highlight=False, soft_wrap=isinstance(part, str))


def say(text: str) -> None:
    """Say a line of progress, or a note, on standard error."""
    screen.print(text, markup=False, highlight=False, soft_wrap=True)


def say_error(error: object) -> None:
    """Say on standard error what went wrong."""
    screen.print(f"Error: {error}", style="bold red", markup=False, highlight=False, soft_wrap=True)
