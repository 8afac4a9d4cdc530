"""Find saved models by name, and read their cards, without torch."""

import json
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import yaml
from platformdirs import user_data_path
from pydantic import ConfigDict, Field, ValidationError

from ictal.core.atomic_files import sha256_of
from ictal.core.settings import Settings, problems_of
from ictal.core.yaml_text import read_yaml
from ictal.errors import ModelError, UnknownNameError, listed, reason
from ictal.models.calibration_record import CalibrationRecord
from ictal.models.hub_fetch import HubName, fetch, hub_name

CARD = "card.json"
CARD_TEXT = "CARD.md"
WEIGHTS = "model.safetensors"
CONTRACT = "contract.yaml"
PROGRAMS = ("model.onnx", "model.pt2", "model.pt")
"""Files of an external model, one of which its folder has beside `CONTRACT`: a graph in ONNX, a program of
`torch.export`, or one of TorchScript."""
SHARED = ((CARD, WEIGHTS), (CONTRACT, "model.onnx"))
"""Card and weights of the models that are shared on the Hub: tensors, or a graph of known operations."""
SHIPPED = Path(__file__).parent / "weights"
"""Models that ship with the package, a folder each."""
MEGABYTE = 1_000_000
NOT_A_DEVICE = "For research. Not a medical device: not for diagnosis or treatment."


class ModelSummary(Settings):
    """The part of a model's card that people read; `ictal.models.checkpoint.Card` has the rest.

    Attributes
    ----------
    arm
        Name of the network, or 'external'.
    data
        What it was trained on.
    summary
        What it is for, in a sentence or two.
    n_parameters
        Number of fitted parameters; None in old cards.
    metrics
        Measured figures; each name includes the data.
    calibrations
        Calibrations by `ictal calibrate`, first to last.
    known_failures
        Known failures, a sentence each.
    licence
        Of the weights.
    warnings
        What users must know.
    weights_sha256
        SHA-256 of the file with the weights; another file is refused.
    """

    model_config = ConfigDict(extra="ignore")

    arm: str = "external"
    data: str
    summary: str = ""
    n_parameters: int | None = None
    metrics: dict[str, float] = Field(default_factory=dict)
    calibrations: tuple[CalibrationRecord, ...] = ()
    known_failures: tuple[str, ...] = ()
    licence: str = "that of the training data"
    warnings: tuple[str, ...] = (NOT_A_DEVICE,)
    weights_sha256: str = ""


AnyCard = TypeVar("AnyCard", bound=ModelSummary)


@dataclass(frozen=True)
class NamedModel:
    """A saved model with a name.

    Attributes
    ----------
    name
        That of its folder.
    folder
        Holds a card, weights and perhaps `CARD.md`, see `check_files`.
    card
        The part of the card that people read.
    """

    name: str
    folder: Path
    card: ModelSummary

    @property
    def ships(self) -> bool:
        """Whether it ships with ictal."""
        return is_shipped(self.folder)

    @property
    def megabytes(self) -> float:
        """Size of the weights in MB (millions of bytes)."""
        return weights_file(self.folder).stat().st_size / MEGABYTE

    @property
    def origin(self) -> dict[str, str | None]:
        """Its name, its name on the Hub if it was fetched from there, and the SHA-256 of its weights."""
        sha = self.card.weights_sha256 or sha256_of(weights_file(self.folder))
        return {"name": self.name, "hub": hub_name(self.folder), "weights_sha256": sha}

    @property
    def text(self) -> str:
        """The card as text: `CARD.md`, or else the content of the card."""
        written = self.folder / CARD_TEXT
        if written.is_file():
            return written.read_text(encoding="utf-8")
        text = card_in_words(self.name, self.card)
        if is_external(self.folder):
            contract = card_file(self.folder).read_text(encoding="utf-8").strip()
            text += f"\n## Contract\n\n```yaml\n{contract}\n```\n"
        return text

    def to_json(self) -> dict[str, Any]:
        """Return its card, size and folder as plain values."""
        return {
            "name": self.name,
            "ships_with_ictal": self.ships,
            "folder": str(self.folder),
            "megabytes": self.megabytes,
            **self.card.model_dump(mode="json"),
            **self.origin,
        }


