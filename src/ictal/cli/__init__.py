"""The command line: a file per command, each of which calls the library and prints the result."""

import atexit
import gc
import logging
import sys
from collections.abc import Callable
from io import TextIOWrapper
from typing import Annotated

import typer

from ictal import __version__
from ictal.cli import (
    ablate,
    archive_bids,
    archive_query,
    archive_retry,
    archive_status,
    calibrate,
    compare,
    convert,
    deidentify,
    evaluate,
    evaluate_events,
    experts,
    explain,
    fetch,
    info,
    models,
    predict,
    replay,
    score,
    score_archive,
    simulate,
    szcore,
    train,
    view,
    watch,
)
from ictal.cli.options import Command, CommandGroup
from ictal.cli.screen import EXIT_CODES, FAILED, WRONG_USAGE, say_error
from ictal.errors import IctalError, UnknownNameError, UsageError, naming_extras, reason

NEW_OBJECTS = 500_000
"""Python looks for reference cycles after this many new objects. Its default of 700 (2000 from Python 3.13 on) costs
a command 5 % of its time, most of it while libraries are imported, which make 200,000 and leave few cycles."""

app = typer.Typer(
    name="ictal",
    cls=CommandGroup,
    help="Predict how experts' votes on critical-care EEG are distributed over six patterns. For research only.",
    epilog=EXIT_CODES,
    no_args_is_help=True,
    context_settings={"max_content_width": 120},
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
archive = typer.Typer(
    name="archive", cls=CommandGroup, help="Check, retry, search or export a scored archive.", no_args_is_help=True
)

models_app = typer.Typer(name="models", cls=models.ModelsGroup, callback=models.models, invoke_without_command=True)


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


COMMANDS: tuple[Callable[..., None], ...] = (
    *(info.info, convert.convert, deidentify.deidentify, score.score, view.view, watch.watch),
    *(evaluate_events.evaluate_events, score_archive.score_archive, szcore.szcore),
    *(simulate.simulate, train.train, calibrate.calibrate, evaluate.evaluate, predict.predict),
    *(ablate.ablate, explain.explain, replay.replay),
    *(compare.compare, experts.experts, fetch.fetch),
)
MODELS_COMMANDS: tuple[Callable[..., None], ...] = (models.show, models.add, models.import_, models.export)
ARCHIVE_COMMANDS: tuple[Callable[..., None], ...] = (
    *(archive_status.status, archive_retry.retry, archive_query.query),
    archive_bids.bids,
)
for command in COMMANDS:
    app.command(cls=Command)(command)
for command in ARCHIVE_COMMANDS:
    archive.command(cls=Command)(command)
for command in MODELS_COMMANDS:
    models_app.command(command.__name__.rstrip("_"), cls=Command)(command)  # 'import' is a word of Python
app.add_typer(archive)
app.add_typer(models_app)


def main() -> None:
    """Run the command line; errors of users and systems are printed as one message, without a traceback."""
    gc.set_threshold(NEW_OBJECTS)
    atexit.register(gc.freeze)  # or Python looks for cycles in everything once more when it ends, for 0.2 s
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):  # a redirected file in an old code page cannot encode '–'
            stream.reconfigure(errors="replace")
    logging.basicConfig(level=logging.WARNING, format="%(name)s: %(message)s")
    try:
        with naming_extras("this command"):
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
