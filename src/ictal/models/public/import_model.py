"""Make a model of a public network and the user's weights."""

import tempfile
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from ictal.core.atomic_files import sha256_of
from ictal.errors import ModelError, require
from ictal.models.add import add_model, check_new_name
from ictal.models.external_check import ExternalCheck
from ictal.models.external_contract import ExternalContract
from ictal.models.external_input import ExternalInput
from ictal.models.public.networks import public_network

if TYPE_CHECKING:
    from torch import nn

MAINS_HZ = (50, 60)


def import_model(network: str, weights: str | Path, name: str, mains_hz: int = 60) -> ExternalCheck:
    """Make a model of a public network and the user's weights, so that every command takes its name.

    The weights must be those of the network, tensor by tensor. The network becomes a graph in ONNX with a contract,
    which is checked on simulated windows and copied to the user's own models.

    Parameters
    ----------
    network
        'sparcnet', 'biot-16' or 'biot-18'.
    weights
        File with the weights: safetensors, or a state dict of PyTorch. ictal neither has nor fetches any.
    name
        Of the new model: letters, digits, dots, dashes and underscores.
    mains_hz
        Frequency of the mains where the EEG is recorded, 50 or 60, for the notch filter.

    Returns
    -------
    ExternalCheck
        What the model did with simulated windows.

    Raises
    ------
    UnknownNameError
        If there is no such network.
    ModelError
        If the file is not a checkpoint of the network, the name is not possible or taken, or the model fails the
        check; nothing is added then.
    MissingExtraError
        If the extra 'train' is not installed.
    """
    if mains_hz not in MAINS_HZ:
        raise ModelError(f"the frequency of the mains is {mains_hz} Hz; allowed are {MAINS_HZ[0]} and {MAINS_HZ[1]}")
    public, path = public_network(network), Path(weights)
    check_new_name(name)
    require("train", "importing weights")
    from ictal.models.public.weights import load_strictly, read_weights  # torch takes seconds

    module = public.build().eval()
    load_strictly(module, read_weights(path), path)
    contract = public.contract()
    contract = contract.model_copy(
        update={
            "summary": f"{contract.summary} Weights: {path.name}, SHA-256 {sha256_of(path)}.",
            "n_parameters": sum(one.numel() for one in module.parameters()),
            "standardise": contract.standardise.model_copy(update={"notch_hz": float(mains_hz)}),
        }
    )
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        write_graph(module, contract, folder)
        contract.write(folder)
        found = add_model(folder, name)
    assert found is not None
    return found


def write_graph(module: "nn.Module", contract: ExternalContract, folder: Path) -> None:
    """Write a network as `model.onnx`, which takes any number of windows."""
    import torch

    shape = ExternalInput(contract.input).shape[1:]
    with warnings.catch_warnings(), torch.inference_mode():
        warnings.simplefilter("ignore")  # of the exporter, about itself
        program = torch.onnx.export(
            module,
            (torch.zeros(2, *shape),),
            dynamo=True,
            dynamic_shapes=({0: torch.export.Dim("batch", min=1, max=4096)},),
            input_names=["array"],
            verbose=False,
        )
        assert program is not None
        program.save(str(folder / "model.onnx"), external_data=False)
