"""Run the saved model itself with torch, on the GPU if there is one."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ictal.models.checkpoint import Model, device, load_model, predict
from ictal.models.output import ModelOutput
from ictal.scoring.engines.exported import BATCH, WindowBatch
from ictal.scoring.export_contract import Contract


@dataclass
class TorchEngine:
    """Runs a saved model without its export."""

    contract: Contract
    model: Model
    described: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def open(cls, contract: Contract, folder: Path, threads: int | None) -> "TorchEngine":
        """Load the model in a folder."""
        if threads:
            torch.set_num_threads(threads)  # for the whole process: torch has no other setting
        loaded, place = load_model(folder), device()
        loaded.network.to(place)
        described = {"engine": "torch", "version": torch.__version__, "precision": "float32", "device": str(place)}
        return cls(contract, loaded, described)

    def for_recording(self) -> "TorchEngine":
        """Return the engine itself: nothing depends on the recording."""
        return self

    def __call__(self, batch: WindowBatch) -> ModelOutput:
        """Return what the model predicts for each window."""
        return predict(self.model.network, batch.windows, np.arange(len(batch.starts)), BATCH, batch.contexts)
