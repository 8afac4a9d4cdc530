"""Saved models: tensors in safetensors, everything else in a JSON card; loading is strict."""

import hashlib
import warnings
from contextlib import closing
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch
from pydantic import ConfigDict, Field, field_validator
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import nn

from ictal.core.ahead import one_ahead
from ictal.core.atomic_files import atomic_write, write_json
from ictal.core.labels import PATTERNS
from ictal.core.montage import CHANNELS
from ictal.core.settings import Settings
from ictal.core.windows import RATE_HZ, WINDOW_S
from ictal.errors import ModelError, UnknownNameError, listed
from ictal.models.arm_network import ArmNetwork, MeanOfArms
from ictal.models.arms import OwnCode, Seeds, find_arm
from ictal.models.build import build
from ictal.models.calibration import NO_CALIBRATION, CalibrationSettings
from ictal.models.external import open_external
from ictal.models.external_contract import ExternalContract
from ictal.models.external_network import ExternalNetwork
from ictal.models.hub import CARD, WEIGHTS, ModelSummary, find_model, is_external, read_card
from ictal.models.input_needs import derivations_seen, needs_of, seconds_seen
from ictal.models.model_settings import ModelSettings
from ictal.models.output import ModelOutput
from ictal.preprocessing.input_needs import Needs
from ictal.preprocessing.settings import StandardiseSettings

if TYPE_CHECKING:
    from ictal.data.stored_signals import Windows

AnyNetwork = ArmNetwork | MeanOfArms | ExternalNetwork


class Origin(Settings):
    """The model whose weights the training started from."""

    name: str
    weights_sha256: str


class Card(ModelSummary):
    """What a model is, what it needs and where it comes from.

    `ModelSummary` is the part that people read.

    Attributes
    ----------
    arm
        Name of the arm.
    models
        The settings of the arm's views and networks.
    own_arms
        Where the code of its own arms is, which do not come with ictal, by name.
    calibration
        Of the model's probabilities, fitted by `ictal calibrate`: for a mean of several networks, after averaging.
        `models.calibration` is that of each network.
    standardise
        How recordings become input.
    electrodes, rate_hz, window_s, patterns
        Format of input and output.
    derivations, seen_s
        Input of the networks: voltages, and seconds in the middle of a window. Missing in old cards.
    data_fingerprint
        Hash of the training data.
    recipe, seed, ictal_version
        How it was made.
    seeds
        Networks of each arm that it averages, each trained with its own seed.
    begun_with
        The model whose weights the training started from, if any.
    """

    model_config = ConfigDict(extra="forbid")

    arm: str
    models: ModelSettings
    own_arms: dict[str, OwnCode] = Field(default_factory=dict)
    calibration: CalibrationSettings = NO_CALIBRATION
    standardise: StandardiseSettings
    electrodes: tuple[str, ...] = CHANNELS
    rate_hz: float = RATE_HZ
    window_s: float = WINDOW_S
    patterns: tuple[str, ...] = PATTERNS
    derivations: tuple[str, ...] = ()
    seen_s: float | None = None
    data_fingerprint: str
    recipe: str
    seed: int
    seeds: Seeds = 1
    ictal_version: str
    begun_with: Origin | None = None

    @field_validator("models", mode="before")
    @classmethod
    def _of_version_0_1(cls, models: object) -> object:
        """Add what cards of version 0.1 do not say: their symmetric networks judge electrodes by their voltage."""
        if not isinstance(models, dict):
            return models
        arm = models.get("symmetric") or {}
        network = {"quality": "electrodes", **(arm.get("symmetric") or {})}
        return {**models, "symmetric": {**arm, "symmetric": network}}


