"""The command that lists and describes models."""

from typing import TYPE_CHECKING, Annotated

import typer

from ictal.cli.completion import complete_model
from ictal.cli.options import JSON
from ictal.cli.screen import PARTLY_FAILED, Results, new_table, say_error

if TYPE_CHECKING:
    from ictal.errors import ModelError
    from ictal.models.hub import NamedModel

NAME = typer.Argument(
    metavar="MODEL",
    help="Print the card of this model: its name, or its folder.",
    autocompletion=complete_model,
)


def models(
    name: Annotated[str | None, NAME] = None,
    json_file: Annotated[str | None, JSON] = None,
) -> None:
    """List the models, or print the card of one.

    The models are for research only.

    Example: ictal models default
    """
    from ictal.models.hub import describe_model, list_models

    results = Results(json_file)
    if name is not None:
        model = describe_model(name)
        results.show(model.text.rstrip())
        results.give_json(model.to_json() | {"text": model.text})
        return
    errors: list[ModelError] = []
    found = list_models(errors.append)
    for error in errors:
        say_error(error)
    _show(results, found)
    results.give_json({"models": [model.to_json() for model in found]})
    if errors:
        raise typer.Exit(PARTLY_FAILED)


def _show(results: Results, found: "list[NamedModel]") -> None:
    from ictal.models.hub import models_folder

    shown = new_table("model", "arm", "parameters", "MB")
    for title in ("trained on", "licence", "from"):
        shown.add_column(title, overflow="fold")
    for model in found:
        card = model.card
        count = "–" if card.n_parameters is None else f"{card.n_parameters:,}"
        origin = "ictal" if model.ships else "you"
        shown.add_row(model.name, card.arm, count, f"{model.megabytes:.1f}", card.data, card.licence, origin)
    if found:
        results.show(shown)
    for model in found:
        for warning in model.card.warnings[:1]:
            results.show(f"{model.name}: {warning}")
    results.show(f"Your own models are named after their folders in {models_folder()}.")
