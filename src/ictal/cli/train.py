"""The command that trains a model."""

from pathlib import Path
from typing import Annotated

import typer

from ictal.cli.completion import complete_arm, complete_model, complete_recipe
from ictal.cli.options import CACHE, DATA, PLUGIN, RECIPES, SEED_OF_RECIPE, SET, load_plugins
from ictal.cli.recipe import recipe_of
from ictal.cli.screen import Results, bar

ARM = typer.Option(
    "--arm",
    metavar="ARM",
    help="Arm to train.",
    show_default="that of the model in --from, or the only one in the recipe, or both",
    autocompletion=complete_arm,
)
RECIPE = typer.Option(
    "--recipe",
    metavar="RECIPE",
    help=f"{RECIPES}.",
    show_default="quick; finetune with --from",
    autocompletion=complete_recipe,
)
BEGIN_WITH = typer.Option(
    "--from", metavar="MODEL", help="Fine-tune this model: its name or folder.", autocompletion=complete_model
)
OUT = typer.Option("--out", metavar="FOLDER", help="Folder for the model.")


def train(
    data: Annotated[str, DATA],
    arm: Annotated[str | None, ARM] = None,
    recipe: Annotated[str | None, RECIPE] = None,
    begin_with: Annotated[str | None, BEGIN_WITH] = None,
    seed: Annotated[int | None, SEED_OF_RECIPE] = None,
    out: Annotated[Path, OUT] = Path("models/model"),
    cache: Annotated[Path | None, CACHE] = None,
    plugins: Annotated[list[Path] | None, PLUGIN] = None,
    overrides: Annotated[list[str] | None, SET] = None,
) -> None:
    """Train one arm on a data set, and save it as a model.

    Some recipes train on a stream of simulated windows instead. An interrupted training resumes.

    Example: ictal train sim --arm both --out models/both

    Example: ictal train sim --recipe simulated --out models/mine

    Example: ictal train data/hms --from default --out models/hms
    """
    from ictal.experiments import train_model

    load_plugins(plugins)
    chosen = recipe_of(recipe or ("finetune" if begin_with else "quick"), overrides, seed)
    with bar() as progress:
        folder = train_model.train(
            data, arm, chosen, out, cache=cache, progress=progress, begin_with=begin_with, overrides=overrides or ()
        )
    Results().show("Files:", *(f"  {folder / name}" for name in ("model.safetensors", "card.json")))
