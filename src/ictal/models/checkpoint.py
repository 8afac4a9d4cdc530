"""Saved models: tensors in safetensors, everything else in a JSON card; loading is strict."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from pydantic import ConfigDict
from safetensors import SafetensorError
from safetensors.torch import load, save

from ictal.core.atomic_files import atomic_write, write_json
from ictal.core.labels import PATTERNS
from ictal.core.montage import CHANNELS
from ictal.core.settings import Settings
from ictal.core.windows import RATE_HZ, WINDOW_S
from ictal.errors import ModelError, listed
from ictal.models.arms import ArmNetwork, MeanOfArms, ModelSettings, Seeds, build
from ictal.models.hub import CARD, WEIGHTS, About, read_card
from ictal.models.input_needs import derivations_seen, seconds_seen
from ictal.preprocessing.settings import StandardiseSettings


class Origin(Settings):
    """The model whose weights a training began with."""

    name: str
    weights_sha256: str


class Card(About):
    """What a model is, what it needs and where it comes from; the part for people is that of `About`.

    Attributes
    ----------
    models
        The settings of the arm's views and networks.
    standardise
        How recordings must become input.
    electrodes, rate_hz, window_s, patterns
        The contract of input and output.
    derivations, seen_s
        What the networks look at: voltages, and how much of the middle of a window. Old cards do not say.
    data_fingerprint
        Of what it was trained on.
    recipe, seed, ictal_version
        What made it.
    seeds
        How many networks of each arm it averages, which were trained from as many seeds.
    begun_with
        The model whose weights the training began with, where there was one.
    weights_sha256
        Of the tensors' file.
    """

    model_config = ConfigDict(extra="forbid")

    models: ModelSettings
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
    weights_sha256: str = ""


def device(accelerator: str = "auto") -> torch.device:
    """Return where a network predicts: on the GPU where there is one and the accelerator is not 'cpu'."""
    return torch.device("cuda" if torch.cuda.is_available() and accelerator != "cpu" else "cpu")


@dataclass(frozen=True)
class Answer:
    """What a network says of some windows.

    Attributes
    ----------
    probabilities
        [window, 6].
    concentrations
        [window], where it predicts how far a panel strays from them.
    """

    probabilities: npt.NDArray[np.float64]
    concentrations: npt.NDArray[np.float64] | None


@dataclass(frozen=True)
class Model:
    """A network that is ready to predict, with its card."""

    network: ArmNetwork | MeanOfArms
    card: Card

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
            If the model looks at contexts [window, 4, 100, 300] and none are given.
        """
        return predict(self.network, windows, np.arange(len(windows)), batch_size, contexts).probabilities


def predict(
    network: ArmNetwork | MeanOfArms,
    signals: npt.NDArray[np.float32],
    rows: npt.NDArray[np.int64],
    batch_size: int = 32,
    contexts: npt.NDArray[np.float32] | None = None,
) -> Answer:
    """Return what a network says of these rows of an array of windows, and of contexts where it looks at them."""
    if not network.sees_context:
        contexts = None
    elif contexts is None:
        raise ModelError("this model looks at the ten minutes around each window, and no contexts were given")
    device = next(network.parameters()).device
    training = network.training
    network.eval()
    probabilities, concentrations = [], []
    with torch.inference_mode():
        for begin in range(0, len(rows), batch_size):
            part = rows[begin : begin + batch_size]
            context = torch.from_numpy(contexts[part]).to(device) if contexts is not None else None
            logits, concentration = network.panel(torch.from_numpy(signals[part]).to(device), context)
            probabilities.append(logits.cpu().double().softmax(1).numpy())
            concentrations += [] if concentration is None else [concentration.cpu().double().numpy()]
    network.train(training)
    return Answer(
        np.concatenate(probabilities) if probabilities else np.empty((0, len(PATTERNS))),
        np.concatenate(concentrations) if concentrations else None,
    )


def save_model(folder: Path, network: ArmNetwork | MeanOfArms, card: Card) -> None:
    """Write a model as `model.safetensors` and `card.json`.

    The card comes last, with the tensors' hash, the number of parameters, and what the networks look at.
    """
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in network.state_dict().items()}
    content = save(tensors)
    with atomic_write(folder / WEIGHTS) as part:
        part.write_bytes(content)  # safetensors' own `save_file` makes files that nobody else may read
    known = {
        "weights_sha256": hashlib.sha256(content).hexdigest(),
        "n_parameters": sum(parameter.numel() for parameter in network.parameters()),
        "derivations": tuple(str(pair) for pair in derivations_seen(network)),
        "seen_s": seconds_seen(network),
    }
    write_json(folder / CARD, card.model_copy(update=known).model_dump(mode="json"))


def input_of_saved(path: str | Path) -> tuple[tuple[str, ...], float]:
    """Return derivations and seconds that a saved model looks at; its weights are not read."""
    _, card = read_card(path, Card)
    network = build(card.arm, card.models, seeds=card.seeds, initial=False)
    return tuple(str(pair) for pair in derivations_seen(network)), seconds_seen(network)


def load_model(path: str | Path) -> Model:
    """Load a saved model.

    Parameters
    ----------
    path
        A folder with `model.safetensors` and `card.json`, or the name of a model: see `ictal.models.hub.find_model`.

    Raises
    ------
    UnknownNameError
        If there is no such model.
    ModelError
        If one of the two is missing or a link out of the folder, the hash is wrong, the weights are anything but
        tensors (nothing in a model's folder is ever unpickled), or a tensor is missing, extra, or of another shape or
        type.
    """
    folder, card = read_card(path, Card)
    _check_contract(card, folder)
    content = (folder / WEIGHTS).read_bytes()  # once, so that what is loaded is what was checked
    if hashlib.sha256(content).hexdigest() != card.weights_sha256:
        raise ModelError(f"{folder / WEIGHTS}: is not the file that the card describes (its hash differs)")
    network = build(card.arm, card.models, seeds=card.seeds, initial=False)
    try:
        tensors = load(content)
    except SafetensorError as error:
        raise ModelError(f"{folder / WEIGHTS}: is no file of tensors (safetensors): {error}") from error
    needed = network.state_dict()
    wrong = [f"'{name}' is missing" for name in needed if name not in tensors]
    wrong += [f"'{name}' is not part of it" for name in tensors if name not in needed]
    wrong += [
        f"'{name}' is {_kind(tensors[name])} and not {_kind(tensor)}"
        for name, tensor in needed.items()
        if name in tensors and _kind(tensors[name]) != _kind(tensor)
    ]
    if wrong:
        raise ModelError(f"{folder / WEIGHTS}: does not fit the network of its card: {listed(wrong, 4)}")
    network.load_state_dict(tensors, strict=True)
    return Model(network.eval(), card)


def _kind(tensor: torch.Tensor) -> str:
    return f"{str(tensor.dtype).removeprefix('torch.')}{list(tensor.shape)}"


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