def models_folder() -> Path:
    """Return the folder of the user's own models."""
    return user_data_path("ictal") / "models"


def is_shipped(model: Path) -> bool:
    """Return whether a model's folder is part of the package."""
    return model.absolute().parent.resolve() == SHIPPED.resolve()


def named_folders() -> list[Path]:
    """Return the folders of all models with a name: those that ship with ictal, then the user's."""
    return [folder for place in (SHIPPED, models_folder()) for folder in _folders(place).values()]


def list_models(on_error: Callable[[ModelError], None] | None = None) -> list[NamedModel]:
    """Return every model that has a name: those that ship with ictal, then the user's.

    Parameters
    ----------
    on_error
        Called with the error of each model that cannot be read, which is left out. By default, it becomes a warning.
    """
    found = []
    for folder in named_folders():
        try:
            found.append(describe_model(folder))
        except ModelError as error:
            if on_error is None:
                warnings.warn(str(error), stacklevel=2)
            else:
                on_error(error)
    return found


def describe_model(name: str | Path) -> NamedModel:
    """Return the card of a model, as far as people read it; `name` is as in `find_model`.

    Raises
    ------
    UnknownNameError
        If there is no such model.
    ModelError
        If its folder lacks a file, or `card.json` is not the card of a model.
    """
    folder, card = read_card(name, ModelSummary)
    return NamedModel(folder.absolute().name, folder, card)


def read_card(name: str | Path, kind: type[AnyCard]) -> tuple[Path, AnyCard]:
    """Return the folder and the card of a model; `name` is as in `find_model`, `kind` the part of the card to read.

    Raises
    ------
    UnknownNameError, ModelError
        As `describe_model` does.
    """
    folder = find_model(name)
    check_files(folder)
    path = card_file(folder)
    try:
        text = path.read_text(encoding="utf-8")
        content = json.loads(text) if path.name == CARD else read_yaml(text)
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise ModelError(f"{path}: is not the card of a model: {reason(error)}") from error
    try:
        return folder, kind.model_validate(content)
    except ValidationError as error:
        raise ModelError(f"{path}: is not the card of a model: {listed(problems_of(error), 6)}") from error


def is_external(folder: Path) -> bool:
    """Return whether the model in a folder comes from elsewhere: it has a contract, and no card."""
    return (folder / CONTRACT).is_file() and not (folder / CARD).is_file()


def card_file(folder: Path) -> Path:
    """Return the card of a model, which for an external model is its contract."""
    return folder / (CONTRACT if is_external(folder) else CARD)


def weights_file(folder: Path) -> Path:
    """Return the file with the weights of a model.

    Raises
    ------
    ModelError
        If an external model has none, or several.
    """
    if not is_external(folder):
        return folder / WEIGHTS
    found = [folder / name for name in PROGRAMS if (folder / name).is_file()]
    if len(found) != 1:
        here = listed(path.name for path in found) or "none of them"
        raise ModelError(f"{folder}: a folder with {CONTRACT} needs one of {', '.join(PROGRAMS)}; it has {here}")
    return found[0]


def check_files(folder: Path) -> None:
    """Refuse a folder that is not a saved model: a file is missing, or is a link out of the folder.

    A model is `card.json` with `model.safetensors`; or, if it comes from elsewhere, `contract.yaml` with one of
    `PROGRAMS`. It may come from anyone: a link could show one of the reader's own files as the model's card.

    Raises
    ------
    ModelError
        Names the file.
    """
    needed = [card_file(folder), weights_file(folder)]
    missing = [file.name for file in needed if not file.is_file()]
    if missing:
        raise ModelError(
            f"{folder}: is not a saved model: {listed(missing)} missing; see 'ictal train --help' and "
            "'ictal models add --help'"
        )
    for file in (*needed, folder / CARD_TEXT):
        target = file.resolve()
        if not target.is_relative_to(folder.resolve()):
            raise ModelError(
                f"{file}: is a link out of the model's folder, to {target}; models are not read through "
                "links. If you trust it, copy the file into the folder"
            )


