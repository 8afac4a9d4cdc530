"""The command on models that have a name: which there are, and what each is."""

from typing import TYPE_CHECKING, Annotated

import typer

from ictal.cli.screen import JSON, PARTLY_FAILED, Results, new_table, say_error

if TYPE_CHECKING:
    from ictal.models.hub import NamedModel


def models(
    name: Annotated[str | None, typer.Argument(help="Print the card of this model: its name, or its folder.")] = None,
    json_file: Annotated[str | None, JSON] = None,
) -> None:
    """List the models that can be called by a name, or print the card of one. For research only.

    Example: ictal models default
    """
    from ictal.models.hub import describe_model

    results = Results(json_file)
    if name is None:
        found, wrong = _all()
        _show_models(results, found)
        results.give_json({"models": [model.to_json() for model in found]})
        if wrong:
            raise typer.Exit(PARTLY_FAILED)
        return
    model = describe_model(name)
    results.show(model.text.rstrip())
    results.give_json(model.to_json() | {"text": model.text})


def _all() -> "tuple[list[NamedModel], int]":
    """Return every model that can be read, and how many cannot; say of these what is wrong."""
    from ictal.errors import ModelError
    from ictal.models.hub import describe_model, named_folders

    found, wrong = [], 0
    for folder in named_folders():
        try:
            found.append(describe_model(folder))
        except ModelError as error:
            say_error(error)
            wrong += 1
    return found, wrong


def _show_models(results: Results, found: "list[NamedModel]") -> None:
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
    results.show(f"Models of your own are called by the names of their folders in {models_folder()}.")
