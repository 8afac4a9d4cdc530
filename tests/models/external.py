"""Networks from elsewhere, behind a contract: a folder with contract.yaml and model.onnx, as users write them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from torch import Tensor, nn

from ictal.core.montage import MONTAGES, derivations_of, montage_matrix
from ictal.models.arm_network import ArmNetwork
from ictal.models.build import build_trained
from ictal.models.model_settings import ModelSettings

SYMMETRIC = ModelSettings.model_validate(
    {
        "symmetric": {
            "waveform": {"montage": "double_banana", "decimate": 4, "seconds": 10, "clip_uv": 2000, "scale_uv": 20},
            "symmetric": {"widths": [8, 8, 8, 8], "hemisphere": 8, "both": 8},
        }
    }
)
"""A small network of the arm 'symmetric' that sees 10 s of 18 derivations."""
BAND = {"band_hz": [0.5, 20.0]}
PATTERNS = ["seizure", "lpd", "gpd", "lrda", "grda", "other"]


class OfDerivations(nn.Module):
    """Derivations [batch, 18, time] in µV to logits: the network of `SYMMETRIC`, as somebody else would have it."""

    inverse: Tensor

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        matrix = montage_matrix(derivations_of(MONTAGES["double_banana"]))
        self.register_buffer("inverse", torch.from_numpy(np.linalg.pinv(matrix).astype(np.float32)))

    def forward(self, array: Tensor) -> Tensor:
        return self.network(self.inverse @ array)


class Amplitude(nn.Module):
    """Derivations to logits that are written down: the mean absolute value of each of six parts of the channels."""

    def __init__(self, n_outputs: int = 6) -> None:
        super().__init__()
        self.n_outputs = n_outputs

    def forward(self, array: Tensor) -> Tensor:
        means = array.abs().mean(dim=-1)
        return (
            torch.stack([means[:, number :: self.n_outputs].mean(dim=1) for number in range(self.n_outputs)], 1) / 20
        )


def symmetric(seed: int = 0) -> ArmNetwork:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return build_trained("symmetric", SYMMETRIC).eval()


def contract(**changes: Any) -> dict[str, Any]:
    """Return the contract of a network of derivations over 10 s; changes replace whole sections."""
    return {
        "data": "nothing",
        "standardise": BAND,
        "input": {"channels": "double_banana", "seconds": 10},
        "output": {"values": "logits", "patterns": PATTERNS},
    } | changes


def save_external(
    folder: Path, network: nn.Module, content: Mapping[str, Any], shape: tuple[int, ...] = (18, 2000)
) -> Path:
    """Write a folder with contract.yaml and model.onnx."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "contract.yaml").write_text(yaml.safe_dump(dict(content)))
    with torch.inference_mode():
        program = torch.onnx.export(
            network.eval(),
            (torch.zeros(2, *shape),),
            dynamo=True,
            dynamic_shapes=({0: torch.export.Dim("batch", min=1, max=4096)},),
            verbose=False,
        )
    program.save(str(folder / "model.onnx"), external_data=False)
    return folder
