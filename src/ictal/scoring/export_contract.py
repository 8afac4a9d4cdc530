"""What an exported model needs and gives: read without torch, which takes seconds to start."""

import hashlib
import json
from importlib import import_module
from pathlib import Path
from typing import Literal

from platformdirs import user_cache_path

from ictal import __version__
from ictal.core.atomic_files import hash_of
from ictal.core.montage import Derivation, derivation
from ictal.core.settings import Settings
from ictal.core.windows import WINDOW_S
from ictal.errors import ModelError
from ictal.models.hub import CARD, WEIGHTS, About, check_files, find_model, read_card
from ictal.preprocessing.input_needs import Needs
from ictal.preprocessing.settings import StandardiseSettings

CONTRACT = "contract.json"
WHOLE = "model.onnx"
EXPORTED = "exported"
ALIGNED = 100
"""Samples at 200 Hz: windows begin at multiples of this, so that they can share frames."""


class Part(Settings):
    """One network of a model; the model's probabilities are the mean of its parts'.

    Attributes
    ----------
    name
        Of the arm.
    takes
        'windows' [batch, 20, 10000]; 'contexts' [batch, 4, 100, 300]; or any length of a recording: 'frames', which
        are averaged over each window; 'columns', which are each window's image.
    files
        One graph; of frames and columns, two: from a piece to them, and from their mean or image to probabilities.
    every
        Samples at 200 Hz from one frame or column to the next.
    frame, width
        Samples that a column looks at, and columns of an image.
    """

    name: str
    takes: Literal["windows", "contexts", "frames", "columns"]
    files: tuple[str, ...]
    every: int = 1
    frame: int = 0
    width: int = 0


class Input(Settings):
    """What a model must be given.

    Attributes
    ----------
    name
        What the model is called: the name of its folder.
    standardise
        How recordings become input.
    derivations
        Voltages of which everything is made that the model looks at.
    seen_s
        How much of the middle of a window it looks at.
    """

    name: str
    standardise: StandardiseSettings
    derivations: tuple[str, ...]
    seen_s: float = WINDOW_S

    @property
    def looks_at(self) -> list[Derivation]:
        """The derivations."""
        return [derivation(name) for name in self.derivations]

    @property
    def needs(self) -> Needs:
        """What a recording must have."""
        return Needs(tuple(self.looks_at), self.seen_s)


class Contract(Input):
    """What is known of an exported model.

    Attributes
    ----------
    arm, data, warnings
        Of the model's card.
    weights_sha256, card
        Which model it was made of.
    sees_context
        Whether it looks at the ten minutes around a window.
    parts
        See `Part`.
    graphs
        SHA-256 of each file, so that one that is damaged, or of another export, is never run.
    ictal_version, torch_version, onnx_version
        What exported it.
    """

    arm: str
    data: str
    warnings: tuple[str, ...]
    weights_sha256: str
    card: str
    sees_context: bool
    parts: tuple[Part, ...]
    graphs: dict[str, str]
    ictal_version: str = __version__
    torch_version: str
    onnx_version: str


def exported_folder(model: Path) -> Path:
    """Return where the export of a model stands: in the user's cache, under its weights and card.

    Never in the model's own folder: that may come from somebody else, and nothing in it could vouch for graphs that
    are not those of its weights. What stands in the cache was made here, of the weights in its name.

    Raises
    ------
    ModelError
        If the folder holds no model, or other weights than its card says.
    """
    check_files(model)
    try:
        card = json.loads((model / CARD).read_text(encoding="utf-8"))
        expected = str(card["weights_sha256"])
    except (ValueError, TypeError, KeyError) as error:
        raise ModelError(f"{model / CARD}: is not the card of a model") from error
    sha = sha256_of(model / WEIGHTS)
    if sha != expected:
        raise ModelError(f"{model / WEIGHTS}: is not the file that the card describes (its hash differs)")
    return user_cache_path("ictal") / EXPORTED / f"{sha[:32]}-{hash_of(card)}"


def read_contract(model: Path) -> tuple[Contract, Path] | None:
    """Return the contract of a model's export and its folder, or None where it is yet to be made, or made anew.

    Raises
    ------
    ModelError
        See `exported_folder`.
    """
    folder = exported_folder(model)
    try:
        contract = Contract.model_validate_json((folder / CONTRACT).read_text(encoding="utf-8"))
        whole = all(sha256_of(folder / name) == known for name, known in contract.graphs.items())
    except (OSError, ValueError):
        return None
    # The name of a model is that of its folder, of which there may be copies.
    known = contract.model_copy(update={"name": model.resolve().name})
    return (known, folder) if whole and contract.ictal_version == __version__ else None


class _InputCard(About):
    """The part of a card that says what a model must be given; old cards lack some of it."""

    standardise: StandardiseSettings
    derivations: tuple[str, ...] = ()
    seen_s: float | None = None


def read_input(model: str | Path) -> Input:
    """Return what a model must be given, exported or not; raise as `find_model` and `read_contract` do.

    Cards of before they said so need torch, which takes seconds.
    """
    found = read_contract(find_model(model))
    if found is not None:
        return found[0]
    folder, card = read_card(model, _InputCard)
    derivations, seen_s = card.derivations, card.seen_s
    if not derivations or seen_s is None:
        derivations, seen_s = import_module("ictal.models.checkpoint").input_of_saved(folder)
    name = folder.resolve().name
    return Input(name=name, standardise=card.standardise, derivations=derivations, seen_s=seen_s)


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file as hex digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
