"""Output of every command: results on standard output; progress, notes and errors on standard error."""

import contextlib
import json
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Any, TypeVar

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from ictal.core.progress import Progress
from ictal.core.summary_table import SummaryTable

if TYPE_CHECKING:
    from rich.progress import Progress as Bars
    from rich.progress import TaskID

screen = Console(stderr=True)
"""Standard error: for progress, notes and errors."""

FAILED, WRONG_USAGE, PARTLY_FAILED, INTERRUPTED = 1, 2, 3, 130
"""Exit codes; docs/outputs.md describes them."""
EXIT_CODES = (
    "Exit codes: 0 success; 1 an error; 2 wrong usage; 3 finished, but some of several inputs failed; "
    "130 interrupted."
)
File = TypeVar("File")
WIDE = 10_000
"""Characters per line if no terminal sets a width, so that a redirected table is never cut."""


@contextlib.contextmanager
def bar(again: str = "resume", more: Callable[[], str] = str) -> Iterator[Progress]:
    """Yield a progress hook that draws a bar per task with the time left, and removes it when done.

    Parameters
    ----------
    again
        What repeating the command does after an interruption; '' where it ends what is complete up to then.
    more
        Returns additional text to show next to the bars.
    """
    bars = _bars(more)
    ids: dict[str, TaskID] = {}
    with _interrupts(again) as check:

        def progress(task: str, done: float, total: float) -> None:
            check()
            if task not in ids:
                ids[task] = bars.add_task(task, total=total)
            bars.update(ids[task], completed=done, total=total)
            if done >= total:
                bars.remove_task(ids.pop(task))

        with bars:
            yield progress


def _bars(more: Callable[[], str]) -> "Bars":
    from rich.progress import BarColumn, ProgressColumn, Task, TextColumn, TimeElapsedColumn, TimeRemainingColumn
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
    return Bars(*columns, console=screen, transient=True, disable=not screen.is_terminal)


@contextlib.contextmanager
def _interrupts(again: str) -> Iterator[Callable[[], None]]:
    """Turn Ctrl-C into an exit code; yield a function to call often, which raises it again if it was lost."""
    asked_to_stop = Event()

    def stop(*_: Any) -> None:
        asked_to_stop.set()
        raise KeyboardInterrupt

    def check() -> None:
        # Python drops a KeyboardInterrupt that occurs in a destructor or a callback of C code.
        if asked_to_stop.is_set():
            raise KeyboardInterrupt

    before = signal.getsignal(signal.SIGINT)
    if before is not signal.SIG_IGN:  # as in a background job, which the terminal's Ctrl-C does not concern
        signal.signal(signal.SIGINT, stop)
    try:
        yield check
    except BaseException:
        # C code that is interrupted may end with its own error: torch.save, "unexpected pos".
        if not asked_to_stop.is_set():
            raise
        say(f"Interrupted. Repeat the same command to {again}." if again else "Stopped. All is complete up to here.")
        raise typer.Exit(INTERRUPTED) from None
    finally:
        signal.signal(signal.SIGINT, before)


def new_table(first: str, *others: str, title: str | None = None, min_width: int | None = None) -> Table:
    """Return a table whose first column is text and whose others are numbers.

    In a narrow terminal, cells continue on the next line, so that nothing is cut.
    """
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, padding=0)
    table.add_column(first, overflow="fold", min_width=min_width)
    for name in others:
        table.add_column(name, justify="right", overflow="fold", min_width=min_width)
    return table


def _drawn(summary: SummaryTable) -> Table:
    first, *others = summary.columns
    table = new_table(first, *others, title=summary.title or None, min_width=summary.min_width)
    for column in table.columns[1:]:
        column.justify = "right" if summary.numbers else "left"
    for number, row in enumerate(summary.rows):
        if number in summary.rules:
            table.add_section()
        table.add_row(*row, style="dim" if number in summary.minor else None)
    return table


@dataclass(frozen=True)
class Results:
    """Where the results of a command go.

    They go to standard output; to standard error if standard output has other content, such as JSON.

    Attributes
    ----------
    json_file
        Where the user wants JSON: a path, '-' for standard output, or None.
    taken
        Whether standard output has other content than JSON.
    """

    json_file: str | None = None
    taken: bool = False

    def show(self, *parts: str | Table | SummaryTable) -> None:
        """Show lines of text, and tables: as wide as the terminal, or in a file as wide as needed."""
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
        """Write JSON to a file, or to standard output if that is '-'; do nothing if no JSON was requested."""
        if self.json_file == "-":
            typer.echo(json.dumps(content, indent=2, allow_nan=False))
        elif self.json_file:
            from ictal.core.atomic_files import write_json

            write_json(Path(self.json_file), content)


def _print(console: Console, parts: Sequence[str | Table | SummaryTable]) -> None:
    for part in parts:
        shown = _drawn(part) if isinstance(part, SummaryTable) else part
        console.print(shown, markup=False, highlight=False, soft_wrap=isinstance(part, str))


def for_each(files: Sequence[File], work: Callable[[File], dict[str, Any]], results: Results) -> None:
    """Process each file and write the JSON; an error in one of several files does not stop the others.

    Parameters
    ----------
    work
        Processes a file, shows the results, and returns them.
    """
    from ictal.errors import IctalError

    if len(files) == 1:
        results.give_json(work(files[0]))
        return
    found, failed = [], []
    for file in files:
        try:
            found.append(work(file))
        except IctalError as error:
            failed.append(str(error))
            say_error(error)
    results.give_json({"recordings": found, "failed": failed})
    if failed:
        say(f"{len(failed)} of {len(files)} recordings failed.")
        raise typer.Exit(PARTLY_FAILED)


def say(text: str) -> None:
    """Print a line of progress, or a note, on standard error."""
    screen.print(text, markup=False, highlight=False, soft_wrap=True)


def say_error(error: object) -> None:
    """Print an error on standard error."""
    screen.print(f"Error: {error}", style="bold red", markup=False, highlight=False, soft_wrap=True)