def device(accelerator: str = "auto") -> torch.device:
    """Return the GPU if there is one and the accelerator is not 'cpu', else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() and accelerator != "cpu" else "cpu")


def device_of(network: nn.Module) -> torch.device:
    """Return the device of the tensors of a network; the CPU if it has none."""
    tensors = chain(network.parameters(), network.buffers())
    return next((tensor.device for tensor in tensors), torch.device("cpu"))


@dataclass(frozen=True)
class Model:
    """A trained network with its card, or an external one with its contract."""

    network: AnyNetwork
    card: Card | ExternalContract

    @property
    def own(self) -> ArmNetwork | MeanOfArms:
        """The network, if ictal trained it.

        Raises
        ------
        ModelError
            If the model is external: its weights cannot be changed, and its layers are unknown.
        """
        if isinstance(self.network, ExternalNetwork):
            raise ModelError(
                f"{self.title}: is an external model: only ictal's own networks can be trained further, exported, or "
                "asked for features and gradients"
            )
        return self.network

    @property
    def needs(self) -> Needs:
        """What a recording must have."""
        if isinstance(self.network, ExternalNetwork):
            return self.network.model.input.needs
        return needs_of(self.own)

    @property
    def patterns(self) -> tuple[str, ...]:
        """The patterns that it knows; see `ictal.models.external_contract.OutputSettings`."""
        return self.card.output.known if isinstance(self.card, ExternalContract) else PATTERNS

    @property
    def title(self) -> str:
        """Its name in tables of predictions: that of its arm, or of an external model."""
        return self.network.model.name if isinstance(self.network, ExternalNetwork) else self.card.arm

    def predict(
        self,
        windows: npt.NDArray[np.float32],
        batch_size: int = 32,
        contexts: npt.NDArray[np.float32] | None = None,
    ) -> npt.NDArray[np.float64]:
        """Return probabilities [window, 6] of standardised windows [window, 20, 10000], µV.

        Raises
        ------
        ModelError
            If the model needs contexts [window, 4, 100, 300] and none are given.
        """
        return predict(self.network, windows, np.arange(len(windows)), batch_size, contexts).probabilities


def predict(
    network: AnyNetwork,
    signals: "Windows",
    rows: npt.NDArray[np.int64],
    batch_size: int = 32,
    contexts: npt.NDArray[np.float32] | None = None,
) -> ModelOutput:
    """Return what a network predicts for these rows of an array of windows (and of contexts, if it uses them)."""
    if not network.sees_context:
        contexts = None
    elif contexts is None:
        raise ModelError("this model needs the ten minutes around each window, and no contexts were given")
    device = device_of(network)
    training = network.training
    network.eval()
    probabilities, concentrations = [], []
    with torch.inference_mode():
        parts = (rows[begin : begin + batch_size] for begin in range(0, len(rows), batch_size))
        batches = ((signals[part], None if contexts is None else contexts[part]) for part in parts)
        with closing(one_ahead(batches)) as read:
            for windows, around in read:
                context = None if around is None else torch.from_numpy(around).to(device)
                logits, concentration = network.panel(torch.from_numpy(windows).to(device), context)
                probabilities.append(logits.cpu().double().softmax(1).numpy())
                concentrations += [] if concentration is None else [concentration.cpu().double().numpy()]
    network.train(training)
    return ModelOutput(
        np.concatenate(probabilities) if probabilities else np.empty((0, len(PATTERNS))),
        np.concatenate(concentrations) if concentrations else None,
    )


def save_model(folder: Path, network: ArmNetwork | MeanOfArms, card: Card) -> None:
    """Write a model as `model.safetensors` and `card.json`.

    The card is written last. The tensors' hash, the number of parameters and the networks' input are added to it.
    """
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in network.state_dict().items()}
    content = save(tensors)
    with atomic_write(folder / WEIGHTS) as part:
        part.write_bytes(content)  # safetensors' own `save_file` makes files that only the user can read
    known = {
        "weights_sha256": hashlib.sha256(content).hexdigest(),
        "n_parameters": sum(parameter.numel() for parameter in network.parameters()) or None,  # of an estimator
        "derivations": tuple(str(pair) for pair in derivations_seen(network)),
        "seen_s": seconds_seen(network),
    }
    write_json(folder / CARD, card.model_copy(update=known).model_dump(mode="json"))


def input_of_saved(path: str | Path) -> tuple[tuple[str, ...], float]:
    """Return the derivations and seconds that a saved model uses; its weights are not read."""
    _, card = _read_whole_card(path)
    network = build(card.arm, card.models, seeds=card.seeds, initial=False)
    return tuple(str(pair) for pair in derivations_seen(network)), seconds_seen(network)


def load_model(path: str | Path) -> Model:
    """Load a saved model.

    Tensors that are stored as float16, to save space, become float32.

    Parameters
    ----------
    path
        The folder of a model, or its name, also 'hf://OWNER/NAME@REVISION' on the Hub: see
        `ictal.models.hub.find_model`.

    Raises
    ------
    UnknownNameError
        If there is no such model.
    ModelError
        If a file is missing or a link out of the folder, the hash is wrong, the weights are not tensors (nothing in a
        model's folder is ever unpickled), or a tensor is missing, extra, or of another shape or type.
    """
    found = find_model(path)
    if is_external(found):
        external = open_external(found)
        return Model(ExternalNetwork(external), external.contract)
    folder, card = _read_whole_card(found)
    _check_contract(card, folder)
    content = (folder / WEIGHTS).read_bytes()  # read once: what is loaded is what was checked
    if hashlib.sha256(content).hexdigest() != card.weights_sha256:
        raise ModelError(f"{folder / WEIGHTS}: is not the file that the card describes (its hash differs)")
    network = build(card.arm, card.models, seeds=card.seeds, calibration=card.calibration, initial=False)
    try:
        tensors = load(content)
    except SafetensorError as error:
        raise ModelError(f"{folder / WEIGHTS}: is not a safetensors file: {error}") from error
    tensors = {name: tensor.float() if tensor.dtype == torch.float16 else tensor for name, tensor in tensors.items()}
    needed = network.state_dict()
    wrong = [f"'{name}' is missing" for name in needed if name not in tensors]
    wrong += [f"'{name}' is not part of it" for name in tensors if name not in needed]
    wrong += [
        f"'{name}' is {_kind(tensors[name])} and not {_kind(tensor)}"
        for name, tensor in needed.items()
        if name in tensors and _kind(tensors[name]) != _kind(tensor) and not _any_length(tensor, tensors[name])
    ]
    if wrong:
        raise ModelError(f"{folder / WEIGHTS}: does not fit the network of its card: {listed(wrong, 4)}")
    network.load_state_dict(tensors, strict=True)
    return Model(network.eval(), card)


class _CardOfOwnArms(ModelSummary):
    """The part of a card that says which own arms the model needs; the settings of these have the rest."""

    own_arms: dict[str, OwnCode] = Field(default_factory=dict)


def _read_whole_card(path: str | Path) -> tuple[Path, Card]:
    """Return the folder and the whole card of a model, for which its own arms must be registered."""
    folder, needed = read_card(path, _CardOfOwnArms)
    for name, code in needed.own_arms.items():
        try:
            now = find_arm(name).code
        except UnknownNameError as error:
            raise ModelError(
                f"{folder}: the arm '{name}' of this model is not part of ictal; its code is in {code.source}: "
                f"{code.remedy}"
            ) from error
        if now is None or now.sha256 != code.sha256:
            warnings.warn(
                f"{folder}: the code of the arm '{name}' has changed since the model was trained (it was in "
                f"{code.source}), and so the model may predict something else now",
                stacklevel=3,
            )
    return read_card(path, Card)


def _kind(tensor: torch.Tensor) -> str:
    return f"{str(tensor.dtype).removeprefix('torch.')}{list(tensor.shape)}"


def _any_length(needed: torch.Tensor, stored: torch.Tensor) -> bool:
    """Return whether an empty tensor of bytes stands for what is stored: the graph of an estimator."""
    return needed.dtype == stored.dtype == torch.uint8 and needed.shape == (0,) and stored.dim() == 1


def _check_contract(card: Card, folder: Path) -> None:
    expected: dict[str, Any] = {
        "electrodes": CHANNELS,
        "rate_hz": RATE_HZ,
        "window_s": WINDOW_S,
        "patterns": PATTERNS,
    }
    for name, value in expected.items():
        if getattr(card, name) != value:
            raise ModelError(f"{folder / CARD}: {name} is {getattr(card, name)}; this version needs {value}")
