"""Options and arguments that several commands share."""

import re
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer
from typer.core import TyperCommand, TyperGroup

from ictal.cli.completion import (
    complete_data,
    complete_engine,
    complete_event_pattern,
    complete_model,
    complete_pattern,
    complete_recipe,
)
from ictal.cli.screen import say

if TYPE_CHECKING:
    from ictal.core.recording import Recording

RECIPES = "A recipe that ships with ictal (quick, finetune, paper, simulated or default), or a YAML file"

MODEL = typer.Option(
    "--model",
    metavar="MODEL",
    help="Name of a model (see 'ictal models'), its folder, or hf://OWNER/NAME.",
    autocompletion=complete_model,
)
MODEL_ARGUMENT = typer.Argument(
    metavar="MODEL",
    help="Name of a model (see 'ictal models'), its folder, that of a unit of an ablation, or hf://OWNER/NAME.",
    autocompletion=complete_model,
)
DATA = typer.Argument(
    metavar="DATA",
    help="'sim', a control (sim:temporal, sim:spatial, sim:joint, sim:null), a folder in HMS layout (train.csv, "
    "train_eegs/), or a manifest CSV.",
    autocompletion=complete_data,
)
RECORDINGS = typer.Argument(
    metavar="FILES", help="Recordings, or folders of a BIDS data set with one recording each."
)
JOIN = typer.Option("--join", help="Read the files as pieces of one recording, in the order of their start times.")
RECIPE = typer.Option("--recipe", metavar="RECIPE", help=f"{RECIPES}.", autocompletion=complete_recipe)
SET = typer.Option(
    "--set",
    metavar="KEY=VALUE",
    help="Override a key of the recipe, such as data.test_share=0; can be repeated.",
)
PLUGIN = typer.Option(
    "--plugin",
    metavar="FILE",
    help="Python file with an arm of your own (see 'Bring your own network'); can be repeated.",
)
SEED_OF_RECIPE = typer.Option(
    "--seed",
    min=0,
    metavar="N",
    help="Seed for folds, initial weights and order.",
    show_default="that of the recipe",
)
SEED = typer.Option("--seed", min=0, metavar="N", help="Seed for random numbers.")
SPEED = typer.Option(
    "--speed", metavar="FACTOR", help="Seconds of the recording per second.", show_default="1: real time"
)
CACHE = typer.Option(
    "--cache", metavar="FOLDER", help="Folder for the prepared windows.", show_default="the user's cache folder"
)
PATTERN = typer.Option(
    "--pattern",
    metavar="PATTERN",
    help="seizure, lpd, gpd, lrda, grda or other.",
    autocompletion=complete_pattern,
)
EVENT_PATTERN = typer.Option(
    "--pattern",
    metavar="PATTERN",
    help="seizure, lpd, gpd, lrda or grda.",
    autocompletion=complete_event_pattern,
)
JSON = typer.Option("--json", metavar="FILE", help="Write the results as one JSON object; '-' for standard output.")

STEP = typer.Option("--step", metavar="SECONDS", help="Time from one window to the next, in seconds.")
ENGINE = typer.Option(
    "--engine",
    metavar="ENGINE",
    help="Engine that runs the model: auto, onnxruntime, openvino or torch.",
    autocompletion=complete_engine,
)
INTERPOLATE = typer.Option(
    "--interpolate",
    min=0,
    metavar="N",
    help="Interpolate up to N missing electrodes from the others, by spherical splines.",
)
NO_MASK = typer.Option(
    "--no-mask", help="Give flat and noisy electrodes to the model as they are; by default, they are interpolated."
)
ACCEPT_DOUBTFUL = typer.Option(
    "--accept-doubtful", help="Read recordings whose channel names, times or voltages are in doubt, with a note."
)
THREADS = typer.Option("--threads", min=1, metavar="N", help="CPU threads.", show_default="all")

