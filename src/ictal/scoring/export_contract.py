"""What scoring knows about a model, and the contract of an exported one. Read without torch."""

import json
from pathlib import Path
from typing import Literal, Self

from platformdirs import user_cache_path
from pydantic import model_validator

from ictal import __version__
from ictal.core.atomic_files import hash_of, sha256_of
from ictal.core.labels import PATTERNS
from ictal.core.montage import derivation
from ictal.core.settings import Settings
from ictal.core.windows import WINDOW_S
from ictal.errors import ModelError, require
from ictal.models.calibration import NO_CALIBRATION, CalibrationSettings
from ictal.models.external import ExternalModel, open_external
from ictal.models.hub import CARD, WEIGHTS, ModelSummary, check_files, find_model, is_external, is_shipped, read_card
from ictal.models.hub_fetch import hub_name
from ictal.preprocessing.input_needs import Needs
from ictal.preprocessing.settings import StandardiseSettings

CONTRACT = "contract.json"
WHOLE = "model.onnx"
EXPORTED = "exported"
ALIGNED = 100
"""Samples at 200 Hz: windows begin at multiples of this, so they can share frames."""


class Part(Settings):
    """One network of a model; the model's probabilities are the mean of its parts', calibrated.

    Attributes
    ----------
    name
        That of the arm.
    takes
        'windows' [batch, 20, 10000]; 'contexts' [batch, 4, 100, 300]; or any length of a recording: 'frames', which
        are averaged over each window, or 'columns', which form each window's image.
    files
        One graph; for frames and columns two: from a recording to them, and from their mean or image to
        probabilities. If a network on frames does not drop edges, the graphs of its stages are between the two.
    every
        Samples at 200 Hz from one frame or column to the next.
    reach
        For frames: by how many of them, before and after it, the output of each stage depends on its input.
    frame, width
        Samples per column, and columns per image.
    """

    name: str
    takes: Literal["windows", "contexts", "frames", "columns"]
    files: tuple[str, ...]
    every: int = 1
    frame: int = 0
    width: int = 0
    reach: tuple[tuple[int, int], ...] | None = None

    @model_validator(mode="after")
    def _has_a_file_per_stage(self) -> Self:
        if self.takes == "frames" and (self.reach is None or len(self.files) != len(self.reach) + 2):
            raise ValueError(f"{len(self.files)} files; needed are two more than stages, which have a reach each")
        return self


def frames_name(number: int) -> str:
    """Return the name of the output of graph `number` of frames, which is the name of the next one's input."""
    return f"features{number}"


class Input(Settings):
    """The input that a model needs.

    Attributes
    ----------
    name
        Name of the model: that of its folder.
    hub
        Its name on the Hub, with the commit, if it was fetched from there.
    standardise
        How recordings become input.
    derivations
        Voltages that the model's input is computed from; empty if it needs all 19 electrodes against a reference.
    seen_s
        Seconds in the middle of a window that it uses.
    """

    name: str
    hub: str | None = None
    standardise: StandardiseSettings
    derivations: tuple[str, ...]
    seen_s: float = WINDOW_S

    @property
    def needs(self) -> Needs:
        """What a recording must have."""
        return Needs(tuple(map(derivation, self.derivations)) or None, self.seen_s)


class ScoringContract(Input):
    """A model that an engine has opened: its input, its output and its origin.

    Attributes
    ----------
    arm, data, warnings
        From the model's card.
    weights_sha256, card
        Hashes of the weights and the card that it was made from.
    earlier_cards
        Hashes of the cards of earlier releases that differ from this card only in wording: the scores are the same.
    sees_context
        Whether it uses the ten minutes around a window.
    patterns
        The patterns that it knows, in the order of `ictal.core.labels.PATTERNS`; what it cannot tell from 'other'
        counts there.
    """

    arm: str
    data: str
    warnings: tuple[str, ...]
    weights_sha256: str
    card: str
    earlier_cards: tuple[str, ...] = ()
    sees_context: bool = False
    patterns: tuple[str, ...] = PATTERNS


class Contract(ScoringContract):
    """An exported model, as `contract.json` describes it.

    Attributes
    ----------
    parts
        See `Part`.
    calibration
        Of the mean of several parts; the graphs of parts and of the whole model include their own.
    graphs
        SHA-256 of each file: one that is damaged or from another export is never run.
    ictal_version, torch_version, onnx_version
        Versions that exported it.
    """

    parts: tuple[Part, ...]
    calibration: CalibrationSettings = NO_CALIBRATION
    graphs: dict[str, str]
    ictal_version: str = __version__
    torch_version: str
    onnx_version: str


