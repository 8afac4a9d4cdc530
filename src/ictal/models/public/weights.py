"""Read weights that come from anywhere, without running code in them, and load them strictly."""

import warnings
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from ictal.errors import ModelError, listed

SAFETENSORS = ".safetensors"
WRAPPERS = ("module.", "model.")
"""What `DataParallel` and Lightning put before the name of every parameter."""
STATE = "state_dict"
"""Where a checkpoint of Lightning has its weights."""
SHOWN = 4
"""How many differences an error lists."""


def read_weights(path: Path) -> dict[str, Tensor]:
    """Read the named tensors of a file: of safetensors, or of PyTorch (a state dict, or a checkpoint of Lightning).

    Returns
    -------
    dict
        The tensors, without a 'module.' or 'model.' that stands before each name.

    Raises
    ------
    ModelError
        If the file is missing, or holds anything but named tensors. Pickled objects are never opened.
    """
    if not path.is_file():
        raise ModelError(f"{path}: there is no such file")
    found = _of_safetensors(path) if path.suffix == SAFETENSORS else _of_torch(path)
    for wrapper in WRAPPERS:
        if found and all(name.startswith(wrapper) for name in found):
            found = {name.removeprefix(wrapper): value for name, value in found.items()}
    return found


def load_strictly(network: nn.Module, weights: Mapping[str, Tensor], path: Path) -> None:
    """Load weights into a network; every tensor must have a place, and every place a tensor of its shape and kind.

    Raises
    ------
    ModelError
        Names the first differences.
    """
    own = network.state_dict()
    wrong = [f"{name} is missing" for name in own.keys() - weights.keys()]
    wrong += [f"{name} is not part of the network" for name in weights.keys() - own.keys()]
    for name in own.keys() & weights.keys():
        theirs, needed = _described(weights[name]), _described(own[name])
        if theirs != needed:
            wrong.append(f"{name} is {theirs} instead of {needed}")
    if wrong:
        raise ModelError(
            f"{path}: is not a checkpoint of this network; {len(wrong)} tensors differ: "
            f"{listed(_in_order(wrong, own), SHOWN)}"
        )
    network.load_state_dict(dict(weights))


def _in_order(lines: Iterable[str], names: Iterable[str]) -> list[str]:
    """Return the lines in the order of the network's tensors, then those about others."""
    places = {name: place for place, name in enumerate(names)}
    return sorted(lines, key=lambda line: (places.get(line.split()[0], len(places)), line))


def _described(tensor: Tensor) -> str:
    kind = "floating-point" if tensor.is_floating_point() else str(tensor.dtype).removeprefix("torch.")
    return f"{list(tensor.shape)} {kind}"


def _of_safetensors(path: Path) -> dict[str, Tensor]:
    try:
        return load_file(path)
    except SafetensorError as error:
        raise ModelError(
            f"{path}: is not a complete file of safetensors ({error}); pickled weights have the ending .pt or .pth"
        ) from error


def _of_torch(path: Path) -> dict[str, Tensor]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of torch, about files of old versions
            content: Any = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises many kinds for files that are something else
        raise ModelError(_refused(path)) from error
    if isinstance(content, Mapping) and isinstance(content.get(STATE), Mapping):
        content = content[STATE]
    if not isinstance(content, Mapping) or not all(isinstance(value, Tensor) for value in content.values()):
        raise ModelError(f"{path}: holds something else than named tensors; needed is the state dict of a network")
    return {str(name): value for name, value in content.items()}


def _refused(path: Path) -> str:
    return (
        f"{path}: is neither a state dict of PyTorch nor safetensors. If it is a pickled network, opening it could "
        "run code, so ictal does not. If you trust it, convert it where its classes are defined:\n"
        "    import torch, safetensors.torch\n"
        f"    safetensors.torch.save_file(torch.load({path.name!r}, map_location='cpu', weights_only=False)"
        f".state_dict(), {path.stem + SAFETENSORS!r})"
    )
