"""The command that fetches public data sets."""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.box import SIMPLE_HEAD
from rich.table import Table

from ictal.cli.completion import complete_dataset
from ictal.cli.options import JSON
from ictal.cli.screen import FAILED, PARTLY_FAILED, Results, bar, say, say_error

if TYPE_CHECKING:
    from ictal.data.public_datasets import PublicDataset

NAME = typer.Argument(
    metavar="[NAME]",
    help="Name of a data set; without it, all of them are listed.",
    show_default=False,
    autocompletion=complete_dataset,
)
OUT = typer.Option("--out", metavar="FOLDER", help="Folder for the files.", show_default="a new one called NAME")
ONLY = typer.Option(
    "--only", metavar="PATTERN", help="Fetch only files with such a path, as in 'chb01/*'; can be repeated."
)
YES = typer.Option("--yes", help="Accept the licence without being asked.")
LIST = typer.Option("--list", help="List the files, and whether each is there; download none.")


def fetch(
    name: Annotated[str | None, NAME] = None,
    out: Annotated[Path | None, OUT] = None,
    only: Annotated[list[str] | None, ONLY] = None,
    yes: Annotated[bool, YES] = False,
    list_files: Annotated[bool, LIST] = False,
    json_file: Annotated[str | None, JSON] = None,
) -> None:
    """Download a public data set from its publisher.

    The licence is shown first. Repeat the command to resume.

    Example: ictal fetch chb-mit --only 'chb01/*' --out data/chb-mit
    """
    from ictal.data.fetch import choose, remote_files
    from ictal.data.fetch import fetch as run
    from ictal.data.public_datasets import find_dataset

    results, patterns = Results(json_file), only or ()
    if name is None:
        _list_datasets(results)
        return
    dataset = find_dataset(name)
    folder = out or Path(dataset.name)
    if list_files:
        files = choose(remote_files(dataset), patterns)
        there = {file.path: (folder / file.path).is_file() for file in files}
        results.show(*(f"{'there   ' if present else 'missing '} {path}" for path, present in there.items()))
        results.show(f"{len(files)} files, {sum(there.values())} of them in {folder}")
        results.give_json({"name": name, "files": there})
        return
    _describe(dataset, folder)
    if dataset.base and not yes and at_terminal():
        yes = typer.confirm("Do you accept the licence, and want to download?", err=True)
        if not yes:
            say("Nothing was downloaded.")
            raise typer.Exit(FAILED)
    with bar() as progress:
        found = run(dataset, folder, only=patterns, accept_licence=yes, progress=progress)
    results.show(f"{found.n_fetched} files fetched, {found.n_present} already there, all checked", f"Files: {folder}")
    if dataset.usage and not found.failed:
        results.show("Next:", *(f"  {line.replace('{folder}', str(folder))}" for line in dataset.usage))
    results.give_json(found.to_json())
    for problem in found.failed:
        say_error(problem)
    if found.failed:
        raise typer.Exit(PARTLY_FAILED)


def at_terminal() -> bool:
    """Return whether somebody can answer a question."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def _list_datasets(results: Results) -> None:
    from ictal.data.public_datasets import DATASETS

    table = Table("name", "GB", "licence", "content", box=SIMPLE_HEAD, padding=0)
    for one in DATASETS.values():
        table.add_row(one.name, f"{one.n_bytes / 1e9:.0f}", one.licence, one.content)
    results.show(table)
    results.give_json(
        {
            name: {"title": one.title, "licence": one.licence, "page": one.page, "bytes": one.n_bytes}
            for name, one in DATASETS.items()
        }
    )


def _describe(dataset: "PublicDataset", folder: Path) -> None:
    from ictal.data.fetch import MIRROR

    say(f"{dataset.title}: {dataset.content}")
    say(f"  page:     {dataset.page}")
    say(f"  licence:  {dataset.licence}, {dataset.licence_page}")
    say(f"  cite:     {dataset.citation}")
    say(f"  size:     about {dataset.n_bytes / 1e9:.0f} GB, if all files are fetched")
    if dataset.base:
        say(f"  from:     {os.environ.get(MIRROR) or dataset.base}")
        say(f"  folder:   {folder}")
