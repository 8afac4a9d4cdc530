"""Models that have a name: those that ship with ictal, and the user's own. Read without torch."""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from platformdirs import user_data_path
from pydantic import ConfigDict, Field, ValidationError

from ictal.core.settings import Settings
from ictal.errors import ModelError, UnknownNameError, listed

CARD = "card.json"
CARD_TEXT = "CARD.md"
WEIGHTS = "model.safetensors"
SHIPPED = Path(__file__).parent / "weights"
"""Where the models stand that ship with the package, a folder each."""
MEGABYTE = 1_000_000
NOT_A_DEVICE = "For research. Not a medical device: not for diagnosis or treatment."


class About(Settings):
    """The part of a model's card that people read; `ictal.models.Card` has the rest.

    Attributes
    ----------
    arm
        Which network it is.
    data
        What it was trained on.
    summary
        What it is for, in a sentence or two.
    n_parameters
        How many numbers were fitted; None in cards of before this was counted.
    metrics
        Figures, each named with the data that it was measured on.
    known_failures
        Where it is known to be wrong, a sentence each.
    licence
        Of the weights.
    warnings
        What a user must know.
    """

    model_config = ConfigDict(extra="ignore")

    arm: str
    data: str
    summary: str = ""
    n_parameters: int | None = None
    metrics: dict[str, float] = Field(default_factory=dict)
    known_failures: tuple[str, ...] = ()
    licence: str = "that of the training data"
    warnings: tuple[str, ...] = (NOT_A_DEVICE,)


AnyCard = TypeVar("AnyCard", bound=About)


@dataclass(frozen=True)
class NamedModel:
    """A saved model, as people ask for it.

    Attributes
    ----------
    name
        Of its folder.
    folder
        With `model.safetensors`, `card.json` and perhaps `CARD.md`.
    about
        What `card.json` says of it.
    """

    name: str
    folder: Path
    about: About

    @property
    def ships(self) -> bool:
        """Whether it came with ictal."""
        return is_shipped(self.folder)

    @property
    def megabytes(self) -> float:
        """Size of the weights, in millions of bytes."""
        return (self.folder / WEIGHTS).stat().st_size / MEGABYTE

    @property
    def text(self) -> str:
        """The card for people: `CARD.md`, or where there is none, what `card.json` says."""
        written = self.folder / CARD_TEXT
        return written.read_text(encoding="utf-8") if written.is_file() else card_in_words(self.name, self.about)

    def to_json(self) -> dict[str, Any]:
        """Return what is known of it as plain numbers, strings, lists and None."""
        return {
            "name": self.name,
            "ships_with_ictal": self.ships,
            "folder": str(self.folder),
            "megabytes": self.megabytes,
            **self.about.model_dump(mode="json"),
        }


def models_folder() -> Path:
    """Return where the user's models stand that are called by a name."""
    return user_data_path("ictal") / "models"


def is_shipped(model: Path) -> bool:
    """Say whether a model's folder is part of the package."""
    return model.absolute().parent.resolve() == SHIPPED.resolve()


def named_folders() -> list[Path]:
    """Return the folder of every model that has a name: those that ship with ictal, then the user's."""
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
    """Return what is known of a model that is named as in `find_model`, without its weights.

    Raises
    ------
    UnknownNameError
        If there is no such model.
    ModelError
        If its folder lacks a file, or `card.json` is not the card of a model.
    """
    folder, about = read_card(name, About)
    return NamedModel(folder.absolute().name, folder, about)


def read_card(name: str | Path, kind: type[AnyCard]) -> tuple[Path, AnyCard]:
    """Return the folder of a model that is named as in `find_model`, and its card, or the part that is asked for.

    Raises
    ------
    UnknownNameError, ModelError
        As `describe_model` does.
    """
    folder = find_model(name)
    check_files(folder)
    try:
        return folder, kind.model_validate_json((folder / CARD).read_bytes())
    except ValidationError as error:
        found = [f"{'.'.join(map(str, one['loc'])) or 'the file'}: {one['msg']}" for one in error.errors()]
        raise ModelError(f"{folder / CARD}: is not the card of a model: {listed(found, 3)}") from error


def check_files(folder: Path) -> None:
    """Refuse a folder that is no saved model: one that lacks a file, or whose files are links to elsewhere.

    A model may come from anybody, and what it says of itself is what lies in its folder: a link could show a file of
    the reader's as the model's card.

    Raises
    ------
    ModelError
        That names the file.
    """
    missing = [file for file in (CARD, WEIGHTS) if not (folder / file).is_file()]
    if missing:
        raise ModelError(f"{folder}: is not a saved model: {listed(missing)} missing; see 'ictal train --help'")
    for file in (CARD, WEIGHTS, CARD_TEXT):
        target = (folder / file).resolve()
        if not target.is_relative_to(folder.resolve()):
            raise ModelError(
                f"{folder / file}: is a link out of the model's folder, to {target}; a model is not read through "
                "links. If you trust it, copy the file into the folder"
            )


def find_model(name: str | Path) -> Path:
    """Return the folder of a model, given by its path or by its name.

    A path to a model is taken as it is. Else the name is that of a model that ships with ictal, or of one in
    `models_folder`. A name that both have is refused, so that neither a new version of ictal nor a model of one's own
    ever takes the place of the other unnoticed.

    Raises
    ------
    UnknownNameError
        If there is no such model; the message lists the names that there are.
    ModelError
        If the name is that of two models.
    """
    path = Path(name)
    if (path / CARD).is_file():
        return path
    shipped, own = _folders(SHIPPED), _folders(models_folder())
    found = [folders[str(name)] for folders in (shipped, own) if str(name) in folders]
    if len(found) == 2:
        raise ModelError(
            f"'{name}' is the name of a model that ships with ictal and of one of yours; rename yours, {found[1]}, "
            f"or give a path: {found[0]} is the one that ships"
        )
    if found:
        return found[0]
    if path.is_dir():
        return path  # whoever opens it says what it lacks
    known = [*shipped, *(f"{one} (yours)" for one in own)]
    raise UnknownNameError("model", name, [*known, "the folder of any model that 'ictal train' made"])


def card_in_words(name: str, about: About) -> str:
    """Return a card for people, in Markdown: what a model is, what it was trained on, figures, and what to know."""
    facts = {"Arm": about.arm, "Trained on": about.data, "Licence": about.licence}
    sections = {
        about.summary or f"A model of the arm {about.arm}.": [f"{title}: {fact}" for title, fact in facts.items()],
        "## Figures": [f"{figure}: {value:.3f}" for figure, value in about.metrics.items()],
        "## Known failures": about.known_failures,
        "## Warnings": about.warnings,
    }
    parts = ["\n".join([title, "", *(f"- {line}" for line in lines)]) for title, lines in sections.items() if lines]
    return "\n\n".join([f"# {name}", *parts]) + "\n"


def _folders(place: Path) -> dict[str, Path]:
    """Return the models in a folder, by name."""
    return {card.parent.name: card.parent for card in sorted(place.glob(f"*/{CARD}"))}