WORKERS = typer.Option(
    "--workers", min=1, metavar="N", help="Processes on this machine, one thread each.", show_default="one per CPU"
)
SCHEDULER = typer.Option(
    "--scheduler", metavar="ADDRESS", help="Dask scheduler to use instead of --workers, such as tcp://host:8786."
)
MEMORY = typer.Option(
    "--memory",
    metavar="SIZE",
    help="Memory of each worker, such as 2GiB.",
    show_default="an equal share of the machine's",
)
ARCHIVE = typer.Argument(metavar="FOLDER", help="Folder of an archive from 'ictal score-archive'.")
PARTITION = typer.Option(
    "--model",
    metavar="NAME",
    help="Model whose results to use, as 'status' names it.",
    show_default="those of the last run",
)
LOG = typer.Option(
    "--log", metavar="FILE", help="Append a line of JSON per event to a file; '-' for standard output."
)


OLD_NAMES = {
    "compare": {
        "--window": "--window-columns",
        "--eeg": "--eeg-column",
        "--patient": "--patient-column",
        "--votes": "--vote-columns",
        "--probabilities": "--probability-columns",
    },
    "experts": {"--least": "--min-others"},
}
"""Options that were renamed after 0.1.0, by command; the old names still work."""


IN_WORDS = {
    r"\[default: \((.*?)\)([];])": r"[default: \1\2",
    r"; x>=0\]": "]",
    r"  \[x>=0\]": "",
    r"x>=(\d+)": r"at least \1",
    r"(\d+)<=x<=(\d+)": r"\1 to \2",
}
"""Replacements that turn typer's notes on defaults and ranges into words."""
TYPE = re.compile(r" <[^<>]*>$")


class CommandGroup(TyperGroup):
    """A group whose help wraps the descriptions of its commands; click cuts them off in narrow terminals."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write a line or more per command."""
        commands = [self.get_command(ctx, name) for name in self.list_commands(ctx)]
        with formatter.section("Commands"):
            formatter.write_dl([(one.name, one.get_short_help_str(limit=200)) for one in commands if one])


class Command(TyperCommand):
    """A command that accepts old names of options, and whose help has no Python types and no inequalities."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for parameter in self.params:
            parameter.get_help_record = partial(_in_words, parameter.get_help_record)  # type: ignore[method-assign]

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse arguments after replacing the old names of options."""
        return super().parse_args(ctx, [self._renamed(word) for word in args])

    def _renamed(self, word: str) -> str:
        name, equals, value = word.partition("=")
        today = OLD_NAMES.get(self.name or "", {}).get(name)
        if today is None:
            return word
        say(f"Note: {name} is deprecated; use {today}.")
        return f"{today}{equals}{value}"


def _in_words(record_of: Callable[[Any], tuple[str, str] | None], context: Any) -> tuple[str, str] | None:
    """Return the help of a parameter, without types such as <list[Path]> and with ranges in words."""
    if (record := record_of(context)) is None:
        return None
    name, text = record
    for pattern, words in IN_WORDS.items():
        text = re.sub(pattern, words, text)
    return TYPE.sub("", name), text


def given_recordings(
    files: Sequence[Path], join: bool, accept_doubtful: bool
) -> "tuple[list[Path], list[Path | Recording]]":
    """Return the path by which the results of each recording are named, and what to open: one, if `JOIN` is given."""
    from ictal.io.joined import join_recordings, joined_path

    if not join:
        return [*files], [*files]
    return [joined_path(files)], [join_recordings(files, accept_doubtful=accept_doubtful)]


def load_plugins(files: Sequence[Path] | None) -> None:
    """Load the files of `PLUGIN`, so that their arms are known."""
    from ictal.models.plugins import load_plugin

    for file in files or ():
        load_plugin(file)


def names_in(text: str) -> list[str]:
    """Return the names in a comma-separated text."""
    return [name.strip() for name in text.split(",") if name.strip()]