def check_weights(folder: Path) -> None:
    """Refuse weights that are not those of the model's card, or not tensors although they should be.

    Raises
    ------
    ModelError
        Names the file.
    """
    _, card = read_card(folder, ModelSummary)
    file = weights_file(folder)
    if card.weights_sha256 not in ("", sha256_of(file)):
        raise ModelError(f"{file}: is not the file that {card_file(folder).name} describes (its hash differs)")
    if file.name == WEIGHTS and not _is_safetensors(file):
        raise ModelError(f"{file}: is not a safetensors file")


def find_model(name: str | Path) -> Path:
    """Return the folder of a model, given its path or its name; a model on the Hub is fetched first.

    A name is that of a model that ships with ictal or of one in `models_folder`. A name that both have is refused, so
    that neither replaces the other unnoticed, for example after an update of ictal. Names on the Hub begin with
    'hf://'. Their branches change, so ask once for each task.

    Raises
    ------
    UnknownNameError
        If there is no such model; the message lists the known names.
    ModelError
        If two models have the name, or a model on the Hub cannot be fetched; see `ictal.models.hub_fetch.fetch`.
    """
    if asked := HubName.parse(name):
        return fetch(asked, _fetched, check_weights)
    path = Path(name)
    if card_file(path).is_file():
        return path
    shipped, own = _folders(SHIPPED), _folders(models_folder())
    found = [folders[str(name)] for folders in (shipped, own) if str(name) in folders]
    if len(found) == 2:
        raise ModelError(
            f"'{name}' is both a model that ships with ictal and one of yours; rename yours, {found[1]}, "
            f"or give a path: {found[0]} is the shipped one"
        )
    if found:
        return found[0]
    if path.is_dir():
        return path  # opening it reports what it lacks
    known = [*shipped, *(f"{one} (yours)" for one in own)]
    raise UnknownNameError("model", name, [*known, "the folder of any model"])


def _fetched(names: Iterable[str]) -> list[str]:
    """Return which files of a repository are those of a model; programs and pickles are never among them."""
    there = {*names}
    found = next((pair for pair in SHARED if {*pair} <= there), None)
    if found is None:
        pairs = " or ".join(" with ".join(pair) for pair in SHARED)
        raise ModelError(
            f"is not a model that ictal reads, which is {pairs}; nothing else is fetched, and it has "
            f"{listed(sorted(there)) or 'no files'}"
        )
    return [*found, *({CARD_TEXT} & there)]


def card_in_words(name: str, card: ModelSummary) -> str:
    """Return a card as Markdown: what the model is, its training data, figures and warnings."""
    facts = {"Arm": card.arm, "Trained on": card.data, "Licence": card.licence}
    sections = {
        card.summary or f"A model of the arm {card.arm}.": [f"{title}: {fact}" for title, fact in facts.items()],
        "## Calibration": [record.in_words() for record in card.calibrations],
        "## Figures": [f"{figure}: {value:.3f}" for figure, value in card.metrics.items()],
        "## Known failures": card.known_failures,
        "## Warnings": card.warnings,
    }
    parts = ["\n".join([title, "", *(f"- {line}" for line in lines)]) for title, lines in sections.items() if lines]
    return "\n\n".join([f"# {name}", *parts]) + "\n"


def _folders(place: Path) -> dict[str, Path]:
    """Return the models in a folder, by name."""
    visible = (folder for folder in sorted(place.glob("*/")) if not folder.name.startswith("."))
    return {folder.name: folder for folder in visible if card_file(folder).is_file()}


def _is_safetensors(file: Path) -> bool:
    """Return whether a file begins with a header in JSON, and the header's length before it."""
    with file.open("rb") as stream:
        length = int.from_bytes(stream.read(8), "little")
        if length > file.stat().st_size:
            return False
        try:
            return isinstance(json.loads(stream.read(length)), dict)
        except ValueError:
            return False
