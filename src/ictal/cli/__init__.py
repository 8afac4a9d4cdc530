"""The command line: arguments in, a call of the library, what it said out."""

import logging
import sys
from io import TextIOWrapper
from typing import Annotated

import typer

from ictal import __version__
from ictal.cli.archive import archive, score_archive
from ictal.cli.models import models
from ictal.cli.recordings import evaluate_events, info, score
from ictal.cli.screen import EXIT_CODES, FAILED, WRONG_USAGE, say_error
from ictal.cli.study import ablate, compare, evaluate, experts, explain, simulate, train
from ictal.cli.view import view
from ictal.errors import IctalError, UnknownNameError, UsageError, reason

app = typer.Typer(
    name="ictal",
    help="Predict how experts' votes spread over the six patterns of critical-care EEG. For research only.",
    epilog=EXIT_CODES,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"ictal {__version__}")
        raise typer.Exit


@app.callback()
def _main(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass


for command in (
    *(ablate, train, evaluate, compare, experts, explain, simulate),
    *(info, score, score_archive, evaluate_events, models, view),
):
    app.command()(command)
app.add_typer(archive)


def main() -> None:
    """Run the command line: an error of the user's or of the system is one message, without a traceback."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):  # a redirected file of an old code page knows no '–'
            stream.reconfigure(errors="replace")
    logging.basicConfig(level=logging.WARNING, format="%(name)s: %(message)s")
    try:
        app(standalone_mode=True)
    except (UsageError, UnknownNameError) as error:
        say_error(error)
        sys.exit(WRONG_USAGE)
    except IctalError as error:
        say_error(error)
        sys.exit(FAILED)
    except OSError as error:
        files = " and ".join(str(file) for file in (error.filename, error.filename2) if file is not None)
        say_error(f"{files}: {reason(error)}" if files else reason(error))
        sys.exit(FAILED)
