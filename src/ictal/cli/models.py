"""The command on models that have a name: which there are, and what each is."""

from typing import TYPE_CHECKING, Annotated

import typer

from ictal.cli.screen import JSON, give_json, new_table, say, screen

if TYPE_CHECKING:
    from ictal.shipped import NamedModel


def models(
    name: Annotated[str | None, typer.Argument(help="Print the card of this model: its name, or its folder.")] = None,
    json_file: Annotated[str | None, JSON] = None,
) -> None:
    """List the models that can be called by a name, or print the card of one. For research only.

    Example: ictal models default
    """
    from ictal.shipped import describe_model

    if name is None:
        found = _all()
        _print_models(found)
        give_json({"models": [model.to_json() for model in found]}, json_file)
        return
    model = describe_model(name)
    say(model.text.rstrip())
    give_json(model.to_json() | {"text": model.text}, json_file)


def _all() -> "list[NamedModel]":
    """Return every model that can be read; say of the others what is wrong."""
    from ictal.errors import ModelError
    from ictal.shipped import describe_model, named_folders

    found = []
    for folder in named_folders():
        try:
            found.append(describe_model(folder))
        except ModelError as error:
            say(f"Error: {error}")
    return found


def _print_models(found: "list[NamedModel]") -> None:
    from ictal.shipped import models_folder

    shown = new_table("model", "arm", "parameters", "MB")
    for title in ("trained on", "licence", "from"):
        shown.add_column(title, overflow="fold")
    for model in found:
        about = model.about
        count = "–" if about.n_parameters is None else f"{about.n_parameters:,}"
        origin = "ictal" if model.ships else "you"
        shown.add_row(model.name, about.arm, count, f"{model.megabytes:.1f}", about.data, about.licence, origin)
    if found:
        screen.print(shown)
    for model in found:
        for warning in model.about.warnings[:1]:
            say(f"{model.name}: {warning}")
    say(f"Models of your own are called by the names of their folders in {models_folder()}.")
