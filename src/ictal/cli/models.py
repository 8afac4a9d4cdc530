"""The commands that list, describe, add and import models."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ictal.cli.completion import complete_model, complete_network
from ictal.cli.options import JSON, CommandGroup
from ictal.cli.screen import PARTLY_FAILED, Results, new_table, say_error

if TYPE_CHECKING:
    from ictal.errors import ModelError
    from ictal.models.hub import NamedModel

MODEL = typer.Argument(metavar="MODEL", help="Name of a model, or its folder.", autocompletion=complete_model)
FOLDER = typer.Argument(metavar="FOLDER", help="Folder with contract.yaml and model.onnx, or of a trained model.")
DOUBTFUL = typer.Option(
    "--accept-doubtful", help="Add it even if the order of its patterns or channels seems wrong on simulated windows."
)
HUB = typer.Option("--hub", metavar="FOLDER", help="Folder for the repository; it must be new or empty.")
NAME = typer.Option("--name", metavar="NAME", help="Name for the model.")


NETWORK = typer.Argument(
    metavar="NETWORK", help="Public network: sparcnet, biot-16 or biot-18.", autocompletion=complete_network
)
WEIGHTS = typer.Argument(
    metavar="WEIGHTS", help="File with its weights: safetensors, or a state dict of PyTorch (.pt, .pth, .ckpt)."
)
MAINS = typer.Option("--mains", metavar="HZ", help="Frequency of the mains, for the notch filter: 50 or 60.")


class ModelsGroup(CommandGroup):
    """A group of commands for which 'ictal models NAME' means 'ictal models show NAME'."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Return the command that is meant."""
        known = not args or args[0].startswith("-") or self.get_command(ctx, args[0]) is not None
        return super().resolve_command(ctx, args if known else ["show", *args])


def models(context: typer.Context, json_file: Annotated[str | None, JSON] = None) -> None:
    """List, describe, add or import models.

    Without a command, all models are listed. 'ictal models NAME' is short for 'ictal models show NAME'. The models
    are for research only.

    Example: ictal models
    """
    from ictal.models.hub import list_models

    if context.invoked_subcommand is not None:
        return
    results, errors = Results(json_file), list["ModelError"]()
    found = list_models(errors.append)
    for error in errors:
        say_error(error)
    _show(results, found)
    results.give_json({"models": [model.to_json() for model in found]})
    if errors:
        raise typer.Exit(PARTLY_FAILED)


def show(name: Annotated[str, MODEL], json_file: Annotated[str | None, JSON] = None) -> None:
    """Print the card of a model.

    Example: ictal models show default
    """
    from ictal.models.hub import describe_model

    results, model = Results(json_file), describe_model(name)
    results.show(model.text.rstrip())
    if model.origin["hub"]:
        results.show("", f"From {model.origin['hub']}", f"SHA-256 of the weights: {model.origin['weights_sha256']}")
    results.give_json(model.to_json() | {"text": model.text})


def add(
    folder: Annotated[Path, FOLDER],
    name: Annotated[str, NAME],
    accept_doubtful: Annotated[bool, DOUBTFUL] = False,
) -> None:
    """Check a model from elsewhere on simulated windows, and give it a name.

    Every command then takes the name. For the file contract.yaml, see the manual, 'Use another model'.

    Example: ictal models add models/theirs --name theirs
    """
    from ictal.models.add import add_model
    from ictal.models.hub import models_folder

    results, found = Results(None), add_model(folder, name, accept_doubtful=accept_doubtful)
    if found:
        results.show(found.in_words(), *(f"Doubtful: {doubt}." for doubt in found.doubts))
    results.show(f"Added '{name}', in {models_folder() / name}.")


def export(model: Annotated[str, MODEL], hub: Annotated[Path, HUB]) -> None:
    """Write a model as a repository for the Hugging Face Hub.

    The folder has the model's files, and a README.md with what is known about it. It is also a model that every
    command takes. Nothing is uploaded: 'hf upload OWNER/NAME FOLDER' does that.

    Example: ictal models export models/mine --hub mine-for-the-hub
    """
    from ictal.models.hub_export import export_for_hub

    written = export_for_hub(model, hub)
    Results(None).show("Files:", *(f"  {path}" for path in sorted(written.iterdir())))


def import_(
    network: Annotated[str, NETWORK],
    weights: Annotated[Path, WEIGHTS],
    name: Annotated[str, NAME],
    mains_hz: Annotated[int, MAINS] = 60,
) -> None:
    """Make a model of a public network and weights that you have, and give it a name.

    Every command then takes the name. For where to get the weights, see the manual, 'Public networks'.

    Example: ictal models import sparcnet model_1130.safetensors --name sparcnet
    """
    from ictal.models.hub import describe_model
    from ictal.models.public.import_model import import_model

    results, found = Results(None), import_model(network, weights, name, mains_hz)
    model = describe_model(name)
    results.show(found.in_words())
    results.show(f"Licence of the weights: {model.card.licence}.")
    results.show(f"Added '{name}', in {model.folder}.")


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