def exported_folder(model: Path) -> Path:
    """Return where in the user's cache a model's export is kept: under the hashes of its weights and card.

    It is never the model's own folder, which may come from someone else: nothing there could prove that graphs are
    those of the weights. Exports in the cache were made here.

    Raises
    ------
    ModelError
        If the folder is not a model, or its weights are not those of its card.
    """
    return _cached(*_hashes(model))


def read_contract(model: Path) -> tuple[Contract, Path] | None:
    """Return the contract of a model's export and its folder, or None if it has to be made, or made again.

    Models that ship with ictal bring their export; others have theirs in the user's cache.

    Raises
    ------
    ModelError
        See `exported_folder`.
    """
    sha, card = _hashes(model)
    found = _read(model, sha, card) if is_shipped(model) else None
    if found is None:
        found = _read(_cached(sha, card), sha, card)
        if found is None or found[0].ictal_version != __version__:
            return None
    contract, folder = found
    # A model is named by its folder, and there may be copies.
    return contract.model_copy(update={"name": model.resolve().name, "hub": hub_name(model)}), folder


def _read(folder: Path, weights_sha256: str, card: str) -> tuple[Contract, Path] | None:
    """Return the contract in a folder if it is that of these weights and this card, and its graphs are intact."""
    try:
        contract = Contract.model_validate_json((folder / CONTRACT).read_text(encoding="utf-8"))
        intact = all(sha256_of(folder / name) == known for name, known in contract.graphs.items())
    except (OSError, ValueError):
        return None
    fits = (contract.weights_sha256, contract.card) == (weights_sha256, card)
    return (contract, folder) if intact and fits else None


def _cached(weights_sha256: str, card: str) -> Path:
    return user_cache_path("ictal") / EXPORTED / f"{weights_sha256[:32]}-{card}"


def _hashes(model: Path) -> tuple[str, str]:
    """Return the hashes of a model's weights and card; raise a `ModelError` if they do not belong together."""
    check_files(model)
    try:
        card = json.loads((model / CARD).read_text(encoding="utf-8"))
        expected = str(card["weights_sha256"])
    except (ValueError, TypeError, KeyError) as error:
        raise ModelError(f"{model / CARD}: is not the card of a model") from error
    sha = sha256_of(model / WEIGHTS)
    if sha != expected:
        raise ModelError(f"{model / WEIGHTS}: is not the file that the card describes (its hash differs)")
    return sha, hash_of(card)


class _InputCard(ModelSummary):
    """The part of a card that describes a model's input; old cards lack some of it."""

    standardise: StandardiseSettings
    derivations: tuple[str, ...] = ()
    seen_s: float | None = None


def read_input(model: str | Path) -> Input:
    """Return the input that a model needs, exported or not; raise as `find_model` and `read_contract` do.

    Old cards do not describe it, and then the network must be built, with torch.
    """
    found_model = find_model(model)
    if is_external(found_model):
        return external_contract(open_external(found_model))
    found = read_contract(found_model)
    if found is not None:
        return found[0]
    folder, card = read_card(found_model, _InputCard)
    derivations, seen_s = card.derivations, card.seen_s
    if not derivations or seen_s is None:
        require("train", f"reading the input of {folder} from its network, since its card does not describe it,")
        from ictal.models.checkpoint import input_of_saved

        derivations, seen_s = input_of_saved(folder)
    name = folder.resolve().name
    return Input(
        name=name, hub=hub_name(folder), standardise=card.standardise, derivations=derivations, seen_s=seen_s
    )


def external_contract(model: ExternalModel) -> ScoringContract:
    """Return what scoring knows about an external model."""
    own, needs = model.contract, model.input.needs
    return ScoringContract(
        name=model.name,
        hub=model.hub,
        standardise=own.standardise,
        derivations=tuple(map(str, needs.derivations or ())),
        seen_s=needs.seen_s,
        arm=own.arm,
        data=own.data,
        warnings=own.warnings,
        weights_sha256=model.weights_sha256,
        card=hash_of(own.model_dump(mode="json")),
        patterns=own.output.known,
    )
